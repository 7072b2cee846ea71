"""Spectra of kernels, and the cliffs in them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks, lanczos

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
    """

    eigenvalues: Float[Tensor, " k"]
    eigenvectors: Float[Tensor, "n k"]
    trace: float

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


class Cliff(NamedTuple):
    """A block of eigenvalues that ends in a sharp drop.

    Attributes:
        start: First index of the block (where the previous cliff stopped, or 0).
        stop: One past its last index: the drop lies between ``stop - 1`` and ``stop``.
        ratio: ``eigenvalues[stop - 1] / eigenvalues[stop]``.
    """

    start: int
    stop: int
    ratio: float


def kernel_spectrum(kernel: Float[Tensor, "n m"], k: int | None = None) -> Spectrum:
    """Leading eigenpairs of a kernel, decomposed in float64, without any ridge.

    Args:
        kernel: Symmetric positive semi-definite matrix, shape ``(n, n)``. Not changed.
        k: Number of eigenpairs. ``None``: all that stand above rounding, that is above
            ``n * eps * largest`` with the ``eps`` of the kernel's dtype.

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
    values, vectors = leading_eigenpairs(
        kernel.double(), k, noise=torch.finfo(kernel.dtype).eps
    )
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


def find_cliffs(
    eigenvalues: Float[Tensor, " k"],
    *,
    min_ratio: float = 1.3,
    prominence: float = 10.0,
    window: int = 10,
) -> list[Cliff]:
    r"""Sharp drops in a descending spectrum, found from the eigenvalues alone.

    The gap after eigenvalue i is :math:`g_i = \log(\lambda_i / \lambda_{i+1})`. A cliff
    is a gap that is large in itself (``min_ratio``), large beside its neighbours
    (``prominence`` times the median of the ``window`` gaps on either side), and the
    largest of those within half a window: one drop that takes two steps counts once.
    Eigenvalues at rounding level (``k * eps`` of the largest) are left out, and so are
    the last two gaps: with nothing after them they cannot be told from the way a
    spectrum ends.

    The spectrum of a random matrix without structure has none: its gaps vary smoothly
    except near its ends.

    Args:
        eigenvalues: Sorted in descending order, shape ``(k,)``, not negative.
        min_ratio: Smallest ratio of neighbouring eigenvalues that counts.
        prominence: How many times the median neighbouring gap it must be.
        window: Number of neighbouring gaps on either side to compare with.

    Returns:
        The cliffs from the top of the spectrum down; an empty list is an answer.

    Raises:
        ValueError: If the eigenvalues are not a finite, descending, non-negative vector,
            or if a threshold is out of range.

    Example:
        >>> find_cliffs(torch.tensor([8.0, 8.0, 8.0, 8.0, 1.0, 1.0, 1.0]))
        [Cliff(start=0, stop=4, ratio=8.0)]
    """
    _check_descending(eigenvalues)
    if not min_ratio > 1:
        raise ValueError(
            f"min_ratio must be above 1, got {min_ratio}. 1.3 is a drop by a quarter."
        )
    if not prominence >= 1:
        raise ValueError(
            f"prominence must be at least 1, got {prominence}. 10 finds sharp cliffs."
        )
    _checks.require_count("window", window, minimum=2)
    values = eigenvalues.double()
    rounding = len(values) * torch.finfo(eigenvalues.dtype).eps
    values = values[values > rounding * values[0]]
    gaps = (values[:-1] / values[1:]).log()
    cliffs: list[Cliff] = []
    start = 0
    for i, gap in enumerate(gaps[:-2]):
        if gap < math.log(min_ratio):
            continue
        around = torch.cat([gaps[max(0, i - window) : i], gaps[i + 1 : i + 1 + window]])
        before = gaps[max(0, i - window // 2) : i]
        after = gaps[i + 1 : i + 1 + window // 2]
        # Of equal steps, up to rounding, the first counts.
        is_largest = (
            not (before * (1 + 1e-9) >= gap).any() and not (after > gap * (1 + 1e-9)).any()
        )
        if is_largest and gap >= prominence * around.median():
            cliffs.append(Cliff(start, i + 1, float(values[i] / values[i + 1])))
            start = i + 1
    return cliffs


def participation_ratio(eigenvalues: Float[Tensor, " k"]) -> float:
    r"""How many eigenvalues carry the spectrum, weighed by their size.

    .. math:: \mathrm{PR} = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}

    It is k for k equal eigenvalues and 1 where one outweighs all others. Of a part of a
    spectrum, such as all beyond a cliff, it counts the directions of that part.

    Args:
        eigenvalues: Descending, not negative, at least one above zero.

    Returns:
        The ratio, from 1 to k; dimensionless.

    Raises:
        ValueError: If eigenvalues are not a finite descending vector, or all are zero.

    References:
        Gao et al. (2017), "A theory of multineuronal dimensionality, dynamics and
        measurement", bioRxiv 214262.

    Example:
        >>> participation_ratio(torch.tensor([2.0, 2.0, 2.0, 0.0]))
        3.0
    """
    _check_descending(eigenvalues)
    values = eigenvalues.double()
    if values[0] == 0:
        raise ValueError("eigenvalues must not all be zero. Pass those above rounding.")
    values = values / values[0]  # squares of very small ones would vanish
    return float(values.sum().square() / values.square().sum())


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
        values, vectors = torch.linalg.eigh(matrix)
        pairs = values.flip(0), vectors.flip(1)
    values, vectors = pairs
    negative = -float(values[-1])
    eps = max(noise, torch.finfo(torch.float64).eps)
    bound = len(values) * max(noise, 1e-13)
    if negative > bound * float(values.abs().max()):
        raise ValueError(
            f"kernel must be positive semi-definite, got an eigenvalue of {-negative:.2e} "
            f"beside a largest of {float(values[0]):.2e}. J J^T has none: is it a kernel?"
        )
    rank = numerical_rank(values, max(size, len(matrix)), eps, k)
    keep = rank if k is None else k
    return values[:keep], vectors[:, :keep]


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
) -> Spectrum:
    """A Spectrum from eigenpairs: signs fixed, unit columns, cast to ``dtype``."""
    if vectors.shape[1]:
        peak = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        vectors = vectors * torch.where(peak < 0, -1.0, 1.0)
    return Spectrum(values.to(dtype), vectors.to(dtype), trace)


def _check_descending(eigenvalues: Tensor) -> None:
    if eigenvalues.ndim != 1 or len(eigenvalues) == 0:
        raise ValueError(
            f"eigenvalues must be a non-empty vector, got shape "
            f"{tuple(eigenvalues.shape)}. Pass Spectrum.eigenvalues."
        )
    _checks.require_finite("eigenvalues", eigenvalues)
    rises = torch.nonzero(eigenvalues[1:] > eigenvalues[:-1])
    if len(rises):
        raise ValueError(
            f"eigenvalues must be sorted in descending order, got an increase at index "
            f"{int(rises[0]) + 1}. Pass Spectrum.eigenvalues, or sort first."
        )
    if eigenvalues[-1] < 0:
        raise ValueError(
            f"eigenvalues must not be negative, got {float(eigenvalues[-1]):.2e}. "
            "Drop those at rounding level: kernel_spectrum does."
        )
