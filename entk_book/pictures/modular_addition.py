"""Chapter 3: a wave of the sum, wound around the torus of all pairs."""

import numpy as np
import torch

import entk_lib as entk
from entk_book.pictures.style import (
    CUT,
    FAMILIES,
    GREY,
    INK,
    NOTE,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import rotated_waves
from entk_book.studies.adders import MODULUS, eigenspaces, train_adders
from entk_lib.toys.tasks import modular_addition

_MIDDLE, _RING, _TUBE, _TILT = (212, 246), 118, 56, 0.92
_LEVELS = 6
_STOPS = 2 * MODULUS - 1, 4 * MODULUS - 3
_FAMILY, _FREQUENCY = 2, 1  # waves of the sum that turn twice


def wave_of_the_sum(basis: torch.Tensor) -> np.ndarray:
    """The rotated mode that is nearest to a slow wave of the sum.

    Args:
        basis: The second eigenspace of an adder.

    Returns:
        On the square of all pairs, from -1 to 1.
    """
    families = list(modular_addition.fourier_families(MODULUS).values())
    rotated = entk.smoothness_rotation(basis, rotated_waves.graphs())
    slow = families[_FAMILY][:, _FREQUENCY : _FREQUENCY + 1]
    nearest = rotated[:, int(entk.feature_alignment(rotated, slow).argmax())]
    nearest = nearest * torch.sign(nearest[nearest.abs().argmax()])
    return (nearest / nearest.abs().max()).reshape(MODULUS, MODULUS).numpy()


def torus(canvas: Canvas, values: np.ndarray) -> None:
    """The torus of all pairs, seen from above, its patches coloured by value.

    Args:
        canvas: Where to draw.
        values: On the square of all pairs, from -1 to 1.
    """
    corners = np.array([(i, j) for i in (0, 1) for j in (0, 1)])[[0, 1, 3, 2]]
    patches = []
    for a in range(MODULUS):
        for b in range(MODULUS):
            u, v = 2 * np.pi * (np.array([a, b]) + corners).T / MODULUS
            out = _RING + _TUBE * np.cos(v)
            x, y, z = out * np.cos(u), out * np.sin(u), _TUBE * np.sin(v)
            down = y * np.sin(_TILT) - z * np.cos(_TILT)
            near = y * np.cos(_TILT) + z * np.sin(_TILT)
            flat = np.stack([_MIDDLE[0] + x, _MIDDLE[1] + down], 1)
            turn = np.cross(
                np.append(flat[2] - flat[0], 0), np.append(flat[3] - flat[1], 0)
            )
            if turn[2] < 0:  # it faces us
                level = round((values[a, b] + 1) / 2 * (_LEVELS - 1))
                patches.append((near.mean(), level, flat))
    patches.sort(key=lambda one: one[0])
    for part in np.array_split(np.arange(len(patches)), 4):
        for level in range(_LEVELS):
            color = shade(2 * level / (_LEVELS - 1) - 1)
            some = [patches[i][2] for i in part if patches[i][1] == level]
            canvas.shapes(some, color, edge=color, width=0.7)


def shade(value: int | float) -> str:
    """From pale to deep blue.

    Args:
        value: From -1 to 1.

    Returns:
        A colour.
    """
    return mixed(TRAINED, 0.08 + 0.92 * (value + 1) / 2)


def draw(canvas: Canvas) -> None:
    """The torus, and beside it the spectrum that steps down twice.

    Args:
        canvas: Where to draw.
    """
    (adder,) = train_adders([0])
    spectra = [
        entk.ntk_spectrum(net, adder.x, k=140) for net in (adder.start, adder.network)
    ]
    canvas.headline("A sum is a wave around a torus")
    torus(canvas, wave_of_the_sum(eigenspaces(spectra[1])["second"]))
    canvas.text(
        212, 428, "one mode, on all pairs (a, b)", anchor="center", size=NOTE, color=GREY
    )
    left, step = 455, 2.3
    for stop in _STOPS:
        right = left + step * (stop - 1.5)
        canvas.lines([[(right, 128), (right, 396)]], CUT, 2, dash=(3, 3))
    for spectrum, color in zip(spectra, (UNTRAINED, TRAINED), strict=True):
        logs = (spectrum.eigenvalues[1:] / spectrum.eigenvalues[1]).log().tolist()
        canvas.dots(
            [(left + step * i, 165 - 92 * log) for i, log in enumerate(logs)], color, 3.5
        )
    canvas.text(left + 64, 145, "a, b", color=FAMILIES["b"], weight="bold", anchor="center")
    canvas.text(left + 193, 190, "a + b", color=TRAINED, weight="bold", anchor="center")
    canvas.text(left + 193, 218, "a − b", color=TRAINED, weight="bold", anchor="center")
    canvas.text(left + 134, 306, "trained", size=NOTE, color=TRAINED)
    canvas.text(left + 8, 236, "untrained", size=NOTE, color=mixed(UNTRAINED, 0.75, INK))
    canvas.text(
        left + 160, 428, "the kernel's spectrum", anchor="center", size=NOTE, color=GREY
    )
