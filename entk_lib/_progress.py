"""What takes long says so: before, and while it lasts; nothing for what does not."""

import sys
import warnings

from tqdm import tqdm

SECONDS_BEFORE_BAR = 2.0
SECONDS_ANNOUNCED = 600.0
# Work in a unit that only the program counts in: how much is done, and how long it takes.
_SHARE = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"
# By so much of it: many rounded parts may end above their sum, of which tqdm would warn.
_ROUNDING = 1e-9


def progress(what: str, total: int | float | None, unit: str | None = None) -> tqdm:
    """A bar on standard error that shows itself late and leaves nothing behind.

    Without a ``unit`` it shows the share of ``total`` that is done, and no numbers.
    """
    if total and not unit:
        total *= 1 + _ROUNDING
    return tqdm(
        total=total,
        desc=what,
        unit=unit or "it",
        bar_format=None if unit else _SHARE,
        delay=SECONDS_BEFORE_BAR,
        leave=False,
        file=sys.stderr,
    )


def announce(what: str, seconds: float, advice: str) -> None:
    """Warn, before it starts, of what is predicted to take longer than ten minutes."""
    if seconds <= SECONDS_ANNOUNCED:
        return
    warnings.warn(
        f"{what} is predicted to take {told(seconds)}. {advice}", UserWarning, stacklevel=2
    )


def told(seconds: float) -> str:
    """A time in the unit that one would say it in.

    Example:
        >>> told(0.0312), told(47.2), told(900.0), told(1e4), told(3e5)
        ('0.031 s', '47 s', '15 minutes', '2.8 hours', '3.5 days')
    """
    if seconds < 100:
        return f"{seconds:.2g} s"
    for size, name in ((86_400, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {name}"
    return f"{seconds / 60:.0f} minutes"
