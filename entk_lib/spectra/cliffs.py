"""Cliffs, sharp drops in a spectrum, and how many eigenvalues carry it."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks


class Cliff(NamedTuple):
    """A block of eigenvalues that ends in a sharp drop.

    Attributes:
        start: First index of the block (where the previous cliff stopped, or 0).
        stop: One past its last index: the drop lies between ``stop - 1`` and ``stop``.
        ratio: ``eigenvalues[stop - 1] / eigenvalues[stop]``.
    """

    start: int
    stop: int
    ratio: float


def find_cliffs(
    eigenvalues: Float[Tensor, " k"],
    *,
    min_ratio: float = 1.3,
    prominence: float = 10.0,
    window: int = 10,
) -> list[Cliff]:
    r"""Sharp drops in a descending spectrum, found from the eigenvalues alone.

    The gap after eigenvalue i is :math:`g_i = \log(\lambda_i / \lambda_{i+1})`. A cliff
    is a gap that is large in itself (``min_ratio``), large beside its neighbours
    (``prominence`` times the median of the ``window`` gaps on either side), and the
    largest of those within half a window: one drop that takes two steps counts once.
    Eigenvalues at rounding level (``k * eps`` of the largest) are left out, and so are
    the last two gaps: with nothing after them they cannot be told from the way a
    spectrum ends.

    The spectrum of a random matrix without structure has none: its gaps vary smoothly
    except near its ends.

    ``min_ratio`` is a choice, not a law: 1.3 was set on ten networks that add modulo 29,
    whose last cliff has ratios of 1.3 to 1.5; of thirty others 26 reach 1.3 and 29 reach
    1.25. It moves with the size of the network, the regulariser and the scale of the
    biases. `cliff_chance` asks of one place how often a spectrum without a cliff has such
    a gap, and depends on no ratio.

    Args:
        eigenvalues: Sorted in descending order, shape ``(k,)``, not negative.
        min_ratio: Smallest ratio of neighbouring eigenvalues that counts.
        prominence: How many times the median neighbouring gap it must be.
        window: Number of neighbouring gaps on either side to compare with.

    Returns:
        The cliffs from the top of the spectrum down; an empty list is an answer.

    Raises:
        ValueError: If the eigenvalues are not a finite, descending, non-negative vector,
            or if a threshold is out of range.

    Example:
        >>> find_cliffs(torch.tensor([8.0, 8.0, 8.0, 8.0, 1.0, 1.0, 1.0]))
        [Cliff(start=0, stop=4, ratio=8.0)]
    """
    _check_descending(eigenvalues)
    if not min_ratio > 1:
        raise ValueError(
            f"min_ratio must be above 1, got {min_ratio}. 1.3 is a drop by a quarter."
        )
    if not prominence >= 1:
        raise ValueError(
            f"prominence must be at least 1, got {prominence}. 10 finds sharp cliffs."
        )
    _checks.require_count("window", window, minimum=2)
    values, gaps = _gaps(eigenvalues)
    cliffs: list[Cliff] = []
    start = 0
    for i, gap in enumerate(gaps[:-2]):
        if gap < math.log(min_ratio):
            continue
        around = _around(gaps, i, window)
        before = gaps[max(0, i - window // 2) : i]
        after = gaps[i + 1 : i + 1 + window // 2]
        # Of equal steps, up to rounding, the first counts.
        is_largest = (
            not (before * (1 + 1e-9) >= gap).any() and not (after > gap * (1 + 1e-9)).any()
        )
        if is_largest and gap >= prominence * around.median():
            cliffs.append(Cliff(start, i + 1, float(values[i] / values[i + 1])))
            start = i + 1
    return cliffs


def cliff_chance(eigenvalues: Float[Tensor, " k"], stop: int, *, window: int = 10) -> float:
    r"""How often a spectrum without a cliff has so large a gap after ``stop`` eigenvalues.

    Without a cliff, logarithms of neighbouring eigenvalues lie as independent points of one
    density do: their gaps are exponential, with one mean in a small neighbourhood. A gap g
    beside N others of mean m is then at least as large with probability

    .. math:: \left(1 + \frac{g}{N m}\right)^{-N} .

    Eigenvalues of a random matrix repel each other, large gaps among them are rarer still:
    for those a small number is an upper bound. It is that of one place, known beforehand.
    To look for the smallest over many places, multiply it by their number.

    Args:
        eigenvalues: Sorted in descending order, shape ``(k,)``, not negative.
        stop: Number of eigenvalues above the gap.
        window: Number of neighbouring gaps on either side to compare with.

    Returns:
        The probability, from 0 to 1.

    Raises:
        ValueError: As in `find_cliffs`; also if there are no eigenvalues above rounding on
            both sides of the gap and beside it, or all gaps beside it are zero.

    References:
        Pyke (1965), "Spacings".

    Example:
        >>> spectrum = torch.tensor([9.0, 8.0, 7.2, 6.6, 2.0, 1.8, 1.65, 1.5])
        >>> round(cliff_chance(spectrum, 4), 4), round(cliff_chance(spectrum, 3), 2)
        (0.0014, 0.74)
    """
    _check_descending(eigenvalues)
    _checks.require_count("window", window, minimum=2)
    _checks.require_count("stop", stop)
    _, gaps = _gaps(eigenvalues)
    if stop > len(gaps):
        raise ValueError(
            f"stop must leave an eigenvalue above rounding on either side, got {stop} with "
            f"{len(gaps) + 1} of them. Pass a spectrum that goes on beyond the gap."
        )
    around = _around(gaps, stop - 1, window)
    total = float(around.sum())
    if total == 0:
        raise ValueError(
            f"gaps beside place {stop} must not all be zero, got {len(around)} of them. "
            "Equal eigenvalues say nothing of how far apart others lie: widen the window."
        )
    return (1 + float(gaps[stop - 1]) / total) ** -len(around)


def _gaps(eigenvalues: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues above rounding, and the logarithms of their ratios."""
    values = eigenvalues.double()
    rounding = len(values) * torch.finfo(eigenvalues.dtype).eps
    values = values[values > rounding * values[0]]
    return values, (values[:-1] / values[1:]).log()


def _around(gaps: Tensor, i: int, window: int) -> Tensor:
    return torch.cat([gaps[max(0, i - window) : i], gaps[i + 1 : i + 1 + window]])


def participation_ratio(eigenvalues: Float[Tensor, " k"]) -> float:
    r"""How many eigenvalues carry the spectrum, weighed by their size.

    .. math:: \mathrm{PR} = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}

    It is k for k equal eigenvalues and 1 where one outweighs all others. Of a part of a
    spectrum, such as all beyond a cliff, it counts the directions of that part.

    Args:
        eigenvalues: Descending, not negative, at least one above zero.

    Returns:
        The ratio, from 1 to k; dimensionless.

    Raises:
        ValueError: If eigenvalues are not a finite descending vector, or all are zero.

    References:
        Gao et al. (2017), "A theory of multineuronal dimensionality, dynamics and
        measurement", bioRxiv 214262.

    Example:
        >>> participation_ratio(torch.tensor([2.0, 2.0, 2.0, 0.0]))
        3.0
    """
    _check_descending(eigenvalues)
    values = eigenvalues.double()
    if values[0] == 0:
        raise ValueError("eigenvalues must not all be zero. Pass those above rounding.")
    values = values / values[0]  # squares of very small ones would vanish
    return float(values.sum().square() / values.square().sum())


def _check_descending(eigenvalues: Tensor) -> None:
    if eigenvalues.ndim != 1 or len(eigenvalues) == 0:
        raise ValueError(
            f"eigenvalues must be a non-empty vector, got shape "
            f"{tuple(eigenvalues.shape)}. Pass Spectrum.eigenvalues."
        )
    _checks.require_finite("eigenvalues", eigenvalues)
    rises = torch.nonzero(eigenvalues[1:] > eigenvalues[:-1])
    if len(rises):
        raise ValueError(
            f"eigenvalues must be sorted in descending order, got an increase at index "
            f"{int(rises[0]) + 1}. Pass Spectrum.eigenvalues, or sort first."
        )
    if eigenvalues[-1] < 0:
        raise ValueError(
            f"eigenvalues must not be negative, got {float(eigenvalues[-1]):.2e}. "
            "Drop those at rounding level: kernel_spectrum does."
        )
