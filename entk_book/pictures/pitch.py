"""Chapter 10: Shepard's helix out of a pitch tracker, and out of one line of code."""

import numpy as np
import torch

from entk_book.pictures.style import GREY, INK, MIST, NOTE, TRAINED, UNTRAINED, Canvas, mixed
from entk_book.studies.pitch import N_TONES, PER_OCTAVE, SEEDS, SOUNDS, kernels, pitches
from entk_book.studies.pitch_helix import Helix, helix
from entk_book.wild import pitch_tracker, tone_frames

_HALF, _TOP, _BOTTOM, _TILT = 130, 120, 385, 0.3


def turned(one: Helix) -> np.ndarray:
    """The helix as points in space: a circle seen from the same side each time, and up.

    Args:
        one: Rotated modes.

    Returns:
        One row a tone: across, away and up, each of about length one.
    """
    x, y = one.round[:, :2].numpy().T
    # Signs and the turn of modes are free: the lowest note begins in front, up is up.
    circle = x + 1j * y
    class_zero = circle[::PER_OCTAVE].mean()
    circle = circle * np.exp(-1j * (np.angle(class_zero) + np.pi / 2))
    later = circle[6::PER_OCTAVE].mean()
    circle = np.where(later.real < 0, -circle.conj(), circle)
    up = one.line[:, 0].numpy()
    up = up * np.sign(up[-5:].mean() - up[:5].mean())
    scale = np.sqrt((np.abs(circle) ** 2).mean() * 2)
    up = (up - up.min()) / (up.max() - up.min())
    return np.stack([circle.real / scale, circle.imag / scale, up], 1)


def draw(canvas: Canvas) -> None:
    """Two helices: of the network's last block, and of rectified sound.

    Args:
        canvas: Where to draw.
    """
    seed = SEEDS[0]
    x = tone_frames(pitches(seed), seed=seed, **SOUNDS["pure tones"])
    kernel = kernels(pitch_tracker("tiny"), x, seed=seed, blocks=[6])["block 6"]
    cut = torch.fft.rfft(x.clamp(min=0)).abs().double()
    canvas.headline("An octave up, and back where you were")
    for x0, gram, color, words in (
        (210, kernel, TRAINED, "a trained network"),
        (590, cut @ cut.T, UNTRAINED, "one line of code"),
    ):
        points = turned(helix(gram))
        flat = [
            (x0 + _HALF * a, _BOTTOM - (_BOTTOM - _TOP) * u - _TILT * _HALF * away)
            for a, away, u in points
        ]
        canvas.lines([flat], mixed(color, 0.5), 4)
        canvas.lines([flat[::PER_OCTAVE]], INK, 2, dash=(1, 2))
        canvas.dots(flat, color, 4)
        canvas.dots(flat[::PER_OCTAVE], INK, 8)
        canvas.text(x0, 432, words, anchor="center")
