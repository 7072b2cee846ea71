"""The rules of the language, as a stack machine that knows each next word's probability.

A state is a stack of symbols, the next one first. Each rule replaces a symbol by a word
and further symbols, or by symbols alone. The rules are such that the words determine the
state: whatever follows a noun attaches to it, and nothing is decided before it is heard.
"""

from __future__ import annotations

import functools
from itertools import accumulate
from typing import NamedTuple

from entk_lib.toys.tasks import _grammar_words as w

CLASSES = (
    "noun",
    "verb",
    "determiner",
    "adjective",
    "adverb",
    "preposition",
    "pronoun",
    "conjunction",
    "punctuation",
)
NONE = -1  # a feature that a word does not have
MAX_DEPTH = 3  # clauses inside clauses
_MAX_CHAIN = 2  # prepositions after one noun
TOKEN = {word: token for token, word in enumerate(w.VOCABULARY)}

Symbol = tuple


class Word(NamedTuple):
    """A kind of word: which ones, and what one of them tells."""

    words: tuple[str, ...]
    word_class: str
    number: int = NONE  # of a noun or pronoun; of a verb, if its form shows one
    gender: int = NONE  # of a reflexive, 3 for the plural's
    tense: int = NONE
    depth: int = 0
    # "subject" of the clause at this depth; "relative": the word before may be that.
    role: str = ""


class Step(NamedTuple):
    """One word that may come next, what it tells, and where it leads."""

    token: int
    kind: Word
    node: Node


class Node:
    """A state, with the words that may come next; found when first asked for."""

    def __init__(self, stack: tuple[Symbol, ...]) -> None:
        self._stack = stack

    @functools.cached_property
    def choices(self) -> tuple[list[float], list[Step]]:
        """Cumulative probabilities, and the steps."""
        found: dict[int, tuple[float, Step]] = {}
        for probability, kind, stack in _expand(self._stack):
            for word in kind.words:
                token = TOKEN[word]
                # A second way to the same word would hide the state.
                assert token not in found, (word, self._stack)
                step = Step(token, kind, node(stack))
                found[token] = probability / len(kind.words), step
        sums = list(accumulate(p for p, _ in found.values()))
        assert abs(sums[-1] - 1) < 1e-9, self._stack
        return sums, [step for _, step in found.values()]


@functools.cache
def node(stack: tuple[Symbol, ...] = (("sentence",),)) -> Node:
    """The one node of a state; without a stack, that before a sentence."""
    return Node(stack)


def _expand(stack: tuple[Symbol, ...]) -> list[tuple[float, Word, tuple[Symbol, ...]]]:
    (name, *features), rest = stack[0], stack[1:]
    ways = []
    for probability, word, symbols in _RULES[name](*features):
        below = (*symbols, *rest)
        if word is not None:
            ways.append((probability, word, below))
        elif probability > 0:
            ways += [(probability * p, kind, s) for p, kind, s in _expand(below)]
    return [way for way in ways if way[0] > 0]


Ways = list[tuple[float, "Word | None", tuple[Symbol, ...]]]


def _sentence() -> Ways:
    return [
        (
            0.5,
            Word(w.TIMES[tense], "adverb", tense=tense),
            (("clause", tense, 0, True), ("more", tense)),
        )
        for tense in (0, 1)
    ]


def _more(tense: int) -> Ways:
    stop = Word(w.STOP, "punctuation")
    joining = Word(w.JOINING, "conjunction", tense=tense)
    return [
        (0.85, stop, (("sentence",),)),
        (0.15, joining, (("clause", tense, 0, True), ("end",))),
    ]


def _end() -> Ways:
    return [(1.0, Word(w.STOP, "punctuation"), (("sentence",),))]


def _clause(tense: int, depth: int, joins: bool) -> Ways:
    # joins: its predicate may be continued with "and".
    follow = ("predicate", tense, depth, joins)
    return [(1.0, None, (("phrase", tense, depth, 0, follow),))]


def _phrase(tense: int, depth: int, chain: int, follow: Symbol | None) -> Ways:
    """A noun with its determiner, a name or a pronoun; ``follow`` if it is a subject."""
    role = "subject" if follow else ""
    ways: Ways = []
    for share, words, numbers in (
        (0.5, w.OPEN_DETERMINERS, (0, 1)),
        (0.25, w.DETERMINERS[0], (0,)),
        (0.25, w.DETERMINERS[1], (1,)),
    ):
        word = Word(words, "determiner", tense=tense, depth=depth)
        nominal = ("nominal", numbers, tense, depth, chain, follow, True)
        ways.append((share * (0.75 if follow else 0.85), word, (nominal,)))
    for gender, names in enumerate(w.NAMES):
        word = Word(names, "noun", 0, NONE, tense, depth, role)
        ways.append((0.075, word, _resolved(follow, 0, gender)))
    if follow:
        for gender, pronoun in enumerate(w.PRONOUNS):
            word = Word(pronoun, "pronoun", int(gender == 3), NONE, tense, depth, role)
            ways.append((0.025, word, _resolved(follow, word.number, gender)))
    return ways


def _nominal(
    numbers: tuple[int, ...],
    tense: int,
    depth: int,
    chain: int,
    follow: Symbol | None,
    adjectives: bool,
) -> Ways:
    role = "subject" if follow else ""
    ways: Ways = []
    if adjectives:
        after = ("nominal", numbers, tense, depth, chain, follow, False)
        adjective = Word(w.ADJECTIVES, "adjective", tense=tense, depth=depth)
        very = Word(w.DEGREES, "adverb", tense=tense, depth=depth)
        ways += [
            (0.2, adjective, (after,)),
            (0.05, very, (("adjective", tense, depth), after)),
        ]
    share = (0.75 if adjectives else 1.0) / len(numbers)
    for number in numbers:
        for gender, nouns in enumerate(w.NOUNS[number]):
            word = Word(nouns, "noun", number, NONE, tense, depth, role)
            gender = 3 if number else gender
            modifier = ("modifier", number, gender, tense, depth, chain)
            below = (modifier, *_resolved(follow, number, gender))
            # The nouns of a number are equally likely.
            ways.append((share * len(nouns) / _N_NOUNS, word, below))
    return ways


def _adjective(tense: int, depth: int) -> Ways:
    return [(1.0, Word(w.ADJECTIVES, "adjective", tense=tense, depth=depth), ())]


def _modifier(number: int, gender: int, tense: int, depth: int, chain: int) -> Ways:
    """What attaches to a noun: nothing, a preposition's phrase, a relative clause."""
    nested = 0.2 if chain < _MAX_CHAIN else 0.0
    relative = (0.18, 0.12, 0.08, 0.0)[depth]
    preposition = Word(w.PREPOSITIONS, "preposition", tense=tense, depth=depth)
    that = Word(w.THAT, "conjunction", NONE, NONE, tense, depth + 1, "relative")
    return [
        (1 - nested - relative, None, ()),
        (nested, preposition, (("phrase", tense, depth, chain + 1, None),)),
        (relative, that, (("relative", number, gender, tense, depth + 1),)),
    ]


def _relative(number: int, gender: int, tense: int, depth: int) -> Ways:
    own = ("predicate", tense, depth, False, number, gender)
    follow = ("gapped", tense, depth)
    return [
        (0.6, None, (own,)),
        (0.4, None, (("phrase", tense, depth, 0, follow),)),
    ]


def _gapped(tense: int, depth: int, number: int, gender: int) -> Ways:
    return [(1.0, _verb_form(w.TRANSITIVE, tense, number, depth), ())]


def _predicate(tense: int, depth: int, joins: bool, number: int, gender: int) -> Ways:
    adverb = Word(w.BEFORE_VERB, "adverb", tense=tense, depth=depth)
    verb = ("verb", tense, depth, joins, number, gender)
    return [(0.12, adverb, (verb,)), (0.88, None, (verb,))]


def _verb(tense: int, depth: int, joins: bool, number: int, gender: int) -> Ways:
    def form(verbs: tuple) -> Word:
        return _verb_form(verbs, tense, number, depth)

    goes_on = (("and", tense, depth, number, gender),) if joins else ()
    clause = 0.12 if depth < MAX_DEPTH else 0.0
    return [
        (0.3, form(w.INTRANSITIVE), (("manner", tense, depth), *goes_on)),
        (0.4, form(w.TRANSITIVE), (("object", tense, depth, number, gender), *goes_on)),
        (0.3 - clause, form(w.COPULA), (("quality", tense, depth), *goes_on)),
        (clause, form(w.CLAUSAL), (("that", tense, depth + 1, joins),)),
    ]


def _verb_form(verbs: tuple, tense: int, number: int, depth: int) -> Word:
    shows = tense == 0 or verbs is w.COPULA
    words = verbs[tense][number]
    return Word(words, "verb", number if shows else NONE, NONE, tense, depth, "verb")


def _manner(tense: int, depth: int) -> Ways:
    adverb = Word(w.AFTER_VERB, "adverb", tense=tense, depth=depth)
    return [(0.3, adverb, ()), (0.7, None, ())]


def _object(tense: int, depth: int, number: int, gender: int) -> Ways:
    words = w.REFLEXIVES[gender]
    reflexive = Word(words, "pronoun", NONE, gender, tense, depth, "reflexive")
    return [(0.25, reflexive, ()), (0.75, None, (("phrase", tense, depth, 0, None),))]


def _quality(tense: int, depth: int) -> Ways:
    very = Word(w.DEGREES, "adverb", tense=tense, depth=depth)
    adjective = ("adjective", tense, depth)
    return [(0.2, very, (adjective,)), (0.8, None, (adjective,))]


def _that(tense: int, depth: int, joins: bool) -> Ways:
    that = Word(w.THAT, "conjunction", tense=tense, depth=depth)
    return [(1.0, that, (("clause", tense, depth, joins),))]


def _and(tense: int, depth: int, number: int, gender: int) -> Ways:
    word = Word(w.AND, "conjunction", tense=tense, depth=depth)
    return [
        (0.12, word, (("verb", tense, depth, False, number, gender),)),
        (0.88, None, ()),
    ]


def _resolved(follow: Symbol | None, number: int, gender: int) -> tuple[Symbol, ...]:
    # What waits for its subject learns the subject's number and gender.
    return ((*follow, number, gender),) if follow else ()


_N_NOUNS = sum(map(len, w.NOUNS[0]))
_RULES = {
    "sentence": _sentence,
    "more": _more,
    "end": _end,
    "clause": _clause,
    "phrase": _phrase,
    "nominal": _nominal,
    "adjective": _adjective,
    "modifier": _modifier,
    "relative": _relative,
    "gapped": _gapped,
    "predicate": _predicate,
    "verb": _verb,
    "manner": _manner,
    "object": _object,
    "quality": _quality,
    "that": _that,
    "and": _and,
}
