"""Graphs on data points, and how smooth a vector is along their edges."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from entk_lib import _checks


def torus_laplacian(modulus: int, direction: Sequence[int]) -> Float[Tensor, "pairs pairs"]:
    r"""Laplacian of the graph that joins each pair (a, b) with its translate.

    The graph has an edge from x to x + direction, modulo p on both axes: a bundle of
    rings. The wave with wave numbers k on the two axes is an eigenvector, of eigenvalue
    :math:`2 - 2 \cos(2 \pi\, k \cdot \mathrm{direction} / p)`: zero where the wave does
    not change along the direction.

    Args:
        modulus: Number p of residues, at least 3.
        direction: The translation; (1, 0) along a, (0, 1) along b, (1, 1), (1, -1).

    Returns:
        Combinatorial Laplacian D - W in float64, sparse (COO), of shape
        ``(modulus ** 2, modulus ** 2)``; pair (a, b) is row ``a * modulus + b``.

    Raises:
        ValueError: If the modulus is below 3, or the direction is not two whole numbers,
            or moves nothing.

    References:
        Chung (1997), "Spectral graph theory", chapter 1.

    Example:
        >>> torus_laplacian(3, (1, 0)).to_dense().diagonal().unique()
        tensor([2.], dtype=torch.float64)
    """
    _checks.require_count("modulus", modulus, minimum=3)
    if len(direction) != 2 or any(step != int(step) for step in direction):
        raise ValueError(
            f"direction must be two whole numbers, got {direction!r}. (1, 0) is along a."
        )
    if all(step % modulus == 0 for step in direction):
        raise ValueError(
            f"direction must move something modulo {modulus}, got {tuple(direction)}. "
            "(1, 0) is along a, (1, -1) leaves sums unchanged."
        )
    a, b = np.divmod(np.arange(modulus**2), modulus)
    target = (a + direction[0]) % modulus * modulus + (b + direction[1]) % modulus
    one_way = sparse.coo_array(
        (np.ones(modulus**2), (np.arange(modulus**2), target)), shape=(modulus**2,) * 2
    )
    laplacian = sparse.csgraph.laplacian(one_way + one_way.T).tocoo()
    return torch.sparse_coo_tensor(
        torch.from_numpy(np.stack(laplacian.coords)),
        torch.from_numpy(laplacian.data),
        laplacian.shape,
        check_invariants=True,
    ).coalesce()


def dirichlet_energy(
    vectors: Float[Tensor, "n k"], laplacian: Float[Tensor, "n n"]
) -> Float[Tensor, " k"]:
    """How much vectors change along the edges of a graph.

    Args:
        vectors: One per column, shape ``(n, k)``.
        laplacian: Symmetric, dense or sparse, shape ``(n, n)``.

    Returns:
        ``v^T L v / v^T v`` for each column v: the sum over edges of squared differences,
        0 for a vector that is constant along all edges. Shape ``(k,)``.

    Raises:
        ValueError: If shapes do not fit, entries are not finite, the Laplacian is not
            symmetric, or a vector is zero.

    Example:
        >>> waves = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
        >>> dirichlet_energy(waves, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        tensor([0., 2.])
    """
    _checks.require_matrix("vectors", vectors)
    check_laplacian("laplacian", laplacian, len(vectors))
    lengths = vectors.square().sum(0)
    if bool((lengths == 0).any()):
        raise ValueError("vectors must not be zero: a zero vector has no smoothness.")
    return (vectors * (laplacian.to(vectors.dtype) @ vectors)).sum(0) / lengths


def check_laplacian(name: str, laplacian: Tensor, n: int) -> None:
    """Raise ValueError unless a matrix is finite, symmetric and of size n.

    Args:
        name: How the message calls it.
        laplacian: Dense or sparse.
        n: Rows of the vectors that it is to multiply.

    Raises:
        ValueError: If it is not.
    """
    if tuple(laplacian.shape) != (n, n):
        raise ValueError(
            f"{name} must have shape ({n}, {n}), one row per row of the vectors, got "
            f"{tuple(laplacian.shape)}. Is the modulus the same?"
        )
    entries = laplacian.coalesce().values() if laplacian.is_sparse else laplacian
    _checks.require_finite(name, entries)
    gap = laplacian - laplacian.mT
    gaps = gap.coalesce().values() if gap.is_sparse else gap
    bound = 1e-6 * float(entries.abs().max()) if entries.numel() else 0.0
    if gaps.numel() and float(gaps.abs().max()) > bound:
        raise ValueError(
            f"{name} must be symmetric, got entries that differ from their mirror by up to "
            f"{float(gaps.abs().max()):.1e}. A directed graph needs W + W^T."
        )
