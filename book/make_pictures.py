"""Draw the book's pictures, and put them into its chapters.

Usage: python book/make_pictures.py [NAME ...]   draw all, or some: 03, scheme, brand
       python book/make_pictures.py --insert     each chapter's picture under its box

A picture is a module of `entk_book.pictures`; what it says in words is in
``book/pictures.yml``. A second run gives the same bytes.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

import normalise
from entk_book.pictures import brand
from entk_book.pictures.style import Canvas

ROOT = Path(__file__).parent.parent
WORDS = ROOT / "book" / "pictures.yml"
STORE = ROOT / "book" / "_static" / "pictures"
TAG = "picture"  # of the cell that shows it; ids of cells are their numbers
# Behind the title and the cell for Colab, which must be second and which pages leave out.
PLACE = 2


def entries() -> dict[str, dict[str, str]]:
    """What is said of each picture.

    Returns:
        ``title``, ``alt`` and ``caption`` by the picture's name: a chapter's, as its file
        has it, or ``scheme_`` and a word.
    """
    words = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    listed = [*words["chapters"], *words["schemes"]]
    return {entry.get("chapter") or entry["scheme"]: entry for entry in listed}


def drawn(name: str) -> str:
    """A picture.

    Args:
        name: One of `entries`.

    Returns:
        The text of its SVG file.
    """
    module = importlib.import_module(f"entk_book.pictures.{name.lstrip('0123456789_')}")
    canvas = Canvas(height=getattr(module, "HEIGHT", Canvas().size[1]))
    module.draw(canvas)
    words = entries()[name]
    return canvas.svg(words["title"], words["alt"])


def markdown(name: str) -> str:
    """A picture and its caption, as they stand in a chapter.

    Args:
        name: One of `entries`.

    Returns:
        The source of a cell, or a part of it.
    """
    words = entries()[name]
    image = f"![{words['alt']}](../book/_static/pictures/{name}.svg)"
    return f"{image}\n\n*{words['caption']}*"


def picture_cells(notebook: nbformat.NotebookNode) -> list[Any]:
    """Cells of a chapter that show its picture.

    Args:
        notebook: The chapter.

    Returns:
        The cells, one or none.
    """
    return [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", ())]


def insert(path: Path) -> None:
    """Put a chapter's picture under its title, or bring its words up to date.

    Args:
        path: The chapter's notebook.
    """
    notebook = normalise.read(path)
    source = markdown(path.stem)
    for cell in picture_cells(notebook):
        cell.source = source
    if not picture_cells(notebook):
        cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": [TAG]})
        notebook.cells.insert(PLACE, cell)
    text = normalise.as_text(normalise.normalised(notebook))
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Draw or insert.

    Args:
        arguments: Of the command line.

    Raises:
        SystemExit: If no picture has a name that begins like an argument.
    """
    names = list(entries())
    if arguments == ["--insert"]:
        for name in names:
            if not name.startswith("scheme_"):
                insert(ROOT / "chapters" / f"{name}.ipynb")
        return
    wanted = arguments or ["0", "1", "scheme_", "brand"]
    for one in wanted:
        some = [name for name in names if name.startswith(one)]
        if not some and one != "brand":
            raise SystemExit(f"{one} is no picture: {', '.join(names)}, brand")
        for name in some:
            STORE.joinpath(f"{name}.svg").write_text(drawn(name), encoding="utf-8")
    if "brand" in wanted:
        for name, content in brand.files().items():
            (STORE.parent / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1:])
