"""A scheme: sorting modes by one graph after the other, or by all at once."""

from collections.abc import Sequence

from entk_book.pictures.style import CUT, FAMILIES, GREY, INK, NOTE, Canvas, tile

HEIGHT = 356
_SIDE = 18
_A, _B = FAMILIES["sum"], FAMILIES["b"]
_MIXED = tuple((k % 4 + 1) / 5 for k in range(12))


def row(
    canvas: Canvas, x0: int | float, y0: int | float, shares: Sequence[int | float]
) -> None:
    """Modes as tiles, each filled from below by how much of it belongs to one family.

    Args:
        canvas: Where to draw.
        x0: Left side.
        y0: Upper side.
        shares: Of the first family, one a mode.
    """
    for k, share in enumerate(shares):
        x, wide, high = x0 + _SIDE * k, _SIDE - 3, 44
        canvas.shapes([tile(x, y0, wide, high)], _B)
        if share > 0:
            canvas.shapes([tile(x, y0 + high * (1 - share), wide, high * share)], _A)


def draw(canvas: Canvas) -> None:
    """Two stages above, the joint rotation below.

    Args:
        canvas: Where to draw.
    """
    once = (1, 0.9, 0.9, 0.8, 0.9, 0.25, 0.75, 0, 0.1, 0.1, 0.1, 0.2)
    twice = (1, 1, 1, 1, 1, 0.25, 0.75, 0, 0, 0, 0, 0)
    for y0, words in ((80, "two stages"), (252, "all at once")):
        canvas.text(34, y0 - 22, words, weight="bold")
        row(canvas, 34, y0, _MIXED)
        canvas.text(34, y0 + 72, "mixed modes", size=NOTE, color=GREY)
    row(canvas, 292, 80, once)
    row(canvas, 550, 80, twice)
    row(canvas, 550, 252, (1,) * 6 + (0,) * 6)
    half = 292 + 6 * _SIDE - 1.5
    canvas.lines([[(half, 70), (half, 134)]], INK, 2.5)
    for start in (250, 508):
        canvas.arrow([(start + 4, 102), (start + 36, 102)])
    canvas.arrow([(256, 274), (542, 274)])
    canvas.text(292, 152, "halved by one graph", size=NOTE, color=GREY)
    canvas.text(550, 152, "then by the other:", size=NOTE, color=GREY)
    canvas.text(550, 176, "two stay mixed", size=NOTE, color=CUT)
    canvas.text(399, 262, "every graph at once", size=NOTE, color=GREY, anchor="center")
    canvas.text(550, 324, "waves, each by itself", size=NOTE, color=GREY)
