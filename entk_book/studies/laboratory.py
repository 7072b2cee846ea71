"""The laboratory of the book's front page, in Python: the same data, start and address.

The page draws its numbers with a generator that is as short in JavaScript as here, so that
both have the same network on the same data, and one can be held to the other.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import adam, train, weighted_squared_error

N_SAMPLES = 1000
#: What each dial can be turned to.
DIALS: dict[str, tuple[int | float, ...]] = {
    "features": tuple(range(5, 13)),
    "hidden": (2, 3, 4),
    "sparsity": (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.99),
    "decay": (0.5, 0.7, 0.8, 0.9, 0.95, 1),
    "rate": (0.001, 0.003, 0.01, 0.03, 0.1, 10),
    "start": tuple(range(30)),
}


@dataclass(frozen=True)
class Settings:
    """What the laboratory's dials are turned to.

    Attributes:
        features: Number of features.
        hidden: Number of hidden units.
        sparsity: Probability that a feature is absent from a sample.
        decay: Importance of a feature in the loss, relative to the one before.
        rate: Adam's step size; the largest is there to see training diverge.
        start: Seed of the data and of the untrained network.

    Raises:
        ValueError: If a dial has no such value.
    """

    features: int = 5
    hidden: int = 2
    sparsity: int | float = 0.95
    decay: int | float = 1
    rate: int | float = 0.01
    start: int = 6

    def __post_init__(self) -> None:
        for name, values in DIALS.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be one of {', '.join(f'{v:g}' for v in values)}, got "
                    f"{getattr(self, name)}. These are the values of the dial."
                )

    def address(self) -> str:
        """The settings as the page keeps them, behind the ``#`` of its address.

        Returns:
            As in ``features=5&hidden=2&...``.

        Example:
            >>> Settings(sparsity=0.9).address()
            'features=5&hidden=2&sparsity=0.9&decay=1&rate=0.01&start=6'
        """
        return urlencode({name: f"{value:g}" for name, value in asdict(self).items()})

    @classmethod
    def from_address(cls, address: str) -> "Settings":
        """Settings out of an address; what is missing or on no dial is as at first.

        Args:
            address: All of it, or what stands behind its ``#``.

        Returns:
            The settings.
        """
        given = parse_qs(address.rpartition("#")[2])
        found: dict[str, Any] = {}
        for name, values in DIALS.items():
            told = {f"{value:g}": value for value in values}
            text = given.get(name, [""])[0]
            if text in told:
                found[name] = told[text]
        return cls(**found)


def uniforms(seed: int) -> Iterator[float]:
    """Numbers in [0, 1) by the public-domain generator mulberry32.

    Args:
        seed: A 32-bit number.

    Yields:
        Multiples of ``2 ** -32``.

    Example:
        >>> round(next(uniforms(1)), 6)
        0.627074
    """
    word = 0xFFFFFFFF
    state = seed & word
    while True:
        state = (state + 0x6D2B79F5) & word
        mixed = ((state ^ (state >> 15)) * (state | 1)) & word
        mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) & word
        yield (mixed ^ (mixed >> 14)) / 2**32


def data(settings: Settings) -> Float[Tensor, "samples features"]:
    """The fixed data set: uniform features, each absent with probability ``sparsity``.

    Samples keep their length: scaled to length 1, nearly all of so few sparse features
    would be alike. Of every entry first the magnitude is drawn, then whether it is there.

    Args:
        settings: Number of features, sparsity and seed.

    Returns:
        Float64, shape ``(1000, features)``, from the generator seeded with ``start``.
    """
    draw = uniforms(settings.start)
    values = []
    for _ in range(N_SAMPLES * settings.features):
        magnitude, presence = next(draw), next(draw)
        values.append(magnitude if presence >= settings.sparsity else 0.0)
    return torch.tensor(values, dtype=torch.float64).reshape(N_SAMPLES, -1)


def shuffled(
    x: Float[Tensor, "samples features"], settings: Settings
) -> Float[Tensor, "samples features"]:
    """The same values of each feature on other samples: a null for alignments.

    Args:
        x: As `data` gives them.
        settings: Those of the data.

    Returns:
        Each column in an order of its own, by Fisher and Yates, from the generator
        seeded with 2000 more than ``start``.
    """
    draw = uniforms(2000 + settings.start)
    columns = []
    for column in x.unbind(1):
        order = list(range(len(x)))
        for last in range(len(x) - 1, 0, -1):
            other = math.floor(next(draw) * (last + 1))
            order[last], order[other] = order[other], order[last]
        columns.append(column[order])
    return torch.stack(columns, dim=1)


def network(settings: Settings) -> TiedAutoencoder:
    """The untrained network: a Xavier-normal start, biases zero, float64.

    Args:
        settings: Sizes and seed.

    Returns:
        Its weights by Box and Muller from the generator seeded with 1000 more than
        ``start``, row by row.
    """
    draw = uniforms(1000 + settings.start)
    made = TiedAutoencoder(settings.features, settings.hidden, seed=0, dtype=torch.float64)
    scale = math.sqrt(2 / (settings.features + settings.hidden))
    values = []
    for _ in range(made.weight.numel()):
        radius = math.sqrt(-2 * math.log(1 - next(draw)))
        values.append(scale * radius * math.cos(2 * math.pi * next(draw)))
    made.weight.data = torch.tensor(values, dtype=torch.float64).reshape(made.weight.shape)
    return made


def trained(settings: Settings, steps: int) -> TiedAutoencoder:
    """The network after some steps of Adam on all data at once.

    Args:
        settings: All of them.
        steps: How many.

    Returns:
        The trained network.
    """
    made, x = network(settings), data(settings)
    importances = superposition.importances(
        settings.features, decay=float(settings.decay), dtype=torch.float64
    )
    loss = weighted_squared_error(importances)
    train(made, x, x, steps=steps, loss=loss, optimizer=adam(settings.rate))
    return made
