"""Numbers over seeds, as the chapters write them."""

import math
from collections.abc import Iterable

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
        ``"low to high"``, or one number.

    Raises:
        ValueError: If there are no numbers.

    Example:
        >>> span([1.04, 0.96, 1.31], 1), span([2, 2]), span([2, 2], collapse=False)
        ('1.0 to 1.3', '2', '2 to 2')
    """
    numbers = [float(number) for number in numbers]
    if not numbers:
        raise ValueError("a span needs numbers, at least one, got none.")
    low, high = (f"{edge:.{digits}f}" for edge in (min(numbers), max(numbers)))
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


def within(published: float, numbers: Iterable[float], margin: float = 0.01) -> bool:
    """Whether a published figure lies in the range of ours, a little widened.

    Args:
        published: The figure.
        numbers: Ours, one a seed.
        margin: Share of the figure by which the range is widened on either side.

    Returns:
        Whether it does.

    Example:
        >>> within(26.47, [26.3, 26.4]), within(30.0, [26.3, 26.4])
        (True, False)
    """
    numbers = list(numbers)
    low, high = min(numbers) - margin * published, max(numbers) + margin * published
    return low <= published <= high
