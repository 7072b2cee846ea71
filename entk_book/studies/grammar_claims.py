"""Chapter 11's rows of the ledger."""

from collections.abc import Sequence

from entk_book.ledger import Claim
from entk_book.studies.running_text import RunningText
from entk_book.studies.spans import in_most, span
from entk_book.studies.told import Told
from entk_book.wild.running import CLASSES as CLASSES_OF_TEXT
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
        f"{names[0]} {span(ours, 2)}, {names[1]} {span(theirs, 2)}; more in {more} of "
        f"{len(ours)}",
        in_most(more, len(ours)),
        SOURCE if published else "new here",
        _RULE,
    )


def _by_layer(text: str, way: str, running: RunningText, published: str = "") -> Claim:
    """A row on the next word of running text: ahead where the band is above zero."""
    told, bands = running.told["next"], running.bands["next"]

    def means(of: str) -> str:
        return span([told.mean(of, place, list(CLASSES_OF_TEXT))[0] for place in bands], 2)

    ahead = sum(band[f"kernel less {way}"][0] > 0 for band in bands.values())
    return Claim(
        text,
        published or "not published",
        f"mean AUROC, six layers: kernel {means('kernel')}, components {means(way)}; "
        f"difference above zero in {ahead} of {len(bands)}",
        ahead == len(bands),
        SOURCE if published else "new here",
        "95 % band above zero in each layer",
    )


def claims(grammar: Told, words: Told, running: RunningText) -> list[Claim]:
    """What kernels tell of a grammar that is known, and of English.

    Args:
        grammar: Of the small language model.
        words: Of the sentence encoder, of sentences that we made.
        running: Of the same, of running text.

    Returns:
        Rows of the ledger.
    """
    last = "MLP 2"

    def classes(way: str, **options: str) -> list[float]:
        return grammar.mean(way, last, CLASSES, **options)

    def subject(way: str) -> list[float]:
        return grammar.of(way, "MLP 1", "subject")

    def noun(way: str) -> list[float]:
        by_layer = [words.of(way, layer, "noun") for layer in words.places]
        return [sum(seed) / len(seed) for seed in zip(*by_layer, strict=True)]

    kernel, precise = classes("kernel"), classes("kernel", score="ap")
    encoder = "six layers, kernel averaged over outputs"
    return [
        _row(
            "modes tell the next word's class better than components of the layer's output",
            ("mean AUROC: kernel", "components"),
            kernel,
            classes("returned"),
            ".827 against .745",
        ),
        _row(
            "modes tell it better by average precision",
            ("mean AP: kernel", "components"),
            precise,
            classes("returned", score="ap"),
            ".523 against .409",
        ),
        _row(
            "modes tell it better than components of the logits",
            ("mean AUROC: kernel", "logits"),
            kernel,
            classes("logits"),
        ),
        _row(
            "modes tell it better than components of the probabilities",
            ("mean AUROC: kernel", "probabilities"),
            kernel,
            classes("probabilities"),
        ),
        _row(
            "components of the probabilities tell it better by average precision",
            ("mean AP: probabilities", "kernel"),
            classes("probabilities", score="ap"),
            precise,
        ),
        _row(
            "modes tell it better after training than before",
            ("mean AUROC: trained", "untrained"),
            kernel,
            classes("kernel", state="untrained"),
        ),
        _row(
            "before the second attention modes tell the subject's number better than "
            "components of the layer's output",
            ("MLP 1: kernel", "components"),
            subject("kernel"),
            subject("returned"),
        ),
        _row(
            "a sentence encoder's modes tell noun from verb better than components of the "
            "layer's output at the word",
            (f"mean AUROC, {encoder}", "components"),
            noun("kernel"),
            noun("returned"),
        ),
        _row(
            "components of what the encoder's tensors read, at all words, tell noun from "
            "verb better than the modes",
            ("mean AUROC, six layers: components", "kernel"),
            noun("read"),
            noun("kernel"),
        ),
        _by_layer(
            "in running text the encoder's modes tell the next word's class better than "
            "components of the layer's output at the word",
            "returned",
            running,
            ".827 against .745",
        ),
        _by_layer(
            "in running text they tell it better than components of what the tensors read, "
            "at all words",
            "read",
            running,
        ),
    ]
