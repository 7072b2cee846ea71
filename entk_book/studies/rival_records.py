"""Chapter 3: the kernel's rivals over ten fresh networks, stored as numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.adders import (
    MODULUS,
    eigenspaces,
    family_overlaps,
    ratio_after,
    train_adders,
)
from entk_book.studies.modular_addition import N_ONE, N_TWO, cliffs_of
from entk_book.studies.side_by_side import COMMON, bound, spectra
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition

# Networks on which no threshold was chosen.
FRESH = range(101, 111)

Row = dict[str, Any]


@dataclass(frozen=True)
class Rival:
    """One matrix over several networks: where its spectrum drops, and what is above.

    Attributes:
        rows: One a network, as `measure` gives them.
    """

    rows: Sequence[Row]

    def of(self, name: str) -> list[float]:
        """One number of every network.

        Args:
            name: ``"ratio"``, ``"chance"``, ``"sum"`` or ``"difference"``.

        Returns:
            One entry a network.
        """
        return [row[name] for row in self.rows]

    def n_with(self, *places: int) -> int:
        """In how many networks `entk_lib.find_cliffs` finds all of some cliffs.

        Args:
            *places: Numbers of eigenvalues above each.

        Returns:
            The number.
        """
        return sum(set(places) <= set(row["stops"]) for row in self.rows)


def rarity(chances: Iterable[float]) -> str:
    """How often spectra without a cliff have the gaps that some spectra have at a place.

    Args:
        chances: As `entk_lib.cliff_chance` gives them.

    Returns:
        Text: a power of ten above the largest of them, or that it is no wonder.

    Example:
        >>> rarity([3e-4, 2e-9]), rarity([3e-4, 0.3])
        ('< 1 in 1,000', 'common')
    """
    largest = max(chances)
    return "common" if largest > COMMON else f"< 1 in {bound(largest):,}"


def measure(spectrum: Spectrum) -> Row:
    """What the chapter says of one spectrum.

    Args:
        spectrum: Of a matrix on all pairs.

    Returns:
        ``stops``: where it has cliffs. ``ratio``: of the eigenvalues on either side of the
        second place. ``chance``: of such a gap there without a cliff. ``sum``,
        ``difference``: dimensions that the second eigenspace shares with these waves.
    """
    second = eigenspaces(spectrum)["second"]
    shared = family_overlaps(second, modular_addition.fourier_families(MODULUS))
    return {
        "stops": list(cliffs_of(spectrum)),
        "ratio": ratio_after(spectrum, N_TWO),
        "chance": entk.cliff_chance(spectrum.eigenvalues, N_TWO),
        "sum": shared["sum"],
        "difference": shared["difference"],
    }


def record(seeds: Sequence[int] = FRESH) -> dict[str, Any]:
    """All matrices of fresh networks, trained and untrained, as they are stored.

    Args:
        seeds: One a network.

    Returns:
        What `entk_book.stored.records.write` takes: by state and matrix, a row a network.
    """
    found: dict[str, dict[str, list[Row]]] = {"trained": {}, "untrained": {}}
    for adder in train_adders(seeds):
        for state, network in (("trained", adder.network), ("untrained", adder.start)):
            for name, spectrum in spectra(network, adder.x).items():
                row = records.rounded(measure(spectrum), digits=6)
                found[state].setdefault(name, []).append(row)
    return found


def stored_rivals(state: str = "trained") -> dict[str, Rival]:
    """The stored matrices of ten fresh networks.

    Args:
        state: ``"trained"`` or ``"untrained"``.

    Returns:
        By the matrix's name.
    """
    found = records.read("addition_rivals")[state]
    return {name: Rival(rows) for name, rows in found.items()}


def claims(fresh: Mapping[str, Rival]) -> list[Claim]:
    """What the kernel has of the cliffs that inputs and activations do not have.

    Args:
        fresh: Of networks that no threshold was chosen on, as `stored_rivals` gives them.

    Returns:
        The ledger's rows.
    """
    kernel, rival = fresh["kernel"], fresh["inputs and activations, 1"]
    n = len(kernel.rows)
    passed = sum(chance < 0.001 for chance in kernel.of("chance"))
    of_rival, of_kernel = (one.n_with(N_ONE, N_TWO) for one in (rival, kernel))
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
            "seeing both cliffs takes a kernel",
            "not published",
            f"inputs and activations side by side have both in {of_rival} of {n} "
            f"fresh seeds, the kernel in {of_kernel}",
            of_rival < of_kernel,
            "new here",
            "both in fewer seeds side by side than in the kernel",
        ),
    ]
