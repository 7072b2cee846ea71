"""Chapter 10: Shepard's helix: the idea, a pitch tracker, and one line of code."""

import numpy as np
import torch

from entk_book.pictures.style import GREY, INK, LABEL, TRAINED, UNTRAINED, Canvas, mixed
from entk_book.studies.pitch import N_TONES, PER_OCTAVE, SEEDS, SOUNDS, kernels, pitches
from entk_book.studies.pitch_helix import Helix, helix
from entk_book.wild import pitch_tracker, tone_frames

_RADIUS, _TOP, _BOTTOM, _TILT = 88, 118, 372, 0.26
_EVERY = 2  # semitones, of tones a quarter tone apart


def ideal() -> np.ndarray:
    """Shepard's helix: round once an octave, and up.

    Returns:
        One row a tone: across, away and up.
    """
    tones = np.arange(N_TONES)
    angle = 2 * np.pi * tones / PER_OCTAVE - np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle), tones / (N_TONES - 1)], 1)


def turned(one: Helix) -> np.ndarray:
    """Rotated modes as points in space, turned as `ideal` is.

    Args:
        one: Rotated modes.

    Returns:
        One row a tone: across, away and up; the circle has radius one in the mean.
    """
    x, y = one.round[:, :2].numpy().T
    circle, tones = x + 1j * y, ideal()
    turn = tones[:, 0] + 1j * tones[:, 1]
    # Signs and the turn of modes are free: take those that go round with the idea.
    overlaps = [(c * turn.conj()).sum() for c in (circle, circle.conj())]
    circle = max(
        zip(map(abs, overlaps), (circle, circle.conj()), strict=True), key=lambda p: p[0]
    )[1]
    circle = circle * np.exp(-1j * np.angle((circle * turn.conj()).sum()))
    circle = circle / np.abs(circle).mean()
    up = one.line[:, 0].numpy()
    up = up * np.sign(up[-5:].mean() - up[:5].mean())
    up = (up - up.min()) / (up.max() - up.min())
    return np.stack([circle.real, circle.imag, up], 1)


def drawn(canvas: Canvas, x0: int | float, points: np.ndarray, color: str) -> None:
    """A helix seen from a little above; the lowest note of each octave is marked.

    Args:
        canvas: Where to draw.
        x0: Its axis.
        points: One row a tone.
        color: Of the helix.
    """
    across, away, up = points.T
    down = _BOTTOM - (_BOTTOM - _TOP) * up - _TILT * _RADIUS * away
    flat = np.stack([x0 + _RADIUS * across, down], 1)
    canvas.lines([flat[::_EVERY]], mixed(color, 0.45), 3.5)
    canvas.dots(flat[::_EVERY], color, 4)
    same = flat[::PER_OCTAVE]
    canvas.lines([same], INK, 2.5)
    canvas.dots(same, INK, 8)


def draw(canvas: Canvas) -> None:
    """Three helices: the idea, the network's last block, and rectified sound.

    Args:
        canvas: Where to draw.
    """
    seed = SEEDS[0]
    x = tone_frames(pitches(seed), seed=seed, **SOUNDS["pure tones"])
    block = kernels(pitch_tracker("tiny"), x, seed=seed, blocks=[6])["block 6"]
    cut = torch.fft.rfft(x.clamp(min=0)).abs().double()
    canvas.headline("Does a network hear octaves?")
    for x0, points, color, words in (
        (145, ideal(), GREY, "the idea"),
        (400, turned(helix(block)), TRAINED, "the network"),
        (655, turned(helix(cut @ cut.T)), UNTRAINED, "one line of code"),
    ):
        drawn(canvas, x0, points, color)
        canvas.text(x0, 430, words, anchor="center", size=LABEL)
