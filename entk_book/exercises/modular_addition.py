"""Chapter 3: modular addition."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Direction
from entk_book.studies.adders import train_adders
from entk_lib.features import (
    chance_overlap,
    dirichlet_energy,
    feature_alignment,
    smoothness_rotation,
    subspace_overlap,
    torus_laplacian,
)
from entk_lib.kernels import ntk_spectrum
from entk_lib.toys.tasks import modular_addition

_MODULUS = 29
# Where the chapter has its cliffs.
_ONE, _TWO = 2 * _MODULUS - 1, 4 * _MODULUS - 3


def _after_a_random_turn(basis: Tensor, graphs: Sequence[Tensor], planes: Tensor) -> str:
    size = basis.shape[1]
    random = torch.randn(
        size, size, generator=torch.Generator().manual_seed(1), dtype=basis.dtype
    )
    turned = basis @ torch.linalg.qr(random).Q

    def purity(vectors: Tensor) -> float:
        rotated = smoothness_rotation(vectors, graphs)
        return float(feature_alignment(rotated, planes).square().amax(1).mean())

    change = purity(turned) - purity(basis)
    if abs(change) < 1e-3:
        return "the same"
    return "higher" if change > 0 else "lower"


purity_after_a_random_turn = Check(
    Choice(("lower", "the same", "higher")),
    truth=_after_a_random_turn,
    wrong=(
        Wrong(
            "the random matrix spoils it",
            lambda *_: "lower",
            "The random matrix mixes the vectors. Does the rotation care for the vectors "
            "that it is given, or for their span?",
        ),
        Wrong(
            "any mixing helps",
            lambda *_: "higher",
            "The eigenvectors are as arbitrary a start as any other basis of their span.",
        ),
    ),
    right="The span is the same, and the rotation depends on nothing else.",
    hint="What of the basis is left after the joint rotation?",
)


@functools.cache
def _still(modulus: int = _MODULUS) -> tuple[int, int]:
    """The first step that a wave of 2a + b does not notice."""
    a, b = modular_addition.all_pairs(modulus).T
    phase = 2 * torch.pi / modulus * ((2 * a + b) % modulus).double()
    wave = torch.cos(phase).unsqueeze(1)
    energies = {
        step: float(dirichlet_energy(wave, torus_laplacian(modulus, (1, step))))
        for step in range(-3, 4)
    }
    return 1, min(energies, key=energies.__getitem__)


still_direction = Check(
    Direction(_MODULUS),
    truth=_still,
    wrong=(
        Wrong(
            "the steepest direction",
            lambda: (2, 1),
            "Along (2, 1) the sum 2a + b changes the most, by 5 a step.",
        ),
        Wrong(
            "a sign",
            lambda: (1, 2),
            "One step along (1, 2) adds 2 + 2 to 2a + b. It should add nothing.",
        ),
        Wrong(
            "no step at all",
            lambda: (0, 0),
            "Who does not move sees no change. Which real step leaves 2a + b as it is?",
        ),
    ),
    right="The step leaves 2a + b as it is, so the wave has no energy on its graph.",
    hint="A step (u, v) changes 2a + b by 2u + v. When is that zero?",
)


@functools.cache
def _too_little() -> str:
    """Trains one network on 30 % of the pairs and another on 70 %."""
    waves = modular_addition.fourier_families(_MODULUS)["sum"].flatten(1)
    shared = []
    for fraction in (0.3, 0.7):
        (adder,) = train_adders([0], fraction=fraction)
        spectrum = ntk_spectrum(adder.network, adder.x, k=_TWO)
        vectors = spectrum.eigenvectors[:, _ONE:_TWO]
        shared.append(subspace_overlap(vectors, waves))
    chance = chance_overlap(_TWO - _ONE, _MODULUS - 1, _MODULUS**2)
    if shared[0] < 1.5 * chance:
        return "chance"
    return "between" if shared[0] < 0.8 * shared[1] else "as much"


too_little_data = Check(
    Choice(("as much", "between", "chance")),
    truth=_too_little,
    wrong=(
        Wrong(
            "the kernel follows the task",
            lambda: "as much",
            "The task is the same, but the pairs do not suffice to find it.",
        ),
        Wrong(
            "nothing generalised, so nothing is there",
            lambda: "chance",
            "The network answers no new pair, but its kernel is not that of an untrained "
            "one either.",
        ),
    ),
    right="Nothing is generalised, yet some of the waves are there.",
    hint="Train it, and compute the overlap.",
)
