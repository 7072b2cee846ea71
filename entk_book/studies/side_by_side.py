"""A rival of the kernel that takes no derivative: inputs and activations side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.adders import Adder, ratio_after
from entk_book.studies.modular_addition import (
    N_ONE,
    N_TWO,
    cliffs_of,
    overlaps_over_seeds,
    seeds_with_cliff,
    span,
    told,
)
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition

# How much the inputs count beside the activations, as a ratio of traces.
RATIOS = {"1/4": 0.25, "1": 1.0, "4": 4.0}
N_EIGENVALUES = 200
# Rarer than this is not told apart: no model of chance is that exact.
_RAREST = 1e-6


def side_by_side(
    parts: Sequence[Float[Tensor, "n _"]], weights: Sequence[float]
) -> Float[Tensor, "n n"]:
    """Gram matrices of several views of the same data, each of trace one, added up.

    Args:
        parts: One row a data point.
        weights: What each part counts for, not negative.

    Returns:
        The sum in float64: the Gram matrix of the parts' scaled columns side by side.

    Raises:
        ValueError: If the numbers of parts and weights differ, or a part is zero.

    Example:
        >>> side_by_side([torch.eye(2), torch.ones(2, 1)], [1.0, 2.0])
        tensor([[1.5000, 1.0000],
                [1.0000, 1.5000]], dtype=torch.float64)
    """
    total = torch.zeros(len(parts[0]), len(parts[0]), dtype=torch.float64)
    for part, weight in zip(parts, weights, strict=True):
        gram = part.double() @ part.double().T
        if not gram.trace() > 0:
            raise ValueError(
                "parts must not be zero, got one that is. Leave it out, or scale it up."
            )
        total += weight * gram / gram.trace()
    return total


@dataclass(frozen=True)
class Rival:
    """One matrix over several networks: where its spectrum drops, and what is above.

    Attributes:
        spectra: One a network.
        shared: Dimensions that both eigenspaces share with each family of waves.
    """

    spectra: list[Spectrum]
    shared: Mapping[str, Float[Tensor, "seeds families"]]

    @property
    def has_both(self) -> int:
        """In how many networks `entk_lib.find_cliffs` finds both cliffs."""
        return sum({N_ONE, N_TWO} <= set(cliffs_of(s)) for s in self.spectra)

    def __str__(self) -> str:
        """Two lines of the chapter."""
        found = ", ".join(
            f"after {stop} in {seeds_with_cliff(self.spectra, stop)}"
            for stop in (N_ONE, N_TWO)
        )
        ratios = span([ratio_after(s, N_TWO) for s in self.spectra], 1)
        rows = self.shared["second"][:, 2:]
        return (
            f"cliffs {found} of {len(self.spectra)}, ratio at {N_TWO} {ratios}, "
            f"{chance_line(self.spectra, N_TWO)}\n"
            f"    modes {N_ONE} to {N_TWO - 1}: {told(rows, ('sum', 'difference'))} of 28"
        )


def chance_line(spectra: Sequence[Spectrum], stop: int) -> str:
    """How often spectra without a cliff have the gaps that these have at a place.

    Args:
        spectra: One a network.
        stop: Number of eigenvalues above the place.

    Returns:
        Text: the largest of the probabilities, as a bound, or that it is no wonder.
    """
    largest = max(entk.cliff_chance(s.eigenvalues, stop) for s in spectra)
    if largest > 0.05:
        return "no more than chance gives"
    digits = math.floor(-math.log10(largest)) if largest > _RAREST else 6
    return f"by chance less than once in {10**digits:,}"


def rivals(adders: Sequence[Adder], *, trained: bool = True) -> dict[str, Rival]:
    """The kernel, the activations, and inputs and activations side by side.

    Args:
        adders: Networks that add, on the same pairs.
        trained: Take the networks as they ended, not as they started.

    Returns:
        By name: ``"kernel"``, ``"activations"`` and ``"inputs and activations, 1"``, where
        the number is the ratio of their traces, one of ``RATIOS``.
    """
    families = modular_addition.fourier_families(adders[0].modulus)
    spectra: dict[str, list[Spectrum]] = {}
    for adder in adders:
        network = adder.network if trained else adder.start
        with torch.no_grad():
            hidden = network.first(adder.x).double().square()
        matrices = {"activations": side_by_side([hidden], [1.0])} | {
            f"inputs and activations, {name}": side_by_side([adder.x, hidden], [ratio, 1.0])
            for name, ratio in RATIOS.items()
        }
        kernel = entk.ntk_spectrum(network, adder.x, k=N_EIGENVALUES)
        spectra.setdefault("kernel", []).append(kernel)
        for name, matrix in matrices.items():
            found = entk.kernel_spectrum(matrix, k=N_EIGENVALUES)
            spectra.setdefault(name, []).append(found)
    return {
        name: Rival(group, overlaps_over_seeds(group, families))
        for name, group in spectra.items()
    }


def claims(fresh: Mapping[str, Rival]) -> list[Claim]:
    """What the kernel has of the cliffs that inputs and activations do not have.

    Args:
        fresh: Of networks that no threshold was chosen on, as `rivals` gives them.

    Returns:
        The ledger's rows.
    """
    kernel, rival = fresh["kernel"], fresh["inputs and activations, 1"]
    n = len(kernel.spectra)
    chances = [entk.cliff_chance(s.eigenvalues, N_TWO) for s in kernel.spectra]
    passed = sum(chance < 0.001 for chance in chances)
    return [
        Claim(
            "the gap after 113 is a cliff",
            "113",
            f"rarer than 1 in 1,000 without a cliff in {passed} of {n} fresh seeds",
            passed == n,
            "Lin 2025",
            "every fresh seed",
        ),
        Claim(
            "both cliffs take a kernel",
            "not published",
            f"inputs and activations side by side have both in {rival.has_both} of {n} "
            f"fresh seeds, the kernel in {kernel.has_both}",
            rival.has_both < kernel.has_both,
            "new here",
            "fewer without a derivative",
        ),
    ]
