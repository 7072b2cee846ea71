"""Windows of words with what the grammar knows of them."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from entk_lib.toys.tasks._grammar_rules import CLASSES, NONE, Node, Step, node
from entk_lib.toys.tasks._grammar_words import VOCABULARY

_DRAWN_AT_ONCE = 4096


@dataclass(frozen=True)
class Contexts:
    """Windows of the endless stream of sentences, the word after each, and their labels.

    Labels are whole numbers, one a context; ``NOT_APPLICABLE``, -1, where the feature is
    not there. Numbers are 0 for the singular and 1 for the plural, tenses 0 for the
    present and 1 for the past, classes are places in ``CLASSES``. A depth counts the
    clauses that a word's clause stands in: "that" belongs to the clause it opens.

    Attributes:
        tokens: The windows, shape ``(n, length)``.
        next_word: The token after each.
        next_class: Class of the next word.
        last_class: Class of the window's last word.
        tense: Of the sentence that the last word stands in; none after ".".
        number: Of the subject that the next word agrees with, where it is a verb of the
            present, or was or were.
        nearest_number: Of the noun or pronoun nearest to that verb, where there is a
            number.
        distractor: 1 if a noun or pronoun of the other number stands between subject and
            verb, 0 if none does, where there is a number.
        distance: Words from that subject's noun to the verb; 1 if it is next to it.
        reflexive: Gender of the reflexive that is next: 0 himself, 1 herself, 2 itself,
            3 themselves.
        depth: Of the last word's clause, 0 to 3; 0 for ".".
        next_depth: Of the next word's clause.
        start: Place in the window of the present sentence's first word; none if it is
            before the window. The window's length if the next word begins a sentence.
        nodes: States of the grammar after each window.
    """

    tokens: Int[Tensor, "n length"]
    next_word: Int[Tensor, " n"]
    next_class: Int[Tensor, " n"]
    last_class: Int[Tensor, " n"]
    tense: Int[Tensor, " n"]
    number: Int[Tensor, " n"]
    nearest_number: Int[Tensor, " n"]
    distractor: Int[Tensor, " n"]
    distance: Int[Tensor, " n"]
    reflexive: Int[Tensor, " n"]
    depth: Int[Tensor, " n"]
    next_depth: Int[Tensor, " n"]
    start: Int[Tensor, " n"]
    nodes: tuple[Node, ...]

    def __len__(self) -> int:
        """Number of contexts."""
        return len(self.tokens)

    def take(self, rows: Int[Tensor, " rows"] | Bool[Tensor, " n"]) -> "Contexts":
        """Some of the contexts.

        Args:
            rows: Indices, or one boolean a context.

        Returns:
            Those contexts, in the order asked for.
        """
        index = torch.arange(len(self))[rows]
        tensors = {
            field.name: getattr(self, field.name)[index]
            for field in fields(self)
            if field.name != "nodes"
        }
        return Contexts(**tensors, nodes=tuple(self.nodes[i] for i in index.tolist()))

    def probabilities(self) -> Float[Tensor, "n words"]:
        """What the grammar says of the next word, given all words since the sentence began.

        Where the window holds the sentence's beginning (``start`` is not -1), no network
        can know more.

        Returns:
            Double precision, shape ``(n, n_words)``; each row sums to 1.
        """
        found = torch.zeros(len(self), len(VOCABULARY), dtype=torch.float64)
        for row, state in zip(found, self.nodes, strict=True):
            sums, steps = state.choices
            row[[step.token for step in steps]] = torch.tensor(
                sums, dtype=torch.float64
            ).diff(prepend=torch.zeros(1, dtype=torch.float64))
        return found

    def entropy(self) -> float:
        """Mean entropy of `probabilities`: no loss on many contexts is below it.

        Returns:
            In nats a word.
        """
        return float(torch.special.entr(self.probabilities()).sum(1).mean())


def joined(parts: Sequence[Contexts]) -> Contexts:
    """The contexts of several sets as one.

    Args:
        parts: At least one set; windows of one length.

    Returns:
        All contexts, part by part.
    """
    tensors = {
        field.name: torch.cat([getattr(part, field.name) for part in parts])
        for field in fields(Contexts)
        if field.name != "nodes"
    }
    return Contexts(**tensors, nodes=tuple(n for part in parts for n in part.nodes))


def steps_of_stream(seed: int) -> Iterator[Step]:
    """The endless stream of sentences, from the beginning of one."""
    generator = torch.Generator().manual_seed(seed)
    here = node()
    while True:
        draws = torch.rand(_DRAWN_AT_ONCE, generator=generator, dtype=torch.float64)
        for draw in draws.tolist():
            sums, steps = here.choices
            step = steps[bisect(sums, draw, 0, len(steps) - 1)]
            here = step.node
            yield step


def contexts_at(steps: Sequence[Step], ends: Sequence[int], length: int) -> Contexts:
    """The windows of a stream that end before these words; it begins with a sentence."""
    subjects, beginnings, nearest, others = _agreement(steps)
    tokens = torch.tensor([step.token for step in steps])
    at = torch.tensor(ends)
    windows = tokens.unfold(0, length, 1)[at - length]
    following, before = [steps[end] for end in ends], [steps[end - 1] for end in ends]
    agrees = [s.kind.role == "verb" and s.kind.number != NONE for s in following]

    def where_it_agrees(values: Sequence[int]) -> Tensor:
        pairs = zip(ends, agrees, strict=True)
        return torch.tensor([values[end] if holds else NONE for end, holds in pairs])

    classes = [CLASSES.index(step.kind.word_class) for step in steps]
    starts = torch.tensor([beginnings[end] for end in ends]) - (at - length)
    distances = [end - subject for end, subject in enumerate(subjects)]
    return Contexts(
        tokens=windows,
        next_word=tokens[at],
        next_class=torch.tensor([classes[end] for end in ends]),
        last_class=torch.tensor([classes[end - 1] for end in ends]),
        tense=torch.tensor([step.kind.tense for step in before]),
        number=where_it_agrees([step.kind.number for step in steps]),
        nearest_number=where_it_agrees(nearest),
        distractor=where_it_agrees(others),
        distance=where_it_agrees(distances),
        reflexive=torch.tensor([s.kind.gender for s in following]),
        depth=torch.tensor([step.kind.depth for step in before]),
        next_depth=torch.tensor([step.kind.depth for step in following]),
        start=torch.where(starts < 0, NONE, starts),
        nodes=tuple(step.node for step in before),
    )


def _agreement(steps: Sequence[Step]) -> tuple[list[int], ...]:
    # For each word: its clause's subject, its sentence's first word, the nearest number,
    # and whether a noun of another number than the word's own came after the subject.
    subject_at: dict[int, int] = {}  # by depth
    last_of = [NONE, NONE]  # where the last noun of either number was
    beginning = 0
    subjects, beginnings, nearest, others = [], [], [], []
    for i, (_, kind, _) in enumerate(steps):
        subject = subject_at.get(kind.depth, NONE)
        subjects.append(subject)
        beginnings.append(beginning)
        nearest.append(NONE if max(last_of) == NONE else int(last_of[1] > last_of[0]))
        others.append(int(kind.number != NONE and last_of[1 - kind.number] > subject))
        if kind.role in ("subject", "relative"):
            subject_at[kind.depth] = i if kind.role == "subject" else i - 1
        if kind.number != NONE and kind.role != "verb":
            last_of[kind.number] = i
        if kind.word_class == "punctuation":
            beginning = i + 1
    return subjects, beginnings, nearest, others
