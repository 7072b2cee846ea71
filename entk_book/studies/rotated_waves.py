"""Chapter 3, the rotations: eigenspaces of an adder taken apart into single waves."""

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.studies.adders import MODULUS, eigenspaces
from entk_lib import Spectrum

# Steps to the neighbours of a pair, in four graphs.
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


@cache
def graphs() -> list[Float[Tensor, "pairs pairs"]]:
    """Laplacians of eight graphs on all pairs: four directions, steps of one and of two.

    Returns:
        Steps of one first, in the order of ``DIRECTIONS``.
    """
    return [
        entk.torus_laplacian(MODULUS, (size * u, size * v))
        for size in (1, 2)
        for u, v in DIRECTIONS
    ]


# By eigenspace and way of rotation, orthonormal columns of the same span.
Turned = dict[str, dict[str, Tensor]]

# Two stages need to be told which two: those that split the families expected there.
_TWO = {"first": (0, 1), "second": (3, 2)}


def purity(
    vectors: Float[Tensor, "pairs k"], planes: Float[Tensor, "pairs f 2"]
) -> Float[Tensor, " k"]:
    """Of each vector, its largest squared projection on one wave.

    Args:
        vectors: Unit columns.
        planes: Orthonormal cosine and sine of each wave.

    Returns:
        Purities, from 0 to 1.
    """
    return entk.feature_alignment(vectors, planes).square().amax(1)


def rotations(
    basis: Float[Tensor, "pairs k"], block: str
) -> dict[str, Float[Tensor, "pairs k"]]:
    """An eigenspace's vectors as they come, after two stages, and after the joint rotation.

    Args:
        basis: Orthonormal columns on all pairs.
        block: Which eigenspace, ``"first"`` or ``"second"``: two stages must be told.

    Returns:
        Orthonormal columns of the same span, by the way.

    References:
        Lin (2025), arXiv:2510.00468, for the two stages; Cardoso and Souloumiac (1996),
        SIAM J. Matrix Anal. Appl. 17(1), 161-164, for the joint diagonalisation.
    """
    return {
        "eigenvectors": basis,
        "two stages": entk.smoothness_rotation(
            basis, [graphs()[i] for i in _TWO[block]], method="two_stage"
        ),
        "joint": entk.smoothness_rotation(basis, graphs()),
    }


def all_rotations(spectra: Sequence[Spectrum]) -> list[Turned]:
    """Both eigenspaces of several kernels, rotated in each way.

    Args:
        spectra: Of the kernels, one a seed.

    Returns:
        One entry a seed: by eigenspace and way, orthonormal columns.
    """
    return [
        {block: rotations(basis, block) for block, basis in eigenspaces(one).items()}
        for one in spectra
    ]


def purity_table(
    turned: Sequence[Turned], planes: Float[Tensor, "pairs f 2"]
) -> dict[tuple[str, str], Float[Tensor, "seeds 4"]]:
    """How pure the vectors of both eigenspaces become, seed by seed and by each way.

    Args:
        turned: As `all_rotations` gives them.
        planes: Orthonormal cosine and sine of each wave.

    Returns:
        By eigenspace and way: mean and smallest purity, how many lie above 0.9, and the
        mean over what the eigenspace allows.
    """
    reached: dict[tuple[str, str], list[list[float]]] = {}
    for block in ("first", "second"):
        for one in turned:
            ceiling = entk.purity_ceiling(one[block]["eigenvectors"], planes)
            for name, vectors in one[block].items():
                found = purity(vectors, planes)
                row = (found.mean(), found.min(), (found > 0.9).sum())
                numbers = [*map(float, row), float(found.mean() / ceiling)]
                reached.setdefault((block, name), []).append(numbers)
    return {key: torch.tensor(rows) for key, rows in reached.items()}


def purest_few(
    vectors: Float[Tensor, "pairs k"],
    planes: Float[Tensor, "pairs f 2"],
    families: Sequence[int],
    *,
    per_family: int = 2,
    most_turns: int = 5,
) -> list[int]:
    """The purest waves of few turns in some families.

    Args:
        vectors: Unit columns.
        planes: Waves of all families, as many frequencies each.
        families: Which ones, by their place.
        per_family: How many of each.
        most_turns: Highest frequency.

    Returns:
        Indices of the vectors.
    """
    n_frequencies = MODULUS // 2
    wave = entk.feature_alignment(vectors, planes).argmax(1)
    family, frequency = wave // n_frequencies, wave % n_frequencies + 1
    found = purity(vectors, planes)
    return torch.cat(
        [
            (found * (family == f) * (frequency <= most_turns)).topk(per_family).indices
            for f in families
        ]
    ).tolist()


def separated_halves(
    turned: Sequence[Turned], families: Mapping[str, Tensor]
) -> list[float]:
    """Share of the right family in each half of an eigenspace after two stages.

    Args:
        turned: As `all_rotations` gives them.
        families: Waves by the family's name.

    Returns:
        For each seed b, a, sum, difference; from 0 to 1.
    """
    halves = {"first": ("b", "a"), "second": ("sum", "difference")}
    found = []
    for one in turned:
        for block, names in halves.items():
            vectors = one[block]["two stages"]
            half = vectors.shape[1] // 2
            for name, part in zip(names, vectors.split(half, 1), strict=True):
                shared = entk.subspace_overlap(part, families[name].flatten(1))
                found.append(shared / half)
    return found
