"""The chapters' figures draw the numbers that they are given."""

import pytest
import torch
from matplotlib import pyplot as plt

from entk_book.figures import (
    common,
    double_descent,
    grokking,
    layerwise,
    modular_addition,
    superposition,
    tangent_kernel,
    transformer,
    without_the_group,
    your_own_model,
)
from entk_book.studies import modular_addition as study
from entk_book.studies import peaks
from entk_book.studies import transformer as transformers
from entk_book.studies.grokking import Courses
from entk_book.studies.restricted import LongRuns
from entk_book.studies.superposition import Nulls
from entk_book.studies.tangent_kernel import ANGLES, train_on_circle
from entk_book.studies.transformer import EASY, HARD
from entk_lib import Spectrum, plotting
from entk_lib.toys.models import QuadraticMLP


@pytest.fixture
def two():
    figure, axes = plt.subplots(1, 2)
    yield list(axes)
    plt.close(figure)


@pytest.fixture
def three():
    figure, axes = plt.subplots(3, 1)
    yield list(axes)
    plt.close(figure)


def heights(ax, label):
    (line,) = (line for line in ax.lines if line.get_label() == label)
    return torch.as_tensor(line.get_ydata()).double()


def test_learning_curves_are_medians_with_the_chance_line(ax):
    train = torch.tensor([[0.1, 0.5], [0.2, 0.6], [0.3, 0.9]])
    curves = study.LearningCurves([0, 10], train, train / 2)
    modular_addition.learning(curves, 0.04, ax, last=10)
    assert heights(ax, "train pairs").tolist() == pytest.approx([0.2, 0.6])
    assert heights(ax, "test pairs").tolist() == pytest.approx([0.1, 0.3])
    assert heights(ax, "chance").tolist() == pytest.approx([0.04] * 2)
    assert ax.get_xlim() == (0, 10)


def test_a_unit_s_weights_are_drawn_by_token(ax):
    model = QuadraticMLP(10, 5, 4, seed=0)
    modular_addition.unit_weights(model, 2, ax)
    weights = model.first.weight.detach()[2].double()
    assert torch.equal(heights(ax, "weights of a"), weights[:5])
    assert torch.equal(heights(ax, "weights of b"), weights[5:])


def test_rivals_are_drawn_in_the_colours_of_the_eigenspaces(three):
    values = torch.linspace(2, 1, 30).double()
    spectrum = Spectrum(values, torch.zeros(40, 30).double(), 1.0)
    names = ("kernel", "activations", "both")
    modular_addition.rival_spectra(dict.fromkeys(names, spectrum), (5, 9), three, last=20)
    for name, ax in zip(names, three, strict=True):
        assert ax.get_title() == name
        *blocks, one, two = ax.lines
        assert [len(block.get_xdata()) for block in blocks] == [5, 4, 11]
        assert len({block.get_color() for block in blocks}) == 3
        assert [one.get_xdata()[0], two.get_xdata()[0]] == [4.5, 8.5]
        assert blocks[0].get_ydata()[0] == 1


def test_cliffs_are_marked_among_the_waves(ax):
    modular_addition.waves(torch.rand(20, 8), (5, 9), ax)
    assert [line.get_ydata()[0] for line in ax.lines] == [3.5, 7.5]
    assert [tick.get_text() for tick in ax.get_xticklabels()][:2] == ["a", "b"]
    assert ax.get_xlabel() == "family, 2 frequencies each"


def test_a_vector_on_the_grid_has_a_across_and_b_up(ax):
    vector = torch.arange(9.0)
    common.on_the_grid(vector, ax)
    drawn = torch.as_tensor(ax.images[0].get_array().data)
    assert torch.equal(drawn, vector.reshape(3, 3).T)
    assert ax.images[0].get_clim() == (-8, 8)


def courses():
    times = [0, 5, 10]
    course = {
        "step": times,
        "sum overlap": [1.0, 2.0, 4.0],
        "test accuracy": [0.0, 0.5, 1.0],
    }
    return Courses({kind: [course] for kind in grokking.COLORS})


def test_kinds_of_runs_are_drawn_with_the_threshold(ax):
    grokking.against_threshold(courses(), "sum overlap", 3.0, 5, ax)
    for kind in grokking.COLORS:
        assert heights(ax, kind).tolist() == [1, 2, 4]
    assert set(heights(ax, "fixed threshold").tolist()) == {3}


def test_rates_are_drawn_ten_times_for_the_accuracy(ax):
    grokking.rates(courses(), ax)
    assert heights(ax, "sum overlap, per step").tolist() == pytest.approx([0.2, 0.4])
    label = "10 × test accuracy, per step"  # ruff: ignore[ambiguous-unicode-character-string]
    assert heights(ax, label).tolist() == pytest.approx([1, 1])


def test_one_course_has_three_panels(three):
    names = ("train", "test", "a", "b", "sum", "difference", "ratio at 57", "ratio at 113")
    series = {name: [float(i), i + 1.0] for i, name in enumerate(names)}
    grokking.course(
        {"step": [0, 10], **series}, three, accuracy_by_chance=0.03, overlap_by_chance=1.9
    )
    assert heights(three[0], "test pairs").tolist() == [1, 2]
    assert heights(three[1], "difference").tolist() == [5, 6]
    assert heights(three[2], "at 113").tolist() == [7, 8]


def test_bars_of_energy_add_up_to_the_whole(ax):
    shares = {"trained": torch.tensor([[[0.25, 0.25], [0.125, 0.375], [0.5, 0.5]]])}
    names = ["constant", "a"]
    with pytest.raises(ValueError, match="zip"):
        layerwise.energies(shares, names, ax)
    ax.clear()
    six = torch.cat([shares["trained"], torch.zeros(1, 3, 4)], 2)
    layerwise.energies({"trained": six}, [*names, "b", "sum", "difference", "rest"], ax)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches[2:4]]
    assert ends == pytest.approx([50, 50])
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["first, trained", "second, trained"]


def test_nulls_and_open_outputs_are_drawn_by_feature(ax):
    best = {
        "trained": torch.tensor([0.9, 0.2]),
        "untrained": torch.tensor([0.3, 0.1]),
        "shuffled samples": torch.tensor([0.4, 0.5]),
    }
    kept = torch.tensor([True, False, True, False])
    nulls = Nulls(best, 0.02, best["trained"], kept[:2])
    superposition.nulls(nulls, "sparse", ax)
    for label, values in best.items():
        assert torch.equal(heights(ax, label), values.double())
    superposition.open_outputs(torch.tensor([0.1, 0.8, 0.2, 0.9]), kept, ax)
    assert heights(ax, "reconstructed").tolist() == pytest.approx([0.1, 0.2])
    assert heights(ax, "dropped").tolist() == pytest.approx([0.8, 0.9])


def test_the_circle_shows_network_prediction_and_data(ax):
    (one,) = train_on_circle(4, [0], steps=2)
    tangent_kernel.on_the_circle(one, ax)
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["trained network", "kernel at the start", "training data"]
    assert len(ax.lines[2].get_xdata()) == len(ANGLES)


def test_distances_are_root_mean_squares_beside_their_slope(ax):
    errors = {1: torch.tensor([[0.3, 0.1], [0.4, 0.1]]), 2: torch.ones(2, 2)}
    tangent_kernel.distances((16, 64), errors, ax)
    rms = (0.125**0.5, 0.1)
    assert heights(ax, "1 hidden layer").tolist() == pytest.approx(rms)
    low, high = heights(ax, "slope −1/2").tolist()[::-1]  # ruff: ignore[ambiguous-unicode-character-string]
    assert high / low == pytest.approx(2)


def test_points_in_the_plane_have_rays_if_they_are_few(two):
    vectors = torch.rand(2, 5)
    double_descent.plane(vectors, "red", two[0])
    assert len(two[0].lines) == 5 + 1
    double_descent.plane(torch.rand(2, 400), "red", two[1])
    assert len(two[1].lines) == 1
    assert len(two[1].lines[0].get_xdata()) == 300


def test_peaks_stand_beside_where_they_are_expected(ax):
    some = [
        peaks.Peak(peaks.Setting(2, 100, s), (8, 15), torch.tensor([[1.0, s]]))
        for s in (0.8, 0.9, 0.95)
    ]
    double_descent.peaks(some, ax)
    assert heights(ax, "S = 0.9").tolist() == pytest.approx([1, 0.9])
    lines = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in lines] == pytest.approx([15, 30, 60])


def test_places_of_peaks_are_drawn_over_the_expected_ones(ax):
    some = [
        peaks.Peak(peaks.Setting(2, n, 0.9), (8, 32), torch.tensor([[1.0, 2.0]]))
        for n in (50, 400, 400)
    ]
    double_descent.places(some, ax)
    by_label = {line.get_label(): line for line in ax.lines}
    assert by_label["n = 400"].get_xdata().tolist() == pytest.approx([30, 30])
    assert by_label["n = 400"].get_ydata().tolist() == pytest.approx([32, 32])
    assert len(by_label["n = 100"].get_xdata()) == 0


def test_long_courses_are_drawn_restricted_and_not(ax):
    series = {"restricted": [0.0, 1.0], EASY: [0.5, 0.9], HARD: [0.0, 0.2]}
    transformer.restricted_course(LongRuns([0, 8000], {4: series}), 4, ax)
    assert heights(ax, "hard pairs, restricted").tolist() == [0, 1]
    assert heights(ax, "hard pairs").tolist() == [0, 0.2]


def test_bands_over_sizes_are_medians(two):
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])
    pair = {"trained": values, "untrained": 2 * values}
    chances = (0.01, 0.03)
    held, before = torch.ones(3, 2, 2), torch.ones(3, 2) / 2
    double_descent.points_and_features((3, 5), pair, held, before, chances, two)
    assert heights(two[0], "trained").tolist() == [3, 4]
    assert heights(two[1], "within reach").tolist() == [1, 1]
    reached, in_modes = (
        next(line for line in two[1].lines if line.get_label() == name).get_color()
        for name in ("within reach", "in ten modes of W")
    )
    for color in (reached, in_modes):
        dashed = [
            line
            for line in two[1].lines
            if line.get_color() == color and line.get_linestyle() == "--"
        ]
        assert [line.get_ydata()[0] for line in dashed] == [pytest.approx(0.5)]
    counts = {"open rows": values, "features present": values, "rank": values}
    double_descent.rows_and_modes((3, 5), counts, pair, 300, two)
    assert set(heights(two[0], "parameters").tolist()) == {300}
    losses = {"network": values, "trained kernel": values, "untrained kernel": values}
    agreement = {"around the model": values, "ridge 0.1": values, "ridge 0.001": values}
    double_descent.regressions((3, 5), losses, agreement, two)
    assert heights(two[0], "network").tolist() == [3, 4]
    drawn = [line for line in two[1].lines if line.get_label() in agreement]
    assert len({line.get_color() for line in drawn}) == 3
    kernel, untrained = (
        next(line for line in two[0].lines if line.get_label() == name).get_color()
        for name in ("trained kernel", "untrained kernel")
    )
    assert (kernel, untrained) == (plotting.GREEN, plotting.ORANGE)


def test_outcomes_are_drawn_in_order(ax):
    entries = {
        seed: {"train": 1.0, transformers.EASY: 1.0, transformers.HARD: hard}
        for seed, hard in ((0, 0.9), (1, 0.1))
    }
    transformer.outcome(transformers.Outcome(entries), ax)
    assert heights(ax, "hard pairs").tolist() == [0.1, 0.9]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "0"]


def test_learning_and_course_of_a_transformer(two):
    kinds = ("train", transformers.EASY, transformers.HARD)
    story = [dict(zip(kinds, (v, v / 2, v / 4), strict=True)) for v in (0.4, 1.0)]
    transformer.learning([0, 50], story, two[0])
    assert heights(two[0], "hard pairs").tolist() == pytest.approx([0.1, 0.25])
    values = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    transformer.course([0, 50], values, 0.01, two[1])
    assert heights(two[1], "overlap with sums").tolist() == pytest.approx([0.1, 0.4])


def test_spectra_of_layers_are_drawn_with_cliffs_of_the_trained_ones(two):
    steep = torch.cat([torch.ones(4), torch.logspace(-4, -5, 30)]).double()
    flat = torch.linspace(2, 1, 34).double()
    vectors = torch.eye(34).double()
    trained, untrained = (
        {name: Spectrum(values, vectors, 1.0) for name in ("query", "mlp_out")}
        for values in (steep, flat)
    )
    transformer.spectra(trained, untrained, two)
    assert [ax.get_title() for ax in two] == ["query", "mlp out"]
    assert heights(two[0], "untrained")[-1] == pytest.approx(0.5)
    dashed = [line for line in two[1].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == pytest.approx([4.5])


def test_the_best_way_stands_on_top(ax):
    shared = {
        "ours": {"first": [3.9], "second": [3.5]},
        "random": {"first": [0.5], "second": [0.6]},
    }
    without_the_group.ways(shared, ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["random", "ours"]


def test_spectra_of_a_model_of_one_s_own_are_relative_and_end_at_thirty(ax):
    values = torch.linspace(4, 1, 40).double()
    spectrum = Spectrum(values, torch.eye(40).double(), 100.0)
    your_own_model.leading({"trained": spectrum, "inputs": spectrum}, 10, ax)
    assert len(heights(ax, "trained")) == 30
    assert heights(ax, "inputs")[0] == 1
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(10.5)


def test_a_mark_stands_for_each_network_on_each_samples(ax):
    found = {
        "trained": {"training": [9.1, 9.4], "fresh": [8.7]},
        "inputs": {"training": [5.5], "fresh": [5.2]},
    }
    your_own_model.shared_dimensions(found, 0.2, 10, ax)
    drawn = [(list(li.get_xdata()), list(li.get_ydata())) for li in ax.lines[:4]]
    assert drawn == [
        ([9.1, 9.4], [-0.15, -0.15]),
        ([8.7], [0.15]),
        ([5.5], [0.85]),
        ([5.2], [1.15]),
    ]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["trained", "inputs"]
    _, labels = ax.get_legend_handles_labels()
    assert labels == ["training samples", "fresh samples", "chance"]


def test_vectors_are_ordered_by_the_class_that_they_align_with(two):
    axes = torch.eye(4).double()
    bases = {"one": axes[:, [2, 0, 1]], "other": axes[:, :3]}
    image = your_own_model.alignments(bases, axes[:, :3], two)
    for ax in two:
        drawn = torch.as_tensor(ax.images[0].get_array().data)
        assert torch.equal(drawn, torch.eye(3).double())
    assert image is two[1].images[0]
    assert two[0].get_title() == "one"
    with pytest.raises(ValueError, match="got 1 and 2"):
        your_own_model.alignments(bases, axes, two[:1])
