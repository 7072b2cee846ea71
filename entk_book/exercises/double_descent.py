"""Chapter 8: memorisation and double descent."""

import math

import torch
from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values, Whole
from entk_lib.features import chance_overlap, hidden_dimensionality
from entk_lib.toys.models import TiedAutoencoder


def _chance() -> str:
    """Of five modes with the indicators of all samples, for two sizes of data sets."""
    few, many = (chance_overlap(5, size, 100 * size) for size in (10, 1000))
    if math.isclose(few, many):
        return "stays"
    return "grows" if many > few else "falls"


chance_of_samples = Check(
    Choice(("grows", "stays", "falls")),
    truth=_chance,
    wrong=(
        Wrong(
            "more samples, more overlap",
            lambda: "grows",
            "There are more indicators to share dimensions with. What else has grown?",
        ),
        Wrong(
            "a larger space, less overlap",
            lambda: "falls",
            "The space has grown, and with it the number of indicators.",
        ),
    ),
    right="k T / (n T) = k / n: each sample brings one indicator and n rows.",
    hint="Chance is k_a k_b / n: fill in what each of the three is for T samples.",
)


def _pentagon(power: int = 2) -> float:
    angles = 2 * math.pi * torch.arange(5, dtype=torch.float64) / 5
    corners = torch.stack([angles.cos(), angles.sin()])
    if power == 2:
        return float(hidden_dimensionality(corners)[0])
    return float(1 / (corners.mT @ corners)[0].abs().pow(power).sum())


corner_of_a_pentagon = Check(
    Values(tolerance=0.005),
    truth=_pentagon,
    wrong=(
        Wrong(
            "one dimension for five",
            lambda: 0.2,
            "Five share the plane. How many dimensions has a plane?",
        ),
        Wrong(
            "cosines not squared",
            lambda: _pentagon(1),
            "The overlaps in the denominator are squared.",
        ),
        Wrong("alone", lambda: 1.0, "That is a vector orthogonal to all others."),
    ),
    right="The five shares add up to the two dimensions of the plane.",
    hint="Put the five corners into the columns of a (2, 5) matrix.",
)


def _open_rows(model: TiedAutoencoder, x: Tensor) -> int:
    with torch.no_grad():
        return int((model(x) > 0).sum())


open_rows = Check(
    Whole(),
    truth=_open_rows,
    wrong=(
        Wrong(
            "all rows",
            lambda _, x: x.numel(),
            "That counts every output of every sample. Which of them have a derivative?",
        ),
        Wrong(
            "features that are present",
            lambda _, x: int((x > 0).sum()),
            "That counts the targets above zero. Ask the network which outputs are open.",
        ),
        Wrong(
            "outputs that are ever open",
            lambda model, x: int((model(x) > 0).any(0).sum()),
            "An output counts once for each sample on which it is open.",
        ),
    ),
    right="A closed output is a row of zeros in the Jacobian: it adds no equation.",
    hint="A ReLU is open where its output is above zero.",
)
