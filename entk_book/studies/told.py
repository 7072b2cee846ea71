"""Chapter 11: what several ways to come by numbers tell of facts, and the table of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from entk_book.studies import sample_scores
from entk_book.studies.spans import span

N_HALVES, N_PROBES, N_SHUFFLES = 10, 3, 20
Facts = Mapping[str, Bool[Tensor, " n"]]


def scored(
    numbers: Float[Tensor, "n modes"], facts: Facts, groups: Int[Tensor, " n"] | None = None
) -> dict[str, dict[str, float]]:
    """How well the best of some columns tells each fact on samples it was not chosen on.

    Args:
        numbers: One column a mode.
        facts: By name, one truth value a sample.
        groups: As in `entk_book.studies.sample_scores.halves`.

    Returns:
        By fact, the means over pairs of halves: ``"auroc"`` and ``"ap"``.
    """
    found = sample_scores.over_halves(numbers, facts, range(N_HALVES), groups)
    return {
        fact: {
            "auroc": sum(one.auroc for one in of) / len(of),
            "ap": sum(one.average_precision for one in of) / len(of),
        }
        for fact, of in found.items()
    }


def by_choice(
    numbers: Float[Tensor, "n modes"], facts: Facts, groups: Int[Tensor, " n"] | None = None
) -> dict[str, list[float]]:
    """What the same choice makes of shuffled facts.

    Args:
        numbers: One column a mode.
        facts: By name, one truth value a sample.
        groups: As in `entk_book.studies.sample_scores.halves`.

    Returns:
        By fact, the mean AUROC over pairs of halves, one a shuffle.
    """
    found: dict[str, list[float]] = {name: [] for name in facts}
    for seed in range(N_SHUFFLES):
        shuffled = sample_scores.shuffled(facts, seed, groups)
        for name, means in scored(numbers, shuffled, groups).items():
            found[name].append(means["auroc"])
    return found


def probed(
    features: Float[Tensor, "n features"],
    facts: Facts,
    groups: Int[Tensor, " n"] | None = None,
) -> dict[str, float]:
    """What a linear probe, fitted on one half of the samples, tells on the other.

    Args:
        features: One row a sample.
        facts: By name, one truth value a sample.
        groups: As in `entk_book.studies.sample_scores.halves`.

    Returns:
        By fact, the mean AUROC over the first pairs of halves.
    """
    # Not among what the library needs, so it may be missing where the tables are read.
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = {}
    for name, fact in facts.items():
        scores = []
        for seed in range(N_PROBES):
            here, there = sample_scores.halves(fact, seed, groups)
            regression = LogisticRegression(C=0.1, max_iter=1_000)
            probe = make_pipeline(StandardScaler(), regression)
            probe.fit(features[here].numpy(), fact[here].numpy())
            told = torch.from_numpy(probe.decision_function(features[there].numpy()))
            scores.append(float(sample_scores.aurocs(told.unsqueeze(1), fact[there])[0]))
        found[name] = sum(scores) / len(scores)
    return found


def table(
    ways: Mapping[str, Float[Tensor, "n modes"]],
    probe_on: Float[Tensor, "n features"],
    facts: Facts,
    groups: Int[Tensor, " n"] | None = None,
    *,
    chance: bool = True,
) -> dict[str, Any]:
    """All that one place of a network tells of some facts.

    Args:
        ways: Columns by the way they came about; those of ``"kernel"`` are shuffled too.
        probe_on: What the probe reads.
        facts: By name, one truth value a sample.
        groups: As in `entk_book.studies.sample_scores.halves`.
        chance: Whether to shuffle, which takes longest.

    Returns:
        By way as in `scored`, ``"probe"`` and, if it was asked for, ``"chance"``.
    """
    found: dict[str, Any] = {
        way: scored(numbers, facts, groups) for way, numbers in ways.items()
    }
    found["probe"] = probed(probe_on, facts, groups)
    if chance:
        found["chance"] = by_choice(ways["kernel"], facts, groups)
    return found


@dataclass(frozen=True)
class Told:
    """What the places of some networks tell.

    Attributes:
        tables: By state, one entry a seed: tables by place.
    """

    tables: Mapping[str, Sequence[Mapping[str, Any]]]

    @property
    def places(self) -> list[str]:
        """Names of layers or tensors, from the input on."""
        return list(self.tables["trained"][0])

    def of(
        self,
        way: str,
        place: str,
        fact: str,
        *,
        state: str = "trained",
        score: str = "auroc",
    ) -> list[float]:
        """A score.

        Args:
            way: Of those of the study, or ``"probe"``, which has an AUROC alone.
            place: One of ``places``.
            fact: Its name.
            state: ``"trained"`` or ``"untrained"``.
            score: ``"auroc"`` or ``"ap"``.

        Returns:
            One number a seed.
        """
        found = [seed[place][way][fact] for seed in self.tables[state]]
        return found if way == "probe" else [one[score] for one in found]

    def chance(self, place: str, fact: str) -> float:
        """What one in forty shuffled facts passes, with the same choice.

        Args:
            place: One of ``places``.
            fact: Its name.

        Returns:
            AUROC, over all seeds.
        """
        drawn = [x for seed in self.tables["trained"] for x in seed[place]["chance"][fact]]
        return float(torch.tensor(drawn).quantile(0.975))

    def mean(
        self, way: str, place: str, facts: Sequence[str], **options: str
    ) -> list[float]:
        """The mean score over some facts.

        Args:
            way: As in `of`.
            place: As in `of`.
            facts: Their names.
            **options: As in `of`.

        Returns:
            One number a seed.
        """
        each = [self.of(way, place, fact, **options) for fact in facts]
        return [sum(values) / len(values) for values in zip(*each, strict=True)]

    def summary(self, way: str, place: str, facts: Sequence[str], **options: str) -> str:
        """The mean score over some facts, as the chapter writes it.

        Args:
            way: As in `of`.
            place: As in `of`.
            facts: Their names.
            **options: As in `of`.

        Returns:
            The range over seeds.
        """
        return span(self.mean(way, place, facts, **options), 2)
