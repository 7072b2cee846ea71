"""A scheme: sorting modes by one graph after the other, or by all at once."""

from collections.abc import Sequence

from entk_book.pictures.style import CUT, FAMILIES, GREY, INK, MIST, NOTE, Canvas, mixed

HEIGHT = 400
_SIDE = 20
_A, _B = FAMILIES["sum"], FAMILIES["b"]
_MIXED = tuple((k % 4 + 1) / 5 for k in range(12))


def row(canvas: Canvas, x0: float, y0: float, shares: Sequence[float]) -> None:
    """Modes as tiles, each filled from below by how much of it belongs to one family.

    Args:
        canvas: Where to draw.
        x0: Left side.
        y0: Upper side.
        shares: Of the first family, one a mode.
    """
    for k, share in enumerate(shares):
        x, high = x0 + _SIDE * k, 44
        canvas.shapes([_tile(x, y0, high)], _B)
        if share > 0:
            canvas.shapes([_tile(x, y0 + high * (1 - share), high * share)], _A)


def _tile(x: float, y: float, high: float) -> list[tuple[float, float]]:
    wide = _SIDE - 3
    return [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]


def draw(canvas: Canvas) -> None:
    """Two stages above, the joint rotation below.

    Args:
        canvas: Where to draw.
    """
    canvas.text(34, 52, "two stages", weight="bold")
    canvas.text(34, 242, "all at once", weight="bold")
    first = (1, 0.9, 0.9, 0.8, 0.9, 0.25, 0.75, 0, 0.1, 0.1, 0.1, 0.2)
    second = (1, 1, 1, 1, 1, 0.25, 0.75, 0, 0, 0, 0, 0)
    for y0 in (74, 264):
        row(canvas, 34, y0, _MIXED)
        canvas.text(34, y0 + 72, "mixed modes", size=NOTE, color=GREY)
    row(canvas, 294, 74, first)
    row(canvas, 554, 74, second)
    row(canvas, 554, 264, (1,) * 6 + (0,) * 6)
    canvas.lines([[(293 + 6 * _SIDE - 1, 66), (293 + 6 * _SIDE - 1, 126)]], INK, 2.5)
    canvas.arrow([(258, 160), (292, 160)], GREY)
    canvas.text(300, 167, "one graph halves,", size=NOTE, color=GREY)
    canvas.text(300, 191, "then the other", size=NOTE, color=GREY)
    canvas.text(554 + 6 * _SIDE, 156, "these stay mixed", size=NOTE, color=CUT, anchor="center")
    canvas.arrow([(290, 286), (536, 286)], INK)
    canvas.text(413, 272, "every graph votes", size=NOTE, color=GREY, anchor="center")
    canvas.text(554 + 6 * _SIDE, 336, "waves, one by one", size=NOTE, color=GREY, anchor="center")
