"""Chapter 5's evidence over seeds, as its tables and its ledger ask for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies.layer_records import STATES
from entk_book.studies.layerwise import BLOCKS, LAYERS, PARTS
from entk_book.studies.modular_addition import MODULUS, N_ONE, N_TWO
from entk_book.studies.spans import at_most, span
from entk_book.tables import Table, table

# Families whose energies are told together, as columns of `Evidence.energies`.
GROUPS = {
    "constant": [0],
    "a and b": [1, 2],
    "sums, differences": [3, 4],
    "in no family": [5],
}


@dataclass(frozen=True)
class Evidence:
    """What was seen over seeds.

    Attributes:
        found: As `entk_book.studies.layer_records.record` gives it.
    """

    found: Mapping[str, Any]

    @property
    def n_seeds(self) -> int:
        """Networks that add."""
        return len(self.found["networks"])

    @property
    def n_learned(self) -> int:
        """Of these, with a test accuracy above 0.95."""
        return sum(one["accuracy"] > 0.95 for one in self.found["networks"])

    @property
    def adds_up(self) -> bool:
        """Whether the layers' energies add up in every network, untrained and trained."""
        return all(
            one[state]["adds_up"] for one in self.found["networks"] for state in STATES
        )

    def cliffs(self, state: str, layer: str) -> dict[int, int]:
        """In how many seeds a cliff is found after 57 and after 113.

        Args:
            state: One of ``STATES``.
            layer: One of ``LAYERS``.

        Returns:
            Number of seeds by place.
        """
        every = [one[state][layer]["cliffs"] for one in self.found["networks"]]
        return {stop: sum(stop in one for one in every) for stop in (N_ONE, N_TWO)}

    def shared(self, state: str, layer: str, block: str, *columns: int) -> list[float]:
        """Dimensions that some modes share with some families together.

        Args:
            state: One of ``STATES``.
            layer: One of ``LAYERS``.
            block: One of ``entk_book.studies.layerwise.BLOCKS``.
            *columns: Of a, b, sum and difference, counted from 0.

        Returns:
            One number a seed.
        """
        rows = [one[state][layer]["shared"][block] for one in self.found["networks"]]
        return [sum(row[column] for column in columns) for row in rows]

    def energies(self) -> dict[str, Float[Tensor, "seeds layers families"]]:
        """Shares of the whole kernel's trace by state, as figures and tables take them.

        Returns:
            As `entk_book.studies.layerwise.family_energies`, one seed after the other.
        """
        return {
            state: torch.tensor([one[state]["energies"] for one in self.found["networks"]])
            for state in reversed(STATES)
        }

    def cliff_table(self) -> Table:
        """Cliffs of each layer's kernel, before training and after it.

        Returns:
            A row for each kernel: in how many seeds, and how sharp.
        """
        rows = []
        for layer in LAYERS:
            at = [self.cliffs(state, layer) for state in STATES]
            ratios = [
                span([one[state][layer]["ratio"] for one in self.found["networks"]], 1)
                for state in STATES
            ]
            one, two = (
                " → ".join(str(counts[stop]) for counts in at) for stop in (N_ONE, N_TWO)
            )
            rows.append([layer, one, " → ".join(ratios), two])
        head = ("kernel", f"cliff after {N_ONE}", "ratio there", f"cliff after {N_TWO}")
        return table(head, rows)

    def family_table(self) -> Table:
        """Dimensions shared with the families, before training and after it.

        Returns:
            A row for each layer, two columns a block of modes; last, what chance gives.
        """

        def moved(layer: str, block: str, *columns: int) -> str:
            before, after = (
                span(self.shared(state, layer, block, *columns)) for state in STATES
            )
            return f"{before} → {after}"

        pairs = ((0, 1), (2, 3))
        chance = 2 * entk.chance_overlap(N_ONE - 1, MODULUS - 1, MODULUS**2)
        first, second = (block.removeprefix("modes ") for block in BLOCKS)
        return table(
            (
                "kernel",
                f"modes {first}: a, b",
                "sums, differences",
                f"{second}: a, b",
                "sums, differences",
            ),
            [
                [layer, *(moved(layer, block, *two) for block in BLOCKS for two in pairs)]
                for layer in LAYERS
            ]
            + [["chance", *[f"{chance:.1f}"] * 4]],
        )

    def energy_moved(self, layer: str, group: str) -> str:
        """Median share of the whole kernel's trace, before training and after it.

        Args:
            layer: One of ``LAYERS``.
            group: One of ``GROUPS``.

        Returns:
            Both in percent, as text.
        """
        i, columns = LAYERS.index(layer), GROUPS[group]
        medians = (
            100 * self.energies()[state][:, i, columns].sum(1).median() for state in STATES
        )
        return " → ".join(f"{float(median):.0f}" for median in medians)

    def rival_table(self) -> Table:
        """The kernel beside what takes no derivative.

        Returns:
            A row for each.
        """
        rows = []
        for name, one in self.found["rivals"].items():
            sums, differences = (
                span([row[column] for row in one["shared"]], 1) for column in (2, 3)
            )
            both = f"{one['both']} of {len(one['ratio'])}"
            rows.append([name, both, span(one["ratio"], 1), sums, differences])
        head = ("matrix", "both cliffs", f"ratio at {N_TWO}", "sums", "differences")
        return table(head, rows)

    def changed_table(self) -> Table:
        """What is left of networks of which one layer was frozen or set back.

        Returns:
            A row for each change.
        """

        def shared(rows: Sequence[Mapping[str, Any]], key: str) -> str:
            return span([sum(row[key][2:]) for row in rows])

        return table(
            ("layer", "its pairs", "others, at most", "in the whole", "in the second"),
            [
                [
                    what.replace(" layer", ""),
                    span([row["known"] for row in rows], 1),
                    at_most([row["others"] for row in rows]),
                    shared(rows, "shared"),
                    shared(rows, "own"),
                ]
                for what, rows in self.found["changed"].items()
            ],
        )

    def trace_ratios(self, what: str) -> str:
        """Trace of the first layer's kernel over that of the second.

        Args:
            what: ``"trained"``, or a name of ``CHANGES``.

        Returns:
            A range over seeds, as text.
        """
        if what == "trained":
            shares = self.energies()["trained"].sum(2)
            return span(shares[:, 0] / shares[:, 1], 1)
        return span([row["ratio"] for row in self.found["changed"][what]], 1)

    def part_table(self) -> Table:
        """How the parts of autoencoders align with reconstructed features.

        Returns:
            A row for each part.
        """
        coders = self.found["parts"]
        kept = span([one["kept"] for one in coders])

        def of(state: str, part: str, key: str) -> list[float | int]:
            return [one[state][part][key] for one in coders]

        return table(
            ("kernel of", "% of the trace", f"aligned, of {kept}", "untrained"),
            [
                [
                    part,
                    span([100 * share for share in of("trained", part, "share")]),
                    span(of("trained", part, "aligned")),
                    span(of("untrained", part, "aligned")),
                ]
                for part in PARTS
            ],
        )


def stored_evidence() -> Evidence:
    """The stored tables.

    Returns:
        All seeds.
    """
    return Evidence(records.read("layers"))
