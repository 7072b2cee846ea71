"""Rotations find planted features; graphs are smooth where they should be."""

import math

import pytest
import torch
from assertions import assert_close

from entk_lib import (
    dirichlet_energy,
    feature_alignment,
    purity_ceiling,
    smoothness_rotation,
    subspace_overlap,
    torus_laplacian,
)
from entk_lib.toys.tasks.modular_addition import FAMILIES, fourier_families

pytestmark = pytest.mark.sweep

DIRECTIONS = [(1, 0), (0, 1), (1, 1), (1, -1)]


def graphs(modulus, directions=DIRECTIONS):
    return [torus_laplacian(modulus, direction) for direction in directions]


def random_rotation(k, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(k, k, generator=generator, dtype=torch.float64)).Q


def planes_of(modulus, names=tuple(FAMILIES)):
    return torch.cat([fourier_families(modulus)[name] for name in names], 1)


def assert_zero(values, bound=1e-10):
    assert float(values.abs().max()) <= bound


def purities(vectors, planes):
    return feature_alignment(vectors, planes).square().amax(1)


@pytest.mark.parametrize("modulus", [5, 9, 15])
@pytest.mark.parametrize("direction", [*DIRECTIONS, (2, 1)])
def test_torus_laplacians_have_waves_as_eigenvectors(modulus, direction):
    laplacian = torus_laplacian(modulus, direction).to_dense()
    assert_close(laplacian, laplacian.T)
    assert_zero(laplacian.sum(0))
    assert laplacian.diagonal().unique().tolist() == [2]
    assert set(laplacian.unique().tolist()) == {-1, 0, 2}
    for name, (u, v) in FAMILIES.items():
        family = fourier_families(modulus)[name]
        for k in range(1, modulus // 2 + 1):
            turn = 2 * math.pi * k * (u * direction[0] + v * direction[1]) / modulus
            value = 2 - 2 * math.cos(turn)
            wave = family[:, k - 1]
            assert_zero(laplacian @ wave - value * wave)


def test_dirichlet_energy_sums_squared_differences_over_edges():
    vector = torch.randn(25, 1, dtype=torch.float64)
    grid = vector.reshape(5, 5)
    along_a = (grid.roll(-1, 0) - grid).square().sum() / vector.square().sum()
    along_sum = (grid.roll((-1, -1), (0, 1)) - grid).square().sum() / vector.square().sum()
    assert_close(dirichlet_energy(vector, torus_laplacian(5, (1, 0)))[0], along_a)
    assert_close(dirichlet_energy(7 * vector, torus_laplacian(5, (1, 1)))[0], along_sum)
    dense = torus_laplacian(5, (1, 1)).to_dense()
    assert_close(dirichlet_energy(vector, dense)[0], along_sum)


@pytest.mark.parametrize("modulus", [5, 9, 15, 23])
@pytest.mark.parametrize(
    "names", [("a", "b"), ("sum", "difference"), tuple(FAMILIES)], ids="-".join
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_planted_waves_come_back_exactly(modulus, names, dtype):
    planes = planes_of(modulus, names)
    mixed = planes.flatten(1) @ random_rotation(2 * planes.shape[1])
    rotated = smoothness_rotation(mixed.to(dtype), graphs(modulus))
    assert rotated.dtype == dtype
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    assert float(purities(rotated.double(), planes_of(modulus)).min()) > 1 - tolerance
    assert_close(rotated.T @ rotated, torch.eye(rotated.shape[1], dtype=dtype))
    shared = subspace_overlap(rotated.double(), mixed)
    assert shared == pytest.approx(rotated.shape[1], abs=1e-6)


def test_two_stages_bring_back_what_two_graphs_tell_apart():
    modulus = 11
    for names, directions in (
        (("a", "b"), [(1, 0), (0, 1)]),
        (("sum", "difference"), [(1, -1), (1, 1)]),
    ):
        planes = planes_of(modulus, names)
        mixed = planes.flatten(1) @ random_rotation(20)
        rotated = smoothness_rotation(
            mixed, graphs(modulus, directions), method="two_stage"
        )
        assert float(purities(rotated, planes).min()) > 1 - 1e-10
        energies = torch.stack(
            [dirichlet_energy(rotated, g) for g in graphs(modulus, directions)]
        )
        assert_zero(energies[0, :10])
        assert (energies[1, :10].diff() > -1e-9).all()
        assert (energies[0, 10:].diff() > -1e-9).all()


def test_families_come_in_the_order_of_the_laplacians():
    modulus = 7
    mixed = planes_of(modulus).flatten(1) @ random_rotation(24)
    order = [0, 3, 2, 1]
    rotated = smoothness_rotation(mixed, [graphs(modulus)[i] for i in order])
    # What does not change along a direction: b along a, sums along (1, -1), and so on.
    constant_along = {"b": 0, "a": 1, "difference": 2, "sum": 3}
    for place, i in enumerate(order):
        name = next(n for n, along in constant_along.items() if along == i)
        part = rotated[:, 6 * place : 6 * place + 6]
        family = planes_of(modulus, (name,))
        assert subspace_overlap(part, family.flatten(1)) == pytest.approx(6)
        found = feature_alignment(part, family).argmax(1).tolist()
        assert found == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("seed", range(3))
def test_noise_in_the_span_costs_no_more_than_the_span_itself(seed):
    modulus = 11
    planes = planes_of(modulus, ("a", "b"))
    noise = torch.Generator().manual_seed(seed)
    for size, share in ((0.01, 0.9999), (0.02, 0.998), (0.05, 0.94)):
        columns = planes.flatten(1)
        columns = columns + size * torch.randn(
            columns.shape, generator=noise, dtype=torch.float64
        )
        span = torch.linalg.qr(columns @ random_rotation(20, seed)).Q
        ceiling = purity_ceiling(span, planes_of(modulus))
        # Each column gets noise of 121 entries, of which 40 lie in the planes.
        expected = 1 / (1 + size**2 * (121 - 20))
        assert ceiling == pytest.approx(expected, abs=0.03)
        reached = purities(smoothness_rotation(span, graphs(modulus)), planes_of(modulus))
        assert float(reached.mean()) > share * ceiling
        assert float(reached.mean()) <= ceiling + 1e-9


def test_the_joint_rotation_leaves_less_off_the_diagonals_than_any_other_tried():
    generator = torch.Generator().manual_seed(0)
    matrices = torch.randn(3, 8, 8, generator=generator, dtype=torch.float64)
    matrices = matrices + matrices.mT
    identity = torch.eye(8, dtype=torch.float64)

    def left_off(vectors):
        turned = vectors.T @ matrices @ vectors
        return float(
            (turned - torch.diag_embed(turned.diagonal(dim1=1, dim2=2))).square().sum()
        )

    best = left_off(smoothness_rotation(identity, list(matrices)))
    for seed in range(20):
        start = random_rotation(8, seed)
        other = start @ smoothness_rotation(
            identity, [start.T @ m @ start for m in matrices]
        )
        assert best <= left_off(other) * 1.35
        assert best < 0.8 * left_off(start)
        # A stationary point: no small turn of two axes helps.
        i, j = seed % 8, (seed + 3) % 8
        turn = torch.eye(8, dtype=torch.float64)
        turn[i, i] = turn[j, j] = torch.cos(torch.tensor(0.01))
        turn[i, j] = torch.sin(torch.tensor(0.01))
        turn[j, i] = -turn[i, j]
        vectors = smoothness_rotation(identity, list(matrices))
        assert left_off(vectors @ turn) > best


def test_the_result_does_not_depend_on_the_basis_of_the_span():
    modulus = 9
    span = torch.linalg.qr(torch.randn(81, 12, dtype=torch.float64)).Q
    one = smoothness_rotation(span, graphs(modulus))
    two = smoothness_rotation(span @ random_rotation(12), graphs(modulus))
    assert_close(one, two, tolerance=1e-6)


def test_a_ceiling_is_reached_by_waves_and_missed_by_noise():
    planes = planes_of(7)
    assert purity_ceiling(planes[:, 2], planes) == pytest.approx(1)
    half = (planes[:, 0] + planes[:, 5]) / 2**0.5
    assert purity_ceiling(half, planes) == pytest.approx(0.5)


LAPLACIANS = graphs(5)
WAVES = planes_of(5, ("a",)).flatten(1)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ((2 * WAVES, LAPLACIANS), "orthonormal columns, got products that are off by 3"),
        ((torch.cat([WAVES, WAVES], 1), LAPLACIANS), "orthonormal"),
        (
            (WAVES[:, :3], LAPLACIANS),
            "at least one column for each of the 4 Laplacians, got 3",
        ),
        ((WAVES, []), "at least one matrix, got 0"),
        ((WAVES, graphs(7)), r"laplacians\[0\] must have shape \(25, 25\).*got \(49, 49\)"),
        ((WAVES, [LAPLACIANS[0].to_dense().triu()]), "must be symmetric.*differ"),
        ((WAVES, [LAPLACIANS[0] * float("nan")]), "must be finite"),
        ((WAVES * float("nan"), LAPLACIANS), "basis must be finite"),
        ((WAVES[0], LAPLACIANS), "basis must be a non-empty matrix"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_of_rotations_are_refused(arguments, pattern):
    with pytest.raises(ValueError, match=pattern):
        smoothness_rotation(*arguments)


@pytest.mark.no_shape_checks
def test_other_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="must be 'joint' or 'two_stage', got 'three'"):
        smoothness_rotation(WAVES, LAPLACIANS, method="three")
    with pytest.raises(ValueError, match="must be two matrices, got 4"):
        smoothness_rotation(WAVES, LAPLACIANS, method="two_stage")
    with pytest.raises(ValueError, match="at least 3, got 2"):
        torus_laplacian(2, (1, 0))
    for direction in ((0, 0), (5, -5)):
        with pytest.raises(ValueError, match="must move something modulo 5"):
            torus_laplacian(5, direction)
    for direction in ((1, 0, 0), (0.5, 1)):
        with pytest.raises(ValueError, match="two whole numbers"):
            torus_laplacian(5, direction)
    with pytest.raises(ValueError, match="vectors must not be zero"):
        dirichlet_energy(torch.zeros(25, 1), LAPLACIANS[0])
    with pytest.raises(ValueError, match=r"shape \(25, f, 2\)"):
        purity_ceiling(WAVES, WAVES)
