"""Chapter 11: one number a sample from each mode, and how well the best tells a fact.

The score as published for a language model: a mode of the flattened kernel becomes one
number a sample; of 25 modes and two signs the one that tells a fact best on one half of the
samples is scored on the other half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

import entk_lib as entk
from entk_book.studies.side_by_side import side_by_side

N_MODES = 25
LEAST_MEMBERS = 10


@dataclass(frozen=True)
class Score:
    """How well the chosen mode tells a fact on samples that it was not chosen on.

    Attributes:
        auroc: Chance that a sample with the fact has the higher number; 0.5 by guessing.
        average_precision: Mean precision over the samples with the fact; by guessing,
            their share.
        mode: Which mode was chosen, from 0.
        sign: Of the mode, 1 or -1.
    """

    auroc: float
    average_precision: float
    mode: int
    sign: int


def by_sample(modes: Float[Tensor, "rows modes"], n: int) -> Float[Tensor, "n modes"]:
    """One number a sample from each mode of a flattened kernel.

    A mode is a table of samples and outputs; its leading left singular vector, times the
    singular value, is the one column of numbers that says most of it.

    Args:
        modes: Eigenvectors, as in `entk_lib.Spectrum`.
        n: Samples.

    Returns:
        In float64; each column's sign is arbitrary.

    Raises:
        ValueError: If the rows are not those of ``n`` samples.

    References:
        Lin (2025), "Feature Identification via the Empirical NTK", arXiv:2510.00468, v4.
    """
    if len(modes) % n:
        raise ValueError(
            f"modes must have as many rows for each of n={n} samples, got {len(modes)}."
        )
    tables = modes.double().reshape(n, -1, modes.shape[1]).movedim(2, 0)
    found = []
    for table in tables:
        left, values, _ = torch.linalg.svd(table, full_matrices=False)
        found.append(left[:, 0] * values[0])
    return torch.stack(found, 1)


def principal_components(
    features: Float[Tensor, "n features"], k: int = N_MODES
) -> Float[Tensor, "n modes"]:
    """The leading principal components of some activations, the cheap rival of the modes.

    Args:
        features: One row a sample.
        k: How many.

    Returns:
        Scores of the samples, in float64.
    """
    centred = features.double() - features.double().mean(0)
    if centred.shape[1] > len(centred):  # from the smaller side: a tenth of the time
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        return (vectors * values.clamp_min(0).sqrt()).flip(1)[:, :k]
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    return (left * values)[:, :k]


def side_by_side_components(
    views: Sequence[Float[Tensor, "n _"]], k: int = N_MODES
) -> Float[Tensor, "n modes"]:
    """The leading principal components of several views of the samples, side by side.

    Args:
        views: One row a sample each; all count alike.
        k: How many.

    Returns:
        Orthonormal columns, in float64.
    """
    centred = [view - view.mean(0) for view in views]
    gram = side_by_side(centred, [1.0] * len(centred))
    return entk.kernel_spectrum(gram, k=k).eigenvectors


def aurocs(
    numbers: Float[Tensor, "n modes"], fact: Bool[Tensor, " n"]
) -> Float[Tensor, " modes"]:
    """Area under the receiver operating characteristic of each column.

    Args:
        numbers: One column a mode; ties count half.
        fact: What they should tell.

    Returns:
        From 0 to 1.

    Example:
        >>> numbers = torch.tensor([[0.1], [0.4], [0.35], [0.8]])
        >>> float(aurocs(numbers, torch.tensor([False, False, True, True]))[0])
        0.75
    """
    inside, outside = numbers[fact], numbers[~fact]
    higher = inside.unsqueeze(1) - outside.unsqueeze(0)
    return ((higher > 0).double() + 0.5 * (higher == 0).double()).mean((0, 1))


def average_precisions(
    numbers: Float[Tensor, "n modes"], fact: Bool[Tensor, " n"]
) -> Float[Tensor, " modes"]:
    """Mean, over the samples with the fact, of the precision down to each.

    Args:
        numbers: One column a mode, without ties.
        fact: What they should tell.

    Returns:
        From 0 to 1.
    """
    return _precisions(fact[numbers.argsort(0, descending=True)].double())


def _precisions(hits: Tensor) -> Tensor:
    """Average precision of columns of zeros and ones, the highest number's first."""
    ranks = torch.arange(1, len(hits) + 1).double().unsqueeze(1)
    return (hits.cumsum(0) / ranks * hits).sum(0) / hits.sum(0)


def halves(
    fact: Bool[Tensor, " n"], seed: int, groups: Int[Tensor, " n"] | None = None
) -> tuple[Tensor, Tensor]:
    """Two random halves of the samples, both with half of those that have the fact.

    Args:
        fact: Of each sample.
        seed: Of the draw.
        groups: Samples of one number stay together: the halves then share no group.
            Groups in which all samples have the fact are halved like those in which none
            has. ``None``: each sample by itself.

    Returns:
        Rows of the half to choose on, and of the half to score on.
    """
    generator = torch.Generator().manual_seed(seed)
    if groups is None:
        groups = torch.arange(len(fact))
    names, inside = groups.unique(return_inverse=True)
    sizes = torch.bincount(inside)
    shares = torch.bincount(inside, fact.double()) / sizes
    first = torch.zeros(len(names), dtype=torch.bool)
    for share in shares.unique():
        alike = (shares == share).nonzero()[:, 0]
        drawn = alike[torch.randperm(len(alike), generator=generator)]
        first[drawn[: len(drawn) // 2]] = True
    is_first = first[inside]
    return is_first.nonzero()[:, 0], (~is_first).nonzero()[:, 0]


def chosen(
    numbers: Float[Tensor, "n modes"],
    fact: Bool[Tensor, " n"],
    *,
    seed: int = 0,
    groups: Int[Tensor, " n"] | None = None,
) -> Score:
    """The mode and sign that tell a fact best on one half, scored on the other.

    Args:
        numbers: One column a mode.
        fact: Of each sample.
        seed: Of the halves.
        groups: As in `halves`.

    Returns:
        The score.

    Raises:
        ValueError: If fewer than ten samples have the fact, or have it not, or the numbers
            are not finite.
    """
    members = min(int(fact.sum()), int((~fact).sum()))
    if members < LEAST_MEMBERS:
        raise ValueError(
            f"fact must hold for at least {LEAST_MEMBERS} samples, and fail for as many, "
            f"got {int(fact.sum())} of {len(fact)}. Leave it out, or take more samples."
        )
    if not bool(numbers.isfinite().all()):
        raise ValueError("numbers must be finite, got NaN or infinity.")
    here, there = halves(fact, seed, groups)
    hits = fact[here][numbers[here].argsort(0, descending=True)].double()
    both_signs = torch.cat([_precisions(hits), _precisions(hits.flip(0))])
    best, sign = int(both_signs.argmax()), 1
    if best >= numbers.shape[1]:
        best, sign = best - numbers.shape[1], -1
    column = sign * numbers[there, best : best + 1]
    return Score(
        float(aurocs(column, fact[there])[0]),
        float(average_precisions(column, fact[there])[0]),
        best,
        sign,
    )


def over_halves(
    numbers: Float[Tensor, "n modes"],
    facts: Mapping[str, Bool[Tensor, " n"]],
    seeds: Sequence[int] = range(10),
    groups: Int[Tensor, " n"] | None = None,
) -> dict[str, list[Score]]:
    """Scores of some facts, by halves.

    Args:
        numbers: One column a mode.
        facts: By name, one truth value a sample.
        seeds: Of the halves.
        groups: As in `halves`.

    Returns:
        By fact, one score a seed.
    """
    return {
        name: [chosen(numbers, fact, seed=seed, groups=groups) for seed in seeds]
        for name, fact in facts.items()
    }


def shuffled(
    facts: Mapping[str, Bool[Tensor, " n"]],
    seed: int,
    groups: Int[Tensor, " n"] | None = None,
) -> dict[str, Bool[Tensor, " n"]]:
    """The same facts of other samples: what the choice alone makes of nothing.

    Args:
        facts: By name, one truth value a sample.
        seed: Of the permutations.
        groups: As in `halves`. A fact changes places within each group; one that all
            samples of a group share, between groups of one size.

    Returns:
        As many true values each.
    """
    generator = torch.Generator().manual_seed(seed)
    n = len(next(iter(facts.values())))
    if groups is None:
        groups = torch.zeros(n, dtype=torch.long)
    members = [(groups == group).nonzero()[:, 0] for group in groups.unique()]
    found = {}
    for name, fact in facts.items():
        moved = fact.clone()
        if all(len(fact[rows].unique()) == 1 for rows in members):
            order = torch.randperm(len(members), generator=generator).tolist()
            for rows, other in zip(members, order, strict=True):
                moved[rows] = fact[members[other][0]]
        else:
            for rows in members:
                moved[rows] = fact[rows[torch.randperm(len(rows), generator=generator)]]
        found[name] = moved
    return found
