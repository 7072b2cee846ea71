"""Chapter 8: where the test loss peaks, over hidden units, features and sparsities."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import stats
from torch import Tensor

from entk_book.stored import records
from entk_book.studies.double_descent import STEPS, loss, recipe
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import train_many

# Factors of the square root of two.
SIZES = (4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 128, 181, 256, 362, 512)
# A median loss below this is no peak; the output zero has a loss of 1.
LEAST_HEIGHT = 1.05


@dataclass(frozen=True)
class Setting:
    """One kind of network and of data.

    Attributes:
        n_hidden: Hidden units m.
        n_features: Features n.
        sparsity: Probability S that a feature is absent from a sample.
    """

    n_hidden: int
    n_features: int
    sparsity: float

    @property
    def expected(self) -> float:
        """Samples that hold as many present features as there are parameters.

        There are ``n (m + 1)`` parameters and ``n (1 - S)`` features in a sample, so that
        the number of features drops out.
        """
        return (self.n_hidden + 1) / (1 - self.sparsity)


# The rule was found at two hidden units, 100 features and a sparsity of 0.9, and seen at
# 0.8 and 0.95. Everything else is new.
SETTINGS = (
    *(Setting(m, 100, 0.9) for m in (1, 2, 3, 4, 6, 8)),
    *(Setting(2, n, 0.9) for n in (50, 200, 400)),
    *(Setting(2, 100, s) for s in (0.8, 0.85, 0.95)),
    Setting(1, 200, 0.95),
    Setting(4, 50, 0.8),
    Setting(4, 200, 0.95),
    Setting(6, 100, 0.8),
    Setting(8, 50, 0.9),
    Setting(8, 200, 0.8),
)


@dataclass(frozen=True)
class Peak:
    """Test losses of one setting over the number of samples.

    Attributes:
        setting: The setting.
        sizes: Numbers of samples.
        losses: On fresh samples, one row a seed, one column a size.
    """

    setting: Setting
    sizes: Sequence[int]
    losses: Float[Tensor, "seeds sizes"]

    def at(self, sizes: Sequence[int]) -> Float[Tensor, "seeds some"]:
        """The losses at some of the sizes.

        Args:
            sizes: Numbers of samples.

        Returns:
            One row a seed, one column a size.
        """
        return self.losses[:, [list(self.sizes).index(size) for size in sizes]]

    @property
    def each(self) -> list[int]:
        """The size at which each seed's loss is largest."""
        return [self.sizes[int(row.argmax())] for row in self.losses]

    @property
    def found(self) -> float:
        """The geometric mean of the seeds' peaks, in samples."""
        return float(torch.tensor(self.each).double().log().mean().exp())

    @property
    def height(self) -> float:
        """The largest median over seeds, beside the loss 1 of the output zero."""
        return float(self.losses.median(0).values.max())

    @property
    def is_one(self) -> bool:
        """Whether the loss rises enough to speak of a peak."""
        return self.height >= LEAST_HEIGHT


def measure(
    setting: Setting,
    sizes: Sequence[int] = SIZES,
    *,
    seeds: Sequence[int] = range(5),
    steps: int = STEPS,
) -> Peak:
    """Train networks of a setting on data sets of several sizes, and test them.

    The recipe is `entk_book.studies.double_descent.recipe`.

    Args:
        setting: Of networks and data.
        sizes: Numbers of samples.
        seeds: One a network: of its start and of its data.
        steps: Updates.

    Returns:
        Their test losses.
    """
    n, m, s = setting.n_features, setting.n_hidden, setting.sparsity
    fresh = superposition.sample(2000, n, s, seed=1000)
    columns = []
    for size in sizes:
        networks = [TiedAutoencoder(n, m, seed=100 + seed) for seed in seeds]
        x = torch.stack([superposition.sample(size, n, s, seed=seed) for seed in seeds])
        train_many(networks, x, x, **recipe(steps))
        columns.append([loss(network, fresh) for network in networks])
    return Peak(setting, sizes, torch.tensor(columns).T)


def record(settings: Sequence[Setting] = SETTINGS) -> dict[str, Any]:
    """Everything that the chapter needs of all settings, as it is stored.

    Args:
        settings: To train.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    return {
        "sizes": list(SIZES),
        "settings": [
            {
                "n_hidden": setting.n_hidden,
                "n_features": setting.n_features,
                "sparsity": setting.sparsity,
                "losses": [
                    [round(value, 4) for value in row]
                    for row in measure(setting).losses.tolist()
                ],
            }
            for setting in settings
        ],
    }


def stored_peaks() -> list[Peak]:
    """The stored test losses of all settings.

    Returns:
        One entry a setting, in the order of ``SETTINGS``.
    """
    found = records.read("peaks")
    return [
        Peak(
            Setting(one["n_hidden"], one["n_features"], one["sparsity"]),
            tuple(found["sizes"]),
            torch.tensor(one["losses"]),
        )
        for one in found["settings"]
    ]


@dataclass(frozen=True)
class Exponent:
    """How the place of the peak grows with one quantity.

    Attributes:
        value: Fitted power.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """The value and its interval."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    def allows(self, value: float) -> bool:
        """Whether a power lies in the interval.

        Args:
            value: The power.

        Returns:
            Whether it does.
        """
        return self.low <= value <= self.high


def same(one: Tensor, other: Tensor) -> bool:
    """Whether the medians over seeds of two tables of losses agree to 1 %.

    Args:
        one: One row a seed.
        other: Likewise.

    Returns:
        Whether they do.
    """
    medians = one.median(0).values, other.median(0).values
    return torch.allclose(*medians, rtol=0.01, atol=0.0)


def exponents(
    peaks: Sequence[Peak], quantities: Mapping[str, Sequence[float]]
) -> dict[str, Exponent]:
    """Fit the place of the peak by a product of powers, by least squares of logarithms.

    Args:
        peaks: One a setting.
        quantities: Values by name, one a setting.

    Returns:
        Powers with 95 % intervals, by name.

    Raises:
        ValueError: If there are not more settings than quantities and a factor.
    """
    columns = np.log([np.asarray(values, float) for values in quantities.values()]).T
    design = np.column_stack([np.ones(len(peaks)), columns])
    freedom = len(peaks) - design.shape[1]
    if freedom < 1:
        raise ValueError(
            f"a fit of {len(quantities)} powers needs more than {design.shape[1]} peaks, "
            f"got {len(peaks)}."
        )
    places = np.log([peak.found for peak in peaks])
    powers, *_ = np.linalg.lstsq(design, places, rcond=None)
    rest = places - design @ powers
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (rest @ rest) / freedom)
    reach = float(stats.t.ppf(0.975, freedom))
    return {
        name: Exponent(float(power), float(power - reach * e), float(power + reach * e))
        for name, power, e in zip(quantities, powers[1:], errors[1:], strict=True)
    }


def fitted(peaks: Sequence[Peak]) -> dict[str, Exponent]:
    """The powers that the chapter asks for.

    Args:
        peaks: One a setting.

    Returns:
        Of what the rule expects, alone; and of parameters a feature, of one over the
        density and of the number of features, together.
    """
    settings = [peak.setting for peak in peaks]
    alone = {"expected": [setting.expected for setting in settings]}
    together = {
        "m + 1": [setting.n_hidden + 1.0 for setting in settings],
        "1 / (1 - S)": [1 / (1 - setting.sparsity) for setting in settings],
        "n": [float(setting.n_features) for setting in settings],
    }
    return {**exponents(peaks, alone), **exponents(peaks, together)}


def within_factor(peaks: Sequence[Peak], factor: float) -> int:
    """How many peaks lie where the rule expects them, up to a factor.

    Args:
        peaks: One a setting.
        factor: At least 1.

    Returns:
        Their number.
    """
    most = math.log(factor) + 1e-9
    return sum(abs(math.log(p.found / p.setting.expected)) <= most for p in peaks)
