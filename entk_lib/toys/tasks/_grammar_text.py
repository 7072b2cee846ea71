"""Sentences written by hand: as tokens, with their labels, and what may come next."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from entk_lib.toys.tasks._grammar_contexts import Contexts, contexts_at
from entk_lib.toys.tasks._grammar_rules import TOKEN, Step, node
from entk_lib.toys.tasks._grammar_words import VOCABULARY


def encode(text: str) -> Int[Tensor, " words"]:
    """Words as tokens.

    Args:
        text: Words of ``VOCABULARY``, with spaces between them and before ".".

    Returns:
        One token a word.

    Raises:
        ValueError: If there is no word, or one is not of the language.

    Example:
        >>> encode("today the dog sleeps .").tolist()
        [1, 7, 25, 71, 0]
    """
    found = text.split()
    if not found:
        raise ValueError(f"text must hold a word, got {text!r}.")
    for word in found:
        if word not in TOKEN:
            raise ValueError(
                f"text must hold words of the language, got {word!r}. "
                "grammar.VOCABULARY lists them; '.' is one, with a space before it."
            )
    return torch.tensor([TOKEN[word] for word in found])


def decode(tokens: Int[Tensor, " words"] | Sequence[int]) -> str:
    """Tokens as words.

    Args:
        tokens: One a word.

    Returns:
        The words with spaces between.

    Example:
        >>> decode([1, 7, 25, 71, 0])
        'today the dog sleeps .'
    """
    return " ".join(VOCABULARY[int(token)] for token in tokens)


def next_words(text: str) -> dict[str, float]:
    """What may come next, with its exact probability.

    Args:
        text: The beginning of a sentence, or sentences and the beginning of one.

    Returns:
        Probabilities by word, the words that cannot come left out.

    Raises:
        ValueError: If a word is not of the language, or not allowed at its place.

    Example:
        >>> found = next_words("today the girl near the dogs sees")
        >>> found["herself"], "themselves" in found
        (0.25, False)
    """
    steps = _followed(text)
    sums, following = steps[-1].node.choices
    before = [0.0, *sums]
    return {VOCABULARY[step.token]: sums[i] - before[i] for i, step in enumerate(following)}


def context(text: str) -> Contexts:
    """One labelled context written by hand, its last word being the next one.

    Args:
        text: Sentences, the last of which may be unfinished; two words at least.

    Returns:
        One context of as many words as there are before the last.

    Raises:
        ValueError: As in `next_words`, or if there is one word only.

    Example:
        >>> found = context("today the dog near the cats sleeps")
        >>> found.number.item(), found.nearest_number.item(), found.distractor.item()
        (0, 1, 1)
    """
    steps = _followed(text)
    if len(steps) < 2:
        raise ValueError(
            f"text must hold the context and the next word, got {text!r}. Write one more."
        )
    return contexts_at(steps, [len(steps) - 1], len(steps) - 1)


def _followed(text: str) -> list[Step]:
    # The steps that a text takes from the beginning of a sentence.
    steps: list[Step] = []
    here = node()
    for i, token in enumerate(encode(text).tolist()):
        ways = {step.token: step for step in here.choices[1]}
        if token not in ways:
            words = text.split()
            raise ValueError(
                f"the grammar has no {words[i]!r} after {' '.join(words[:i])!r}. There may "
                f"come: {', '.join(VOCABULARY[way] for way in ways)}."
            )
        steps.append(ways[token])
        here = ways[token].node
    return steps
