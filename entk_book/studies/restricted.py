"""Chapter 6: what a network's waves of the sum would answer alone, through 8,000 epochs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from scipy.stats import kendalltau
from torch import Tensor

from entk_book import stored, tables
from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.spans import in_most, span
from entk_book.studies.transformer import (
    EASY,
    HARD,
    accuracies,
    frequencies_of,
    mirrors,
    unused,
)
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import State

LONG = 8000
EARLY = 2000
EVERY = 200
GROUP = 5  # networks that are trained side by side


@torch.no_grad()
def restricted_accuracy(
    logits: Float[Tensor, "rows classes"],
    sums: Int[Tensor, " rows"],
    frequencies: Sequence[int],
) -> float:
    """Accuracy of what is left of logits if only some waves of the sum are kept.

    The logits on these rows are replaced by their least-squares fit with a constant,
    cosines and sines of the sum. The fit knows which pairs have the same sum, and so
    averages their logits; waves that the network does not use are the null.

    Args:
        logits: Of a network, on some pairs.
        sums: The right answers, below the number of classes.
        frequencies: Of the waves, at least 1.

    Returns:
        From 0 to 1.

    References:
        Nanda et al. (2023), arXiv:2301.05217, restrict logits to waves of the sum in the
        same way to measure progress.

    Example:
        >>> sums = torch.arange(29).repeat(3)
        >>> wave = torch.cos(2 * math.pi * (sums[:, None] - torch.arange(29)) / 29)
        >>> restricted_accuracy(wave, sums, [1]), restricted_accuracy(wave, sums, [2]) < 0.5
        (1.0, True)
    """
    angles = 2 * math.pi * sums.double().outer(torch.tensor(frequencies).double())
    angles = angles / logits.shape[1]
    waves = torch.cat([torch.ones(len(sums), 1), angles.cos(), angles.sin()], 1).double()
    fit = waves @ torch.linalg.lstsq(waves, logits.double()).solution
    return float((fit.argmax(1) == sums).double().mean())


@torch.no_grad()
def look(model: ModularTransformer, seed: int) -> dict[str, float]:
    """Accuracies of one network at one time.

    Args:
        model: The network.
        seed: Whose split.

    Returns:
        On each kind of pairs, by the names of `entk_book.studies.transformer.mirrors`; and
        on the hard ones ``"restricted"`` to the network's key frequencies at this time and
        ``"other waves"``, as many that it uses least; zero where it has no keys.
    """
    found = frequencies_of(model)
    rows = mirrors(seed)[HARD]
    pairs = modular_addition.all_pairs(stored.MODULUS)
    tokens = modular_addition.tokens(pairs, stored.MODULUS)
    logits, sums = model(tokens)[rows], pairs.sum(1)[rows] % stored.MODULUS
    keys, others = found.frequencies, unused(found)
    return {
        **accuracies(model, seed),
        "restricted": restricted_accuracy(logits, sums, keys) if keys else 0.0,
        "other waves": restricted_accuracy(logits, sums, others) if others else 0.0,
        "keys": float(len(keys)),
    }


def looks(snapshots: Mapping[int, State], seed: int) -> dict[int, dict[str, float]]:
    """`look` at every snapshot of a training.

    Args:
        snapshots: By epoch.
        seed: Of the network.

    Returns:
        By epoch.
    """
    model = ModularTransformer(stored.MODULUS, seed=seed)
    found = {}
    for epoch, state in snapshots.items():
        model.load_state_dict(state)
        found[epoch] = look(model, seed)
    return found


def record(seeds: Sequence[int], epochs: int = LONG) -> dict[str, Any]:
    """Train networks for longer than is published, and look at them every 200 epochs.

    Args:
        seeds: Of the networks.
        epochs: Passes through the training pairs.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    times = range(0, epochs + 1, EVERY)
    found = {}
    for first in range(0, len(seeds), GROUP):
        group = seeds[first : first + GROUP]
        results = stored.train_transformers(group, epochs=epochs, snapshot_epochs=times)
        for seed, result in zip(group, results, strict=True):
            found[seed] = looks(result.snapshots, seed)
    return table(found)


def table(found: Mapping[int, Mapping[int, Mapping[str, float]]]) -> dict[str, Any]:
    """What was seen, by seed and by name, as it is stored.

    Args:
        found: By seed, epoch and name.

    Returns:
        Series over the epochs.
    """
    epochs = sorted(next(iter(found.values())))
    return {
        "epochs": epochs,
        "seeds": {
            str(seed): {
                name: [round(by_epoch[epoch][name], 4) for epoch in epochs]
                for name in by_epoch[epochs[0]]
            }
            for seed, by_epoch in found.items()
        },
    }


@dataclass(frozen=True)
class Foretold:
    """What an early value says of the order in which networks generalise.

    Attributes:
        n: Networks that are not there yet.
        tau: Kendall's rank correlation: 1 if higher values always come earlier.
        p_value: Of a tau so high, if the order were one of chance.
    """

    n: int
    tau: float
    p_value: float

    def __str__(self) -> str:
        """In words."""
        return f"tau {self.tau:+.2f}, p = {self.p_value:.3f}, {self.n} networks"

    @property
    def short(self) -> str:
        """For a table."""
        is_tiny = self.p_value < 0.0005
        return f"{self.tau:+.2f}, p {'< 0.001' if is_tiny else f'= {self.p_value:.3f}'}"


@dataclass(frozen=True)
class LongRuns:
    """Trainings of 8,000 epochs, seen every 200.

    Attributes:
        epochs: When they were looked at.
        series: By seed and by the names of `look`.
    """

    epochs: list[int]
    series: Mapping[int, Mapping[str, list[float]]]

    def at(self, epoch: int, name: str, seeds: Sequence[int]) -> list[float]:
        """One quantity at one epoch.

        Args:
            epoch: One of ``epochs``.
            name: As in `look`.
            seeds: Of the networks.

        Returns:
            One number a seed.
        """
        place = self.epochs.index(epoch)
        return [self.series[seed][name][place] for seed in seeds]

    def late(self, seeds: Sequence[int]) -> list[int]:
        """Those that do not generalise by the end of the published training.

        Args:
            seeds: Of the networks.

        Returns:
            Seeds with less than 95 % of the hard pairs right.
        """
        ends = zip(seeds, self.at(stored.EPOCHS, HARD, seeds), strict=True)
        return [seed for seed, end in ends if end < 0.95]

    def told(self, looked_at: Sequence[int], fresh: Sequence[int]) -> str:
        """What becomes of the late ones, and the null, in two lines.

        Args:
            looked_at: Seeds that the measure was tried on.
            fresh: Other seeds.

        Returns:
            Text.
        """
        groups = [looked_at, fresh]
        late = [seed for group in groups for seed in self.late(group)]
        counts = ", ".join(
            f"{len(self.late(group))} of seeds {group[0]} to {group[-1]}"
            for group in groups
        )
        real, kept = (self.at(stored.EPOCHS, name, late) for name in (HARD, "restricted"))
        ahead = sum(k > r for k, r in zip(kept, real, strict=True))
        ends = sum(end >= 0.95 for end in self.at(LONG, HARD, late))
        most = max(max(one["other waves"]) for one in self.series.values())
        return (
            f"slow, at {stored.EPOCHS:,}: {counts};\n"
            f"  restricted above real: {ahead}, of waves not used at most {most:.2f}; "
            f"generalise by {LONG:,}: {ends}"
        )

    def first(self, name: str, seed: int, level: float = 0.95) -> int | None:
        """The epoch at which a quantity first reaches a level.

        Args:
            name: As in `look`.
            seed: Of the network.
            level: The level.

        Returns:
            The epoch, or ``None`` if it never does.
        """
        pairs = zip(self.epochs, self.series[seed][name], strict=True)
        return next((epoch for epoch, value in pairs if value >= level), None)

    def leads(self, seeds: Sequence[int], level: float = 0.95) -> list[int]:
        """By how many epochs the restricted accuracy is ahead of the real one.

        Args:
            seeds: Of the networks.
            level: That both are asked to reach.

        Returns:
            One number for each network in which both reach it.
        """
        found = []
        for seed in seeds:
            real, early = (self.first(n, seed, level) for n in (HARD, "restricted"))
            if real is not None and early is not None:
                found.append(real - early)
        return found

    def orders(self, seeds: Sequence[int]) -> tables.Table:
        """How well early accuracies tell the order in which networks get there.

        Args:
            seeds: Of the networks.

        Returns:
            A row for each accuracy, a column for each level.
        """
        measures = {"restricted accuracy": "restricted", "mirrored pairs": EASY}
        measures["hard pairs"] = HARD
        levels = (0.5, 0.95)
        found = {
            label: [self.foretold(name, EARLY, seeds, level) for level in levels]
            for label, name in measures.items()
        }
        heads = [
            f"to {100 * level:.0f} %, {one.n} networks"
            for level, one in zip(levels, found["hard pairs"], strict=True)
        ]
        rows = [[label, *(one.short for one in row)] for label, row in found.items()]
        return tables.table((f"read at epoch {EARLY:,}", *heads), rows)

    def foretold(
        self, name: str, epoch: int, seeds: Sequence[int], level: float = 0.5
    ) -> Foretold:
        """How well a quantity tells early in which order networks will get there.

        To get there is to be right on a share of the hard pairs; networks that are so by
        the time at which the quantity is read are left out.

        Args:
            name: As in `look`.
            epoch: When it is read.
            seeds: Of the networks.
            level: The share that is asked for.

        Returns:
            The order of the values beside that of the epochs, never being the last.
        """
        never = 2 * self.epochs[-1]
        firsts = {seed: self.first(HARD, seed, level) for seed in seeds}
        arrivals = {s: never if first is None else first for s, first in firsts.items()}
        left = [seed for seed in seeds if arrivals[seed] > epoch]
        values = self.at(epoch, name, left)
        test = kendalltau(values, [-arrivals[seed] for seed in left], alternative="greater")
        tau, p_value = test  # the names of its fields differ over versions
        return Foretold(len(left), float(tau), float(p_value))  # pyright: ignore


def stored_runs() -> LongRuns:
    """The stored trainings of 8,000 epochs: seeds 0 to 24.

    Returns:
        What was seen in them.
    """
    found = records.read("long_transformers")
    return LongRuns(
        found["epochs"], {int(seed): series for seed, series in found["seeds"].items()}
    )


def claims(runs: LongRuns, looked_at: Sequence[int], fresh: Sequence[int]) -> list[Claim]:
    """What is new of the slow networks.

    Args:
        runs: Of all seeds.
        looked_at: Seeds that the measure was tried on.
        fresh: Other seeds, which decide.

    Returns:
        Rows of the ledger.
    """
    rest = runs.late([*looked_at, *fresh])
    pairs = zip(
        runs.at(stored.EPOCHS, "restricted", rest),
        runs.at(stored.EPOCHS, HARD, rest),
        strict=True,
    )
    ahead = sum(restricted > real for restricted, real in pairs)
    leads = runs.leads(fresh)
    early = sum(lead > 0 for lead in leads)
    half, told = (runs.foretold("restricted", EARLY, fresh, level) for level in (0.5, 0.95))
    later = sum(value >= 0.95 for value in runs.at(LONG, HARD, rest))
    new, unpublished = "new here", "not published"
    return [
        Claim(
            "networks that do not generalise by epoch 4,000 never will",
            unpublished,
            f"{later} of {len(rest)} do by {LONG:,} (seeds 0 to 24, trained anew)",
            later == 0,
            new,
            "none of them",
        ),
        Claim(
            "networks that do not generalise hold the rule in part",
            unpublished,
            f"restricted to their own waves more answers are right in {ahead} of "
            f"{len(rest)} seeds",
            in_most(ahead, len(rest)),
            new,
            "in most seeds",
        ),
        Claim(
            "the restricted accuracy is there before the real one",
            unpublished,
            f"95 % is reached {span(leads)} epochs earlier, in {early} of {len(leads)} "
            "fresh seeds",
            in_most(early, len(leads)),
            new,
            "in most seeds that get there by 8,000",
        ),
        Claim(
            f"at epoch {EARLY:,} it tells in which order networks get there",
            unpublished,
            f"to 50 %: {half}; to 95 %: {told}, all fresh",
            max(half.p_value, told.p_value) < 0.05,
            new,
            "p below 0.05 for either level",
        ),
    ]
