"""Eigenvalues and eigenvectors of a kernel, from whichever side is smaller."""

from dataclasses import dataclass

import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks
from entk_lib.spectra import lanczos

# Below this size a full decomposition takes no longer than a partial one.
_LANCZOS_SIZE = 1000


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenpairs of a symmetric positive semi-definite kernel.

    Attributes:
        eigenvalues: In descending order, shape ``(k,)``.
        eigenvectors: Orthonormal columns, shape ``(n, k)``. Each is determined up to its
            sign (the entry of largest magnitude is made positive), and within a
            degenerate eigenvalue up to a rotation.
        trace: Sum of *all* eigenvalues of the kernel, also of those not held here.
        residual: Largest ``|K v - value v|`` of a pair, relative to the largest
            eigenvalue, where pairs were asked for to a tolerance; ``None`` where they are
            those of a full decomposition, exact to rounding.
    """

    eigenvalues: Float[Tensor, " k"]
    eigenvectors: Float[Tensor, "n k"]
    trace: float
    residual: float | None = None

    def __len__(self) -> int:
        """Number of eigenpairs held."""
        return len(self.eigenvalues)

    def __repr__(self) -> str:
        """One line: how many pairs, of what, and their share of the trace."""
        share = float(self.eigenvalues.sum()) / self.trace if self.trace else 1.0
        return (
            f"Spectrum({len(self)} eigenpairs of a kernel of size "
            f"{len(self.eigenvectors)}, {share:.1%} of its trace)"
        )


def kernel_spectrum(kernel: Float[Tensor, "n m"], k: int | None = None) -> Spectrum:
    """Leading eigenpairs of a kernel, decomposed in float64, without any ridge.

    Args:
        kernel: Symmetric positive semi-definite matrix, shape ``(n, n)``. Entries may
            differ from their mirror by 1e-4 of the largest: the mean is taken. Not
            changed.
        k: Number of eigenpairs. ``None``: all that stand above rounding, that is above
            ``n * eps * largest`` with the ``eps`` of the kernel's dtype; of float32 where
            a float64 kernel can only be understood as one that was cast.

    Returns:
        The spectrum, in the kernel's dtype.

    Raises:
        ValueError: If the kernel is not a finite symmetric matrix, if an eigenvalue is
            negative beyond rounding, or if ``k`` exceeds the numerical rank.

    Example:
        >>> kernel_spectrum(torch.diag(torch.tensor([1.0, 4.0, 0.0]))).eigenvalues
        tensor([4., 1.])
    """
    _checks.require_matrix("kernel", kernel)
    if kernel.shape[0] != kernel.shape[1]:
        raise ValueError(
            f"kernel must be square, got shape {tuple(kernel.shape)}. A cross kernel has "
            "singular values instead: torch.linalg.svdvals."
        )
    largest = float(kernel.abs().max())
    asymmetry = float((kernel - kernel.mT).abs().max())
    if asymmetry > 1e-4 * largest:
        raise ValueError(
            f"kernel must be symmetric, got entries that differ from their mirror by "
            f"{asymmetry:.1e} beside a largest entry of {largest:.1e}. If that is meant, "
            "pass (kernel + kernel.mT) / 2."
        )
    exact = kernel.double()
    exact = (exact + exact.mT) / 2 if asymmetry else exact
    noise = torch.finfo(kernel.dtype).eps
    try:
        values, vectors = leading_eigenpairs(exact, k, noise=noise)
    except ValueError:
        if kernel.dtype != torch.float64 or not bool((exact.float() == exact).all()):
            raise
        # Computed in float32 and cast: its rounding is that of float32.
        values, vectors = leading_eigenpairs(exact, k, noise=torch.finfo(torch.float32).eps)
    trace = float(kernel.diagonal().double().sum())
    return build_spectrum(values, vectors, trace, kernel.dtype)


def factor_spectrum(factor: Float[Tensor, "n q"], k: int | None = None) -> Spectrum:
    """Leading eigenpairs of ``factor @ factor.T``, from whichever side is smaller.

    The ``(n, n)`` kernel and the ``(q, q)`` Gram matrix ``factor.T @ factor`` share
    their nonzero eigenvalues, and ``factor @ v / sqrt(eigenvalue)`` carries a unit
    eigenvector of the second to one of the first.

    Args:
        factor: Matrix whose product with its own transpose is the kernel, such as a
            Jacobian, shape ``(n, q)``. Not changed.
        k: Number of eigenpairs. ``None``: all that stand above rounding.

    Returns:
        The spectrum of the kernel, in the factor's dtype.

    Raises:
        ValueError: If the factor is not a finite matrix, or ``k`` exceeds its rank.

    Example:
        >>> factor_spectrum(torch.tensor([[3.0], [4.0]])).eigenvalues
        tensor([25.])
    """
    _checks.require_matrix("factor", factor)
    exact = factor.double()
    trace = float(exact.square().sum())
    if exact.shape[0] <= exact.shape[1]:
        values, vectors = leading_eigenpairs(exact @ exact.mT, k)
    else:
        values, vectors = leading_eigenpairs(exact.mT @ exact, k, size=len(exact))
        vectors = (exact @ vectors) / values.sqrt()
    return build_spectrum(values, vectors, trace, factor.dtype)


def leading_eigenpairs(
    matrix: Float[Tensor, "q q"], k: int | None, *, size: int = 0, noise: float = 0.0
) -> tuple[Float[Tensor, " k"], Float[Tensor, "q k"]]:
    """Top eigenpairs of a float64 matrix, descending, those at rounding level left out.

    Args:
        matrix: Symmetric positive semi-definite, float64.
        k: Number of eigenpairs, or ``None`` for the numerical rank.
        size: Larger dimension of the factor behind a Gram matrix, for the rank.
        noise: Relative error of the entries where it is above that of float64.

    Returns:
        Eigenvalues and eigenvectors.

    Raises:
        ValueError: If an eigenvalue is negative beyond rounding, or ``k`` exceeds the
            numerical rank.
    """
    if k is not None:
        _checks.require_count("k", k)
    pairs = None
    if k is not None and 8 * k <= len(matrix) >= _LANCZOS_SIZE and not matrix.is_cuda:
        pairs = lanczos.few_largest(matrix, k)
    if pairs is None:
        values, vectors = _full(matrix)
        pairs = values.flip(0), vectors.flip(1)
    values, vectors = pairs
    negative = -float(values[-1])
    eps = max(noise, torch.finfo(torch.float64).eps)
    bound = len(values) * max(noise, 1e-13)
    if negative > bound * float(values.abs().max()):
        raise ValueError(
            f"kernel must be positive semi-definite, got an eigenvalue of {-negative:.2e} "
            f"beside a largest of {float(values[0]):.2e}. J J^T has none: is it a kernel? "
            "If it was computed in a narrower dtype and cast, pass it in that dtype."
        )
    rank = numerical_rank(values, max(size, len(matrix)), eps, k)
    keep = rank if k is None else k
    return values[:keep], vectors[:, :keep]


def _full(matrix: Float[Tensor, "q q"]) -> tuple[Float[Tensor, " q"], Float[Tensor, "q q"]]:
    """All eigenpairs, ascending; by scipy on CPUs, which takes less time than torch."""
    # SciPy 1.13.0 asks LAPACK for too little room when the matrix is a single number.
    if matrix.device.type != "cpu" or len(matrix) == 1:
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    values, vectors = scipy.linalg.eigh(matrix.numpy(), driver="evd", check_finite=False)
    return torch.from_numpy(values), torch.from_numpy(vectors)


def numerical_rank(
    values: Float[Tensor, " k"], size: int, eps: float, k: int | None = None
) -> int:
    """How many descending eigenvalues of a matrix of this size stand above rounding.

    Args:
        values: The eigenvalues.
        size: Larger side of the matrix or of its factor.
        eps: Rounding of the numbers they come from.
        k: How many are asked for.

    Returns:
        The numerical rank.

    Raises:
        ValueError: If that are fewer than ``k``.
    """
    rank = int((values > size * eps * values[0].clamp_min(0)).sum())
    if k is not None and k > rank:
        raise ValueError(
            f"k must be at most the numerical rank {rank} of the kernel, got {k}. "
            "Pass k=None for all eigenpairs above rounding."
        )
    return rank


def build_spectrum(
    values: Float[Tensor, " k"],
    vectors: Float[Tensor, "n k"],
    trace: float,
    dtype: torch.dtype,
    residual: float | None = None,
) -> Spectrum:
    """A Spectrum from eigenpairs: signs fixed, unit columns, cast to ``dtype``."""
    if vectors.shape[1]:
        peak = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        vectors = vectors * torch.where(peak < 0, -1.0, 1.0)
    return Spectrum(values.to(dtype), vectors.to(dtype), trace, residual)
