"""Eigenpairs of planted kernels, and the three ways to the same spectrum."""

import pytest
import torch
from assertions import assert_close, assert_eigenpairs
from cases import inputs, linear, mlp, scalar_output, tokens, with_dtype
from hypothesis import example, given
from hypothesis import strategies as st
from oracles import jacobian_rows, loop_kernel, reduce_outputs

from entk_lib import (
    Spectrum,
    empirical_ntk,
    factor_spectrum,
    kernel_spectrum,
    ntk_spectrum,
    participation_ratio,
)

SYMMETRIC = ["flatten", "average", "mean_output", (1, 1)]


def planted(values, *, n=None, seed=0):
    """A kernel with these nonzero eigenvalues, and its eigenvectors."""
    values = torch.as_tensor(values, dtype=torch.float64)
    n = len(values) if n is None else n
    basis = torch.linalg.qr(inputs(n, len(values), seed=seed)).Q
    kernel = (basis * values) @ basis.mT
    return (kernel + kernel.mT) / 2, basis


@given(
    st.lists(st.floats(0.01, 100), min_size=1, max_size=9),
    st.integers(0, 4),
    st.integers(0, 5),
)
@example([1.0], 0, 0)
def test_planted_eigenvalues_are_found(values, n_zeros, seed):
    kernel, _ = planted(values, n=len(values) + n_zeros, seed=seed)
    spectrum = kernel_spectrum(kernel)
    expected = torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
    assert_close(spectrum.eigenvalues, expected)
    assert_eigenpairs(kernel, spectrum.eigenvalues, spectrum.eigenvectors)
    assert spectrum.trace == pytest.approx(sum(values))
    assert len(spectrum) == len(values)


def test_a_degenerate_eigenspace_is_found_as_a_space():
    kernel, basis = planted([5, 2, 2, 2, 1], n=7)
    vectors = kernel_spectrum(kernel).eigenvectors[:, 1:4]
    assert_close(vectors @ vectors.mT, basis[:, 1:4] @ basis[:, 1:4].mT)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)], ids=str)
def test_factor_spectrum_agrees_with_kernel_and_svd(shape):
    factor = inputs(*shape)
    spectrum = factor_spectrum(factor)
    assert_close(spectrum.eigenvalues, torch.linalg.svdvals(factor).square())
    assert_close(spectrum.eigenvalues, kernel_spectrum(factor @ factor.mT).eigenvalues)
    assert_eigenpairs(factor @ factor.mT, spectrum.eigenvalues, spectrum.eigenvectors)
    assert spectrum.trace == pytest.approx(float(factor.square().sum()))


@pytest.mark.parametrize("outputs", SYMMETRIC, ids=str)
@pytest.mark.parametrize("case", [mlp, linear, tokens], ids=lambda case: case.__name__)
def test_ntk_spectrum_is_that_of_the_looped_kernel(case, outputs):
    model, x, _ = case()
    kernel = reduce_outputs(loop_kernel(model, x, x), outputs)
    spectrum = ntk_spectrum(model, x, outputs=outputs)
    oracle = torch.linalg.eigvalsh(kernel).flip(0)
    assert_close(spectrum.eigenvalues, oracle[: len(spectrum)])
    assert_eigenpairs(kernel, spectrum.eigenvalues, spectrum.eigenvectors)
    assert spectrum.trace == pytest.approx(float(kernel.trace()))
    assert float(oracle[len(spectrum) :].abs().sum()) < 1e-12 * float(oracle[0])


@pytest.mark.parametrize("outputs", SYMMETRIC, ids=str)
def test_more_rows_than_parameters_take_the_gram_side_to_the_same_spectrum(outputs):
    model, x = torch.nn.Linear(2, 2, dtype=torch.float64), inputs(19, 2)
    kernel = empirical_ntk(model, x, outputs=outputs)
    spectrum = ntk_spectrum(model, x, outputs=outputs)
    assert len(spectrum) == (6 if outputs == "flatten" else 3)
    assert_close(spectrum.eigenvalues, kernel_spectrum(kernel).eigenvalues)
    assert_eigenpairs(kernel, spectrum.eigenvalues, spectrum.eigenvectors)
    assert spectrum.trace == pytest.approx(float(kernel.trace()))


@pytest.mark.parametrize("n_samples", [3, 30])
def test_both_sides_equal_the_singular_values_of_the_jacobian(n_samples):
    model, x = torch.nn.Linear(3, 2, dtype=torch.float64), inputs(n_samples, 3)
    rows = jacobian_rows(model, x).flatten(0, 1)
    spectrum = ntk_spectrum(model, x, outputs="flatten")
    squares = torch.linalg.svdvals(rows).square()
    assert_close(spectrum.eigenvalues, squares[: len(spectrum)])


@pytest.mark.parametrize("n_samples", [4, 40], ids=["kernel side", "gram side"])
def test_ntk_spectrum_takes_weights_and_parameters(n_samples):
    model, x = torch.nn.Linear(3, 2, dtype=torch.float64), inputs(n_samples, 3)
    options = {
        "outputs": "flatten",
        "output_weights": torch.tensor([3.0, 0.5]),
        "parameters": ["weight"],
    }
    expected = kernel_spectrum(empirical_ntk(model, x, **options))
    assert_close(ntk_spectrum(model, x, **options).eigenvalues, expected.eigenvalues)


def test_a_rank_deficient_kernel_has_as_many_pairs_as_its_rank():
    model = torch.nn.Linear(3, 2, dtype=torch.float64)
    x = inputs(3, 3).repeat(3, 1)
    for outputs, rank in (("average", 3), ("flatten", 6)):
        assert len(ntk_spectrum(model, x, outputs=outputs)) == rank
        assert len(kernel_spectrum(empirical_ntk(model, x, outputs=outputs))) == rank


@pytest.mark.parametrize("side", ["kernel", "gram"])
def test_k_keeps_the_leading_pairs_and_the_whole_trace(side):
    model, x = (
        torch.nn.Linear(3, 1, dtype=torch.float64),
        inputs(4 + 9 * (side == "gram"), 3),
    )
    whole, part = ntk_spectrum(model, x), ntk_spectrum(model, x, 2)
    assert_close(part.eigenvalues, whole.eigenvalues[:2])
    assert_close(part.eigenvectors, whole.eigenvectors[:, :2])
    assert part.trace == pytest.approx(float(whole.eigenvalues.sum()))
    kernel = empirical_ntk(model, x)
    assert kernel_spectrum(kernel, 2).trace == pytest.approx(part.trace)
    assert_close(kernel_spectrum(kernel, 2).eigenvalues, part.eigenvalues)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)], ids=str)
def test_signs_are_fixed_by_the_largest_entry(shape):
    vectors = factor_spectrum(inputs(*shape)).eigenvectors
    peaks = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    assert (peaks > 0).all()


def test_a_second_decomposition_gives_the_same_eigenvalues():
    kernel, _ = planted([3, 2, 1e-9])
    first = kernel_spectrum(kernel)
    assert torch.equal(first.eigenvalues, kernel_spectrum(kernel).eigenvalues)


def test_no_ridge_lifts_small_eigenvalues():
    kernel, _ = planted([1, 1e-9])
    assert kernel_spectrum(kernel).eigenvalues[1].item() == pytest.approx(1e-9, rel=1e-5)


def test_a_zero_kernel_has_an_empty_spectrum():
    spectrum = kernel_spectrum(torch.zeros(4, 4))
    assert len(spectrum) == 0
    assert spectrum.eigenvectors.shape == (4, 0)
    assert spectrum.trace == 0


@pytest.mark.parametrize("n_samples", [4, 40], ids=["kernel side", "gram side"])
def test_float32_models_give_float32_spectra(n_samples):
    case = scalar_output()[0], inputs(n_samples, 3), inputs(1, 3)
    exact = ntk_spectrum(*case[:2], 3)
    single = ntk_spectrum(*with_dtype(case, torch.float32)[:2], 3)
    assert_close(single.eigenvalues, exact.eigenvalues.float())
    projector = exact.eigenvectors @ exact.eigenvectors.mT
    assert_close(
        single.eigenvectors @ single.eigenvectors.mT, projector.float(), tolerance=1e-3
    )


def test_a_float32_matrix_gives_a_float32_spectrum():
    kernel, _ = planted([4, 2, 1])
    for spectrum in (kernel_spectrum(kernel.float()), factor_spectrum(kernel.float())):
        assert spectrum.eigenvalues.dtype == spectrum.eigenvectors.dtype == torch.float32


def test_repr_counts_pairs_and_their_share_of_the_trace():
    spectrum = Spectrum(torch.tensor([3.0, 1.0]), torch.eye(5)[:, :2], 8.0)
    assert (
        repr(spectrum) == "Spectrum(2 eigenpairs of a kernel of size 5, 50.0% of its trace)"
    )


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_participation_ratio_of_known_spectra(scale):
    values = torch.tensor([3.0, 1.0, 0.0], dtype=torch.float64) * scale
    assert participation_ratio(values) == pytest.approx(16 / 10)
    assert participation_ratio(values[:1]) == 1
    assert participation_ratio(
        torch.full((7,), scale, dtype=torch.float64)
    ) == pytest.approx(7)


def test_a_participation_ratio_needs_descending_eigenvalues_above_zero():
    with pytest.raises(ValueError, match="must not all be zero"):
        participation_ratio(torch.zeros(3))
    with pytest.raises(ValueError, match="descending order"):
        participation_ratio(torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="must not be negative"):
        participation_ratio(torch.tensor([1.0, -2.0]))


@pytest.mark.parametrize("k", [None, 20])
@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_in_single_precision_may_be_cast(seed, k):
    factor = inputs(300, 20, seed=seed).float()
    kernel = factor @ factor.mT
    cast = kernel_spectrum(kernel.double(), k)
    single = kernel_spectrum(kernel, k).eigenvalues.double()
    assert_close(cast.eigenvalues, single, tolerance=1e-6)
    exact = torch.linalg.svdvals(factor.double()).square()
    assert_close(cast.eigenvalues, exact, tolerance=1e-5)


def test_what_is_no_kernel_is_refused_in_every_precision():
    factor = inputs(30, 20)
    kernel = factor @ factor.mT - torch.eye(30).double()
    for matrix in (kernel, kernel.float(), kernel.float().double()):
        with pytest.raises(ValueError, match=r"semi-definite.*cast, pass it in that dtype"):
            kernel_spectrum(matrix)
    graph = (inputs(40, 40) > 0).double()
    with pytest.raises(ValueError, match="semi-definite"):
        kernel_spectrum(((graph + graph.mT) > 0).double())


def test_entries_that_differ_from_their_mirror_are_averaged():
    kernel, _ = planted([1.0, 0.1, 1e-3], n=5)
    skew = torch.triu(inputs(5, 5), 1)
    kernel = kernel + 1e-5 * kernel.abs().max() * (skew - skew.mT)
    one, other = kernel_spectrum(kernel, 3), kernel_spectrum(kernel.mT, 3)
    assert_close(one.eigenvalues, other.eigenvalues)
    true = torch.tensor([1.0, 0.1, 1e-3]).double()
    assert_close(one.eigenvalues, true, tolerance=1e-8)
