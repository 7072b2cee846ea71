"""How much of a feature lies in an eigenvector, and of a subspace in a subspace."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from entk_lib import _checks


def subspace_overlap(
    basis_a: Float[Tensor, "n_a k_a"],
    basis_b: Float[Tensor, "n_b k_b"],
    *,
    relative_tolerance: float | None = None,
) -> float:
    r"""Dimensions that two subspaces of data space share.

    With orthonormal bases :math:`Q_a, Q_b` of the two column spans,

    .. math:: \mathrm{overlap} = \lVert Q_a^\top Q_b \rVert_F^2
              = \sum_i \cos^2 \theta_i ,

    where :math:`\theta_i` are the principal angles. Two random subspaces share
    :math:`k_a k_b / n` dimensions on average: compare with that (`chance_overlap`), not
    with zero.

    Args:
        basis_a: Columns that span the first subspace, shape ``(n, k_a)``, one row per
            data point. Need not be orthonormal nor of full rank.
        basis_b: Columns that span the second subspace, shape ``(n, k_b)``.
        relative_tolerance: Singular values below this fraction of the largest count
            as zero when ranks are found. ``None``: machine epsilon times the larger
            dimension, as in ``torch.linalg.matrix_rank``.

    Returns:
        Shared dimensions, from 0 to ``min(rank_a, rank_b)``; dimensionless.

    Raises:
        ValueError: If a basis is not a finite matrix, or the numbers of rows differ.

    References:
        Bjorck and Golub (1973), "Numerical methods for computing angles between
        linear subspaces", Math. Comp. 27(123), 579-594.

    Example:
        >>> axes = torch.eye(3, dtype=torch.float64)
        >>> subspace_overlap(axes[:, :2], axes[:, 1:])
        1.0
    """
    _checks.require_matrix("basis_a", basis_a)
    _checks.require_matrix("basis_b", basis_b)
    if len(basis_a) != len(basis_b):
        raise ValueError(
            f"basis_a and basis_b must have the same number of rows, got {len(basis_a)} "
            f"and {len(basis_b)}. Both live in data space: one row per data point."
        )
    span_a = orthonormal(basis_a, relative_tolerance)
    span_b = orthonormal(basis_b, relative_tolerance)
    return float((span_a.mT @ span_b).square().sum())


def chance_overlap(k_a: int, k_b: int, n: int) -> float:
    """Dimensions that two random subspaces of an n-dimensional space share on average.

    Args:
        k_a: Dimension of the first subspace.
        k_b: Dimension of the second subspace.
        n: Dimension of the space around them, the number of data points.

    Returns:
        ``k_a * k_b / n``, exact for a subspace drawn uniformly.

    Raises:
        ValueError: If a dimension is negative or exceeds ``n``, or ``n`` is below 1.

    Example:
        >>> round(chance_overlap(56, 28, 841), 2)
        1.86
    """
    _checks.require_count("n", n)
    for name, dimension in (("k_a", k_a), ("k_b", k_b)):
        _checks.require_count(name, dimension, minimum=0)
        if dimension > n:
            raise ValueError(
                f"{name} must be at most n = {n}, got {dimension}. A subspace is no "
                "larger than the space around it."
            )
    return k_a * k_b / n


def feature_alignment(
    eigenvectors: Float[Tensor, "n k"], features: Float[Tensor, "m f *pair"]
) -> Float[Tensor, "k f"]:
    """Absolute cosine between each eigenvector and each feature.

    Args:
        eigenvectors: One per column, shape ``(n, k)``; normalised here if they are not.
        features: One per column, shape ``(n, f)``, of any length. A feature known only
            up to its phase is a cosine and sine pair, shape ``(n, f, 2)``: its alignment
            is the length of the projection onto the plane of the two, which no shift of
            phase changes.

    Returns:
        Alignments from 0 to 1, shape ``(k, f)``. A feature that is zero everywhere
        aligns with nothing: 0.

    Raises:
        ValueError: If shapes do not match, entries are not finite, or an eigenvector is
            zero.

    Example:
        >>> feature_alignment(torch.eye(2), torch.tensor([[3.0], [-4.0]])).flatten()
        tensor([0.6000, 0.8000])
    """
    _checks.require_matrix("eigenvectors", eigenvectors)
    if features.ndim not in (2, 3) or (features.ndim == 3 and features.shape[2] != 2):
        raise ValueError(
            f"features must have shape (n, f) or (n, f, 2), got {tuple(features.shape)}."
            " A cosine and sine pair is stacked on the last axis."
        )
    _checks.require_finite("features", features)
    if len(features) != len(eigenvectors):
        raise ValueError(
            f"features must have one row per row of eigenvectors, expected "
            f"{len(eigenvectors)}, got {len(features)}. A flattened kernel has "
            "n_samples * n_outputs rows, sample-major."
        )
    lengths = eigenvectors.norm(dim=0)
    if (lengths == 0).any():
        raise ValueError(
            f"eigenvectors must not be zero, got a zero column at index "
            f"{int((lengths == 0).nonzero()[0])}. Drop it: it has no direction."
        )
    directions = eigenvectors / lengths
    planes = (features if features.ndim == 3 else features.unsqueeze(2)).permute(1, 0, 2)
    if features.ndim == 3:
        planes = torch.stack([_padded_orthonormal(plane) for plane in planes])
    else:
        planes = planes / planes.norm(dim=1, keepdim=True).clamp_min(
            torch.finfo(planes.dtype).tiny
        )
    # (f, 2 or 1, k): coordinates of every eigenvector in every feature's line or plane.
    coordinates = planes.mT @ directions.to(planes.dtype)
    return coordinates.norm(dim=1).clamp_max(1.0).mT


def match_families(
    bases: Sequence[Float[Tensor, "n _"]],
    planes: Float[Tensor, "n_rows f d"],
) -> Float[Tensor, " f"]:
    """Dimensions that true features share with the families found, one to one.

    Each feature is given one family and each family one feature, at most, so that the sum
    of the shared dimensions is largest.

    Args:
        bases: Of the families, as `Families.bases`.
        planes: Orthonormal columns of each true feature, shape ``(n, f, d)``.

    Returns:
        Shared dimensions of each feature, from 0 to d; 0 for one that no family is left
        for. Shape ``(f,)``.

    Raises:
        ValueError: If there is no family, or shapes do not match.

    Example:
        >>> axes = torch.eye(4).double()
        >>> match_families([axes[:, :2], axes[:, 2:]], axes.reshape(4, 2, 2)).tolist()
        [2.0, 2.0]
    """
    if len(bases) == 0 or planes.ndim != 3 or any(len(b) != len(planes) for b in bases):
        raise ValueError(
            "bases must be at least one matrix, and planes of shape (n, f, d) with as many "
            f"rows, got {[tuple(b.shape) for b in bases]} and {tuple(planes.shape)}."
        )
    shared = torch.stack(
        [
            torch.einsum("nk,nfd->fkd", b.double(), planes.double()).square().sum((1, 2))
            for b in bases
        ]
    )
    rows, columns = linear_sum_assignment(-shared.numpy())
    matched = torch.zeros(planes.shape[1], dtype=torch.float64)
    matched[torch.from_numpy(columns)] = shared[rows, columns]
    return matched


def purity_ceiling(basis: Float[Tensor, "n k"], features: Float[Tensor, "n f 2"]) -> float:
    """Largest mean purity that orthonormal vectors of a span can reach.

    The purity of a vector is its largest squared projection on one cosine and sine pair.
    With as many vectors as the span has dimensions, the mean cannot exceed the mean of
    the largest squared cosines between the span and the pairs' planes, two a plane.

    Args:
        basis: Columns that span the space, shape ``(n, k)``.
        features: Cosine and sine pairs in orthogonal planes, shape ``(n, f, 2)``.

    Returns:
        The bound, from 0 to 1.

    Raises:
        ValueError: If shapes do not match or entries are not finite.

    Example:
        >>> axes = torch.eye(4)
        >>> purity_ceiling(axes[:, :2], axes[:, :2].unsqueeze(1))
        1.0
    """
    _checks.require_matrix("basis", basis)
    _checks.require_finite("features", features)
    if features.ndim != 3 or features.shape[2] != 2 or len(features) != len(basis):
        raise ValueError(
            f"features must have shape ({len(basis)}, f, 2), cosine and sine pairs with "
            f"one row per row of the basis, got {tuple(features.shape)}."
        )
    span = orthonormal(basis)
    planes = [orthonormal(plane) for plane in features.unbind(1)]
    cosines = torch.cat([torch.linalg.svdvals(plane.mT @ span) for plane in planes])
    dimensions = span.shape[1]
    best = cosines.square().sort(descending=True).values[:dimensions]
    return float(best.sum().clamp_max(dimensions) / dimensions)


def hidden_dimensionality(vectors: Float[Tensor, "m v"]) -> Float[Tensor, " v"]:
    r"""Share of a hidden dimension that each of some vectors has for itself.

    .. math:: D_i = \frac{\lVert v_i \rVert^2}{\sum_j (\hat v_i \cdot v_j)^2}

    It is 1 for a vector orthogonal to all others, 1/2 for one of an antipodal pair,
    2/k for k vectors at the corners of a regular polygon with k > 2, and near 0 for one
    that longer vectors cover. With the columns of W it tells how features share the
    hidden space, with the hidden vectors W x of the data how data points do.

    Args:
        vectors: One per column, shape ``(m, v)``.

    Returns:
        From 0 to 1, shape ``(v,)``; 0 for a zero vector.

    Raises:
        ValueError: If ``vectors`` is not a finite matrix.

    References:
        Elhage et al. (2022), "Toy models of superposition"; for data points Henighan et
        al. (2023), "Superposition, memorization, and double descent".

    Example:
        >>> hidden_dimensionality(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 2.0]]))
        tensor([0.5000, 0.5000, 1.0000])
    """
    _checks.require_matrix("vectors", vectors)
    exact = vectors.double()
    largest = exact.abs().max()
    # Scaled first: squares of squares of small numbers would vanish.
    exact = exact / (largest if largest > 0 else 1.0)
    lengths = exact.square().sum(0)
    # sum_j (v_i . v_j)^2 as a quadratic form of the small (m, m) matrix V V^T.
    crowd = (exact * (exact @ exact.mT @ exact)).sum(0)
    shares = lengths.square() / torch.where(crowd > 0, crowd, 1.0)
    return shares.clamp(0, 1).to(vectors.dtype)


def orthonormal(
    basis: Float[Tensor, "n k"], relative_tolerance: float | None = None
) -> Float[Tensor, "n rank"]:
    """Orthonormal columns with the span of others, in float64.

    Args:
        basis: Columns of any rank.
        relative_tolerance: As in `subspace_overlap`.

    Returns:
        As many columns as the basis has rank.
    """
    # SVD, not QR: QR of a rank-deficient basis returns extra, arbitrary directions.
    left, sizes, _ = torch.linalg.svd(basis.double(), full_matrices=False)
    if relative_tolerance is None:
        relative_tolerance = max(basis.shape) * torch.finfo(basis.dtype).eps
    return left[:, sizes > relative_tolerance * sizes[0]]


def _padded_orthonormal(plane: Tensor) -> Tensor:
    # A pair that spans only a line (a frequency at the Nyquist limit) keeps one column.
    basis = orthonormal(plane)
    padded = plane.new_zeros(plane.shape)
    padded[:, : basis.shape[1]] = basis.to(plane.dtype)
    return padded
