"""Running text: Python's own help, cut where the next word's class is known.

The text is ``pydoc_data.topics``, which ships with Python under its licence; nothing of it
is copied here. Labels come from no tagger, which would be a network's opinion: a position
counts only where its word is on a list of words that are of one class in this text
(``the`` a determiner, ``of`` a preposition, ``exception`` a noun, ``called`` a verb). Words
of several classes (``that``, ``return``, ``set``) are on no list. Words in quotation marks
or stars do not count either: there ``if`` is a keyword, and no conjunction.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from entk_book.wild import minilm

LENGTH = 24  # pieces of a context
CLASSES = {
    "punctuation": ". ,",
    "determiner": "the a an every its their these those",
    "preposition": "of in with from at by into during within without between for",
    "pronoun": "it they them we he you itself themselves",
    "auxiliary": "is are was were be been can may might must should will would has cannot",
    "conjunction": "and or but nor if when because unless although",
    "adverb": (
        "also always never often usually already instead otherwise typically normally "
        "however therefore actually explicitly implicitly previously"
    ),
    "noun": (
        "object objects method methods function functions exception exceptions attribute "
        "attributes argument arguments module modules dictionary dictionaries sequence "
        "sequences expression expressions statement statements string strings class "
        "classes character characters namespace interpreter operator operators variable "
        "variables tuple tuples instance instances"
    ),
    "verb": (
        "called defined created raised returned executed evaluated passed converted "
        "implemented treated determined assigned stored specified contain contains occurs "
        "allows evaluates evaluate execute define defines refer refers provide provides "
        "specify create represent include override"
    ),
}
_CLASS_OF = {word: i for i, words in enumerate(CLASSES.values()) for word in words.split()}
_FEWEST_WORDS = 15  # of a paragraph
_CODE = (">>>", "::=")


@dataclass(frozen=True)
class Passages:
    """Pieces of running text.

    Attributes:
        texts: Of 24 pieces each, from a word's beginning to a word's end; no two of them
            overlap.
        labels: Of each text one of ``CLASSES``, by number.
    """

    texts: list[str]
    labels: Int[Tensor, " texts"]


def paragraphs() -> list[str]:
    """Prose of Python's help: no headings, lists, code or grammar, none of it twice.

    Returns:
        One line each, in an order that depends on the text alone.
    """
    from pydoc_data.topics import topics  # half a megabyte, for this alone

    found: dict[str, None] = {}
    for name in sorted(topics):
        for block in topics[name].split("\n\n"):
            line = " ".join(block.split())
            is_prose = line[:1].isupper() and line.endswith(".")
            if is_prose and not any(mark in line for mark in _CODE):
                found.setdefault(line)
    return [line for line in found if len(line.split()) >= _FEWEST_WORDS]


def digest() -> str:
    """What text this is: it differs between versions of Python.

    Returns:
        The first 16 digits of a SHA-256.
    """
    return hashlib.sha256("\n".join(paragraphs()).encode()).hexdigest()[:16]


def labelled(line: str) -> Iterator[tuple[int, int, int]]:
    """Words whose class is known.

    Args:
        line: A paragraph.

    Yields:
        Where the word begins and ends, and the number of its class.

    Example:
        >>> kinds = list(CLASSES)
        >>> line = 'If "x in y" is true, it returns an object.'
        >>> [(line[a:b], kinds[c]) for a, b, c in labelled(line)][:3]
        [('If', 'conjunction'), ('is', 'auxiliary'), (',', 'punctuation')]
    """
    for match in re.finditer(
        r"(?<![^ (])[A-Za-z]+(?=[ .,;:)])|(?<=[a-z]{2})[.,](?= |$)", line
    ):
        before = line[: match.start()]
        if before.count('"') % 2 or before.count("*") % 2:
            continue
        kind = _CLASS_OF.get(match.group().lower())
        if kind is not None:
            yield match.start(), match.end(), kind


def passages(
    n_each: int = 57, *, of: Literal["next", "last"] = "next", seed: int = 0
) -> Passages:
    """Draw contexts, as many of each class.

    Args:
        n_each: Contexts of each of nine classes.
        of: Whether the label is of the word after a context, which the network does not
            see, or of the context's last one. A word of several pieces ends a context
            with its last.
        seed: Of the draw.

    Returns:
        Contexts, in random order.

    Raises:
        ValueError: If a class has not as many places in this text.
        FileNotFoundError: If the tokenizer is not installed.
    """
    tokenizer, lines = minilm.tokenizer(), paragraphs()
    places: list[list[tuple[int, int, int]]] = [[] for _ in CLASSES]
    pieces = [tokenizer.encode(line, add_special_tokens=False) for line in lines]
    for number, (line, made) in enumerate(zip(lines, pieces, strict=True)):
        words = made.word_ids
        begins = {a: i for i, (a, _) in reversed(list(enumerate(made.offsets)))}
        ends = {b: i + 1 for i, (_, b) in enumerate(made.offsets)}
        for a, b, kind in labelled(line):
            stop = begins.get(a) if of == "next" else ends.get(b)
            start = -1 if stop is None else stop - LENGTH
            # From the first piece of a word.
            if start == 0 or (start > 0 and words[start] != words[start - 1]):
                places[kind].append((number, start, kind))
    generator = torch.Generator().manual_seed(seed)
    taken: dict[int, list[int]] = {}
    drawn: list[tuple[int, int, int]] = []
    for kind in sorted(range(len(CLASSES)), key=lambda k: len(places[k])):
        order = torch.randperm(len(places[kind]), generator=generator).tolist()
        few: list[tuple[int, int, int]] = []
        for place in (places[kind][i] for i in order):
            others = taken.setdefault(place[0], [])
            if len(few) < n_each and all(abs(place[1] - at) >= LENGTH for at in others):
                others.append(place[1])
                few.append(place)
        if len(few) < n_each:
            raise ValueError(
                f"n_each must be at most {len(few)}, the places before or at "
                f"{list(CLASSES)[kind]} words in this Python's help that do not overlap "
                f"others, got {n_each}."
            )
        drawn += few
    order = torch.randperm(len(drawn), generator=generator).tolist()
    texts = []
    for number, start, _ in (drawn[i] for i in order):
        offsets = pieces[number].offsets
        texts.append(lines[number][offsets[start][0] : offsets[start + LENGTH - 1][1]])
    return Passages(texts, torch.tensor([drawn[i][2] for i in order]))
