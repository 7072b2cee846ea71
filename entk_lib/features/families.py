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
from entk_lib.features.rotations import check_orthonormal

# A direction with less of its length than this inside the span says nothing about it.
_NO_PART = 1e-6
# Squared cosines below this are rounding: such a direction has no neighbour.
_NO_NEIGHBOUR = 1e-12
# An axis with less than this of an axis's fair share of energy is not filled: whitening
# would blow its noise up to the size of what the directions do.
_NO_ENERGY = 1e-3
# Two families of two dimensions.
_FEWEST_DIMENSIONS = 4
_MOST_STEPS = 100
_CONVERGED = 1e-5


@dataclass(frozen=True)
class Families:
    """Subspaces that directions crowd into, and how sure that is.

    Attributes:
        bases: One orthonormal basis for each family, in data space, shape ``(n, d_g)``;
            together an orthonormal basis of what the directions fill of the span. Families
            with most directions first. Where ``found`` is false they are no more than
            candidates, and none where directions are too few.
        members: For each direction the index of the family that holds most of it, -1
            for one that was left out. Shape ``(m,)``.
        shares: For each direction the share of its energy inside the span that its
            family holds; 0 for one that was left out. Shape ``(m,)``.
        eigenvalues: Of the components' affinities, descending: their gap sets the count.
        gap: Drop of ``eigenvalues`` after as many as there are families.
        chance_gap: Largest drop that any surrogate has anywhere.
        score: ``gap / chance_gap``, 0 where directions are too few. About 1 for
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
       :math:`c_1, \ldots, c_m`, and whitened.
    2. The basis :math:`q_1, \ldots, q_k` in which they are least Gaussian maximises
       :math:`\sum_{i, j} (q_j \cdot c_i)^4`: independent components, with directions as
       samples. Inside a family this basis is arbitrary, but it does not mix families.
    3. Components of one family are large for the same directions. The correlations of
       :math:`(q_j \cdot c_i)^2` over directions are, where positive, affinities of
       components, measured from the :math:`-1/(k-1)` that parts of a whole have by
       chance. They are normalised by degrees plus two standard errors of a correlation.
       The largest drop in their spectrum sets the number of families, and spectral
       clustering sorts the components into them.
    4. From there, orthonormal bases :math:`Q_g` that together fill the span climb to a
       maximum of :math:`\sum_{i, g} \lVert Q_g^\top c_i \rVert^4`. It is the sum of step 2
       for families of several dimensions.

    Both sums are climbed by polar factors of the gradient. They are convex, so no step
    lowers them. The null is a cloud of as many Gaussian directions with the same
    covariance: it has no families. Its largest drop, over all surrogates and places, is
    ``chance_gap``. A family has at least two dimensions: a direction of its own, however
    crowded, joins one of the others.

    Args:
        basis: Orthonormal columns, such as eigenvectors above a cliff, shape ``(n, k)``.
        directions: One column a neuron, on the same data points: preactivations,
            activations or what else the neurons do. Shape ``(n, m)``, of any length. A
            strong part that all of them share, such as a constant, hides families: leave
            it out of the basis.
        count: Number of families, if it is not to be found. All steps are the same; the
            gap reported is that after this number.
        threshold: What ``score`` must reach to be called found. Directions without
            families get about 1: of 1,656 clouds (Gaussian, heavy-tailed, variances four
            decades apart; 2 to 60 dimensions, 32 to 1,024 directions) none reached 2, and
            one in a hundred 1.35. 2.5 leaves a margin for spans that depend on the
            directions, where surrogates are a little too smooth. Found at 2.5: families
            without noise from 128 directions on, with a fifth of noise from 256 on, with
            a half from 1,024 on, in most cases (``benchmarks/families.py``).
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
        Hyvarinen and Hoyer (2000), "Emergence of phase- and shift-invariant features by
        decomposition of natural images into independent feature subspaces"; Cardoso (1998),
        "Multidimensional independent component analysis", for components first and
        subspaces of them then; Ng, Jordan and Weiss (2001), "On spectral clustering";
        Damle, Minden and Ying (2019), "Simple, direct and efficient multi-way spectral
        clustering".

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
    n_used = coordinates.shape[1]
    if count is not None and count > n_used:
        raise ValueError(
            f"count must be at most the {n_used} directions with a part in the span and a "
            f"neighbour there, got {count}. Ask for fewer families, or pass more neurons."
        )
    coordinates, axes, scales = _principal(coordinates)
    dimensions = len(coordinates)
    members = torch.full((directions.shape[1],), -1)
    shares = torch.zeros(directions.shape[1], dtype=torch.float64)
    reason = _too_small(n_used, dimensions)
    if reason:
        reason = f"{reason} (score 0, {threshold:g} is asked for)"
        nothing = torch.zeros(0, dtype=torch.float64)
        return Families((), members, shares, nothing, 0.0, 0.0, 0.0, False, reason)

    turn, eigenvalues, vectors = _components(coordinates / scales)
    drops = eigenvalues[:-1] - eigenvalues[1:]
    size = min(count, dimensions) if count else _largest_drop(drops)
    gap = float(drops[size - 1]) if size <= len(drops) else 0.0
    family = _clusters(vectors[:, :size])
    # Components, back from whitened coordinates, and as orthonormal as they can be.
    rotation, held = _climb(coordinates, _polar(scales * turn), family)

    chance = _chance_gap(scales, n_used, n_surrogates, seed)
    score = gap / chance
    found, reason = _verdict(score, threshold, family, size)

    share, member = held.max(0)
    order = torch.bincount(member, minlength=size).argsort(descending=True, stable=True)
    order = [g for g in order.tolist() if bool((family == g).any())]
    place = torch.full((size,), -1)
    place[torch.tensor(order)] = torch.arange(len(order))
    members[used], shares[used] = place[member], share
    full = span @ axes @ rotation
    bases = tuple(full[:, family == g].to(basis.dtype) for g in order)
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


def _principal(units: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates along the principal axes that are filled, the axes, their scales."""
    variances, axes = torch.linalg.eigh(units @ units.mT / units.shape[1])
    filled = variances > _NO_ENERGY * variances.mean()
    axes = axes[:, filled]
    return axes.mT @ units, axes, variances[filled].sqrt().unsqueeze(1)


def _components(white: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Independent components, and the spectrum of their affinities, descending."""
    size, n_units = white.shape
    turn, _ = _climb(white, torch.eye(size, dtype=white.dtype), torch.arange(size))
    squares = (turn.mT @ white).square()
    # Squares that add up to the same for all directions correlate by -1 / (size - 1).
    affinities = torch.corrcoef(squares) + 1 / (size - 1)
    affinities = affinities.clamp_min(0).fill_diagonal_(0)
    # Two standard errors of a correlation: what has less than that of affinity in all does
    # not become a family by being divided by it.
    scale = (affinities.sum(1) + 2 / n_units**0.5).rsqrt()
    values, vectors = torch.linalg.eigh(scale[:, None] * affinities * scale)
    return turn, values.flip(0), vectors.flip(1)


def _too_small(n_units: int, dimensions: int) -> str:
    """Why no families can be told apart; empty where they can."""
    if dimensions < _FEWEST_DIMENSIONS:
        return (
            f"two families need at least {_FEWEST_DIMENSIONS} dimensions, the directions "
            f"fill {dimensions}"
        )
    if n_units < 2 * dimensions:
        return (
            f"{n_units} directions cannot crowd into the parts of {dimensions} dimensions, "
            f"at least {2 * dimensions} are needed"
        )
    return ""


def _largest_drop(drops: Tensor) -> int:
    """Number of eigenvalues above the largest drop: at least two, one is trivial."""
    return int(drops[1:].argmax()) + 2


def _chance_gap(scales: Tensor, n_units: int, n_surrogates: int, seed: int) -> float:
    """Largest drop that Gaussian directions of the same covariance have."""
    generator = torch.Generator().manual_seed(seed)
    largest = 0.0
    for _ in range(n_surrogates):
        cloud = torch.randn(len(scales), n_units, generator=generator, dtype=scales.dtype)
        cloud = scales * cloud
        coordinates, _, own = _principal(cloud / cloud.norm(dim=0))
        _, eigenvalues, _ = _components(coordinates / own)
        drops = eigenvalues[:-1] - eigenvalues[1:]
        largest = max(largest, float(drops[_largest_drop(drops) - 1]))
    return largest


def _clusters(vectors: Tensor) -> Tensor:
    """A cluster for each row: the axis next to it after the best-known rotation."""
    # Pivots are rows that stand for clusters; no start is drawn, as k-means would.
    *_, pivots = qr(vectors.mT.numpy(), pivoting=True, mode="r")
    stand = vectors[torch.as_tensor(pivots)[: vectors.shape[1]].long()]
    return (vectors @ _polar(stand.mT)).abs().argmax(1)


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


def _verdict(score: float, threshold: float, family: Tensor, size: int) -> tuple[bool, str]:
    told = f"score {score:.2g}, {threshold:g} is asked for"
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
