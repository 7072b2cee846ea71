"""Chapter 8: over the peak of the test loss, from a pentagon of data to one of features."""

import math

import numpy as np
from torch import Tensor

from entk_book.pictures.style import (
    GREY,
    INK,
    MIST,
    NOTE,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import double_descent as study
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

# By size: across, how far below the hill's foot the loss 0.7 lies, and who is in order.
_SHOWN = {5: 150, 30: 400, 3000: 650}
_ORDERLY = {5: UNTRAINED, 3000: TRAINED}
_SIZES = (5, 8, 15, 20, 30, 40, 60, 120, 200, 600, 3000)
_TOP, _RADIUS = 178, 92
_FOOT, _RISE = 425, 95


def hill(sizes: tuple[int, ...], losses: list[float]) -> list[tuple[float, float]]:
    """The course of the test loss, so that each network shown has its loss beneath.

    Args:
        sizes: Numbers of samples.
        losses: As many.

    Returns:
        Points.
    """
    logs = [math.log(size) for size in _SHOWN]
    across = np.interp([math.log(size) for size in sizes], logs, list(_SHOWN.values()))
    up = [_FOOT - _RISE * (loss - min(losses)) for loss in losses]
    return list(zip(across.tolist(), up, strict=True))


def plane(canvas: Canvas, size: int, network: TiedAutoencoder, samples: Tensor) -> None:
    """The hidden plane of a network: its features in blue, its data points in orange.

    Args:
        canvas: Where to draw.
        size: One that is shown.
        network: With two hidden units.
        samples: That it was trained on.
    """
    x0 = _SHOWN[size]
    around = 2 * math.pi * np.arange(60) / 60
    rim = np.stack([x0 + _RADIUS * np.cos(around), _TOP + _RADIUS * np.sin(around)], 1)
    canvas.shapes([rim], "#F4F6F8", edge=MIST)
    weight, points = study.hidden(network, samples)
    layers = [(weight, TRAINED), (points[:, :40], UNTRAINED)]
    for vectors, color in layers if size == 5 else layers[::-1]:
        is_orderly = _ORDERLY.get(size) == color
        scale = 0.86 * _RADIUS / float(vectors.norm(dim=0).max())
        ends = np.array([(x0 + scale * x, _TOP - scale * y) for x, y in vectors.T.tolist()])
        if is_orderly:
            far = ends[vectors.norm(dim=0).argsort(descending=True)[:5].numpy()]
            order = np.argsort(np.arctan2(far[:, 1] - _TOP, far[:, 0] - x0))
            canvas.shapes([far[order]], mixed(color, 0.25), edge=color, width=2.5)
            canvas.lines([[(x0, _TOP), end] for end in far], color, 2.5)
            canvas.dots(far, color, 9)
        else:
            canvas.dots(ends, color, 3.5, alpha=0.8)


def draw(canvas: Canvas) -> None:
    """Three planes over the hill of the test loss.

    Args:
        canvas: Where to draw.
    """
    grid = study.train_sizes(0.9, n_seeds=3, sizes=_SIZES)
    fresh = superposition.sample(2000, study.N_FEATURES, 0.9, seed=1000)
    course = hill(grid.sizes, grid.loss_on(fresh).median(0).values.tolist())
    canvas.headline("First it learns data, then features")
    canvas.shapes(
        [[(34, 434), (34, course[0][1]), *course, (766, course[-1][1]), (766, 434)]],
        "#E9EDF0",
    )
    canvas.lines([[(34, course[0][1]), *course, (766, course[-1][1])]], INK, 3)
    for size, x in _SHOWN.items():
        plane(canvas, size, grid.networks[size][0], grid.data[size][0])
        canvas.text(x, 302, f"{size:,} samples", anchor="center", weight="bold")
    for x, words, color in ((270, "data", UNTRAINED), (524, "features", TRAINED)):
        canvas.text(x, 110, words, anchor="center", color=mixed(color, 0.8, INK))
    canvas.text(400, 422, "test loss", anchor="center", size=NOTE, color=GREY)
