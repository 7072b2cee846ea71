"""Chapter 4: the spectrum through training, a landscape, and the accuracy along it."""

import numpy as np
import torch

from entk_book.pictures.style import (
    CUT,
    GREY,
    INK,
    MIST,
    NOTE,
    PAPER,
    TRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import grokking as study
from entk_book.studies.adders import MODULUS, WIDTH
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

_STEPS = (0, 20, 40, 60, 80, 100, 120, 200, 500)
_MODES = slice(42, 140)
_LEFT, _STRIDE, _BACK, _FRONT, _RISE, _LEVELS = 140, 4.75, 196, 386, 46, 6
N_CLIFF = 4 * MODULUS - 3


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


def ridge(canvas: Canvas, line: np.ndarray, share: np.ndarray) -> None:
    """One spectrum as a ridge, coloured by what its modes are.

    Args:
        canvas: Where to draw.
        line: One point a mode.
        share: Of the waves, from 0 to 1.
    """
    foot = line[-1, 1] + 26
    canvas.shapes([[*line, (line[-1, 0], foot), (line[0, 0], foot)]], PAPER)
    level = np.round(share * (_LEVELS - 1)).clip(0, _LEVELS - 1)
    for one in range(_LEVELS):
        at = np.flatnonzero(level[:-1] == one)
        runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else []
        color = mixed(TRAINED, one / (_LEVELS - 1), MIST)
        canvas.lines([line[run[0] : run[-1] + 2] for run in runs], color, 5, cap="butt")


def draw(canvas: Canvas) -> None:
    """Ridges from the back, the start of training, to the front, its end.

    Args:
        canvas: Where to draw.
    """
    (adder,) = study.train_runs("learns", [0], steps=500, every=20)
    families = modular_addition.fourier_families(MODULUS)
    waves = torch.cat([families[name].flatten(1) for name in ("sum", "difference")], 1)
    network = QuadraticMLP(2 * MODULUS, MODULUS, WIDTH, seed=0)
    canvas.headline("The modes turn first, the answers follow")
    cliff = line = np.zeros((1, 2))
    for i, step in enumerate(_STEPS):
        network.load_state_dict(adder.snapshots[step])
        spectrum = study.kernel_spectrum(network, adder.x)
        logs = spectrum.eigenvalues[_MODES].double().log().numpy()
        nearness = i / (len(_STEPS) - 1)
        foot = _BACK + (_FRONT - _BACK) * nearness
        across = _LEFT - 44 * nearness + _STRIDE * np.arange(len(logs))
        line = np.stack([across, foot - _RISE * (logs - logs[-1])], 1)
        ridge(canvas, line, share_of_waves(spectrum.eigenvectors, waves)[_MODES])
        canvas.text(
            line[0, 0] - 12,
            line[0, 1] + 6,
            str(step),
            anchor="right",
            size=NOTE,
            color=GREY,
        )
        accuracy = adder.accuracy(network)["test"]
        middle = [(690 - 44 * nearness, foot - 4)]
        canvas.dots(middle, MIST, 12)
        if accuracy > 0.05:  # the area is what is right
            canvas.dots(middle, INK, 12 * accuracy**0.5)
        cliff = line[N_CLIFF - _MODES.start]
    canvas.lines(
        [[(cliff[0], cliff[1] - 20), (cliff[0], cliff[1] + 34)]], CUT, 2.5, dash=(3, 2)
    )
    canvas.text(cliff[0] + 2, 428, "the cliff is last", size=NOTE, color=CUT, weight="bold")
    canvas.text(690, 120, "new pairs", anchor="center", size=NOTE)
    canvas.text(690, 143, "right", anchor="center", size=NOTE)
    canvas.text(128, 80, "step", anchor="right", size=NOTE, color=GREY)
    canvas.text(140, 428, "waves of a + b, a − b", size=NOTE, color=TRAINED, weight="bold")
