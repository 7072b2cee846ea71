"""Sentences that stop at a word which may be noun or verb; what they say is known.

Each reads like ``next week , the singer near the kings will see them slowly play and
walk``. Two of four facts lie away from the last word (``next``, ``will``, ``see``: the
time; ``singer``: the number of the subject), one in the words before it (``them slowly
play and``: a verb; ``the slow play and``: a noun), and one in the word itself (``walk``
is of motion, ``talk`` of speech). Each last word comes as often with each combination of
the other three.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

MOTION = (
    "walk run march climb dance jump ride race turn drive fall slide step drift swing crawl"
).split()
SPEECH = (
    "talk call shout cry whisper answer laugh joke question report promise order demand "
    "claim lie argue"
).split()
FACTS = {
    "motion": "the word itself: of motion, not of speech",
    "noun": "the words before it: a noun, not a verb",
    "plural": "the subject: more than one",
    "future": "the time: next, not last",
}
_TIMES = "week month year spring summer winter autumn".split()
_PEOPLE = (
    "teacher farmer soldier doctor student singer lawyer king sister brother dancer actor"
).split()
_PLACES = "near with behind beside above".split()
_SEES = {False: "seen heard watched noticed".split(), True: "see hear watch notice".split()}
_BEFORE_NOUN = "the a no some more that our their".split()
_BEFORE_VERB = "them him us others everyone people children".split()
_ADJECTIVES = "slow quiet gentle loud long strange brief".split()
_ADVERBS = "slowly quietly gently loudly often always badly".split()
_DOING = "fight play work rest sleep swim smile stand".split()


@dataclass(frozen=True)
class Contexts:
    """Sentences and what they say.

    Attributes:
        texts: Fourteen words and a comma each; the last word is a noun or a verb.
        facts: By the names of ``FACTS``, one truth value a text.
        words: Number of the last word of each text.
    """

    texts: list[str]
    facts: dict[str, Bool[Tensor, " texts"]]
    words: Int[Tensor, " texts"]


def contexts(n: int = 512, *, n_words: int = 8, seed: int = 0) -> Contexts:
    """Draw sentences: each last word as often with each combination of the other facts.

    Args:
        n: Sentences.
        n_words: Last words, half of motion and half of speech.
        seed: Of everything that is drawn.

    Returns:
        Sentences, in random order.

    Raises:
        ValueError: If ``n_words`` is odd, or not from 2 to 32, or ``n`` no multiple of
            ``8 * n_words``.

    Example:
        >>> drawn = contexts(256)
        >>> {name: int(fact.sum()) for name, fact in drawn.facts.items()}
        {'motion': 128, 'noun': 128, 'plural': 128, 'future': 128}
    """
    if n_words % 2 or not 2 <= n_words <= 2 * len(MOTION):
        raise ValueError(f"n_words must be even, from 2 to 32, got {n_words}.")
    if n < 1 or n % (8 * n_words):
        raise ValueError(
            f"n must be a multiple of {8 * n_words}, so that each of {n_words} words comes "
            f"as often with each combination of facts, got {n}."
        )
    generator = torch.Generator().manual_seed(seed)

    def one_of(words: Sequence[str]) -> str:
        return words[int(torch.randint(len(words), (), generator=generator))]

    def sentence(word: str, noun: bool, plural: bool, future: bool) -> str:
        subject, other = one_of(_PEOPLE), one_of(_PEOPLE)
        return " ".join(
            [
                f"{'next' if future else 'last'} {one_of(_TIMES)} , the",
                f"{subject}{'s' * plural} {one_of(_PLACES)} the {other}{one_of(['', 's'])}",
                f"{'will' if future else 'had'} {one_of(_SEES[future])}",
                one_of(_BEFORE_NOUN if noun else _BEFORE_VERB),
                one_of(_ADJECTIVES if noun else _ADVERBS),
                f"{one_of(_DOING)} {one_of(['and', 'or'])} {word}",
            ]
        )

    truth = (False, True)
    lasts = (*MOTION[: n_words // 2], *SPEECH[: n_words // 2])
    cells = [
        (number, noun, plural, future)
        for number in range(n_words)
        for noun in truth
        for plural in truth
        for future in truth
    ]
    order = torch.randperm(n, generator=generator).tolist()
    rows = [cells[i % len(cells)] for i in order]
    texts = [sentence(lasts[number], *others) for number, *others in rows]
    facts = torch.tensor([(number < n_words // 2, *others) for number, *others in rows])
    return Contexts(
        texts,
        {name: facts[:, i] for i, name in enumerate(FACTS)},
        torch.tensor([row[0] for row in rows]),
    )
