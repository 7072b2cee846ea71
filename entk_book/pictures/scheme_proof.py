"""A scheme: how a layer's rule is trusted."""

from entk_book.pictures.style import (
    CUT,
    GREEN,
    GREY,
    INK,
    NOTE,
    TRAINED,
    Canvas,
    mixed,
)

HEIGHT = 330


def card(
    canvas: Canvas, x: int | float, y: int | float, words: tuple[str, str], color: str
) -> None:
    """A box with a name and a line below it.

    Args:
        canvas: Where to draw.
        x: Left side.
        y: Upper side.
        words: The name and the line.
        color: Of its edge.
    """
    canvas.box(x, y, 208, 80, fill=mixed(color, 0.1), edge=color, line=2.5)
    canvas.text(x + 104, y + 34, words[0], anchor="center", weight="bold")
    canvas.text(x + 104, y + 62, words[1], anchor="center", size=NOTE, color=GREY)


def draw(canvas: Canvas) -> None:
    """Rule and autograd, the question, and two ways on.

    Args:
        canvas: Where to draw.
    """
    canvas.text(34, 46, "for each parameter, on a few samples", size=NOTE, color=GREY)
    card(canvas, 34, 66, ("layer rule", "from a and g"), TRAINED)
    card(canvas, 34, 206, ("autograd", "the plain gradient"), GREY)
    canvas.arrow([(248, 106), (316, 164)])
    canvas.arrow([(248, 246), (316, 188)])
    canvas.text(366, 186, "equal?", anchor="center", weight="bold", size=26)
    canvas.arrow([(420, 164), (546, 112)], GREEN)
    canvas.arrow([(420, 188), (546, 240)], CUT)
    canvas.text(470, 118, "yes", anchor="center", color=mixed(GREEN, 0.85, INK))
    canvas.text(470, 250, "no", anchor="center", color=CUT)
    card(canvas, 556, 66, ("rule", "for all samples"), GREEN)
    card(canvas, 556, 206, ("autodiff", "the safe way"), CUT)
