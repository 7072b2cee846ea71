"""Chapter 9's table: edits of networks of many kinds, over seeds, shares and functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from entk_book.stored import records
from entk_book.studies.adders import Adder, train_adders
from entk_book.studies.edited_adders import (
    FUNCTIONS,
    in_double,
    presence,
    put_in,
    spread,
    without_families,
)

# Seeds that nothing in the chapter was chosen on.
SEEDS = range(80, 90)
SHARES = (0.1, 0.3, 0.5)
# Beside trained networks: what each network was before, and networks without the rule.
KINDS: dict[str, dict[str, Any]] = {
    "trained": {},
    "untrained": {},
    "shuffled labels": {"shuffled": True},
    "half of the pairs": {"fraction": 0.5},
}
# Through training: at these steps, with 30 % of the pairs edited.
TIMES = (0, 20, 40, 50, 60, 70, 80, 100, 150, 300, 500)
N_FOLLOWED = 5
# Small beside the logits, whose length is about 29: first order is what is asked for.
SIZE = 0.29
ABLATIONS = {
    "sums": ("sum",),
    "differences": ("difference",),
    "a and b": ("a", "b"),
    "all but sums": ("a", "b", "difference"),
}


def networks(seeds: Sequence[int] = SEEDS) -> Iterator[tuple[str, Adder, nn.Module]]:
    """Every network of the table, in float64.

    Args:
        seeds: One a network of each kind.

    Yields:
        Kind, adder and the network that is asked: its start, if untrained.
    """
    for kind, options in KINDS.items():
        if kind == "untrained":
            continue
        for adder in train_adders(seeds, **options):
            yield kind, adder, in_double(adder.network)
            if kind == "trained":
                yield "untrained", adder, in_double(adder.start)


def frequency_of(seed: int) -> int:
    """The frequency that is edited in a network: another one for each seed.

    Args:
        seed: Of the network.

    Returns:
        From 1 to 14.
    """
    return 1 + seed % 14


def spreads(network: nn.Module, adder: Adder, share: float) -> dict[str, list[float]]:
    """What edits of every kind of function do to the pairs that were not edited.

    Args:
        network: In float64.
        adder: Whose pairs.
        share: Of the pairs that are edited.

    Returns:
        By function, and by function with the classes' pattern of another frequency: share
        done, how far off, and length of the change.
    """
    own, found = frequency_of(adder.seed), {}
    for name in FUNCTIONS:
        for pattern, told in ((own, name), (1 + own % 14, f"{name}, other classes")):
            change = put_in(name, own, SIZE, seed=adder.seed, pattern=pattern)
            one = spread(network, adder.x.double(), change, share, seed=adder.seed)
            found[told] = [one.done, one.off, one.length]
    return found


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Every edit of the table, as it is stored.

    Args:
        seeds: One a network of each kind.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    rows = []
    for kind, adder, network in networks(seeds):
        ablated = {"nothing": without_families(adder, ())} | {
            name: without_families(adder, families) for name, families in ABLATIONS.items()
        }
        rows.append(
            {
                "kind": kind,
                "seed": adder.seed,
                "presence": records.rounded(presence(adder, network.float())),
                "ablated": records.rounded(ablated) if kind != "untrained" else {},
                "spread": {
                    str(share): records.rounded(spreads(network.double(), adder, share))
                    for share in SHARES
                },
            }
        )
    courses = []
    for adder in train_adders(seeds[:N_FOLLOWED], snapshot_every=10):
        network = in_double(adder.network)
        for time in TIMES:
            network.load_state_dict(adder.snapshots[time])
            single = in_double(network).float()
            accuracy = adder.accuracy(single)["test"]
            courses.append(
                {
                    "seed": adder.seed,
                    "step": time,
                    "accuracy": accuracy,
                    "logits": records.rounded(presence(adder, single)["logits"]["sum"]),
                    "spread": records.rounded(spreads(network, adder, 0.3)),
                }
            )
    return {"rows": rows, "courses": courses}


@dataclass(frozen=True)
class Table:
    """The stored edits.

    Attributes:
        rows: One entry a network.
        courses: One entry a network and step of its training.
    """

    rows: list[dict[str, Any]]
    courses: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The rows of one kind, in the order of their seeds.

        Args:
            kind: One of ``KINDS``.

        Returns:
            Rows.
        """
        return [row for row in self.rows if row["kind"] == kind]

    def presence(self, kind: str, place: str, families: Sequence[str]) -> list[float]:
        """Shares of the energy that some families have in a place, over seeds.

        Args:
            kind: One of ``KINDS``.
            place: ``"activations"``, ``"kernel"`` or ``"logits"``.
            families: Of chapter 3.

        Returns:
            One number a family and seed.
        """
        rows = self.of(kind)
        return [row["presence"][place][family] for family in families for row in rows]

    def spread(self, kind: str, function: str, share: float, what: int = 0) -> list[float]:
        """What edits of a function do, over seeds.

        Args:
            kind: One of ``KINDS``.
            function: One of ``edited_adders.FUNCTIONS``.
            share: Of the pairs that were edited, one of ``SHARES``.
            what: 0, the share done; 1, how far off; 2, the length of the change.

        Returns:
            One number a seed.
        """
        return [row["spread"][str(share)][function][what] for row in self.of(kind)]

    def course(self, function: str, what: int = 0) -> dict[int, list[float]]:
        """The same through training, for trained networks with 30 % of the pairs edited.

        Args:
            function: As above; or ``"accuracy"``, or ``"logits"`` for the share of their
                energy that is sums.
            what: As above.

        Returns:
            One number a seed, by step.
        """
        found: dict[int, list[float]] = {}
        for one in self.courses:
            value = (
                one[function]
                if function in ("accuracy", "logits")
                else one["spread"][function][what]
            )
            found.setdefault(one["step"], []).append(value)
        return found


def stored_edits() -> Table:
    """The stored edits of all networks.

    Returns:
        The table.
    """
    found = records.read("edits")
    return Table(found["rows"], found["courses"])
