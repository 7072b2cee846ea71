"""The stored Transformers: training them again gives them back; sizes; bad input."""

from pathlib import Path

import pytest
import torch

import entk_lib
import make_snapshots
from entk_book import stored
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition
from entk_lib.toys.tasks.frequencies import waves_at

DATA = Path(stored.__file__).parent / "data"
PAIRS = modular_addition.all_pairs(29)
TOKENS, SUMS = modular_addition.tokens(PAIRS, 29), PAIRS.sum(1) % 29


def distance(state, other):
    """Largest difference beside the largest weight, over all tensors."""
    return max(
        float((state[n] - other[n]).abs().max() / other[n].abs().max()) for n in other
    )


@pytest.fixture(scope="module")
def retrained():
    (result,) = stored.train_transformers([0], epochs=50, progress=False)
    return result.snapshots


@pytest.mark.sweep
def test_training_the_first_epochs_again_gives_the_stored_ones(retrained):
    kept = stored.transformer_snapshots(0)
    assert distance(kept[0], retrained[0]) < 2**-11  # half precision
    assert distance(kept[50], retrained[50]) < 2e-3


def test_half_precision_changes_no_overlap(retrained):
    waves = waves_at(29, [3, 5, 10])["symmetric"]
    shared = []
    for state in (retrained[50], {n: v.half() for n, v in retrained[50].items()}):
        model = ModularTransformer(29, seed=0, dtype=torch.float64)
        model.load_state_dict(state)
        kernel = entk_lib.empirical_ntk(
            model, TOKENS, outputs="mean_output", parameters="mlp_in"
        )
        modes = entk_lib.kernel_spectrum(kernel, k=7).eigenvectors
        shared.append(entk_lib.subspace_overlap(modes, waves))
    assert abs(shared[0] - shared[1]) < 1e-3
    assert shared[0] > 1


@pytest.mark.sweep
def test_the_comparison_would_notice_another_recipe(retrained):
    kept = stored.transformer_snapshots(0)
    assert distance(kept[50], retrained[0]) > 0.05
    (other,) = stored.train_transformers([1], epochs=1, progress=False)
    assert distance(kept[0], other.snapshots[0]) > 0.05


@pytest.mark.parametrize("seed", [*stored.SEEDS, *stored.FRESH_SEEDS])
def test_every_seed_has_the_snapshots_that_the_script_stores(seed):
    states = stored.transformer_snapshots(seed)
    assert tuple(states) == make_snapshots.kept(seed)
    model = stored.transformer(seed)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    known, others = stored.transformer_split(seed)
    assert sorted([*known.tolist(), *others.tolist()]) == list(range(29**2))
    with torch.no_grad():
        right = model(TOKENS).argmax(1) == SUMS
    assert bool(right[known].all())


def test_files_stay_small():
    for name, most, together in (("transformer", 1.4e6, 6e6), ("language", 2.5e5, 2.5e6)):
        sizes = [file.stat().st_size for file in DATA.glob(f"{name}_*.safetensors")]
        assert max(sizes) <= most
        assert sum(sizes) <= together
    assert {file.name.split("_")[0] for file in DATA.glob("*.safetensors")} == {
        "transformer",
        "language",
    }


def test_the_files_of_a_seed_hold_all_its_snapshots():
    state = ModularTransformer(29, seed=0).state_dict()
    snapshots = {epoch: state for epoch in make_snapshots.FINE}
    found = dict(make_snapshots.files(0, snapshots))
    assert [len(tensors) for tensors in found.values()] == [12 * 9, 5 * 9]
    assert {name.split(".")[1] for name in found} == {"safetensors"}


@pytest.mark.parametrize("seed", [-1, 25, "zero"])
@pytest.mark.no_shape_checks
def test_bad_arguments_a_seed_that_is_not_stored_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed must be from 0 to 24.*train_transformers"):
        stored.transformer(seed)


def test_an_epoch_that_is_not_stored_is_refused():
    with pytest.raises(ValueError, match=r"one of 2000, 4000 for seed 1, got 7"):
        stored.transformer(1, 7)


def test_files_that_are_missing_are_told(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(stored.transformers.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="make snapshots"):
        stored.transformer_snapshots(0)
