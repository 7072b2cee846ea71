"""Eigenpairs to a tolerance: as many products as that takes, and what was reached."""

import math

import pytest
import torch
from assertions import assert_close
from cases import inputs, mlp
from torch import nn

from entk_lib import empirical_ntk, ntk_spectrum
from entk_lib.spectra import lanczos

SIZE = 400
FAST = 0.9 ** torch.arange(SIZE, dtype=torch.float64)
COPIES = FAST.clone()
COPIES[2:5] = COPIES[2]
COPIES[8:10] = COPIES[8]


def planted(values):
    basis = torch.linalg.qr(inputs(SIZE, SIZE)).Q
    return (basis * values) @ basis.mT


def solve(matrix, k, tolerance, dtype=torch.float64):
    calls = []

    def product(vector):
        assert vector.dtype == dtype
        calls.append(1)
        return matrix.to(dtype) @ vector

    found = lanczos.few_largest_to_tolerance(product, len(matrix), k, dtype, tolerance)
    return found, len(calls)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("values", [FAST, COPIES], ids=["decaying", "copies"])
def test_residuals_are_within_the_tolerance_and_told(values, tolerance, dtype):
    matrix = planted(values)
    found, _ = solve(matrix, 12, tolerance, dtype)
    vectors = found.vectors.double()
    residuals = (matrix @ vectors - vectors * found.values).norm(dim=0) / values[0]
    assert residuals.max() <= tolerance + 1e-5
    told = found.residuals / found.values[0]
    assert (residuals - told).abs().max() <= 0.02 * residuals.max() + 1e-5
    gram = vectors.mT @ vectors
    assert_close(gram, torch.eye(12, dtype=torch.float64), tolerance=1e-4)
    assert (found.values[:-1] >= found.values[1:]).all()
    # A value is off by its residual at most, whichever copy it stands for.
    assert (found.values - values[:12]).abs().max() <= 2 * tolerance * values[0]


def test_a_looser_tolerance_takes_fewer_products():
    matrix = planted(FAST)
    counts = [solve(matrix, 12, tolerance)[1] for tolerance in (1e-1, 1e-3, 1e-6)]
    assert counts == sorted(set(counts))
    assert counts[0] < 40


def test_all_copies_are_found_at_a_tight_tolerance():
    found, _ = solve(planted(COPIES), 12, 1e-8)
    assert_close(found.values, COPIES[:12], tolerance=1e-8)


def test_the_search_for_missed_copies_costs_less_than_the_solution(monkeypatch):
    matrix = planted(FAST)
    spaces, original = [], lanczos._krylov

    def spied(product, *args):
        spaces.append(0)

        def counted(vector):
            spaces[-1] += 1
            return product(vector)

        return original(counted, *args)

    monkeypatch.setattr(lanczos, "_krylov", spied)
    solve(matrix, 12, 1e-2)
    assert len(spaces) == 2
    assert spaces[1] < spaces[0]


def test_copies_beside_a_dense_rest_are_found_from_every_start():
    values = torch.cat([torch.tensor([1.0] * 3 + [0.5] * 2), 0.3 * FAST[:395] ** 0.1])
    matrix = planted(values.double())
    for seed in range(20):
        found = lanczos.few_largest_to_tolerance(
            lambda v: matrix @ v, SIZE, 5, torch.float64, 1e-2, seed=seed
        )
        assert (found.values - values[:5]).abs().max() < 0.03


def test_the_chance_to_miss_a_larger_one_is_taken_into_account(monkeypatch):
    values = torch.cat([torch.linspace(1, 0.6, 5), torch.linspace(0.5, 0, 395)]).double()
    matrix, counts = planted(values), []
    for unseen in (lanczos._unseen, lambda n, steps: 0.0, lambda n, steps: 1.0):
        monkeypatch.setattr(lanczos, "_unseen", unseen)
        counts.append(solve(matrix, 5, 1e-2)[1])
    assert counts[1] < counts[0] < counts[2]


def test_how_far_from_the_largest_a_random_start_may_be():
    # 1.648 sqrt(n) exp(-sqrt(distance) (2 steps - 1)) is the chance: one in a thousand.
    assert lanczos._unseen(400, 1) == 1
    distance = lanczos._unseen(400, 30)
    assert 1.648 * 20 * math.exp(-(distance**0.5) * 59) == pytest.approx(1e-3)


def test_a_small_matrix_is_taken_to_its_end():
    matrix = torch.diag(torch.tensor([3.0, 2.0, 1.0]).double())
    found, count = solve(matrix, 3, 1e-3)
    assert_close(found.values, torch.tensor([3.0, 2.0, 1.0]).double())
    assert count == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_more_copies_than_one_space_can_see_are_found(dtype):
    # Three distinct eigenvalues: a Krylov space ends after three products.
    values = torch.tensor([4.0, 2.0, 1.0]).double().repeat_interleave(5)
    basis = torch.linalg.qr(inputs(60, 15)).Q
    found, _ = solve((basis * values) @ basis.mT, 12, 1e-3, dtype)
    assert_close(found.values, values[:12], tolerance=1e-3)


def test_fewer_directions_than_pairs_are_refused():
    matrix = torch.zeros(SIZE, SIZE).double()
    matrix[0, 0] = 1
    with pytest.raises(
        RuntimeError, match=r"must have 4 directions above rounding, got [12]\."
    ):
        solve(matrix, 4, 1e-3)


def test_a_spectrum_to_a_tolerance_says_what_it_reached(choose_side):
    model = nn.Sequential(nn.Linear(6, 30), nn.Tanh(), nn.Linear(30, 4)).double()
    x = inputs(40, 6)
    exact = ntk_spectrum(model, x, 5, outputs="flatten")
    assert exact.residual is None
    choose_side("products")
    found = ntk_spectrum(model, x, 5, outputs="flatten", tolerance=1e-3)
    kernel = empirical_ntk(model, x, outputs="flatten")
    image = kernel @ found.eigenvectors - found.eigenvectors * found.eigenvalues
    reached = float(image.norm(dim=0).max() / found.eigenvalues[0])
    assert reached <= 1e-3
    assert found.residual == pytest.approx(reached, rel=1e-2)
    assert_close(found.eigenvalues, exact.eigenvalues, tolerance=2e-3)
    assert found.trace == pytest.approx(exact.trace)


MODEL, X, _ = mlp()


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tolerance": 0.0, "k": 2}, ValueError, r"between 0 and 1, got 0\.0"),
        ({"tolerance": 1.5, "k": 2}, ValueError, r"between 0 and 1, got 1\.5"),
        ({"tolerance": "1e-2", "k": 2}, TypeError, r"must be a number or None, got '1e-2'"),
        ({"tolerance": 1e-2}, ValueError, r"got tolerance=0\.01 and k=None"),
    ],
)
def test_bad_tolerances_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        ntk_spectrum(MODEL, X, **options)
