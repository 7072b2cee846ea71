"""Comparisons whose tolerance follows from the dtype."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference beside the largest expected entry."""
    if expected.numel() == 0:
        return 0.0
    scale = expected.abs().max().clamp_min(torch.finfo(expected.dtype).tiny)
    return float((actual - expected).abs().max() / scale)


def assert_close(
    actual: Tensor, expected: Tensor, *, tolerance: float | None = None
) -> None:
    """Shape, dtype and entries agree; NaN agrees with nothing."""
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {tuple(actual.shape)}, not {tuple(expected.shape)}")
    if actual.dtype != expected.dtype:
        raise AssertionError(f"dtype {actual.dtype}, not {expected.dtype}")
    bound = TOLERANCE[expected.dtype] if tolerance is None else tolerance
    error = relative_error(actual, expected)
    if not error <= bound:
        raise AssertionError(f"relative error {error:.2e} exceeds {bound:.0e}")


def assert_positive_semidefinite(matrix: Tensor) -> None:
    """Symmetric, and no eigenvalue below rounding."""
    assert_close(matrix, matrix.mT)
    values = torch.linalg.eigvalsh(matrix)
    if not values[0] >= -TOLERANCE[matrix.dtype] * values[-1]:
        raise AssertionError(f"eigenvalue {values[0]:.2e} beside {values[-1]:.2e}")


def assert_eigenpairs(matrix: Tensor, values: Tensor, vectors: Tensor) -> None:
    """Residual and orthonormality; never entries, which signs and degeneracy leave free."""
    scale = matrix.abs().max()
    assert_close(matrix @ vectors / scale, vectors * values / scale)
    eye = torch.eye(vectors.shape[1], dtype=vectors.dtype)
    assert_close(vectors.mT @ vectors, eye)
    if not (values[:-1] >= values[1:]).all():
        raise AssertionError(f"not descending: {values}")


def assert_unchanged(call: Callable[..., object], *tensors: Tensor) -> None:
    """A call leaves the tensors that it is given as they are."""
    kept = [t.clone() for t in tensors]
    call(*tensors)
    for i, (before, after) in enumerate(zip(kept, tensors, strict=True)):
        if not torch.equal(before, after):
            raise AssertionError(f"argument {i} was changed")


def refused(error: type[Exception], pattern: str, call: Callable[..., object]):
    """One row of a table of bad calls, named by its message."""
    return pytest.param(error, f"(?s){pattern}", call, id=pattern.replace("\\", "")[:50])
