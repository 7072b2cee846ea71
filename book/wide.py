"""Figures of several panels stay readable on a phone: they scroll in a box of their own.

Each figure tells `book/_static/book.css` how large it was drawn. The style sheet keeps tall
ones low on a laptop, and on a phone draws wide ones larger than the screen; the box of such
a figure can be scrolled by finger, wheel and, with `book/_static/scroll.js`, by keyboard.
"""

import re

# Drawn wider than this, the labels of a figure are too small on a phone. In pixels.
WIDE = 800

_FIGURE = re.compile(
    r'(<figure\b[^>]*>\s*)(<img (?![^>]*style=)[^>]*?)( width="(\d+)" height="(\d+)")\s*/?>'
)


def in_boxes(page: str) -> str:
    """A page whose figures know their size, the wide ones in a box that scrolls.

    Args:
        page: HTML, whose pictures have a width and a height (`offline.sized`).

    Returns:
        HTML; the same if it has been through this before.
    """

    def boxed(match: re.Match[str]) -> str:
        before, image, size, width, height = match.groups()
        image = f'{image}{size} style="--w: {width}; --h: {height}"/>'
        if int(width) < WIDE:
            return before + image
        return f'{before}<div class="entk-wide">{image}</div>'

    return _FIGURE.sub(boxed, page)
