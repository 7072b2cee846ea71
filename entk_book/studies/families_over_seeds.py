"""Chapter 7, the numbers of every network: measured here, stored for ten seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from entk_book.stored import records
from entk_book.studies import families_compared as compared
from entk_book.studies import families_in_noise as noisy
from entk_book.studies import without_the_group as study
from entk_book.studies.adders import MODULUS, Adder, train_adders
from entk_book.studies.spans import at_least
from entk_book.studies.without_the_group import SPACES, STATES, Halves, Verdict
from entk_lib.toys.tasks import modular_addition

# Rule and threshold were fixed on seeds 0 to 39; these had not been looked at.
SEEDS = range(40, 50)
N_COMPARED = 5  # of them are also asked in other ways


@dataclass(frozen=True)
class Measured:
    """Families of some networks, in numbers.

    Attributes:
        accuracy: On the pairs left out, one a seed.
        verdicts: By state and eigenspace, one a seed.
        halves: What the halves of the trained networks' families hold.
        strongest: How much of a unit is one frequency, one a seed.
        with_half: Whether half of the units are enough in the first eigenspace, one a seed.
        ways: Mean shared dimensions by way and eigenspace, one for each network compared.
        sharing: The smallest share of the kernel's own neighbours with a or b in common.
    """

    accuracy: Sequence[int | float]
    verdicts: Mapping[str, Mapping[str, Sequence[Verdict]]]
    halves: Halves
    strongest: Sequence[int | float]
    with_half: Sequence[bool]
    ways: Mapping[str, Mapping[str, Sequence[int | float]]]
    sharing: int | float


def measured(adders: Sequence[Adder], n_compared: int = N_COMPARED) -> Measured:
    """Look for the families of some networks, in every way of the chapter.

    Args:
        adders: Trained networks.
        n_compared: How many of them, the first, are also asked in other ways.

    Returns:
        The numbers.
    """
    spaces = {
        "trained": [study.spaces_of(adder.network, adder.x) for adder in adders],
        "untrained": [study.spaces_of(adder.start, adder.x) for adder in adders],
    }
    results = study.over_seeds(adders, spaces)
    ways, sharing = compared.all_ways(adders[:n_compared], spaces["trained"], results)
    return Measured(
        [adder.accuracy()["test"] for adder in adders],
        {
            state: {name: [one.verdict for one in results[state, name]] for name in SPACES}
            for state in STATES
        },
        study.halves(adders, results, modular_addition.all_pairs(MODULUS)),
        noisy.strongest_shares(adders, spaces["trained"]),
        noisy.found_with_half(adders, spaces["trained"]),
        ways,
        sharing,
    )


def record() -> dict[str, Any]:
    """All seeds, as they are stored.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    return records.rounded(dataclasses.asdict(measured(train_adders(SEEDS))))


def stored_seeds() -> Measured:
    """The stored numbers.

    Returns:
        All seeds.
    """
    found = records.read("families")
    verdicts = {
        state: {name: [Verdict(**one) for one in group] for name, group in spaces.items()}
        for state, spaces in found["verdicts"].items()
    }
    halves = Halves(**found["halves"])
    return Measured(**found | {"verdicts": verdicts, "halves": halves})


def beside(live: Measured, kept: Measured) -> list[list[str]]:
    """Mean shared dimensions of the first seed, computed now and stored.

    Args:
        live: Of this seed.
        kept: Of all.

    Returns:
        A row for each state and eigenspace: its name, live, stored.
    """
    return [
        [
            f"{name}, {state}",
            *(_bound(one.verdicts[state][name][0]) for one in (live, kept)),
        ]
        for name in SPACES
        for state in STATES
    ]


def _bound(verdict: Verdict) -> str:
    # What is shared by chance hangs on last digits.
    return "below 1" if verdict.mean < 1 else f"at least {at_least([verdict.mean])}"
