"""Chapter 7: without the group."""

import torch
from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Values, Whole, Wholes
from entk_lib.features import chance_overlap, subspace_overlap
from entk_lib.toys.tasks import modular_addition


def _after_relabelling(basis: Tensor, modulus: int, *, seed: int = 1) -> int:
    """Dimensions of a span in waves of a and b whose residues are dealt out anew."""
    generator = torch.Generator().manual_seed(seed)
    new = torch.randperm(modulus, generator=generator)
    pairs = new[modular_addition.all_pairs(modulus)]
    families = modular_addition.fourier_families(modulus)
    rows = pairs[:, 0] * modulus + pairs[:, 1]
    waves = torch.cat([families[name].flatten(1)[rows] for name in ("a", "b")], 1)
    return round(subspace_overlap(basis, waves))


dimensions_after_relabelling = Check(
    Whole(),
    truth=_after_relabelling,
    wrong=(
        Wrong(
            "relabelled waves are random vectors",
            lambda basis, modulus: round(
                chance_overlap(basis.shape[1], 2 * (modulus - 1), len(basis))
            ),
            "That is chance for a span of random functions of the pair. A relabelled wave "
            "of a is still a function of a alone.",
        ),
        Wrong(
            "only one token keeps its waves",
            lambda basis, _: basis.shape[1] // 2,
            "Both tokens are relabelled in the same way: what goes for a goes for b.",
        ),
        Wrong(
            "nothing is left",
            lambda *_: 0,
            "The relabelled waves are other vectors. Which functions does the span hold?",
        ),
    ),
    right="The span holds every function of a or of b alone, by whatever names.",
    hint="Which functions of the pair does the first eigenspace hold?",
)

chance_of_a_family = Check(
    Values(tolerance=0.02),
    truth=lambda modulus: chance_overlap(4, 4, 2 * (modulus - 1)),
    wrong=(
        Wrong(
            "in all of data space",
            lambda modulus: chance_overlap(4, 4, modulus**2),
            "That is the chance among all functions on the pairs. Both subspaces lie in an "
            "eigenspace that is much smaller.",
        ),
        Wrong(
            "the share, not the dimensions",
            lambda modulus: 4 / (2 * (modulus - 1)),
            "That is the share of one vector. How many dimensions do four vectors share?",
        ),
        Wrong(
            "all frequencies together",
            lambda _: 4.0,
            "Four is what the family shares with all frequencies together: with the whole "
            "eigenspace.",
        ),
    ),
    right="Matching each frequency with the best of all families lifts this: so do it to "
    "the null as well.",
    hint="Two random subspaces of an n-dimensional space share k_a * k_b / n dimensions.",
)


def _frequencies_of_a_square(frequency: int, modulus: int) -> list[int]:
    """The wave of a and the wave of a + b in the square of cos(ka) + cos(kb)."""
    families = modular_addition.fourier_families(modulus)
    waves = [families[name][:, frequency - 1, 0] for name in ("a", "b")]
    square = (waves[0] + waves[1]).square()
    found = []
    for name in ("a", "sum"):
        power = torch.einsum("n,nfd->fd", square, families[name]).square().sum(1)
        found.append(int(power.argmax()) + 1)
    return found


waves_in_a_square = Check(
    Wholes(),
    truth=_frequencies_of_a_square,
    wrong=(
        Wrong(
            "nothing doubles",
            lambda frequency, _: [frequency, frequency],
            "The square of one cosine: at which frequency does it turn?",
        ),
        Wrong(
            "all doubles",
            lambda frequency, modulus: [min(2 * frequency, modulus - 2 * frequency)] * 2,
            "The product of two cosines of the same frequency holds sums and differences "
            "of their phases. At which frequency of a + b?",
        ),
        Wrong(
            "beyond the last frequency",
            lambda frequency, _: [2 * frequency, frequency],
            "Frequencies go from 1 to 14: on residues, which lower one looks the same?",
        ),
    ),
    right="So a family in the second eigenspace and the family of its own neurons in the "
    "first have the same frequency.",
    hint="Write out (cos u + cos v)².",
)
