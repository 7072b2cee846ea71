"""What each chapter costs: one page from the boxes and cells of the stored chapters.

As a program it writes the page. As a Sphinx extension it stops the build of a book whose
page says anything else.
"""

import re
from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import address
import normalise

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "reference" / "costs.md"
_SHOWN = ("torch", "numpy", "scipy", "matplotlib", "jupyter-book")
_OPENING = """\
# What the chapters cost

Measured when the chapters were last executed, each from a fresh kernel, on two CPU cores of
a shared machine without a GPU; rounded up, to 15 seconds and half a GiB. `make test`
executes every chapter anew and compares what it prints with what its page shows.
"""


def page(root: Path = ROOT) -> str:
    """The page's text, from the stored chapters and the pinned versions.

    Args:
        root: The book's folder.

    Returns:
        Markdown.
    """
    rows = ["| chapter | seconds | GiB | code cells | figures |", "|" + " --- |" * 5]
    total = 0
    for path in address.notebooks(root):
        notebook = normalise.read(path)
        title, seconds, gib = _box(notebook)
        total += seconds
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        figures = sum("figure" in cell.metadata.get("mystnb", {}) for cell in code)
        link = f"[{title}](../chapters/{path.name})"
        rows.append(f"| {link} | {seconds} | {gib} | {len(code)} | {figures} |")
    pins = dict(
        line.split("==")
        for line in (root / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    versions = ", ".join(f"{name} {pins[name]}" for name in _SHOWN)
    parts = [
        _OPENING.strip(),
        "\n".join(rows),
        f"All of them together: {total / 60:.0f} minutes. Versions: Python 3.11, "
        f"{versions}; the rest is in `requirements.txt`.",
    ]
    return "\n\n".join(parts) + "\n"


def _box(notebook: nbformat.NotebookNode) -> tuple[str, int, str]:
    source = notebook.cells[0].source
    found = re.search(r"About (\d+) s and ([\d.]+) GiB", source.replace("\n> ", " "))
    if found is None:
        raise ExtensionError(
            'a chapter\'s first cell must say "About NN s and N.N GiB", got none in '
            f"{source[:60]!r}. Run make chapters."
        )
    return source.splitlines()[0].removeprefix("# "), int(found[1]), found[2]


def check(root: Path = ROOT) -> None:
    """Compare the stored page with the chapters.

    Args:
        root: The book's folder.

    Raises:
        ExtensionError: If they differ.
    """
    stored = (root / PAGE.relative_to(ROOT)).read_text(encoding="utf-8")
    if stored != page(root):
        raise ExtensionError(
            f"{PAGE.relative_to(ROOT)} must say what the chapters' boxes say, got "
            "something else. Run python book/costs_page.py."
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Check the page before anything is built.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("builder-inited", lambda app: check(Path(app.srcdir)))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
