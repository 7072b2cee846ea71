"""Chapter 9: two families of waves taken out, and what the network still answers."""

import numpy as np
import torch

from entk_book.pictures.style import (
    CUT,
    MIST,
    TRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import edit_records
from entk_book.studies.adders import MODULUS, Adder, train_adders
from entk_lib.toys.tasks import modular_addition

_SIDE, _Y = 8.0, 142


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


def square(canvas: Canvas, x0: int | float, right: np.ndarray) -> None:
    """The square of all pairs: right ones blue, wrong ones vermilion.

    Args:
        canvas: Where to draw.
        x0: Left side.
        right: By pair.
    """
    side = _SIDE * MODULUS
    canvas.lines(
        [[(x0, _Y + side / 2), (x0 + side, _Y + side / 2)]],
        mixed(TRAINED, 0.75),
        side,
        cap="butt",
    )
    runs = []
    for row, wrong in enumerate(~right):
        edges = np.flatnonzero(np.diff(np.r_[0, wrong.astype(int), 0]))
        y = _Y + _SIDE * (row + 0.5)
        runs += [
            [(x0 + _SIDE * i, y), (x0 + _SIDE * j, y)] for i, j in edges.reshape(-1, 2)
        ]
    canvas.lines(runs, CUT, _SIDE, cap="butt")


def struck(canvas: Canvas, x0: int | float, y0: int | float, slope: int) -> None:
    """A small tile of a wave, struck through.

    Args:
        canvas: Where to draw.
        x0: Left side.
        y0: Upper side.
        slope: 1 for stripes that go down to the right, where a - b is the same; or -1.
    """
    side, stripes = 44, []
    for shift in (-22, 0, 22):
        low = max(0, -shift)
        ends = np.array(
            [[shift + low, low], [min(side, shift + side), min(side, side - shift)]]
        )
        if slope < 0:
            ends[:, 0] = side - ends[:, 0]
        stripes.append(ends + np.array([x0, y0]))
    canvas.box(x0, y0, side, side, edge=MIST, radius=4)
    canvas.lines(stripes, TRAINED, 7, cap="butt")
    canvas.lines([[(x0 - 8, y0 + side / 2), (x0 + side + 8, y0 + side / 2)]], CUT, 5)


def draw(canvas: Canvas) -> None:
    """Two squares, one whole and one in rags.

    Args:
        canvas: Where to draw.
    """
    (adder,) = train_adders(edit_records.SEEDS[:1])
    canvas.headline("Both waves are there. One is used.")
    for x0, family, slope, words, notes in (
        (110, "difference", 1, "a − b cut out", ("every answer is", "still right")),
        (458, "sum", -1, "a + b cut out", ("right are those", "that it trained on")),
    ):
        square(canvas, x0, right_without(adder, family))
        struck(canvas, x0 + 4, 84, slope)
        canvas.text(x0 + 62, 114, words, weight="bold")
        for line, note in enumerate(notes):
            canvas.text(x0, 428 - 26 * (1 - line), note)
