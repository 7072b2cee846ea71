"""Explorers hold what the library computes, packed; and refuse what they cannot show."""

import base64
import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import entk_lib as entk
from entk_book.studies import superposition_grid
from entk_lib.toys.models import QuadraticMLP, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition
from entk_lib.training import adamw, train

explorers = pytest.importorskip("entk_book.explorers")
from entk_book.explorers import _explorer, grokking, waves  # ruff: ignore[module-import-not-at-top-of-file]

MODULUS = 5
STORED = {
    "explorers": (
        explorers.Superposition,
        explorers.Grokking,
        explorers.Waves,
        explorers.Edits,
    ),
    "02_superposition": (explorers.Superposition,),
    "03_modular_addition": (explorers.Waves,),
    "04_grokking": (explorers.Grokking,),
    "09_present_or_used": (explorers.Edits,),
}


def unpacked(explorer):
    """Arrays from the bytes, by numpy alone."""
    arrays = {}
    for name, where in explorer.spec["arrays"].items():
        count = int(np.prod(where["shape"]))
        stored = np.frombuffer(explorer.data, where["dtype"], count, where["offset"])
        arrays[name] = stored.reshape(where["shape"]).astype("float64") * where["step"]
    return arrays


@pytest.fixture(scope="module")
def coders():
    x = superposition.sample(40, 6, 0.5, seed=0)
    start = {(0.5, m): TiedAutoencoder(6, m, seed=m) for m in (2, 3)}
    trained = copy.deepcopy(start)
    for network in trained.values():
        train(network, x, x, steps=50)
    return trained, start, {0.5: x}


@pytest.fixture(scope="module")
def run():
    x = modular_addition.one_hot(modular_addition.all_pairs(MODULUS), MODULUS)
    y = modular_addition.targets(modular_addition.all_pairs(MODULUS), MODULUS)
    known, others = modular_addition.split(len(x), 0.7, seed=0)
    model = QuadraticMLP(2 * MODULUS, MODULUS, 64, seed=0)
    result = train(
        model, x[known], y[known], steps=20, optimizer=adamw(0.05), snapshot_every=10
    )
    course = grokking.course(
        model, result.snapshots, y, known=known, others=others, modulus=MODULUS
    )
    return model, x, y, known, course


def test_packing_keeps_every_number_to_the_stated_precision():
    generator = torch.Generator().manual_seed(0)
    exact = torch.rand(3, 5, generator=generator)
    arrays = {
        "odd": _explorer.quantised(torch.rand(7, generator=generator)),
        "exact": exact,
        "signed": _explorer.quantised(
            2 * torch.rand(9, generator=generator) - 1, signed=True
        ),
    }
    explorer = explorers.Explorer()
    explorer.show(arrays)
    found = unpacked(explorer)
    assert np.array_equal(found["exact"], exact.numpy().astype("float64"))
    assert all(w["offset"] % 4 == 0 for w in explorer.spec["arrays"].values())
    for name, step in (("odd", 255), ("signed", 127)):
        assert np.array_equal(np.round(found[name] * step), arrays[name].numpy())


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_quantised_values_are_off_by_at_most_half_a_step(low):
    values = torch.linspace(low, 1, 1001)
    stored = _explorer.quantised(values, signed=low < 0)
    step = 1 / 127 if low < 0 else 1 / 255
    assert float((stored * step - values).abs().max()) <= step / 2 + 1e-6
    assert stored.dtype == (torch.int8 if low < 0 else torch.uint8)


@pytest.mark.parametrize("bad", [1.5, float("nan"), -0.5])
def test_what_cannot_be_quantised_is_refused(bad):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got"):
        _explorer.quantised(torch.tensor([0.5, bad]))


def test_a_wide_dtype_is_refused():
    with pytest.raises(TypeError, match=r"x must be float32.*Call \.float"):
        _explorer.packed({"x": torch.zeros(2, dtype=torch.float64)})


def test_superposition_holds_what_the_library_computes(coders):
    trained, start, samples = coders
    importances = superposition.importances(6)
    grid = superposition_grid.measured(
        trained, start, samples, betas=(0.0, 1.0), importances=importances
    )
    found = unpacked(explorers.Superposition(grid))
    spectrum = entk.ntk_spectrum(
        trained[0.5, 3], samples[0.5], outputs="flatten", output_weights=importances
    )
    values = (spectrum.eigenvalues / spectrum.eigenvalues[0])[:21].numpy()
    drawn = found["trained eigenvalues"][0, 1, 1]
    assert np.allclose(drawn[: len(values)], values, rtol=1e-4, atol=1e-6)
    stops = [c.stop for c in entk.find_cliffs(spectrum.eigenvalues[:21])][:6]
    assert found["trained cliffs"][0, 1, 1][: len(stops)].tolist() == stops
    aligned = entk.feature_alignment(
        spectrum.eigenvectors[:, :6], superposition.feature_indicators(samples[0.5])
    ).numpy()
    assert np.abs(found["trained alignment"][0, 1, 1] - aligned).max() < 1 / 255
    assert found["trained passing"][0, 1, 1] == (aligned.max(0) > 0.5).sum()
    assert found["reconstructed"][0, 1] == trained[0.5, 3].n_reconstructed()
    assert grid.cliffs(0.5, 3, 1.0) == stops


def test_superposition_names_what_is_missing(coders):
    trained, start, samples = coders
    common = {"betas": (0.0,), "importances": torch.ones(6)}
    with pytest.raises(ValueError, match=r"untrained must have every one of.*\(0.5, 3\)"):
        superposition_grid.measured(trained, {(0.5, 2): start[0.5, 2]}, samples, **common)
    with pytest.raises(ValueError, match="samples must have"):
        superposition_grid.measured(trained, start, {}, **common)
    with pytest.raises(ValueError, match="at least one setting"):
        superposition_grid.measured({}, start, samples, **common)


def test_what_a_grid_stores_is_what_it_holds(coders, monkeypatch):
    trained, start, samples = coders
    grid = superposition_grid.measured(
        trained, start, samples, betas=(0.0, 1.0), importances=torch.ones(6)
    )
    table = json.loads(json.dumps(superposition_grid.packed(grid)))
    monkeypatch.setattr(superposition_grid.records, "read", lambda _: table)
    back = superposition_grid.stored_grid()
    assert (back.sparsities, back.widths, back.betas) == ((0.5,), (2, 3), (0.0, 1.0))
    assert set(back.arrays) == set(grid.arrays)
    for name, array in grid.arrays.items():
        most = 1 / 509 if name == "trained alignment" else 0
        assert float((back.arrays[name] - array).abs().max()) <= most
    first, second = (unpacked(explorers.Superposition(one)) for one in (grid, back))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_training_a_setting_anew_gives_what_is_stored():
    grid = superposition_grid.stored_grid()
    setting = (0.9, 10)
    trained, untrained = superposition_grid.networks([setting])
    anew = superposition_grid.measured(
        trained,
        untrained,
        {0.9: superposition_grid.samples(0.9)},
        betas=(0.3,),
        importances=superposition.importances(50),
    )
    place = (2, 1, 1)
    assert anew.cliffs(0.9, 10, 0.3) == grid.cliffs(0.9, 10, 0.3)
    assert anew.cliffs(0.9, 10, 0.3, "untrained") == grid.cliffs(0.9, 10, 0.3, "untrained")
    assert anew.arrays["reconstructed"] == grid.arrays["reconstructed"][place[:2]]
    for state in ("trained", "untrained"):
        name = f"{state} eigenvalues"
        ratio = anew.arrays[name][0, 0, 0] / grid.arrays[name][place]
        assert float(ratio.log().abs().max()) < 0.01
        other = anew.arrays[name][0, 0, 0] / grid.arrays[name][2, 1, 0]
        assert float(other.log().abs().max()) > 0.1  # another beta would be noticed
        passing = f"{state} passing"
        assert anew.arrays[passing][0, 0, 0] == grid.arrays[passing][place]
    aligned = [
        arrays["trained alignment"][at]
        for arrays, at in ((anew.arrays, (0, 0, 0)), (grid.arrays, place))
    ]
    assert float((aligned[0].amax(0) - aligned[1].amax(0)).abs().max()) < 0.02


def test_a_course_holds_what_the_library_computes(run):
    model, x, y, known, course = run
    assert course["step"].tolist() == [0, 10, 20]
    values = entk.empirical_ntk(model, x).double()
    spectrum = entk.kernel_spectrum(values)
    relative = spectrum.eigenvalues / spectrum.eigenvalues[0]
    assert torch.allclose(course["eigenvalues"][-1].double(), relative[:200], atol=1e-6)
    basis = spectrum.eigenvectors[:, 2 * MODULUS - 1 : 4 * MODULUS - 3]
    family = modular_addition.fourier_families(MODULUS)["sum"]
    shared = entk.subspace_overlap(basis, family.flatten(1))
    assert float(course["overlaps"][-1, 2]) == pytest.approx(shared, abs=1e-5)
    with torch.no_grad():
        right = modular_addition.accuracy(model(x)[known], y[known])
    assert float(course["accuracies"][-1, 0]) == pytest.approx(right)


def test_runs_with_other_steps_are_refused(run):
    course = run[-1]
    short = {name: values[:2] for name, values in course.items()}
    with pytest.raises(ValueError, match="all with the same steps"):
        explorers.Grokking({"one": course, "two": short}, modulus=MODULUS)
    with pytest.raises(ValueError, match="at least one run"):
        explorers.Grokking({}, modulus=MODULUS)


def test_waves_rotate_pure_waves_out_of_a_mixed_span():
    families = modular_addition.fourier_families(MODULUS)
    span = torch.cat([families["a"].flatten(1), families["sum"].flatten(1)], dim=1)
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64)).Q
    found = unpacked(explorers.Waves({"mixed": span @ turn}, modulus=MODULUS))
    assert found["powers"][0, 0].max(axis=1).min() < 0.9
    assert found["powers"][0, 1].max(axis=1).min() > 0.99
    assert np.abs(found["vectors"]).max(axis=-1) == pytest.approx(1)
    power = waves.fourier_power(span @ turn, MODULUS).numpy()
    assert np.abs(found["powers"][0, 0] - power).max() < 1 / 255


def test_spans_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"bases of one shape, \(25, k\)"):
        explorers.Waves({"small": torch.eye(9)}, modulus=MODULUS)
    with pytest.raises(ValueError, match="bases of one shape"):
        explorers.Waves({}, modulus=MODULUS)


def a_change(value, n_strengths=3):
    return {
        "left": torch.full((2, n_strengths, 4), value),
        "accuracies": torch.ones(2, n_strengths, 2),
        "length": torch.tensor([0.1, 0.2]),
    }


def test_edits_hold_what_they_are_given():
    changes = {"one": a_change(0.3), "two": a_change(-1.0)}
    changes["two"]["left"][1, 2, 3] = 0.7
    explorer = explorers.Edits(changes, strengths=(-1, 0, 2.5), start=(1, 1, 2))
    found = unpacked(explorer)
    assert found["left"].shape == (2, 2, 3, 4)
    assert found["left"][1, 1, 2, 3] == pytest.approx(0.7)
    assert found["length"][1].tolist() == pytest.approx([0.1, 0.2])
    assert explorer.spec["changes"] == ["one", "two"]
    assert explorer.spec["strengths"] == [-1.0, 0.0, 2.5]
    drawn = explorer.figure().axes[0].lines[0].get_ydata()
    assert drawn.tolist() == pytest.approx([-1, -1, -1, 0.7])


def test_edits_that_cannot_be_shown_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        explorers.Edits({}, strengths=(0,))
    two = {"one": a_change(0.3), "two": a_change(0.3, n_strengths=2)}
    with pytest.raises(ValueError, match="of the same shapes and with 3 strengths"):
        explorers.Edits(two, strengths=(-1, 0, 1))
    with pytest.raises(ValueError, match="with 2 strengths"):
        explorers.Edits({"one": a_change(0.3)}, strengths=(0, 1))
    for strengths in ((1, 0, 2), (1, 2, 3)):
        with pytest.raises(ValueError, match="ascend and hold 0"):
            explorers.Edits({"one": a_change(0.3)}, strengths=strengths)


def test_update_replaces_what_is_drawn(run):
    course = run[-1]
    explorer = explorers.Grokking({"one": course}, modulus=MODULUS)
    changed = {name: values.clone() for name, values in course.items()}
    changed["overlaps"] += 1
    explorer.update({"mine": changed}, modulus=MODULUS)
    assert explorer.spec["runs"] == ["mine"]
    assert np.allclose(unpacked(explorer)["overlaps"][0], course["overlaps"] + 1)


@pytest.mark.parametrize("name", STORED)
def test_the_explorers_stored_in_a_chapter_are_those_of_the_library(name):
    path = Path(__file__).parents[2] / "chapters" / f"{name}.ipynb"
    (stored,) = json.loads(path.read_text())["metadata"]["widgets"].values()
    models = [m["state"] for m in stored["state"].values() if "_esm" in m["state"]]
    classes = STORED[name]
    assert [m["_esm"] for m in models] == [c._esm for c in classes], "make chapters"
    assert all(m["_css"] == explorers.Explorer._css for m in models), "make chapters"
    # What a page may weigh: each explorer's numbers, in base64, and its programme.
    weights = [len(json.dumps(m)) for m in stored["state"].values()]
    assert max(weights) < 700_000


def test_an_explorer_is_shown_with_its_static_figure(run, coders):
    trained, start, samples = coders
    span = torch.linalg.qr(torch.eye(25, dtype=torch.float64)[:, :8]).Q
    shown = (
        explorers.Grokking({"one": run[-1]}, modulus=MODULUS, start=1),
        explorers.Superposition(
            superposition_grid.measured(
                trained, start, samples, betas=(0.0,), importances=torch.ones(6)
            )
        ),
        explorers.Waves({"span": span}, modulus=MODULUS),
        explorers.Edits({"one": a_change(0.3)}, strengths=(-1, 0, 1)),
    )
    for explorer in shown:
        data, _ = explorer._repr_mimebundle_()
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert data["text/plain"] == repr(explorer)
        assert "application/vnd.jupyter.widget-view+json" in data
        json.dumps(explorer.spec)
    with pytest.raises(NotImplementedError):
        explorers.Explorer().figure()
