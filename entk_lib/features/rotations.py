"""Rotations of an eigenspace onto vectors that are smooth on given graphs."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks
from entk_lib.features.graphs import check_laplacian

# Eigenvectors that were rounded to float32 and cast up again must pass.
_ORTHONORMAL_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
# A rotation that lowers what is left off the diagonal by less than this share of all
# entries changes the vectors by rounding only.
_NEGLIGIBLE = 1e-15
_MOST_SWEEPS = 200


def smoothness_rotation(
    basis: Float[Tensor, "n k"],
    laplacians: Sequence[Float[Tensor, "n n"]],
    *,
    method: Literal["joint", "two_stage"] = "joint",
) -> Float[Tensor, "n k"]:
    r"""Rotate an orthonormal basis, inside its span, onto vectors smooth on graphs.

    Eigenvectors of nearly equal eigenvalues come in an arbitrary mixture. Where the
    features behind them differ in smoothness on known graphs, with Laplacians
    :math:`L_i`, the mixture can be undone: in the span with basis B, the features
    diagonalise all :math:`M_i = B^\top L_i B`.

    ``"joint"`` looks for the rotation V for which the squares off the diagonals of all
    :math:`V^\top M_i V` have the smallest sum, by Jacobi rotations of pairs of vectors.
    No Laplacian comes before another. ``"two_stage"`` takes two: it diagonalises
    :math:`M_1`, then :math:`M_2` within the smoother half of what came out, which is
    right only as far as that half is one family of features.

    Args:
        basis: Orthonormal columns, such as eigenvectors above a cliff, shape ``(n, k)``.
        laplacians: Symmetric matrices, dense or sparse, shape ``(n, n)``; two of them
            for ``"two_stage"``.
        method: As above.

    Returns:
        Orthonormal columns of the same span, shape ``(n, k)``, each with its largest
        entry positive. ``"joint"``: those that are smoothest on the first Laplacian come
        first, then those on the second, and so on; among them in ascending order of the
        energy on the first of the other Laplacians. ``"two_stage"``: the smoother half
        first, ascending in the energy of the second Laplacian, then the other half,
        ascending in that of the first.

    Raises:
        ValueError: If the basis is not orthonormal or has fewer columns than there are
            Laplacians, a Laplacian is not symmetric or of another size, or ``method`` is
            unknown.

    References:
        Cardoso and Souloumiac (1996), "Jacobi angles for simultaneous diagonalization",
        SIAM J. Matrix Anal. Appl. 17(1), 161-164. Lin (2025), arXiv:2510.00468, for the
        two stages.

    Example:
        >>> from entk_lib import torus_laplacian
        >>> wave = torch.cos(2 * torch.pi / 5 * torch.arange(5.0)).double()
        >>> a, b = torch.kron(wave, torch.ones(5)), torch.kron(torch.ones(5), wave)
        >>> mixed = torch.stack([a + b, a - b], 1) / a.norm() / 2**0.5
        >>> graphs = [torus_laplacian(5, (1, 0)), torus_laplacian(5, (0, 1))]
        >>> rotated = smoothness_rotation(mixed, graphs)
        >>> [bool(torch.allclose(v, w / w.norm())) for v, w in zip(rotated.T, (b, a))]
        [True, True]
    """
    _check_arguments(basis, laplacians, method)
    span = basis.double()
    matrices = torch.stack([span.mT @ (m.double() @ span) for m in laplacians])
    matrices = (matrices + matrices.mT) / 2
    rotate = _jointly if method == "joint" else _in_two_stages
    rotated = span @ rotate(matrices)
    peak = rotated.gather(0, rotated.abs().argmax(0, keepdim=True))
    return (rotated * torch.where(peak < 0, -1.0, 1.0)).to(basis.dtype)


def _in_two_stages(matrices: Tensor) -> Tensor:
    """Eigenvectors of the first matrix, the lower half rotated onto the second's."""
    first, second = matrices
    vectors = torch.linalg.eigh(first).eigenvectors
    half = len(first) // 2
    smooth = vectors[:, :half]
    smooth = smooth @ torch.linalg.eigh(smooth.mT @ second @ smooth).eigenvectors
    return torch.cat([smooth, vectors[:, half:]], 1)


def _jointly(matrices: Tensor) -> Tensor:
    """Rotation that makes all matrices as diagonal as one rotation can."""
    count, size, _ = matrices.shape
    # A generic mixture of exactly diagonalisable matrices has their eigenvectors; of
    # others it is a good start. Its weights are fixed, and no ratio of them is rational.
    weights = torch.arange(2.0, 2.0 + count, dtype=matrices.dtype).sqrt().frac() + 0.5
    start = torch.linalg.eigh(torch.tensordot(weights.to(matrices), matrices, 1))
    vectors = start.eigenvectors
    matrices = vectors.mT @ matrices @ vectors
    negligible = _NEGLIGIBLE * float(matrices.square().sum())
    for _ in range(_MOST_SWEEPS):
        gained = 0.0
        for pairs in _rounds(size):
            rotation, gain = _best_rotation(matrices, *pairs)
            if gain > negligible:
                matrices = rotation.mT @ matrices @ rotation
                vectors = vectors @ rotation
                gained += gain
        if gained <= negligible:
            break
    return vectors[:, _by_family(matrices)]


def _best_rotation(matrices: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, float]:
    """The rotation of disjoint pairs of axes that helps most, and by how much."""
    apart = matrices[:, left, left] - matrices[:, right, right]
    across = 2 * matrices[:, left, right]
    even = (apart.square() - across.square()).sum(0)
    odd = 2 * (apart * across).sum(0)
    length = torch.hypot(even, odd)
    # What a pair has off its diagonals falls by this, to its smallest.
    gains = (length - even) / 2
    angle = torch.atan2(odd, even + length) / 2
    angle = torch.where(gains > 0, angle, 0.0)
    # Where both are exactly apart in the wrong order, atan2 sees 0, 0.
    angle = torch.where((length > 0) & (even + length <= 0), torch.pi / 4, angle)
    rotation = torch.eye(matrices.shape[1]).to(matrices)
    rotation[left, left] = rotation[right, right] = angle.cos()
    rotation[right, left] = angle.sin()
    rotation[left, right] = -angle.sin()
    return rotation, float(gains.sum())


def _rounds(size: int) -> list[tuple[Tensor, Tensor]]:
    """Rounds of a tournament: disjoint pairs of indices, in all rounds each pair once."""
    players = list(range(size + size % 2))
    rounds = []
    for _ in range(len(players) - 1):
        half = len(players) // 2
        pairs = zip(players[:half], reversed(players[half:]), strict=True)
        met = [pair for pair in pairs if max(pair) < size]
        rounds.append(tuple(torch.tensor(side) for side in zip(*met, strict=True)))
        players = [players[0], players[-1], *players[1:-1]]
    return rounds


def _by_family(matrices: Tensor) -> Tensor:
    """Order of the axes: by the matrix on which each is smoothest, then by the others."""
    energies = matrices.diagonal(dim1=1, dim2=2)
    family = energies.argmin(0)
    # The first matrix that is not the axis's own tells its place among its like.
    other = (family == 0).long().clamp_max(len(energies) - 1)
    within = energies.gather(0, other.unsqueeze(0)).squeeze(0)
    return within.argsort()[family[within.argsort()].argsort(stable=True)]


def _check_arguments(basis: Tensor, laplacians: Sequence[Tensor], method: str) -> None:
    if method not in ("joint", "two_stage"):
        raise ValueError(f"method must be 'joint' or 'two_stage', got {method!r}.")
    check_orthonormal(basis)
    if len(laplacians) == 0 or (method == "two_stage" and len(laplacians) != 2):
        wanted = "two matrices" if method == "two_stage" else "at least one matrix"
        raise ValueError(f"laplacians must be {wanted}, got {len(laplacians)}.")
    for i, laplacian in enumerate(laplacians):
        check_laplacian(f"laplacians[{i}]", laplacian, len(basis))
    if basis.shape[1] < len(laplacians):
        raise ValueError(
            f"basis must have at least one column for each of the {len(laplacians)} "
            f"Laplacians, got {basis.shape[1]}. Fewer vectors hold fewer families: pass "
            "fewer Laplacians."
        )


def check_orthonormal(basis: Tensor) -> None:
    """Raise ValueError unless ``basis`` is a finite matrix with orthonormal columns.

    Args:
        basis: One vector a column.

    Raises:
        ValueError: If it is not.
    """
    _checks.require_matrix("basis", basis)
    tolerance = _ORTHONORMAL_TOLERANCE.get(basis.dtype, 1e-2)
    gram = basis.double().mT @ basis.double()
    error = float((gram - torch.eye(len(gram)).to(gram)).abs().max())
    if error > tolerance:
        raise ValueError(
            f"basis must have orthonormal columns, got products that are off by "
            f"{error:.1e}. Take eigenvectors, or torch.linalg.qr(basis).Q."
        )
