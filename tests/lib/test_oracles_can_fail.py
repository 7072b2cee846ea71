"""The assertions of this suite reject kernels and spectra that are known to be wrong."""

import math

import pytest
import torch
from assertions import (
    assert_close,
    assert_eigenpairs,
    assert_positive_semidefinite,
    assert_unchanged,
)
from cases import inputs, mlp, tied
from oracles import jacobian_rows, loop_kernel, reduce_outputs

from entk_lib import analytic, kernel_spectrum


def products(model, x1, x2, names=None):
    """A second way to the kernel, for the mutants to start from."""
    rows1, rows2 = jacobian_rows(model, x1, names), jacobian_rows(model, x2, names)
    return torch.einsum("ncp,mdp->nmcd", rows1, rows2)


def lost_last_sample(model, x1, x2):
    kernel = products(model, x1, x2)
    kernel[-1] = 0
    return kernel


def without_cross_terms(model, x1, x2):
    """Encoder and decoder as if each had a weight of its own."""
    weight, bias = model.weight.detach(), model.bias.detach()
    whole = analytic.tied_relu_ntk(weight, bias, x1, x2)
    active1, active2 = ((x @ weight.mT @ weight + bias > 0).double() for x in (x1, x2))
    cross = torch.einsum("nd,mc->nmcd", x1 @ weight.mT @ weight, x2)
    cross = cross + torch.einsum("mc,nd->nmcd", x2 @ weight.mT @ weight, x1)
    return whole - cross * active1[:, None, :, None] * active2[None, :, None, :]


WRONG_KERNELS = {
    "class axes swapped": lambda *case: products(*case).mT,
    "bias missing": lambda *case: products(*case, names=["weight"]),
    "tied cross-terms dropped": without_cross_terms,
    "last sample lost": lost_last_sample,
    "second set ignored": lambda model, x1, x2: products(model, x1, x1[: len(x2)]),
    "factor of two": lambda *case: 2 * products(*case),
    "samples in reverse": lambda *case: products(*case).flip(0),
    "off-diagonal classes dropped": lambda *case: (
        products(*case) * torch.eye(5, dtype=torch.float64)
    ),
    "float32 inside": lambda *case: products(*case).float().double(),
}


@pytest.mark.parametrize("mutant", WRONG_KERNELS.values(), ids=WRONG_KERNELS.keys())
def test_wrong_kernels_differ_from_the_oracle(mutant):
    case = tied()
    assert_close(products(*case), loop_kernel(*case))
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(mutant(*case), loop_kernel(*case))


WRONG_WORDS = {
    "trace for average": ("average", lambda k: k.diagonal(dim1=2, dim2=3).sum(2)),
    "mean of all for average": ("average", lambda k: k.mean((2, 3))),
    "first class for average": ("average", lambda k: k[:, :, 0, 0]),
    "sum for mean": ("mean_output", lambda k: k.sum((2, 3))),
    "one division for two": ("mean_output", lambda k: k.sum((2, 3)) / k.shape[2]),
    "channel-major rows": (
        "flatten",
        lambda k: k.permute(2, 0, 3, 1).flatten(2).flatten(0, 1),
    ),
    "axes not interleaved": ("flatten", lambda k: k.reshape(15, 9)),
    "transposed block": ((0, 2), lambda k: k[:, :, 2, 0]),
}


@pytest.mark.parametrize(
    ("outputs", "mutant"), WRONG_WORDS.values(), ids=WRONG_WORDS.keys()
)
def test_wrong_treatments_of_the_outputs_differ_from_the_oracle(outputs, mutant):
    model, x1, x2 = tied()
    kernel = loop_kernel(model, x1, x2)[:, :, :3, :3]
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(mutant(kernel), reduce_outputs(kernel, outputs))


def test_weights_in_place_of_their_roots_differ_from_the_oracle():
    model, x1, x2 = mlp()
    weights = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    mutant = products(model, x1, x2) * torch.outer(weights, weights)
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(mutant, loop_kernel(model, x1, x2, weights=weights))


@pytest.mark.parametrize("transpose", [True, False])
def test_mirrored_chunks_need_their_class_axes_swapped(transpose):
    model, x, _ = tied()
    mirrored = products(model, x, x)
    lower = mirrored[3:, :3]
    mirrored[:3, 3:] = lower.permute(1, 0, 3, 2) if transpose else lower.permute(1, 0, 2, 3)
    oracle = loop_kernel(model, x, x)
    if transpose:
        assert_close(mirrored, oracle)
    else:
        with pytest.raises(AssertionError, match="relative error"):
            assert_close(mirrored, oracle)


def ridge_in_place(kernel):
    kernel.diagonal().add_(1e-3)
    return torch.linalg.eigh(kernel)


def test_a_ridge_in_the_callers_tensor_is_noticed():
    kernel = inputs(5, 5) @ inputs(5, 5).mT
    with pytest.raises(AssertionError, match="argument 0 was changed"):
        assert_unchanged(ridge_in_place, kernel)


def shifted(entry):
    def shift(tensor):
        tensor = tensor.clone()
        tensor[entry] += 1e-6
        return tensor

    return shift


WRONG_VALUES = {
    "relative error": shifted((0, 1)),
    "relative error nan": lambda t: t * math.nan,
    "relative error .*inf": lambda t: t / 0,
    "dtype": lambda t: t.float(),
    "shape": lambda t: t[None],
    "shape .*1": lambda t: t[:1],
}


@pytest.mark.parametrize(
    ("message", "mutant"), WRONG_VALUES.items(), ids=WRONG_VALUES.keys()
)
def test_assert_close_sees_entries_shape_and_dtype(message, mutant):
    expected = torch.ones(3, 3, dtype=torch.float64)
    with pytest.raises(AssertionError, match=message):
        assert_close(mutant(expected), expected)


def test_assert_close_asks_exact_zeros_of_zero():
    zeros = torch.zeros(3, dtype=torch.float64)
    assert_close(zeros, zeros)
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(zeros + 1e-200, zeros)


WRONG_PAIRS = {
    "ascending": lambda v, q: (v.flip(0), q.flip(1)),
    "vectors in rows": lambda v, q: (v, q.mT),
    "not normalised": lambda v, q: (v, 2 * q),
    "values with a ridge": lambda v, q: (v + 1e-6, q),
    "vectors mixed up": lambda v, q: (v, q.roll(1, 1)),
    "one vector twice": lambda v, q: (v[[0, 0]], q[:, [0, 0]]),
}


@pytest.mark.parametrize("mutant", WRONG_PAIRS.values(), ids=WRONG_PAIRS.keys())
def test_wrong_eigenpairs_are_rejected(mutant):
    kernel = inputs(5, 5) @ inputs(5, 5).mT
    spectrum = kernel_spectrum(kernel)
    pairs = spectrum.eigenvalues, spectrum.eigenvectors
    assert_eigenpairs(kernel, *pairs)
    with pytest.raises(AssertionError):
        assert_eigenpairs(kernel, *mutant(*pairs))


@pytest.mark.parametrize(
    "matrix", [[[1.0, 2], [2, 1]], [[1.0, 0.5], [0, 1]]], ids=["indefinite", "asymmetric"]
)
def test_matrices_that_are_no_kernels_are_rejected(matrix):
    with pytest.raises(AssertionError):
        assert_positive_semidefinite(torch.tensor(matrix, dtype=torch.float64))
