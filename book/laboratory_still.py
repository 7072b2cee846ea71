"""Draw the front page's laboratory as it stands where no JavaScript runs.

Usage: python book/laboratory_still.py

Trains the network of the laboratory's first settings in Python, 2,000 steps, and writes
``book/_static/laboratory.svg``: the same picture byte for byte from the same numbers.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl

from entk_book.explorers import Laboratory
from entk_lib import plotting

TARGET = Path(__file__).parent / "_static" / "laboratory.svg"


def draw(target: Path = TARGET) -> None:
    """Write the picture.

    Args:
        target: Where it goes.
    """
    settings: Any = {**plotting.style(), "svg.hashsalt": "laboratory"}
    with mpl.rc_context(settings):
        figure = Laboratory().figure()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    lines = target.read_text("utf-8").splitlines()
    target.write_text("\n".join(line.rstrip() for line in lines) + "\n", "utf-8")


if __name__ == "__main__":
    draw()
