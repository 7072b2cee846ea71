"""A rival of the kernel that takes no derivative: inputs and activations side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
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
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

# How much the inputs count beside the activations, as a ratio of traces.
RATIOS = {"1/4": 0.25, "1": 1.0, "4": 4.0}
N_EIGENVALUES = 200
COMMON = 0.05  # a probability beyond which nothing is to be explained


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
    if largest > COMMON:
        return "no more than chance gives"
    return f"by chance less than once in {bound(largest):,}"


def bound(chance: float) -> int:
    """The power of ten of which a probability is less than one part.

    Args:
        chance: At most 1.

    Returns:
        At most a million: no model of chance is more exact than that.

    Example:
        >>> bound(3e-4), bound(2e-9)
        (1000, 1000000)
    """
    return 10 ** (math.floor(-math.log10(chance)) if chance > 1e-6 else 6)


def spectra(network: QuadraticMLP, x: Float[Tensor, "pairs inputs"]) -> dict[str, Spectrum]:
    """The kernel, the activations, and inputs and activations side by side.

    Args:
        network: Trained or not.
        x: All pairs, one-hot.

    Returns:
        By name: ``"kernel"``, ``"activations"`` and ``"inputs and activations, 1"``, where
        the number is the ratio of their traces, one of ``RATIOS``.
    """
    with torch.no_grad():
        hidden = network.first(x).double().square()
    matrices = {"activations": side_by_side([hidden], [1.0])} | {
        f"inputs and activations, {name}": side_by_side([x, hidden], [ratio, 1.0])
        for name, ratio in RATIOS.items()
    }
    return {"kernel": entk.ntk_spectrum(network, x, k=N_EIGENVALUES)} | {
        name: entk.kernel_spectrum(matrix, k=N_EIGENVALUES)
        for name, matrix in matrices.items()
    }


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
    found: dict[str, list[Spectrum]] = {}
    for adder in adders:
        network = adder.network if trained else adder.start
        for name, spectrum in spectra(network, adder.x).items():
            found.setdefault(name, []).append(spectrum)
    return {
        name: Rival(group, overlaps_over_seeds(group, families))
        for name, group in found.items()
    }
