"""Progress of what takes longer than two seconds; nothing for what does not."""

import sys

from tqdm import tqdm

SECONDS_BEFORE_BAR = 2.0


def progress(what: str, total: int | None, unit: str) -> tqdm:
    """A bar on standard error that shows itself late and leaves nothing behind."""
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        delay=SECONDS_BEFORE_BAR,
        leave=False,
        file=sys.stderr,
    )
