"""Chapter 7: neurons vote, and the families of waves come out as arms of a star."""

import math

import torch
from torch import Tensor

import entk_lib as entk
from entk_book.pictures.style import (
    GREY,
    INK,
    TRAINED,
    UNTRAINED,
    Canvas,
    mixed,
)
from entk_book.studies import without_the_group as study
from entk_book.studies.adders import train_adders

_RADIUS, _Y, _N_FAMILIES = 150, 240, 14


def votes(basis: Tensor, units: Tensor, count: int | None) -> Tensor:
    """How each unit's energy is spread over the families that the units themselves make.

    Args:
        basis: An eigenspace.
        units: What each unit does, on all pairs.
        count: Of the families. ``None``: as many as are found.

    Returns:
        One row a unit, one column a family; rows add up to 1.
    """
    found = entk.find_families(basis, units, count=count, n_surrogates=1)
    energies = [(base.T @ units).square().sum(0) for base in found.bases]
    held = torch.stack(energies, 1)
    return held / held.sum(1, keepdim=True)


def star(canvas: Canvas, x0: int | float, held: Tensor, color: str) -> None:
    """Each unit at the mean of fourteen places on a circle, weighed by its votes.

    Args:
        canvas: Where to draw.
        x0: Middle of the circle.
        held: One row a unit, one column a family.
        color: Of the units.
    """
    angles = 2 * math.pi * torch.arange(_N_FAMILIES) / _N_FAMILIES - math.pi / 2
    places = torch.stack([angles.cos(), angles.sin()], 1).double()
    rim = [(x0 + _RADIUS * x, _Y + _RADIUS * y) for x, y in places.tolist()]
    canvas.lines([[(x0, _Y), end] for end in rim], mixed(GREY, 0.25), 1.5)
    units = (1.05 * _RADIUS * held @ places).tolist()
    canvas.dots([(x0 + x, _Y + y) for x, y in units], color, 3.2, alpha=0.6)
    canvas.dots(
        [(x0 + 1.08 * _RADIUS * x, _Y + 1.08 * _RADIUS * y) for x, y in places.tolist()],
        INK,
        5.5,
    )


def draw(canvas: Canvas) -> None:
    """The units of one network before training and after.

    Args:
        canvas: Where to draw.
    """
    (adder,) = train_adders([40])
    canvas.headline("Ask the neurons: they know the families")
    for x0, network, color, count, words in (
        (210, adder.start, UNTRAINED, _N_FAMILIES, "untrained"),
        (590, adder.network, TRAINED, None, "trained: 14 families"),
    ):
        basis = study.spaces_of(network, adder.x)["first"]
        units = study.neurons(network, adder.x)["first"]
        star(canvas, x0, votes(basis, units, count), color)
        canvas.text(x0, 432, words, anchor="center")
