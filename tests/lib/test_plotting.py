"""Figures show the data that they were given."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from entk_lib import Cliff, plotting

VALUES = torch.tensor([8.0, 4.0, 2.0, 1.0])


def points(line):
    return np.asarray(line.get_xydata())


def test_spectrum_draws_eigenvalues_by_rank_on_a_log_scale(ax):
    assert plotting.spectrum(VALUES, ax, label="here") is ax
    assert np.allclose(points(ax.lines[0]), [[1, 8], [2, 4], [3, 2], [4, 1]])
    assert ax.get_yscale() == "log"
    assert ax.lines[0].get_label() == "here"
    assert ax.get_ylabel() == "eigenvalue"


def test_relative_spectrum_starts_at_one(ax):
    plotting.spectrum(VALUES, ax, relative=True)
    assert np.allclose(points(ax.lines[0])[:, 1], [1, 0.5, 0.25, 0.125])
    assert ax.get_ylabel() == "eigenvalue / largest"


def test_each_cliff_is_a_line_between_its_two_eigenvalues_with_its_index(ax):
    plotting.spectrum(VALUES, ax, cliffs=[Cliff(0, 1, 2.0), Cliff(1, 3, 2.0)])
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [1.5, 3.5]
    assert [text.get_text() for text in ax.texts] == ["1", "3"]


def test_alignment_shows_the_matrix_from_zero_to_one(ax):
    values = torch.tensor([[0.1, 0.9, 0.3], [0.2, 0.0, 0.6]])
    image = plotting.alignment(values, ax)
    assert np.allclose(image.get_array(), values)
    assert image.get_clim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("feature", "eigenvector")


def test_gram_is_centred_on_zero(ax):
    matrix = torch.tensor([[1.0, -0.5], [0.2, 0.9]])
    image = plotting.gram(matrix, ax)
    assert np.allclose(image.get_array(), matrix)
    low, high = image.get_clim()
    assert low == -high


def test_band_is_the_median_within_the_range(ax):
    series = torch.tensor([[1.0, 5.0], [2.0, 9.0], [6.0, 7.0]])
    assert plotting.band([10.0, 20.0], series, ax, label="seeds") is ax
    assert np.allclose(points(ax.lines[0]), [[10, 2], [20, 7]])
    assert ax.lines[0].get_label() == "seeds"
    corners = {tuple(map(float, v)) for v in ax.collections[0].get_paths()[0].vertices}
    assert {(10, 1), (10, 6), (20, 5), (20, 9)} <= corners


def test_chance_line_lies_at_chance(ax):
    assert plotting.chance_line(0.25, ax) is ax
    assert set(ax.lines[0].get_ydata()) == {0.25}
    assert ax.lines[0].get_label() == "chance"


DRAW = {
    "spectrum": lambda ax, t: plotting.spectrum(t[0], ax),
    "alignment": lambda ax, t: plotting.alignment(t, ax),
    "gram": lambda ax, t: plotting.gram(t, ax),
    "band": lambda ax, t: plotting.band([0.0, 1.0, 2.0, 3.0], t, ax, label="x"),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW.keys())
def test_tensors_with_history_are_drawn_and_left_alone(draw, ax):
    values = VALUES.expand(4, 4).clone().requires_grad_()
    kept, open_figures = values.detach().clone(), plt.get_fignums()
    draw(ax, values)
    ax.figure.canvas.draw()
    assert torch.equal(values.detach(), kept)
    assert plt.get_fignums() == open_figures


def test_style_holds_valid_settings_and_sets_none_itself():
    before = dict(mpl.rcParams)
    settings = plotting.style()
    assert dict(mpl.rcParams) == before
    with mpl.rc_context(settings):
        assert mpl.rcParams["axes.grid"] is True
