"""Chapter 10, the edit: what its request already says of the tone that is left out.

The wanted changes cover all bins, also those an octave or a twelfth from an edited tone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from entk_book.ledger import Claim
from entk_book.studies.pitch import SEEDS
from entk_book.studies.pitch_answers import Answers, questions
from entk_book.studies.pitch_edits import N_FRESH, Question, answer, requested, wanted_own
from entk_book.studies.spans import in_most, span

# Of the questions, one of each kind of row; the edit of the classifier is of the first.
ROWS = (
    "octave, middle",
    "22 steps, middle",
    "26 steps, middle",
    "octave, harmonics",
    "octave, three",
    "38 steps, three",
    "40 steps, three",
)
CLASSIFIER = ("classifier.weight", "classifier.bias")


def asked(network: nn.Module, question: Question, seed: int) -> float:
    """How much of the left-out tone's change is wanted of the edited ones, in its bins.

    The mean of the changes that are wanted of the edited tones, projected on the change
    that a fresh draw of the left-out tone would need, over the bins around that tone.

    Args:
        network: A pitch tracker. Nothing is edited.
        question: Which tones.
        seed: Of all that is drawn.

    Returns:
        A share: 1 if all of it is asked for, 0 if the request is silent.
    """
    mean = requested(network, question, seed)[1].mean(0)
    tones = question.row(seed)[question.left_out].repeat(N_FRESH)
    own = wanted_own(network, tones, question, seed)
    return float(((own @ mean) / own.square().sum(1)).mean())


@dataclass(frozen=True)
class Requests:
    """What is asked for in the bins of the tone left out, and what a readout does alone.

    Attributes:
        asked: By question, a share a seed, as `asked` gives it.
        alone: Answers of the first question where the classifier alone is edited, one a
            seed.
    """

    asked: Mapping[str, Sequence[float]]
    alone: Sequence[Mapping[str, Any]]

    def of(self, tones: str) -> list[float]:
        """What the edit of the classifier does around each tone's own pitch.

        Args:
            tones: ``"edited"``, ``"left out"`` or ``"others"``.

        Returns:
            One share a seed.
        """
        return [one[tones]["own"] for one in self.alone]


def requests(network: nn.Module, seeds: Sequence[int] = SEEDS) -> Requests:
    """All rows, with forward passes alone, and the edit of the classifier in one of them.

    Args:
        network: A pitch tracker.
        seeds: Of all that is drawn, as in the stored answers.

    Returns:
        Shares and answers.
    """
    every = questions()
    return Requests(
        {name: [asked(network, every[name], s) for s in seeds] for name in ROWS},
        [answer(network, every[ROWS[0]], s, CLASSIFIER) for s in seeds],
    )


def claims(answers: Answers, found: Requests) -> list[Claim]:
    """Whether the edit does more than its request says; all rows are new.

    Args:
        answers: Of the edits of all parameters.
        found: Of the same seeds.

    Returns:
        Rows of the ledger.
    """
    name = ROWS[0]
    ours = torch.tensor(answers.of(name, "left out", "own"))
    share, alone = torch.tensor(found.asked[name]), torch.tensor(found.of("left out"))
    rest = torch.tensor([found.asked[other] for other in ROWS[1:3]]).amax(0)
    n = len(ours)

    def row(text: str, here: str, hits: int, rule: str) -> Claim:
        return Claim(text, "not published", here, in_most(hits, n), "new here", rule)

    bar = "by a tenth of the change, in most draws"
    return [
        row(
            "the request asks for a part of the left-out tone's change, in its own bins",
            f"octaves: {span(share, 2)} of it",
            int((share > 0.1).sum()),
            "more than a tenth of the change, in most draws",
        ),
        row(
            "it asks for more of it in rows of octaves than a semitone off",
            f"{span(share, 2)} against at most {span(rest, 2)}",
            int((share > rest + 0.1).sum()),
            bar,
        ),
        row(
            "the edit takes the octave further than the request says",
            f"{span(ours, 2)} against {span(share, 2)}",
            int((ours > share + 0.1).sum()),
            bar,
        ),
        row(
            "the edit takes it further than one of the classifier alone",
            f"{span(ours, 1)} against {span(alone, 1)}",
            int((ours > alone + 0.1).sum()),
            bar,
        ),
    ]
