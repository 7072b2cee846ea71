"""A small language whose grammar is known: sentences, contexts, and their features.

An English of 151 words: nouns of three genders and two numbers, verbs that agree with
their subject across what stands between, a present and a past told by each sentence's
first word, reflexives, relative clauses and clauses with "that" to a depth of three, and
twelve forms that are nouns or verbs by their place, such as "walks". It has no meaning:
the nouns of a number are equally likely everywhere, and so on. Since the words since a
sentence's beginning determine the grammar's state, the next word's probabilities are
exact.

References:
    Linzen, Dupoux and Goldberg (2016), "Assessing the ability of LSTMs to learn
    syntax-sensitive dependencies", arXiv:1611.01368, for agreement across nouns of the
    other number as a test.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from entk_lib import _checks
from entk_lib.toys.tasks import _grammar_words as _words
from entk_lib.toys.tasks._grammar_contexts import (
    Contexts,
    contexts_at,
    joined,
    steps_of_stream,
)
from entk_lib.toys.tasks._grammar_rules import CLASSES, MAX_DEPTH, NONE, TOKEN
from entk_lib.toys.tasks._grammar_text import context, decode, encode, next_words

LENGTH = 24  # words of a context
NOT_APPLICABLE = NONE
VOCABULARY = _words.VOCABULARY
# Tokens by what they show, for sums of probabilities.
_VERBS = (_words.INTRANSITIVE, _words.TRANSITIVE, _words.CLAUSAL, _words.COPULA)
SINGULAR_FORMS, PLURAL_FORMS = (
    tuple(TOKEN[word] for verbs in _VERBS for word in verbs[0][number])
    + tuple(TOKEN[word] for word in _words.COPULA[1][number])
    for number in (0, 1)
)
REFLEXIVES = tuple(TOKEN[word] for (word,) in _words.REFLEXIVES)
HOMOGRAPHS = tuple(TOKEN[word] for word in _words.HOMOGRAPH_WORDS)
# What a label can be where it is there.
VALUES = {
    "next_class": len(CLASSES),
    "last_class": len(CLASSES),
    "tense": 2,
    "number": 2,
    "nearest_number": 2,
    "distractor": 2,
    "reflexive": len(REFLEXIVES),
    "depth": MAX_DEPTH + 1,
    "next_depth": MAX_DEPTH + 1,
}
_PIECE, _MOST_PIECES = 20_000, 200  # words read at once, and how often

__all__ = [
    "CLASSES",
    "HOMOGRAPHS",
    "LENGTH",
    "NOT_APPLICABLE",
    "PLURAL_FORMS",
    "REFLEXIVES",
    "SINGULAR_FORMS",
    "VALUES",
    "VOCABULARY",
    "Contexts",
    "across_distractor",
    "balanced",
    "context",
    "decode",
    "encode",
    "joined",
    "next_words",
    "sample_balanced",
    "sample_contexts",
    "word_batches",
]


def word_batches(n: int, *, seed: int, length: int = LENGTH) -> Iterator[Tensor]:
    """Windows for training, each with the word after it; they never repeat.

    Args:
        n: Windows a batch.
        seed: Of the stream.
        length: Words of a window.

    Yields:
        Consecutive pieces of the stream, shape ``(n, length + 1)``.

    Example:
        >>> batch = next(word_batches(2, seed=0, length=4))
        >>> batch.shape
        torch.Size([2, 5])
    """
    _checks.require_count("n", n)
    _checks.require_count("length", length)
    steps = steps_of_stream(seed)
    while True:
        piece = [step.token for step in islice(steps, n * (length + 1))]
        yield torch.tensor(piece).reshape(n, length + 1)


def sample_contexts(n: int, *, seed: int, length: int = LENGTH) -> Contexts:
    """Contexts as they come: pieces of the stream that share no word.

    Args:
        n: How many.
        seed: Of the stream.
        length: Words of a context.

    Returns:
        ``n`` labelled contexts.

    Raises:
        TypeError: If a count is no integer.
        ValueError: If it is below 1.

    Example:
        >>> found = sample_contexts(3, seed=0)
        >>> found.tokens.shape, len(found)
        (torch.Size([3, 24]), 3)
    """
    _checks.require_count("n", n)
    _checks.require_count("length", length)
    steps = list(islice(steps_of_stream(seed), n * (length + 1)))
    return contexts_at(steps, range(length, len(steps), length + 1), length)


def balanced(
    contexts: Contexts, labels: Int[Tensor, " n"], n_each: int, *, seed: int
) -> Contexts:
    """As many contexts of each label, drawn without replacement.

    Args:
        contexts: To draw from.
        labels: One a context: a field of ``contexts`` or other whole numbers. Negative
            ones are left out.
        n_each: Contexts a label.
        seed: Of the draw.

    Returns:
        The contexts of the smallest label first.

    Raises:
        ValueError: If labels and contexts are not as many, or a label is too rare.

    Example:
        >>> pool = sample_contexts(200, seed=0)
        >>> balanced(pool, pool.tense, 2, seed=0).tense.tolist()
        [0, 0, 1, 1]
    """
    _checks.require_count("n_each", n_each)
    if len(labels) != len(contexts):
        raise ValueError(
            f"labels must be one a context, got {len(labels)} for {len(contexts)}."
        )
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for value in labels[labels >= 0].unique().tolist():
        (own,) = torch.where(labels == value)
        if len(own) < n_each:
            raise ValueError(
                f"label {value} must be there {n_each} times, got {len(own)} of "
                f"{len(contexts)} contexts. Draw more contexts, or use sample_balanced."
            )
        rows.append(own[torch.randperm(len(own), generator=generator)[:n_each]])
    if not rows:
        raise ValueError("labels must hold one that is not negative, got none.")
    return contexts.take(torch.cat(rows))


def sample_balanced(
    label: str,
    n_each: int,
    *,
    seed: int,
    where: Callable[[Contexts], Bool[Tensor, " n"]] | None = None,
    values: Sequence[int] | None = None,
    length: int = LENGTH,
) -> Contexts:
    """Contexts with as many of each value of a label, however rare it is.

    The stream is read until there are enough that fit and share no word. Only contexts
    that hold the beginning of the present sentence count.

    Args:
        label: A field of `Contexts` that is in ``VALUES``.
        n_each: Contexts a value.
        seed: Of the stream and the draw.
        where: Which contexts may be taken, one boolean each. ``None``: all.
        values: Those asked for. ``None``: all that the label can have.
        length: Words of a context.

    Returns:
        Contexts of the smallest value first.

    Raises:
        TypeError: If a count is no integer.
        ValueError: If there is no such label, or four million words are not enough.

    Example:
        >>> sample_balanced("reflexive", 1, seed=0).reflexive.tolist()
        [0, 1, 2, 3]
    """
    _checks.require_count("n_each", n_each)
    _checks.require_count("length", length)
    if label not in VALUES:
        raise ValueError(f"label must be one of {', '.join(VALUES)}, got {label!r}.")
    wanted = torch.arange(VALUES[label]) if values is None else torch.tensor(values)
    stream, found = steps_of_stream(seed), []
    for _ in range(_MOST_PIECES):
        steps = list(islice(stream, _PIECE))
        while steps[-1].token != TOKEN["."]:  # labels are read from a sentence's beginning
            steps.append(next(stream))
        piece = contexts_at(steps, range(length, len(steps)), length)
        fits = torch.isin(getattr(piece, label), wanted) & (piece.start != NONE)
        if where is not None:
            fits &= where(piece)
        found.append(piece.take(_apart(fits, length + 1)))
        labels = torch.cat([getattr(part, label) for part in found])
        if all(int((labels == value).sum()) >= n_each for value in wanted):
            return balanced(joined(found), labels, n_each, seed=seed)
    raise ValueError(
        f"{label!r} must have each of {wanted.tolist()} {n_each} times in "
        f"{_MOST_PIECES * _PIECE:,} words, and has not. Ask for fewer, or let where "
        "allow more."
    )


def across_distractor(n_each: int, *, seed: int, length: int = LENGTH) -> Contexts:
    """Contexts before a verb whose nearest noun is always of the wrong number.

    The next word is a verb that shows its number, singular in one half and plural in the
    other, and the noun or pronoun nearest to it is of the other number than its subject:
    whoever goes by the nearest noun is wrong each time.

    Args:
        n_each: Contexts a number.
        seed: As in `sample_balanced`.
        length: Words of a context.

    Returns:
        The singular ones first.

    Raises:
        TypeError: As in `sample_balanced`.
        ValueError: As in `sample_balanced`.

    Example:
        >>> found = across_distractor(2, seed=0)
        >>> found.number.tolist(), found.nearest_number.tolist()
        ([0, 0, 1, 1], [1, 1, 0, 0])
    """
    return sample_balanced(
        "number",
        n_each,
        seed=seed,
        where=lambda piece: piece.nearest_number == 1 - piece.number,
        length=length,
    )


def _apart(fits: Bool[Tensor, " n"], distance: int) -> Int[Tensor, " rows"]:
    # Rows so far from each other that their windows share no word, the first first.
    rows: list[int] = []
    for row in torch.where(fits)[0].tolist():
        if not rows or row - rows[-1] >= distance:
            rows.append(row)
    return torch.tensor(rows, dtype=torch.long)
