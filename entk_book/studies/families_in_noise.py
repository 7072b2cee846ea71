"""Chapter 7, what the families stand: noise, fewer units, networks that only memorise."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies.adders import Adder, train_adders
from entk_book.studies.spans import at_most, span
from entk_book.studies.without_the_group import (
    N_FREQUENCIES,
    SPACES,
    Judged,
    Spaces,
    energies,
    judge,
    neurons,
    spaces_of,
    true_waves,
)

UNITS = (256, 512)
SIGNALS = (0.2, 0.3, 0.45, 0.7, 0.85)
# Networks that know their training pairs and not, or not yet, the rule.
CONTROLS: dict[str, dict[str, Any]] = {
    "shuffled labels": {"shuffled": True},
    "little data": {"fraction": 0.3},
    "half of the pairs": {"fraction": 0.5},
}


def planted(
    signal: float, n_units: int, seed: int, chosen: Int[Tensor, " units"] | None = None
) -> Float[Tensor, "pairs units"]:
    """Units of known frequencies with noise, all inside the space of functions of a and b.

    Each is one wave of a plus one of b of the same frequency, with random phases.

    Args:
        signal: Share of a unit's energy that is planted.
        n_units: Number of units.
        seed: Of phases and noise.
        chosen: Index of each unit's frequency. ``None``: all in turn.

    Returns:
        What the units do.
    """
    planes = true_waves()["first"]
    generator = torch.Generator().manual_seed(seed)
    phases = 2 * math.pi * torch.rand(2, n_units, generator=generator).double()
    weights = torch.stack([f(phase) for phase in phases for f in (torch.cos, torch.sin)])
    if chosen is None:
        chosen = torch.arange(n_units) % N_FREQUENCIES
    wave = torch.einsum("nmd,dm->nm", planes[:, chosen], weights / 2**0.5)
    size = 4 * N_FREQUENCIES
    noise = torch.randn(size, n_units, generator=generator).double() / size**0.5
    return signal**0.5 * wave + (1 - signal) ** 0.5 * planes.flatten(1) @ noise


@dataclass(frozen=True)
class Looked:
    """What a search for families in one space of one network came to.

    Attributes:
        found: Whether there are any.
        n: Into how many the space was cut.
        mean: Dimensions that a frequency shares with its family, of four; the mean.
    """

    found: bool
    n: int
    mean: float


def looked(judged: Judged) -> Looked:
    """What a search came to.

    Args:
        judged: Its families.

    Returns:
        The same in three numbers.
    """
    verdict = judged.verdict
    return Looked(verdict.found, verdict.n, verdict.mean)


@dataclass(frozen=True)
class Recovery:
    """How planted families are recovered, over the signal.

    Attributes:
        signals: Share of a unit's energy that is planted.
        looked: By signal, one a draw.
    """

    signals: Sequence[float]
    looked: Sequence[Sequence[Looked]]

    @property
    def means(self) -> Float[Tensor, "draws signals"]:
        """Mean shared dimensions."""
        return torch.tensor([[one.mean for one in row] for row in self.looked]).T

    @property
    def never(self) -> float:
        """The largest signal at which families were found in no draw."""
        return max(s for s, n in self._counts() if n == 0)

    @property
    def always(self) -> float:
        """The smallest signal at which families were found in every draw."""
        return min(s for s, n in self._counts() if n == len(self.looked[0]))

    def _counts(self) -> list[tuple[float, int]]:
        numbers = [sum(one.found for one in row) for row in self.looked]
        return list(zip(self.signals, numbers, strict=True))


def recovery(
    n_units: int, signals: Sequence[float] = SIGNALS, n_draws: int = 3
) -> Recovery:
    """Look for planted families at several signals.

    Args:
        n_units: Number of units.
        signals: Share of a unit's energy that is planted.
        n_draws: Draws at each.

    Returns:
        What was found.
    """
    planes = true_waves()["first"]
    return Recovery(
        signals,
        [
            [
                looked(judge(planes.flatten(1), planted(signal, n_units, seed), planes))
                for seed in range(n_draws)
            ]
            for signal in tqdm(signals, desc="noise", delay=2, leave=False)
        ],
    )


def uneven_recovery(signal: float = 0.6, n_draws: int = 3) -> list[Judged]:
    """Look for planted families of which every other one is twice as large.

    Args:
        signal: Share of a unit's energy that is planted.
        n_draws: Number of draws.

    Returns:
        What was found, one a draw.
    """
    planes = true_waves()["first"]
    twice = torch.arange(N_FREQUENCIES) % 2 + 1
    chosen = torch.arange(N_FREQUENCIES).repeat_interleave(24 * twice)
    return [
        judge(planes.flatten(1), planted(signal, len(chosen), seed, chosen), planes)
        for seed in range(n_draws)
    ]


def strongest_shares(adders: Sequence[Adder], spaces: Sequence[Spaces]) -> list[float]:
    """How much of a unit's part in the first eigenspace is one frequency, on average.

    Args:
        adders: Trained networks.
        spaces: Their eigenspaces.

    Returns:
        From 0 to 1, one a seed.
    """
    planes, found = true_waves()["first"], []
    for adder, space in zip(adders, spaces, strict=True):
        basis = space["first"]
        inside = basis.T @ neurons(adder.network, adder.x)["first"]
        inside = inside / inside.norm(dim=0)
        found.append(float(energies(basis @ inside, planes).amax(1).mean()))
    return found


def found_with_half(adders: Sequence[Adder], spaces: Sequence[Spaces]) -> list[bool]:
    """Whether half of the units are enough to find the first eigenspace's families.

    Args:
        adders: Trained networks.
        spaces: Their eigenspaces.

    Returns:
        One answer a seed.
    """
    found = []
    for adder, space in zip(adders, spaces, strict=True):
        columns = neurons(adder.network, adder.x)["first"]
        half = columns[:, : columns.shape[1] // 2]
        found.append(entk.find_families(space["first"], half, n_surrogates=3).found)
    return found


@dataclass(frozen=True)
class Control:
    """Networks of one control, and the families that are found in them.

    Attributes:
        others: Accuracy on the pairs left out, one a seed.
        looked: By eigenspace, one entry a seed.
    """

    others: list[float]
    looked: Mapping[str, list[Looked]]

    def n_found(self, space: str) -> int:
        """In how many networks families are found.

        Args:
            space: ``"first"`` or ``"second"``.

        Returns:
            Their number.
        """
        return sum(one.found for one in self.looked[space])

    def rows(self) -> list[list[str]]:
        """A row for each eigenspace.

        Returns:
            Its name, in how many networks families are found, with their number where that
            is all of them, and a bound on the mean shared dimensions.
        """
        n, found = len(self.others), []
        for space, rows in self.looked.items():
            n_found = self.n_found(space)
            # How many clusters there are in a space without any hangs on last digits.
            many = f" ({span([one.n for one in rows])} families)" if n_found == n else ""
            shared = at_most(one.mean for one in rows)
            bound = "below 1" if shared < 1 else f"at most {shared}"
            found.append([space, f"{n_found} of {n}{many}", bound])
        return found


def controls(seeds: Sequence[int] = range(70, 75)) -> dict[str, Control]:
    """Look for families in networks that memorise, without giving them their number.

    Args:
        seeds: One a network, in each of ``CONTROLS``.

    Returns:
        By control.
    """
    truth = true_waves()
    found = {}
    for kind, options in CONTROLS.items():
        others, of_space = [], {name: [] for name in SPACES}
        for adder in train_adders(seeds, **options):
            others.append(adder.accuracy()["test"])
            spaces = spaces_of(adder.network, adder.x)
            for name, columns in neurons(adder.network, adder.x).items():
                one = judge(spaces[name], columns, truth[name])
                of_space[name].append(looked(one))
        found[kind] = Control(others, of_space)
    return found


def record_of_noise(
    units: Sequence[int] = UNITS, signals: Sequence[float] = SIGNALS, n_draws: int = 3
) -> dict[str, Any]:
    """All planted families, as they are stored.

    Args:
        units: Numbers of units.
        signals: Share of a unit's energy that is planted.
        n_draws: Draws at each.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    uneven = [dataclasses.asdict(looked(one)) for one in uneven_recovery(n_draws=n_draws)]
    even = {str(n): dataclasses.asdict(recovery(n, list(signals), n_draws)) for n in units}
    return records.rounded({"even": even, "uneven": uneven})


def stored_recoveries() -> dict[int, Recovery]:
    """How planted families are recovered, from the record.

    Returns:
        By number of units.
    """
    return {
        int(n): Recovery(
            one["signals"], [[Looked(**draw) for draw in row] for row in one["looked"]]
        )
        for n, one in records.read("families_in_noise")["even"].items()
    }


def stored_uneven() -> list[Looked]:
    """How planted families of two sizes are recovered, from the record.

    Returns:
        One a draw.
    """
    return [Looked(**one) for one in records.read("families_in_noise")["uneven"]]


def record() -> dict[str, Any]:
    """All controls, as they are stored.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    return {
        kind: records.rounded(dataclasses.asdict(control))
        for kind, control in controls().items()
    }


def stored_controls() -> dict[str, Control]:
    """The stored controls.

    Returns:
        As `controls`.
    """
    return {
        kind: Control(
            one["others"],
            {name: [Looked(**row) for row in rows] for name, rows in one["looked"].items()},
        )
        for kind, one in records.read("families_in_controls").items()
    }
