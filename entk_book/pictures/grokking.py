"""Chapter 4: the spectrum through training, a landscape, and the accuracy along it."""

import numpy as np
import torch

from entk_book.pictures.style import CUT, GREY, INK, MIST, NOTE, TRAINED, Canvas, mixed
from entk_book.studies import grokking as study
from entk_book.studies.adders import MODULUS
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

_STEPS = (0, 20, 40, 60, 80, 100, 120, 200, 500)
_MODES = slice(35, 140)
_LEFT, _FIRST, _LAST, _LEVELS = 120, 135, 385, 6


def share_of_waves(vectors: torch.Tensor, waves: torch.Tensor) -> np.ndarray:
    """How much of each mode lies in the waves of the sum and of the difference.

    Args:
        vectors: Modes in columns.
        waves: Orthonormal columns.

    Returns:
        From 0 to 1, smoothed over five neighbours, among which modes mix.
    """
    share = (waves.T @ vectors.double()).square().sum(0).numpy()
    return np.convolve(share, np.ones(5) / 5, mode="same")


def ridge(canvas: Canvas, heights: np.ndarray, share: np.ndarray, foot: float) -> None:
    """One spectrum as a ridge, coloured by what its modes are.

    Args:
        canvas: Where to draw.
        heights: Of the modes, in units.
        share: Of the modes, from 0 to 1.
        foot: Where height is zero.
    """
    x = _LEFT + 5.0 * np.arange(len(heights))
    line = np.stack([x, foot - heights], 1)
    ground = [(x[-1], foot + 22), (x[0], foot + 22)]
    canvas.shapes([[*line, *ground]], "#FFFFFF", alpha=0.85)
    level = np.round(share * (_LEVELS - 1)).clip(0, _LEVELS - 1)
    for one in range(_LEVELS):
        at = np.flatnonzero(level[:-1] == one)
        runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else []
        color = mixed(TRAINED, one / (_LEVELS - 1), MIST)
        canvas.lines([line[run[0] : run[-1] + 2] for run in runs], color, 4.5, cap="butt")


def draw(canvas: Canvas) -> None:
    """Ridges from the back, the start of training, to the front, its end.

    Args:
        canvas: Where to draw.
    """
    (adder,) = study.train_runs("learns", [0], steps=500, every=20)
    families = modular_addition.fourier_families(MODULUS)
    waves = torch.cat([families[name].flatten(1) for name in ("sum", "difference")], 1)
    network = QuadraticMLP(2 * MODULUS, MODULUS, 512, seed=0)
    canvas.headline("The modes turn first, the answers follow")
    path = []
    for i, step in enumerate(_STEPS):
        network.load_state_dict(adder.snapshots[step])
        spectrum = study.kernel_spectrum(network, adder.x)
        values = spectrum.eigenvalues[_MODES].double().numpy()
        heights = 60 * (np.log(values) - np.log(values[-1]))
        share = share_of_waves(spectrum.eigenvectors, waves)[_MODES]
        foot = np.linspace(_FIRST, _LAST, len(_STEPS))[i]
        ridge(canvas, heights, share, foot)
        canvas.text(_LEFT - 12, foot + 6, str(step), anchor="right", size=NOTE, color=GREY)
        path.append((690, foot, adder.accuracy(network)["test"]))
        print(step, path[-1], heights[0], share.round(1)[20:80:10])
    for x, y, accuracy in path:
        canvas.dots([(x, y)], MIST, 12)
        if accuracy>0.05: canvas.dots([(x, y)], INK, 12 * accuracy**0.5)
