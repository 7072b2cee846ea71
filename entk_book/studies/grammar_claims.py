"""Chapter 11's rows of the ledger."""

from collections.abc import Sequence

from entk_book.ledger import Claim
from entk_book.studies.spans import in_most, span
from entk_book.studies.told import Told
from entk_lib.toys.tasks.grammar import CLASSES

SOURCE = "v4, section 5 (another network: Gemma 3, 270M)"
_RULE = "more in most seeds"


def _row(
    text: str,
    names: tuple[str, str],
    ours: Sequence[float],
    theirs: Sequence[float],
    published: str = "",
) -> Claim:
    more = sum(a > b for a, b in zip(ours, theirs, strict=True))
    return Claim(
        text,
        published or "not published",
        f"{names[0]} {span(ours, 2)}, {names[1]} {span(theirs, 2)}",
        in_most(more, len(ours)),
        SOURCE if published else "new here",
        _RULE,
    )


def claims(grammar: Told, words: Told) -> list[Claim]:
    """What kernels tell of a grammar that is known, and of English sentences.

    Args:
        grammar: Of the small language model.
        words: Of the sentence encoder.

    Returns:
        Rows of the ledger.
    """
    last = "MLP 2"

    def classes(way: str, **options: str) -> list[float]:
        return grammar.mean(way, last, CLASSES, **options)

    def number(way: str, layer: str = last) -> list[float]:
        return grammar.of(way, layer, "plural")

    def noun(way: str) -> list[float]:
        by_layer = [words.of(way, layer, "noun") for layer in words.places]
        return [sum(seed) / len(seed) for seed in zip(*by_layer, strict=True)]

    def best(ways: Sequence[str]) -> list[float]:
        return [max(seed) for seed in zip(*(classes(way) for way in ways), strict=True)]

    rivals = ("returned", "read", "embeddings", "side by side", "logits")
    return [
        _row(
            "modes tell the next word's class better than components of the layer's output",
            ("mean AUROC: kernel", "components"),
            classes("kernel"),
            classes("returned"),
            ".827 against .745",
        ),
        _row(
            "the same, by average precision",
            ("mean AP: kernel", "components"),
            classes("kernel", score="ap"),
            classes("returned", score="ap"),
            ".523 against .409",
        ),
        _row(
            "they do better than the best of five rivals without a derivative",
            ("kernel", "best rival"),
            classes("kernel"),
            best(rivals),
        ),
        _row(
            "they do better than before training",
            ("trained", "untrained"),
            classes("kernel"),
            classes("kernel", state="untrained"),
        ),
        _row(
            "before the second attention the kernel tells the subject's number better than "
            "components of the same layer's output",
            ("MLP 1: kernel", "components"),
            number("kernel", "MLP 1"),
            number("returned", "MLP 1"),
        ),
        _row(
            "a sentence encoder's modes tell noun from verb better than components of the "
            "layer's output at the word",
            ("mean of six layers: kernel", "components"),
            noun("kernel"),
            noun("returned"),
        ),
        _row(
            "they do better than components of what the same tensors read at all words",
            ("mean of six layers: kernel", "components"),
            noun("kernel"),
            noun("read"),
        ),
    ]
