"""find_cliffs finds what was planted, and nothing where nothing was."""

import math

import pytest
import torch
from assertions import refused
from cases import inputs
from hypothesis import given
from hypothesis import strategies as st

from entk_lib import Cliff, cliff_chance, find_cliffs

block_lengths = st.lists(st.integers(6, 25), min_size=2, max_size=5)


def staircase(lengths, ratios, slope=1.01):
    """Blocks that fall by ``slope`` a step, with a larger drop after each."""
    steps = []
    for length, ratio in zip(lengths, [*ratios, 1.0], strict=True):
        steps += [slope] * (length - 1) + [ratio]
    logs = torch.tensor(steps[:-1], dtype=torch.float64).log()
    return torch.cat([torch.zeros(1, dtype=torch.float64), -logs.cumsum(0)]).exp()


@given(block_lengths, st.data())
def test_planted_cliffs_are_found_where_they_are(lengths, data):
    ratios = data.draw(
        st.lists(st.floats(2, 50), min_size=len(lengths) - 1, max_size=len(lengths) - 1)
    )
    cliffs = find_cliffs(staircase(lengths, ratios))
    stops = torch.tensor(lengths).cumsum(0).tolist()[:-1]
    assert [cliff.stop for cliff in cliffs] == stops
    assert [cliff.start for cliff in cliffs] == [0, *stops[:-1]]
    assert [cliff.ratio for cliff in cliffs] == pytest.approx(ratios)


@given(st.floats(1.0, 1.5), st.integers(4, 60))
def test_a_geometric_spectrum_has_no_cliff(slope, length):
    assert find_cliffs(staircase([length], [], slope=slope)) == []


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_a_power_law_spectrum_has_no_cliff(power):
    assert find_cliffs(torch.arange(1, 200, dtype=torch.float64) ** -power) == []


@pytest.mark.parametrize("n_columns", [60, 90, 240])
def test_a_random_matrix_has_hardly_ever_a_cliff(n_columns):
    n_with_cliff = sum(
        bool(find_cliffs(torch.linalg.svdvals(inputs(60, n_columns, seed=seed)).square()))
        for seed in range(40)
    )
    assert n_with_cliff <= 2


@pytest.mark.parametrize("middle", [2.0, 3.0, 6.0])
def test_a_drop_in_two_steps_counts_once(middle):
    values = torch.tensor([9.0] * 6 + [middle] + [1.0] * 6)
    cliffs = find_cliffs(values)
    assert len(cliffs) == 1
    assert cliffs[0].stop in {6, 7}
    assert cliffs[0].ratio == pytest.approx(max(9 / middle, middle))


def test_a_lone_leading_eigenvalue_is_a_cliff():
    assert find_cliffs(torch.tensor([50.0] + [1.0] * 12)) == [
        Cliff(0, 1, pytest.approx(50))
    ]


@given(st.floats(-200, 200))
def test_scale_does_not_matter(exponent):
    values = staircase([7, 8, 9], [3, 5])
    scaled = find_cliffs(math.exp(exponent) * values)
    assert (
        [c[:2] for c in scaled] == [c[:2] for c in find_cliffs(values)] == [(0, 7), (7, 15)]
    )


def test_drops_below_min_ratio_do_not_count():
    values = staircase([8, 8], [1.25], slope=1.001)
    assert find_cliffs(values) == []
    assert len(find_cliffs(values, min_ratio=1.2)) == 1


def test_drops_that_do_not_stand_out_do_not_count():
    values = staircase([12, 12], [2.0], slope=1.1)
    assert find_cliffs(values) == []
    assert [c.stop for c in find_cliffs(values, prominence=5.0)] == [12]


def test_a_drop_is_compared_within_its_window_only():
    steep, flat = [1.3] * 12, [1.001] * 5
    steps = torch.tensor([*steep, *flat, 1.5, *flat, *steep], dtype=torch.float64)
    values = torch.cat([torch.ones(1, dtype=torch.float64), 1 / steps.cumprod(0)])
    assert [c.stop for c in find_cliffs(values, window=4, min_ratio=1.4)] == [18]
    assert find_cliffs(values, window=17, min_ratio=1.4) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_drop_to_rounding_level_is_no_cliff(dtype):
    values = torch.ones(20, dtype=dtype)
    values[10:] = torch.finfo(dtype).eps
    assert find_cliffs(values) == []


def test_zero_eigenvalues_and_single_ones_are_no_cliffs():
    assert find_cliffs(torch.zeros(5)) == []
    assert find_cliffs(torch.ones(1)) == []


def smooth(kind, seed, k=200):
    """A spectrum without a cliff."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "independent":
        logs = torch.rand(k, generator=generator, dtype=torch.float64) * 20
        return (-logs.sort().values).exp()
    factor = torch.randn(k, 2 * k, generator=generator, dtype=torch.float64)
    return torch.linalg.eigvalsh(factor @ factor.mT).flip(0)


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("independent", 0.01),
        ("independent", 0.1),
        ("independent", 0.5),
        ("random matrix", 0.01),
        ("random matrix", 0.1),  # not 0.5: gaps near the mean are frequent there
    ],
)
def test_a_spectrum_without_a_cliff_shows_one_as_often_as_is_said(kind, level):
    places = [20, 45, 70, 95, 120, 145, 170]  # too far apart to share a neighbour
    drawn = [smooth(kind, seed) for seed in range(150)]
    below = [cliff_chance(values, stop) <= level for values in drawn for stop in places]
    share = sum(below) / len(below)
    error = (level * (1 - level) / len(below)) ** 0.5
    assert share <= level + 4 * error
    if kind == "independent":
        assert share >= level - 4 * error


def test_a_planted_cliff_is_no_chance():
    values = smooth("random matrix", 0)
    values[:60] *= 2
    values = values.sort(descending=True).values
    assert cliff_chance(values, 60) < 1e-6
    assert min(cliff_chance(values, stop) for stop in (15, 30, 90, 120)) > 1e-3


def test_the_scale_of_a_spectrum_does_not_matter_but_the_window_does():
    values = smooth("independent", 1)
    assert cliff_chance(3 * values, 50) == pytest.approx(cliff_chance(values, 50))
    few, many = (cliff_chance(values, 50, window=w) for w in (2, 40))
    assert few != pytest.approx(many)


REFUSED_CHANCE = [
    refused(ValueError, r"stop must be at least 1, got 0", lambda: cliff_chance(STEPS, 0)),
    refused(ValueError, r"on either side, got 4 with 4", lambda: cliff_chance(STEPS, 4)),
    refused(TypeError, r"stop must be an int", lambda: cliff_chance(STEPS, 1.0)),
    refused(
        ValueError,
        r"beside place 1 must not all be zero",
        lambda: cliff_chance(torch.tensor([4.0, 1.0, 1.0, 1.0]), 1),
    ),
    refused(ValueError, r"window must be", lambda: cliff_chance(STEPS, 1, window=1)),
    refused(ValueError, r"descending", lambda: cliff_chance(STEPS.flip(0), 1)),
]
STEPS = torch.tensor([8.0, 4.0, 2.0, 1.0])


@pytest.mark.parametrize(("error", "pattern", "call"), REFUSED_CHANCE)
@pytest.mark.no_shape_checks
def test_bad_arguments_of_chances_are_told(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call()
