"""Chapter 2: twenty features in ten dimensions, two to an axis."""

import math

import torch

from entk_book.pictures.style import GREY, INK, MIST, NOTE, TRAINED, Canvas
from entk_book.studies import superposition as study
from entk_book.studies.autoencoders import Autoencoder, train_autoencoders

_MIDDLE, _REACH = (235, 256), 150


def axes_of(one: Autoencoder) -> list[list[int]]:
    """Which features share an axis: those that point most nearly away from each other.

    Args:
        one: A trained autoencoder.

    Returns:
        Its reconstructed features, by pairs; alone, who has no counterpart.
    """
    kept = torch.nonzero(study.is_reconstructed(one.network)).flatten().tolist()
    gram = one.network.feature_gram()
    axes, free = [], set(kept)
    for i in kept:
        if i in free:
            free.discard(i)
            j = min(free, key=lambda j: float(gram[i, j]), default=i)
            pair = [i, j] if j != i and gram[i, j] < -0.5 else [i]
            free -= set(pair)
            axes.append(pair)
    return axes


def draw(canvas: Canvas) -> None:
    """A star of arrows, as long as a feature passes through; blue if an eigenvector has it.

    Args:
        canvas: Where to draw.
    """
    (one,) = train_autoencoders([0], n_hidden=10, sparsity=0.9)
    best = study.alignments(study.flattened_spectrum(one), one.x).amax(0)
    length = one.network.feature_gram().diagonal().sqrt()
    axes = sorted(axes_of(one), key=len, reverse=True)
    found, lost = [], []
    for place, pair in enumerate(axes):
        for side, i in enumerate(pair):
            # Singles go on, where the counterpart of the pair would have been.
            angle = math.pi * (place / len(axes) + side) - 1.45
            far = _REACH * float(length[i])
            tip = _MIDDLE[0] + far * math.cos(angle), _MIDDLE[1] + far * math.sin(angle)
            (found if float(best[i]) > 0.5 else lost).append(tip)
    canvas.headline(f"{len(found + lost)} features in 10 dimensions")
    for tips, color in ((lost, MIST), (found, TRAINED)):
        for tip in tips:
            canvas.arrow([_MIDDLE, tip], color, 5, 10)
    canvas.dots([_MIDDLE], INK, 8)
    canvas.text(480, 170, "stored in pairs that point")
    canvas.text(480, 202, "in opposite directions")
    for y, tips, color in ((275, found, TRAINED), (360, lost, MIST)):
        canvas.arrow([(480, y), (540, y)], color, 5, 10)
        canvas.text(560, y + 10, str(len(tips)), size=31, color=INK, weight="bold")
    canvas.text(612, 272, "found by a", size=NOTE, color=GREY)
    canvas.text(612, 296, "single eigenvector", size=NOTE, color=GREY)
    canvas.text(612, 368, "not found so", size=NOTE, color=GREY)
