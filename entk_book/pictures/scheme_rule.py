"""A scheme: a sum over layers of products of two Gram matrices."""

import numpy as np

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

HEIGHT = 400
_SIDE, _N = 16, 6


def table(
    canvas: Canvas, x0: int | float, y0: int | float, values: np.ndarray, color: str
) -> None:
    """A square table over the inputs.

    Args:
        canvas: Where to draw.
        x0: Left side.
        y0: Upper side.
        values: From 0 to 1.
        color: Of its largest value.
    """
    for i in range(_N):
        for j in range(_N):
            x, y = x0 + _SIDE * j, y0 + _SIDE * i
            fill = mixed(color, 0.1 + 0.9 * min(1.0, float(values[i, j])))
            canvas.shapes([tile(x, y, _SIDE, _SIDE)], fill, edge="#ffffff", width=1)


def gram(seed: int) -> np.ndarray:
    """A Gram matrix of a few random directions, squared so that it lies in 0 to 1.

    Args:
        seed: Of the directions.

    Returns:
        A square table.
    """
    rows = np.random.default_rng(seed).standard_normal((_N, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows @ rows.T) ** 2


def draw(canvas: Canvas) -> None:
    """Two layers, and their sum.

    Args:
        canvas: Where to draw.
    """
    total, wide = np.zeros((_N, _N)), _SIDE * _N
    for x0, words in ((140, "what it reads"), (310, "its gradients")):
        canvas.text(x0 + wide / 2, 46, words, anchor="center", size=NOTE, color=GREY)
    for layer, y0 in ((1, 70), (2, 236)):
        middle = y0 + wide / 2 + 9
        canvas.text(34, middle, f"layer {layer}")
        a, g = gram(layer), gram(layer + 10)
        product, total = a * g, total + a * g
        table(canvas, 140, y0, a, TRAINED)
        table(canvas, 310, y0, g, UNTRAINED)
        table(canvas, 480, y0, product, INK)
        canvas.text(273, middle, "⊙", anchor="center", size=30)
        canvas.text(443, middle, "=", anchor="center", size=30)
        canvas.text(140 + wide / 2, y0 + wide + 28, "a · a′", anchor="center", size=NOTE)
        canvas.text(310 + wide / 2, y0 + wide + 28, "g · g′", anchor="center", size=NOTE)
    canvas.text(528, 209, "+", anchor="center", size=34)
    canvas.arrow([(592, 120), (640, 170)])
    canvas.arrow([(592, 284), (640, 234)])
    table(canvas, 654, 154, total / total.max(), INK)
    canvas.text(654 + wide / 2, 282, "kernel", anchor="center", weight="bold")
