"""Chapter 11: a sentence, two nouns, and who remembers which."""

import math
from statistics import median

from entk_book.pictures.style import (
    GREY,
    INK,
    NOTE,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import grammar_modes

_LAYER = "attention 1"
_WORDS = (("the", 56), ("dog", 128), ("near", 240), ("the", 346), ("cats", 415))
_SLOT, _LINE = (560, 700), 168
_DARK = mixed(UNTRAINED, 0.75, INK)


def arc(
    canvas: Canvas, start: int | float, end: int | float, depth: int | float, color: str
) -> None:
    """An arrow in an arc, under the words or over them.

    Args:
        canvas: Where to draw.
        start: Where it leaves the line.
        end: Where it comes back.
        depth: Of the arc, negative over the words.
        color: Of the arrow.
    """
    y = _LINE + (18 if depth > 0 else -38)
    points = []
    for i in range(41):
        along = i / 40
        across = start + (end - start) * (1 - math.cos(math.pi * along)) / 2
        points.append((across, y + depth * math.sin(math.pi * along)))
    canvas.arrow(points, color, 5, 11)


def draw(canvas: Canvas) -> None:
    """The sentence with an arc to either noun, and the scores beneath.

    Args:
        canvas: Where to draw.
    """
    told = grammar_modes.stored_grammar()
    scores = {
        (way, fact): median(told.of(way, _LAYER, fact))
        for way in ("probe", "kernel")
        for fact in ("subject", "nearest noun")
    }
    canvas.headline("A layer and its kernel disagree")
    colors = {"dog": TRAINED, "cats": _DARK}
    for word, x in _WORDS:
        canvas.text(
            x,
            _LINE,
            word,
            size=36,
            color=colors.get(word, INK),
            weight="bold" if word in colors else "normal",
        )
    canvas.lines([[(_SLOT[0], _LINE + 6), (_SLOT[1], _LINE + 6)]], INK, 3)
    canvas.text(sum(_SLOT) / 2, _LINE - 4, "verb?", anchor="center", color=GREY)
    arc(canvas, 600, 162, -42, TRAINED)
    arc(canvas, 600, 450, 30, UNTRAINED)
    for x0, way, words in ((56, "probe", "in the layer"), (440, "kernel", "in its kernel")):
        canvas.text(x0, 285, words, weight="bold")
        for i, (fact, noun, color) in enumerate(
            (("subject", "dog", TRAINED), ("nearest noun", "cats", UNTRAINED))
        ):
            y = 325 + 48 * i
            canvas.text(x0 + 58, y + 7, noun, anchor="right", color=colors[noun])
            canvas.lines([[(x0 + 72, y), (x0 + 272, y)]], "#E9EDF0", 22, cap="butt")
            share = 2 * scores[way, fact] - 1
            canvas.lines(
                [[(x0 + 72, y), (x0 + 72 + 200 * share, y)]], color, 22, cap="butt"
            )
    canvas.text(
        56,
        428,
        "first attention layer; bars from guessing to certain",
        size=NOTE,
        color=GREY,
    )
