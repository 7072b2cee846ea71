"""A scheme: flattened, averaged, mean output."""

from entk_book.pictures.style import GREY, INK, NOTE, TRAINED, Canvas, mixed

HEIGHT = 330
_SIDE, _TOP, _C = 46, 120, 3


def block(canvas: Canvas, x0: int | float, used: str) -> None:
    """A block of the kernel, for one pair of inputs.

    Args:
        canvas: Where to draw.
        x0: Left side.
        used: ``"all"`` entries, or those on the ``"diagonal"``.
    """
    for i in range(_C):
        for j in range(_C):
            x, y = x0 + _SIDE * j, _TOP + _SIDE * i
            is_used = used == "all" or i == j
            fill = mixed(TRAINED, 0.8) if is_used else "#E9EDF0"
            canvas.box(x + 2, y + 2, _SIDE - 4, _SIDE - 4, fill=fill, edge=fill, radius=3)


def draw(canvas: Canvas) -> None:
    """The same block three times, and what becomes of it.

    Args:
        canvas: Where to draw.
    """
    canvas.text(34, 52, "One pair of inputs, three outputs each", weight="bold")
    for x0, name, used, note in (
        (34, "flattened", "all", "9 entries stay"),
        (290, "averaged", "diagonal", "mean of 3"),
        (546, "mean output", "all", "mean of all 9"),
    ):
        canvas.text(x0, 104, name, color=INK)
        block(canvas, x0, used)
        canvas.text(x0, 300, note, size=NOTE, color=GREY)
        if name != "flattened":
            canvas.arrow([(x0 + 146, 189), (x0 + 180, 189)])
            canvas.box(x0 + 186, 168, 42, 42, fill=TRAINED, edge=TRAINED, radius=3)
