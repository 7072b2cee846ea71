"""Families of features in an eigenspace, found from the directions that neurons take.

An eigenspace above a cliff is a span and prefers no basis. The neurons of a trained network
do: if each of them serves one family of features, they crowd into a few subspaces of the
span. Those subspaces are looked for here, without knowing what the features are.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.linalg import qr
from torch import Tensor

from entk_lib import _checks
from entk_lib.rotations import check_orthonormal

# A direction with less of its length than this inside the span says nothing about it.
_NO_PART = 1e-6
# Squared cosines below this are rounding: such a direction has no neighbour.
_NO_NEIGHBOUR = 1e-12
_MOST_STEPS = 100
_CONVERGED = 1e-5


@dataclass(frozen=True)
class Families:
    """Subspaces that directions crowd into, and how sure that is.

    Attributes:
        bases: One orthonormal basis for each family, in data space, shape ``(n, d_g)``;
            together an orthonormal basis of the span. Largest families first. They are
            given even where ``found`` is false: then they are no more than candidates.
        members: For each direction the index of the family that holds most of it, -1
            for one that was left out. Shape ``(m,)``.
        shares: For each direction the share of its energy inside the span that its
            family holds; 0 for one that was left out. Shape ``(m,)``.
        eigenvalues: Of the normalised affinities, descending: their gap sets the count.
        gap: Drop of ``eigenvalues`` after as many as there are families.
        chance_gap: Largest drop that any surrogate has anywhere.
        score: ``gap / chance_gap``, infinite if no surrogate has a drop. About 1 for
            directions without families.
        found: Whether ``score`` is at least ``threshold`` and nothing else speaks against.
        reason: One sentence: why families were found, or why not.
    """

    bases: tuple[Tensor, ...]
    members: Tensor
    shares: Tensor
    eigenvalues: Tensor
    gap: float
    chance_gap: float
    score: float
    found: bool
    reason: str

    def __repr__(self) -> str:
        """Number and sizes of the families, and the reason."""
        sizes = sorted({basis.shape[1] for basis in self.bases})
        told = f"{len(self.bases)} families of {' or '.join(map(str, sizes))} dimensions"
        return f"Families({told if self.found else 'not found'}: {self.reason})"


def find_families(
    basis: Float[Tensor, "n k"],
    directions: Float[Tensor, "n_rows m"],
    *,
    count: int | None = None,
    threshold: float = 2.5,
    n_surrogates: int = 10,
    seed: int = 0,
) -> Families:
    r"""Split a span into the subspaces that many directions crowd into.

    1. Directions are projected into the span and scaled to length one,
       :math:`c_1, \ldots, c_m`.
    2. Squared cosines :math:`(c_i \cdot c_j)^2` are affinities: a large one says that two
       lie in one family, whatever their signs and phases. The largest drop in the
       spectrum of the normalised affinities sets the number of families.
    3. Spectral clustering sorts the directions; each cluster gets those principal
       directions, of its second moment less the mean of all clusters', that are among the
       k strongest.
    4. From there, orthonormal bases :math:`Q_g` that together fill the span climb to a
       maximum of :math:`\sum_{i, g} \lVert Q_g^\top c_i \rVert^4`, by polar factors of the
       gradient. The sum is convex, so no step lowers it. The fourth power lets directions
       that lie in one family count for more than those that lie across.

    The null is a cloud of Gaussian directions with the same covariance, as many of them:
    it has no families. Its largest drop, over all surrogates and places, is
    ``chance_gap``.

    Families with fewer directions than others may come out merged, since the largest drop
    then lies before them: half as many can be too few. Equal crowds are the good case.

    Args:
        basis: Orthonormal columns, such as eigenvectors above a cliff, shape ``(n, k)``.
        directions: One column a neuron, on the same data points: preactivations,
            activations or what else the neurons do. Shape ``(n, m)``, of any length. A
            strong part that all of them share, such as a constant, hides families: leave
            it out of the basis.
        count: Number of families, if it is not to be found. Steps 1, 3 and 4 are the
            same; the gap reported is that after this number.
        threshold: What ``score`` must reach to be called found. Directions without
            families get about 1; 2.5 leaves a margin for spans that depend on the
            directions, where surrogates are a little too smooth.
        n_surrogates: Clouds drawn for the null.
        seed: Of the surrogates; nothing else is random.

    Returns:
        The families, or candidates with ``found`` false.

    Raises:
        ValueError: If the basis is not orthonormal, has more columns than rows or fewer
            than two, the rows do not match, entries are not finite, ``count`` exceeds k
            or the number of directions, or fewer than two directions have a part in the
            span and a neighbour there.

    References:
        Ng, Jordan and Weiss (2001), "On spectral clustering"; Damle, Minden and Ying
        (2019), "Simple, direct and efficient multi-way spectral clustering", for the
        clusters; Hyvarinen and Hoyer (2000), "Emergence of phase- and shift-invariant
        features", for the idea of independent subspaces.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> planes = torch.eye(20).double()[:, :6].reshape(20, 3, 2)
        >>> angles = torch.rand(90, generator=g).double() * 6.28
        >>> circle = torch.stack([angles.cos(), angles.sin()])
        >>> neurons = [planes[:, i % 3] @ circle[:, i] for i in range(90)]
        >>> neurons = torch.stack(neurons, 1)
        >>> neurons += 0.01 * torch.randn(20, 90, generator=g).double()
        >>> find_families(torch.eye(20).double()[:, :6], neurons).found
        True
    """
    _check_arguments(basis, directions, count, threshold, n_surrogates)
    span = basis.double()
    coordinates, used = _coordinates(span, directions.double())
    n_used, dimensions = coordinates.shape[1], coordinates.shape[0]
    if count is not None and count > n_used:
        raise ValueError(
            f"count must be at most the {n_used} directions with a part in the span and a "
            f"neighbour there, got {count}. Ask for fewer families, or pass more neurons."
        )
    eigenvalues, vectors = _affinity_spectrum(coordinates)
    drops = eigenvalues[:-1] - eigenvalues[1:]
    most = min(dimensions, n_used - 1)
    size = count or _largest_drop(drops, most)
    gap = float(drops[size - 1]) if size <= len(drops) else 0.0
    clusters = _clusters(vectors[:, :size])
    start, family = _dimensions(coordinates, clusters, size)
    rotation, held = _climb(coordinates, start, family)

    chance = _chance_gap(coordinates, most, n_surrogates, seed)
    score = gap / chance if chance > 0 else float("inf")
    found, reason = _verdict(score, threshold, n_used, dimensions, family, size)

    share, member = held.max(0)
    sizes = torch.bincount(member, minlength=len(held))
    order = [g for g in sizes.argsort(descending=True, stable=True).tolist()]
    place = torch.empty(len(held), dtype=torch.long)
    place[torch.tensor(order)] = torch.arange(len(held))
    members = torch.full((directions.shape[1],), -1)
    members[used] = place[member]
    shares = torch.zeros(directions.shape[1], dtype=torch.float64)
    shares[used] = share
    full = span @ rotation
    bases = tuple(full[:, family == g].to(basis.dtype) for g in order)
    bases = tuple(b for b in bases if b.shape[1])
    return Families(bases, members, shares, eigenvalues, gap, chance, score, found, reason)


def _coordinates(span: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors in the span, and which directions they are of."""
    inside = span.mT @ directions
    lengths, whole = inside.norm(dim=0), directions.norm(dim=0)
    used = (lengths > _NO_PART * whole) & (whole > 0)
    units = inside[:, used] / lengths[used]
    # Who is orthogonal to all others has no neighbour to be sorted with.
    near = (units.mT @ units).square().fill_diagonal_(0).sum(1) > _NO_NEIGHBOUR
    used[used.clone()] = near
    if int(used.sum()) < 2:
        raise ValueError(
            f"directions must have a part in the span of basis and a neighbour there, got "
            f"{int(used.sum())} such of {len(used)}. Are they on the same data points?"
        )
    return units[:, near], used


def _affinities(coordinates: Tensor) -> Tensor:
    squares = (coordinates.mT @ coordinates).square().fill_diagonal_(0)
    scale = squares.sum(1).clamp_min(torch.finfo(squares.dtype).tiny).rsqrt()
    return scale[:, None] * squares * scale


def _affinity_spectrum(coordinates: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(_affinities(coordinates))
    return values.flip(0), vectors.flip(1)


def _largest_drop(drops: Tensor, most: int) -> int:
    """Number of eigenvalues above the largest drop: at least two, one is trivial."""
    return int(drops[1 : max(most, 2)].argmax()) + 2 if len(drops) > 1 else 2


def _chance_gap(coordinates: Tensor, most: int, n_surrogates: int, seed: int) -> float:
    """Largest drop that Gaussian directions of the same covariance have."""
    size, count = coordinates.shape
    if count < 3:
        return 0.0
    values, vectors = torch.linalg.eigh(coordinates @ coordinates.mT / count)
    root = vectors * values.clamp_min(0).sqrt()
    generator = torch.Generator().manual_seed(seed)
    largest = 0.0
    for _ in range(n_surrogates):
        cloud = root @ torch.randn(size, count, generator=generator, dtype=root.dtype)
        found = torch.linalg.eigvalsh(_affinities(cloud / cloud.norm(dim=0))).flip(0)
        drops = found[:-1] - found[1:]
        largest = max(largest, float(drops[1 : max(most, 2)].max()))
    return largest


def _clusters(vectors: Tensor) -> Tensor:
    """A cluster for each row: the axis next to it after the best-known rotation."""
    # Pivots are rows that stand for clusters; no start is drawn, as k-means would.
    *_, pivots = qr(vectors.mT.numpy(), pivoting=True, mode="r")
    stand = vectors[torch.as_tensor(pivots)[: vectors.shape[1]].long()]
    return (vectors @ _polar(stand.mT)).abs().argmax(1)


def _dimensions(coordinates: Tensor, clusters: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """An orthonormal start: what is strongest in each cluster beside the mean cluster."""
    dimensions = len(coordinates)
    # Means, not sums: a family with more neurons has no more dimensions.
    scatters = []
    for g in range(size):
        own = coordinates[:, clusters == g]
        scatters.append(own @ own.mT / max(own.shape[1], 1))
    # Less their mean: a direction that all clusters share belongs to none of them.
    contrasts = torch.stack(scatters) - torch.stack(scatters).mean(0)
    values, axes = torch.linalg.eigh(contrasts)
    best = values.flatten().topk(dimensions).indices
    taken = torch.bincount(best // dimensions, minlength=size)
    chosen = [v[:, dimensions - t :] for v, t in zip(axes, taken.tolist(), strict=True)]
    return _polar(torch.cat(chosen, 1)), torch.repeat_interleave(torch.arange(size), taken)


def _climb(coordinates: Tensor, start: Tensor, family: Tensor) -> tuple[Tensor, Tensor]:
    """Maximise the sum of squared shares over rotations; the shares, family by family."""
    member = torch.nn.functional.one_hot(family).to(coordinates)
    rotation, last = start, 0.0
    for _ in range(_MOST_STEPS):
        parts = rotation.mT @ coordinates
        held = member.mT @ parts.square()
        value = float(held.square().sum())
        if value - last <= _CONVERGED * value:
            break
        last = value
        rotation = _polar(coordinates @ (parts * (member @ held)).mT)
    return rotation, member.mT @ (rotation.mT @ coordinates).square()


def _polar(matrix: Tensor) -> Tensor:
    """The nearest matrix with orthonormal columns."""
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    return left @ right


def _verdict(
    score: float, threshold: float, n_used: int, dimensions: int, family: Tensor, size: int
) -> tuple[bool, str]:
    told = f"score {score:.2g}, {threshold:g} is asked for"
    if n_used < 2 * dimensions:
        return False, (
            f"{n_used} directions cannot crowd into the parts of {dimensions} dimensions, "
            f"at least {2 * dimensions} are needed ({told})"
        )
    if len(family.unique()) < size:
        return False, f"a cluster is without a dimension of its own ({told})"
    if score < threshold:
        return False, f"no gap that a cloud without families would not have ({told})"
    return True, f"a gap after {size} ({told})"


def _check_arguments(
    basis: Tensor,
    directions: Tensor,
    count: int | None,
    threshold: float,
    n_surrogates: int,
) -> None:
    _checks.require_matrix("basis", basis)
    _checks.require_matrix("directions", directions)
    n, k = basis.shape
    if k > n or k < 2:
        raise ValueError(
            f"basis must have from 2 columns to as many as rows, got shape ({n}, {k}). "
            "A data set of n samples has no more than n modes: ask for fewer, or add data."
        )
    if len(directions) != n:
        raise ValueError(
            f"directions must have one row per row of basis, expected {n}, got "
            f"{len(directions)}. Evaluate the neurons on the samples of the kernel."
        )
    check_orthonormal(basis)
    if count is not None:
        _checks.require_count("count", count, minimum=2)
        if count > k:
            raise ValueError(
                f"count must be at most the {k} dimensions of the span, got {count}. Each "
                "family needs one."
            )
    if not threshold > 0:
        raise ValueError(f"threshold must be positive, got {threshold}. Chance gives 1.")
    _checks.require_count("n_surrogates", n_surrogates)
