"""Chapter 1: rows of derivatives, their inner products, and a spectrum that falls off."""

import math

import torch
from torch import Tensor

import entk_lib as entk
from entk_book.pictures.style import (
    CUT,
    GREY,
    INK,
    MIST,
    NOTE,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
    tile,
)
from entk_book.studies.tangent_kernel import on_circle
from entk_lib.toys.models import ReLUNetwork

_N_POINTS, _WIDTH, _N_COLUMNS, _N_BARS = 24, 1024, 40, 12
_TOP, _SIDE, _LEVELS = 126, 11, 4
_TWO = 3, 6  # rows that are shown to make one entry


def mosaic(canvas: Canvas, x0: int | float, table: Tensor, side: int | float) -> None:
    """A table of numbers as tiles: blue above zero, orange below.

    Args:
        canvas: Where to draw.
        x0: Left side.
        table: The numbers.
        side: Width of a tile; all are as high.
    """
    scaled = table / table.abs().quantile(0.98)
    levels = (scaled.clamp(-1, 1) * _LEVELS).round().int()
    rows, columns = levels.shape
    canvas.shapes([tile(x0, _TOP, side * columns, _SIDE * rows)], "#F2F4F6")
    for level in sorted(set(levels.flatten().tolist()) - {0}):
        color = mixed(TRAINED if level > 0 else UNTRAINED, abs(level) / _LEVELS)
        runs = []
        for row, line in enumerate(levels.tolist()):
            y = _TOP + _SIDE * (row + 0.5)
            runs += [
                [(x0 + side * start, y), (x0 + side * stop, y)]
                for start, stop in _runs(line, level)
            ]
        canvas.lines(runs, color, _SIDE, cap="butt")


def frame(canvas: Canvas, x0: int | float, row: int, width: int | float) -> None:
    """A frame around some tiles of a row.

    Args:
        canvas: Where to draw.
        x0: Left side.
        row: Counted from 0.
        width: Of all tiles in it.
    """
    y = _TOP + _SIDE * row
    corners = [(x0, y), (x0 + width, y), (x0 + width, y + _SIDE), (x0, y + _SIDE), (x0, y)]
    canvas.lines([corners], INK, 2.5)


def _runs(line: list[int], level: int) -> list[tuple[int, int]]:
    runs, start = [], None
    for i, value in enumerate([*line, None]):
        if value == level and start is None:
            start = i
        elif value != level and start is not None:
            runs.append((start, i))
            start = None
    return runs


def draw(canvas: Canvas) -> None:
    """Jacobian, kernel and spectrum of a network on 24 points of a circle.

    Args:
        canvas: Where to draw.
    """
    network = ReLUNetwork(2, _WIDTH, seed=1, dtype=torch.float64)
    x = on_circle(2 * math.pi * torch.arange(_N_POINTS, dtype=torch.float64) / _N_POINTS)
    first, _ = entk.jacobian(network, x).values()
    kernel = entk.empirical_ntk(network, x)
    values = (entk.kernel_spectrum(kernel).eigenvalues / kernel.trace()).tolist()
    weights = network.get_parameter("layers.0.weight").detach()
    order = torch.atan2(weights[:, 1], weights[:, 0]).argsort()
    some = order[:: _WIDTH // _N_COLUMNS][:_N_COLUMNS]
    canvas.headline("From derivatives to a spectrum")
    left, middle, right = 34, 34 + 5.6 * _N_COLUMNS + 60, 632
    mosaic(canvas, left, first[:, 0, some, 0], 5.6)
    mosaic(canvas, middle, kernel, _SIDE)
    foot = _TOP + _SIDE * _N_POINTS
    for x0, words, note in (
        (left, "derivatives", "a row an input"),
        (middle, "their kernel", "an entry: two rows, multiplied"),
        (right, "spectrum", "5 modes stand"),
    ):
        canvas.text(x0, 110, words, weight="bold")
        canvas.text(x0, foot + 32, note, size=NOTE, color=GREY)
    i, j = _TWO
    for row in _TWO:
        frame(canvas, left, row, 5.6 * _N_COLUMNS)
    frame(canvas, middle + _SIDE * j, i, _SIDE)
    y = _TOP + _SIDE * (i + 0.5)
    for row in _TWO:
        start = left + 5.6 * _N_COLUMNS + 3, _TOP + _SIDE * (row + 0.5)
        canvas.lines([[start, (middle + _SIDE * j, y)]], INK, 1.8)
    canvas.arrow([(middle + _SIDE * _N_POINTS + 8, 258), (right - 8, 258)])
    bars = [
        [(right + 6 + 11.5 * k, foot), (right + 6 + 11.5 * k, foot - 760 * value)]
        for k, value in enumerate(values[:_N_BARS])
    ]
    canvas.lines(bars[:5], TRAINED, 8.5, cap="butt")
    canvas.lines(bars[5:], MIST, 8.5, cap="butt")
    cliff = right + 6 + 11.5 * 4.5
    canvas.lines([[(cliff, _TOP + 50), (cliff, foot + 6)]], CUT, 2.5, dash=(3, 2))
    canvas.text(cliff + 8, 200, "a cliff", color=CUT, weight="bold")
