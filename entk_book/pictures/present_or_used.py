"""Chapter 9: two families of waves taken out, and what the network still answers."""

import numpy as np
import torch

from entk_book.pictures.style import CUT, FAMILIES, GREY, INK, MIST, NOTE, TRAINED, Canvas, mixed
from entk_book.studies import edit_records, edited_adders
from entk_book.studies.adders import MODULUS, Adder, train_adders
from entk_lib.toys.tasks import modular_addition

_SIDE, _Y = 8.0, 132


@torch.no_grad()
def right_without(adder: Adder, family: str) -> np.ndarray:
    """Which pairs are answered right once a family is out of the activations.

    Args:
        adder: A network that adds.
        family: As in `edited_adders.without_families`.

    Returns:
        On the square of all pairs.
    """
    waves = modular_addition.fourier_families(adder.modulus)[family].flatten(1)
    hidden = adder.network.first(adder.x).double().square()
    hidden = hidden - waves @ (waves.T @ hidden)
    logits = hidden @ adder.network.second.weight.double().T
    right = logits.argmax(1) == adder.y.argmax(1)
    return right.reshape(MODULUS, MODULUS).numpy()


def square(canvas: Canvas, x0: float, right: np.ndarray) -> None:
    """The square of all pairs: right ones blue, wrong ones vermilion.

    Args:
        canvas: Where to draw.
        x0: Left side.
        right: By pair.
    """
    side = _SIDE * MODULUS
    canvas.lines([[(x0, _Y + side / 2), (x0 + side, _Y + side / 2)]], mixed(TRAINED, 0.75), side, cap="butt")
    runs = []
    for row, wrong in enumerate(~right):
        edges = np.flatnonzero(np.diff(np.r_[0, wrong.astype(int), 0]))
        y = _Y + _SIDE * (row + 0.5)
        runs += [[(x0 + _SIDE * i, y), (x0 + _SIDE * j, y)] for i, j in edges.reshape(-1, 2)]
    canvas.lines(runs, CUT, _SIDE, cap="butt")


def draw(canvas: Canvas) -> None:
    """Two squares, one nearly whole and one in rags.

    Args:
        canvas: Where to draw.
    """
    (adder,) = train_adders(edit_records.SEEDS[:1])
    canvas.headline("Both are present. One is used.")
    for x0, family, words in ((120, "difference", "without a − b"), (448, "sum", "without a + b")):
        right = right_without(adder, family)
        square(canvas, x0, right)
        canvas.text(x0 + _SIDE * MODULUS / 2, 108, words, anchor="center", weight="bold")
        print(family, right.mean())
