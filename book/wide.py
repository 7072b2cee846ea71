"""Figures of several panels stay readable on a phone: they scroll in a box of their own.

Each figure tells `book/_static/book.css` how large it was drawn. The style sheet keeps tall
ones low on a laptop, and on a phone draws wide ones larger than the screen; the box of such
a figure can be scrolled by finger, wheel and, with `book/_static/scroll.js`, by keyboard.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

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


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        new = in_boxes(page)
        if new != page:
            path.write_text(new, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Put the boxes in once the pages know how large their pictures are.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("build-finished", _write, priority=900)  # after book/offline.py
    return {"parallel_read_safe": True}
