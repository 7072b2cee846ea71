"""Numbers over seeds, as the chapters write them."""

import math
import statistics
from collections.abc import Iterable

from scipy import stats
from torch import Tensor


def span(
    numbers: Iterable[int | float] | Tensor, digits: int = 0, *, collapse: bool = True
) -> str:
    """The range of some numbers, as text.

    Args:
        numbers: At least one.
        digits: Decimals that are written.
        collapse: Write one number where both ends round to the same.

    Returns:
        ``"low to high"``, or one number; what rounds to zero has no sign.

    Raises:
        ValueError: If there are no numbers.

    Example:
        >>> span([1.04, 0.96, 1.31], 1), span([2, 2]), span([2, 2], collapse=False)
        ('1.0 to 1.3', '2', '2 to 2')
    """
    numbers = [float(number) for number in numbers]
    if not numbers:
        raise ValueError("a span needs numbers, at least one, got none.")
    # What rounds to zero has no sign: -0.0 + 0.0 is 0.0.
    edges = (round(edge, digits) + 0.0 for edge in (min(numbers), max(numbers)))
    low, high = (f"{edge:.{digits}f}" for edge in edges)
    return low if collapse and low == high else f"{low} to {high}"


def at_least(numbers: Iterable[int | float] | Tensor) -> float:
    """The smallest of some numbers, rounded down to one decimal.

    Args:
        numbers: At least one.

    Returns:
        A bound that the numbers keep, whatever their last digits.

    Example:
        >>> at_least([3.68, 3.71])
        3.6
    """
    return math.floor(10 * min(map(float, numbers))) / 10


def at_most(numbers: Iterable[int | float] | Tensor) -> float:
    """The largest of some numbers, rounded up to one decimal.

    Args:
        numbers: At least one.

    Returns:
        A bound that the numbers keep, whatever their last digits.

    Example:
        >>> at_most([0.11, 0.04])
        0.2
    """
    return math.ceil(10 * max(map(float, numbers))) / 10


def predicted(numbers: Iterable[float], level: float = 0.95) -> tuple[float, float]:
    """Where one more number of the same kind lies with a given probability.

    The prediction interval of normal numbers: mean and standard deviation of those seen,
    widened for what so few of them leave unknown. A published figure comes from one more
    network of the same recipe; outside, it disagrees.

    Args:
        numbers: Ours, one a seed, at least two.
        level: Probability.

    Returns:
        Both ends.

    Raises:
        ValueError: If there are fewer than two numbers.

    References:
        Hahn and Meeker (1991), "Statistical intervals".

    Example:
        >>> low, high = predicted([26.3, 26.4, 26.5])
        >>> round(low, 2), round(high, 2)
        (25.9, 26.9)
    """
    values = [float(number) for number in numbers]
    n = len(values)
    if n < 2:
        raise ValueError(f"an interval needs at least two numbers, got {n}.")
    width = float(stats.t.ppf((1 + level) / 2, n - 1))
    half = width * statistics.stdev(values) * math.sqrt(1 + 1 / n)
    mean = statistics.fmean(values)
    return mean - half, mean + half


def within(published: float, numbers: Iterable[float], level: float = 0.95) -> bool:
    """Whether a published figure lies where one more of ours would.

    Args:
        published: The figure.
        numbers: Ours, one a seed.
        level: As in `predicted`.

    Returns:
        Whether it does.

    Raises:
        ValueError: As in `predicted`.

    Example:
        >>> within(26.47, [26.3, 26.4, 26.5]), within(30.0, [26.3, 26.4, 26.5])
        (True, False)
    """
    low, high = predicted(numbers, level)
    return low <= published <= high


def least_share(hits: int, n: int, level: float = 0.95) -> float:
    """The smallest share of all seeds that a count over a few of them allows.

    Args:
        hits: Seeds that do it.
        n: Seeds that were tried.
        level: Confidence that the share is not smaller.

    Returns:
        One-sided lower bound, from 0 to 1.

    Raises:
        ValueError: If the count is not between 0 and ``n``, or nothing was tried.

    References:
        Clopper and Pearson (1934), Biometrika 26.

    Example:
        >>> [round(least_share(hits, n), 2) for hits, n in ((10, 10), (9, 10), (4, 5))]
        [0.74, 0.61, 0.34]
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"hits must be from 0 to n, and n at least 1, got {hits} of {n}.")
    if hits == 0:
        return 0.0
    return float(stats.beta.ppf(1 - level, hits, n - hits + 1))


def in_most(hits: int, n: int, level: float = 0.95) -> bool:
    """Whether a count over a few seeds shows that most seeds do it.

    This is the book's rule for every count: 5 of 5 pass and 9 of 10, 4 of 5 and 8 of 10 do
    not.

    Args:
        hits: Seeds that do it.
        n: Seeds that were tried.
        level: As in `least_share`.

    Returns:
        Whether more than half of all seeds do, with this confidence.

    Raises:
        ValueError: As in `least_share`.

    Example:
        >>> in_most(5, 5), in_most(9, 10), in_most(4, 5), in_most(8, 10)
        (True, True, False, False)
    """
    return least_share(hits, n, level) > 0.5
