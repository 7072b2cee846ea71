"""Laws of overlaps between subspaces and of alignments with features."""

import math

import pytest
import torch
from assertions import assert_close
from cases import inputs
from hypothesis import given
from hypothesis import strategies as st

from entk_lib import chance_overlap, feature_alignment, subspace_overlap

dimensions = st.integers(1, 6)
seeds = st.integers(0, 50)


def bases(k_a, k_b, seed, n=9):
    return inputs(n, k_a, seed=seed), inputs(n, k_b, seed=seed + 100)


def test_overlap_of_planes_is_the_sum_of_squared_cosines():
    angle = 0.3
    plane = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=torch.float64).T
    tilted = torch.tensor(
        [[1, 0, 0], [0, math.cos(angle), math.sin(angle)]], dtype=torch.float64
    )
    expected = 1 + math.cos(angle) ** 2
    assert subspace_overlap(plane, tilted.T) == pytest.approx(expected, rel=1e-12)


@given(dimensions, dimensions, seeds)
def test_overlap_depends_on_the_spans_only(k_a, k_b, seed):
    a, b = bases(k_a, k_b, seed)
    mixed = a @ (inputs(k_a, k_a, seed=seed + 7) + 3 * torch.eye(k_a, dtype=torch.float64))
    assert subspace_overlap(mixed, 1e3 * b) == pytest.approx(
        subspace_overlap(a, b), rel=1e-8
    )


@given(dimensions, dimensions, seeds)
def test_overlap_ignores_repeated_columns(k_a, k_b, seed):
    a, b = bases(k_a, k_b, seed)
    repeated = torch.cat([a, a @ inputs(k_a, 4, seed=seed), a[:, :1]], dim=1)
    assert subspace_overlap(repeated, b) == pytest.approx(subspace_overlap(a, b), rel=1e-8)


@given(dimensions, dimensions, seeds)
def test_overlap_is_symmetric_and_bounded(k_a, k_b, seed):
    a, b = bases(k_a, k_b, seed)
    overlap = subspace_overlap(a, b)
    assert overlap == pytest.approx(subspace_overlap(b, a), rel=1e-12)
    assert max(0, k_a + k_b - 9) - 1e-12 <= overlap <= min(k_a, k_b) + 1e-12


@given(dimensions, dimensions, seeds)
def test_overlaps_with_a_subspace_and_its_complement_add_up(k_a, k_b, seed):
    a, b = bases(k_a, k_b, seed)
    everything = torch.linalg.svd(a).U
    complement = everything[:, k_a:]
    total = subspace_overlap(a, b) + subspace_overlap(complement, b)
    assert total == pytest.approx(k_b, rel=1e-10)


@given(dimensions, seeds)
def test_a_subspace_shares_all_of_itself(k, seed):
    a, _ = bases(k, 1, seed)
    assert subspace_overlap(a, a) == pytest.approx(k, rel=1e-12)


def test_a_zero_basis_shares_nothing():
    assert subspace_overlap(torch.zeros(4, 2), torch.eye(4)) == 0


def test_float32_duplicates_add_no_direction():
    a = inputs(40, 3, dtype=torch.float32)
    repeated = torch.cat([a, a @ inputs(3, 5, dtype=torch.float32)], dim=1)
    assert subspace_overlap(repeated, torch.eye(40)) == pytest.approx(3, rel=1e-5)


def test_relative_tolerance_says_which_directions_count():
    basis = torch.diag(torch.tensor([1.0, 1e-3], dtype=torch.float64))
    assert subspace_overlap(basis, torch.eye(2)) == pytest.approx(2)
    assert subspace_overlap(basis, torch.eye(2), relative_tolerance=1e-2) == pytest.approx(
        1
    )


def test_chance_is_the_mean_over_random_subspaces():
    k_a, k_b, n, n_draws = 3, 5, 20, 400
    fixed = torch.eye(n, dtype=torch.float64)[:, :k_a]
    draws = torch.tensor(
        [subspace_overlap(fixed, inputs(n, k_b, seed=seed)) for seed in range(n_draws)]
    )
    standard_error = float(draws.std()) / n_draws**0.5
    assert standard_error < 0.05
    assert abs(float(draws.mean()) - chance_overlap(k_a, k_b, n)) < 4 * standard_error


def test_chance_of_the_whole_space_is_the_other_dimension():
    assert chance_overlap(4, 7, 7) == 4
    assert chance_overlap(0, 3, 5) == 0


def test_alignment_is_the_absolute_cosine_whatever_the_lengths():
    vectors, features = inputs(6, 3), inputs(6, 4, seed=2)
    expected = torch.empty(3, 4, dtype=torch.float64)
    for i in range(3):
        for j in range(4):
            v, f = vectors[:, i], features[:, j]
            expected[i, j] = (v @ f / (v.norm() * f.norm())).abs()
    assert_close(feature_alignment(vectors, features), expected)
    assert_close(feature_alignment(-2 * vectors, 0.1 * features), expected)


def test_a_zero_feature_aligns_with_nothing():
    alignments = feature_alignment(torch.eye(3), torch.tensor([[0.0, 1], [0, 0], [0, 0]]))
    assert torch.equal(alignments, torch.tensor([[0.0, 1], [0, 0], [0, 0]]))
    assert torch.equal(
        feature_alignment(torch.eye(3), torch.zeros(3, 2, 2)), torch.zeros(3, 2)
    )


def wave_pairs(modulus, frequencies, phase=0.0):
    angles = (
        2
        * math.pi
        * torch.outer(torch.arange(modulus, dtype=torch.float64), torch.tensor(frequencies))
    )
    waves = angles / modulus + phase
    return torch.stack([waves.cos(), waves.sin()], dim=2)


@given(st.floats(0, 6.28), st.floats(0, 6.28))
def test_alignment_with_a_pair_is_free_of_phase(phase, other_phase):
    vectors = inputs(11, 3)
    plain = feature_alignment(vectors, wave_pairs(11, [1, 3]))
    assert_close(feature_alignment(vectors, wave_pairs(11, [1, 3], phase)), plain)
    in_plane = wave_pairs(11, [3], other_phase)[:, :, 0]
    expected = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert_close(feature_alignment(in_plane, wave_pairs(11, [1, 3])), expected)


def test_alignment_with_a_pair_is_the_length_of_the_projection():
    vectors, skew = inputs(7, 4), inputs(7, 2, 2, seed=2)
    expected = torch.empty(4, 2, dtype=torch.float64)
    for j in range(2):
        plane = skew[:, j]
        projector = plane @ torch.linalg.pinv(plane)
        expected[:, j] = (projector @ vectors).norm(dim=0) / vectors.norm(dim=0)
    assert_close(feature_alignment(vectors, skew), expected)


def test_a_pair_that_spans_a_line_counts_as_one_direction():
    nyquist = wave_pairs(8, [4])
    vectors = inputs(8, 3)
    line = feature_alignment(vectors, nyquist[:, :, 0])
    assert_close(feature_alignment(vectors, nyquist), line)
