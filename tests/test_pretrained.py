"""The stored Transformers: training them again gives them back; sizes; bad input."""

from pathlib import Path

import pytest
import torch

import entk_lib
import make_snapshots
from entk_lib import pretrained
from entk_lib.models import ModularTransformer
from entk_lib.tasks import modular_addition

DATA = Path(entk_lib.__file__).parent / "data"
PAIRS = modular_addition.all_pairs(29)
TOKENS, SUMS = modular_addition.tokens(PAIRS, 29), PAIRS.sum(1) % 29


def distance(state, other):
    """Largest difference beside the largest weight, over all tensors."""
    return max(
        float((state[n] - other[n]).abs().max() / other[n].abs().max()) for n in other
    )


@pytest.fixture(scope="module")
def retrained():
    (result,) = pretrained.train_transformers([0], epochs=50, progress=False)
    return result.snapshots


def test_training_the_first_epochs_again_gives_the_stored_ones(retrained):
    stored = pretrained.transformer_snapshots(0)
    assert distance(stored[0], retrained[0]) < 2**-11  # half precision
    assert distance(stored[50], retrained[50]) < 2e-3


def test_the_comparison_would_notice_another_recipe(retrained):
    stored = pretrained.transformer_snapshots(0)
    assert distance(stored[50], retrained[0]) > 0.05
    (other,) = pretrained.train_transformers([1], epochs=1, progress=False)
    assert distance(stored[0], other.snapshots[0]) > 0.05


@pytest.mark.parametrize("seed", pretrained.SEEDS)
def test_every_seed_has_the_snapshots_that_the_script_stores(seed):
    states = pretrained.transformer_snapshots(seed)
    assert tuple(states) == make_snapshots.kept(seed)
    model = pretrained.transformer(seed)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    known, others = pretrained.transformer_split(seed)
    assert sorted([*known.tolist(), *others.tolist()]) == list(range(29**2))
    with torch.no_grad():
        right = model(TOKENS).argmax(1) == SUMS
    assert bool(right[known].all())


def test_files_stay_small():
    sizes = [file.stat().st_size for file in DATA.glob("*.safetensors")]
    assert max(sizes) <= 1.4e6
    assert sum(sizes) <= 5e6


def test_the_files_of_a_seed_hold_all_its_snapshots():
    state = ModularTransformer(29, seed=0).state_dict()
    snapshots = {epoch: state for epoch in make_snapshots.FINE}
    found = dict(make_snapshots.files(0, snapshots))
    assert [len(tensors) for tensors in found.values()] == [12 * 9, 5 * 9]
    assert {name.split(".")[1] for name in found} == {"safetensors"}


@pytest.mark.parametrize("seed", [-1, 10, "zero"])
def test_a_seed_that_is_not_stored_is_refused(seed):
    with pytest.raises(ValueError, match=r"seed must be from 0 to 9.*train_transformers"):
        pretrained.transformer(seed)


def test_an_epoch_that_is_not_stored_is_refused():
    with pytest.raises(ValueError, match=r"one of 400, 2000, 4000 for seed 1, got 7"):
        pretrained.transformer(1, 7)


def test_files_that_are_missing_are_told(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(pretrained.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="make snapshots"):
        pretrained.transformer_snapshots(0)
