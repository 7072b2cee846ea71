"""Chapter 11: from modes to numbers, and what choosing does."""

import torch

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values, Whole
from entk_book.studies import sample_scores

EXAMPLE = torch.tensor([[0.9], [0.7], [0.4], [0.1]])
HOLDS = torch.tensor([True, False, True, False])

precision = Check(
    Values(tolerance=1e-3),
    truth=lambda: float(sample_scores.average_precisions(EXAMPLE, HOLDS)[0]),
    wrong=(
        Wrong(
            "the area under the other curve",
            lambda: float(sample_scores.aurocs(EXAMPLE, HOLDS)[0]),
            "That is the AUROC, over pairs. Go down the list instead, and stop at each "
            "sample that has the fact.",
        ),
        Wrong(
            "the share that has the fact",
            lambda: float(HOLDS.double().mean()),
            "That is what guessing gives. How many of the first one have the fact? Of the "
            "first three?",
        ),
    ),
    right="Of the first one, all; of the first three, two thirds: the mean is five sixths.",
    hint="At each sample with the fact: of those down to it, which share has it?",
)

words_and_modes = Check(
    Whole(),
    truth=lambda: 31,
    wrong=(
        Wrong(
            "one a word",
            lambda: 32,
            "The components are of centred data: the 32 words' means add up to nothing.",
        ),
        Wrong(
            "as many as there are modes",
            lambda: 25,
            "That is how many we take. How many dimensions do 32 points span at most, once "
            "their mean is taken off?",
        ),
    ),
    right="Thirty-one, more than the 25 that we take: nothing else gets a place.",
    hint="Two words, centred, span one dimension. Three span two.",
)


def same_half(seed: int = 0, n: int = 256, n_draws: int = 20) -> float:
    """What a choice makes of noise on the very samples that it was made on.

    Args:
        seed: Of numbers and facts.
        n: Samples.
        n_draws: How often.

    Returns:
        The mean AUROC of the best of 25 columns and two signs.
    """
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(n_draws):
        numbers = torch.randn(n, sample_scores.N_MODES, generator=generator)
        fact = torch.rand(n, generator=generator) < 0.5
        found.append(sample_scores.aurocs(torch.cat([numbers, -numbers], 1), fact).max())
    return float(torch.stack(found).mean())


choosing = Check(
    Choice(("about 0.50", "about 0.58", "about 0.90")),
    truth=lambda: min(
        ("about 0.50", "about 0.58", "about 0.90"),
        key=lambda option: abs(float(option.split()[1]) - same_half()),
    ),
    wrong=(
        Wrong(
            "noise tells nothing",
            lambda: "about 0.50",
            "Each column tells nothing, on average. But you take the best of fifty, and "
            "ask on the samples that made it the best.",
        ),
        Wrong(
            "the best of fifty is nearly right",
            lambda: "about 0.90",
            "With 256 samples the AUROC of noise varies by about 0.036 around a half. How "
            "far out is the largest of fifty such numbers?",
        ),
    ),
    right="Two standard deviations and a bit: enough to look like a weak feature. On the "
    "other half nothing of it is left.",
    hint="AUROCs of noise have a mean of 0.5 and a spread of about 0.036.",
)

alike = Check(
    Whole(),
    truth=lambda: 1,
    wrong=(
        Wrong(
            "one a mode",
            lambda: 25,
            "Modes are u times v, with u over samples and v over outputs. Sort all "
            "products of eigenvalues by size, when those of the outputs are all one.",
        ),
        Wrong(
            "one an output",
            lambda: 384,
            "There are 384 modes with the largest eigenvalue. They differ in v. What is "
            "their u?",
        ),
    ),
    right="All 25 share the first u. Where outputs count alike, leading flattened modes "
    "tell one thing 384 times.",
    hint="The eigenvalues of A times those of the identity: which come first?",
)
