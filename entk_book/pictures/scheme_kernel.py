"""A scheme: the Jacobian times its transpose."""

from entk_book.pictures.style import (
    GREY,
    INK,
    NOTE,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
    tile,
)

HEIGHT = 360
_ROW, _TOP, _C = 26, 110, 3  # three outputs, three inputs
_COLORS = (TRAINED, UNTRAINED, "#009E73")


def draw(canvas: Canvas) -> None:
    """J, its transpose, and K in blocks.

    Args:
        canvas: Where to draw.
    """
    n_rows = _C * _C
    high = _ROW * n_rows
    left, wide = 84, 170
    canvas.text(left + wide / 2, 84, "J", anchor="center", weight="bold")
    canvas.text(left + wide / 2, 46, "parameters p", anchor="center", size=NOTE, color=GREY)
    for row in range(n_rows):
        y = _TOP + _ROW * (row + 0.5)
        color = mixed(_COLORS[row // _C], 0.85 - 0.25 * (row % _C))
        canvas.lines([[(left, y), (left + wide, y)]], color, _ROW - 3, cap="butt")
    for block in range(_C):
        y = _TOP + _C * _ROW * (block + 0.5) + 7
        canvas.text(left - 12, y, f"n = {block + 1}", anchor="right", size=NOTE)
    canvas.text(286, 232, "×", anchor="center", size=32)
    start, step = 318, 15
    canvas.text(start + step * n_rows / 2, 84, "Jᵀ", anchor="center", weight="bold")
    for column in range(n_rows):
        x = start + step * (column + 0.5)
        color = mixed(_COLORS[column // _C], 0.85 - 0.25 * (column % _C))
        canvas.lines([[(x, _TOP + 32), (x, _TOP + 32 + wide)]], color, step - 2, cap="butt")
    canvas.text(484, 232, "=", anchor="center", size=32)
    right = 516
    canvas.text(right + high / 2, 84, "K", anchor="center", weight="bold")
    for i in range(n_rows):
        for j in range(n_rows):
            same = i // _C == j // _C
            color = mixed(_COLORS[i // _C], 0.5, _COLORS[j // _C])
            x, y = right + _ROW * j, _TOP + _ROW * i
            share = 0.85 if i == j else 0.5 if same else 0.22
            canvas.shapes([tile(x + 1, y + 1, _ROW - 3, _ROW - 3)], mixed(color, share))
    ends = [right + _C * _ROW * k for k in (1, 2)]
    down = [_TOP + _C * _ROW * k for k in (1, 2)]
    canvas.lines([[(x, _TOP), (x, _TOP + high)] for x in ends], INK, 2)
    canvas.lines([[(right, y), (right + high, y)] for y in down], INK, 2)
