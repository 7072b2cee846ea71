"""Which cell of a chapter defines a name: the map that `entk_lib.notebooks` tells from.

Usage: python book/names_of_cells.py     (writes entk_lib/names_of_cells.json)
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

import address
import normalise

ROOT = Path(__file__).parent.parent
# The template is changed by its readers; the preflight is one cell.
WITHOUT = {"template", "preflight"}
TARGET = ROOT / "entk_lib" / "names_of_cells.json"


def names_of_cells(notebook: nbformat.NotebookNode) -> dict[str, list[str]]:
    """Section and first line of the first cell that defines a name.

    Args:
        notebook: A chapter.

    Returns:
        By name; solutions and stubs of exercises are left out.
    """
    found: dict[str, list[str]] = {}
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#+ (.+)$", cell.source, re.M)
            section = headings[-1] if headings else section
        elif not {"exercise", "solution", "colab"} & set(cell.metadata.get("tags", [])):
            lines = [line for line in cell.source.splitlines() if line.strip()]
            for name in _defined(ast.parse(cell.source)):
                found.setdefault(name, [section, lines[0]])
    return found


def _defined(tree: ast.Module) -> Iterator[str]:
    """Names that a cell binds, outside of its functions."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.alias):
                yield (part.asname or part.name).split(".")[0]


def as_text(root: Path = ROOT) -> str:
    """The map of all chapters, as its file holds it."""
    every = {
        path.stem: names_of_cells(normalise.read(path))
        for path in address.notebooks(root)
        if path.stem not in WITHOUT
    }
    return json.dumps(every, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(as_text(), encoding="utf-8")
