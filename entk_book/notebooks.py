"""Help for a chapter's notebook that is run out of order."""

import ast
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

# Cells whose names are no reader's business to run first.
_LEFT_OUT = {"exercise", "solution", "colab"}


def begin(chapter: str) -> None:
    """Make a name that is not defined yet say which cell of a chapter defines it.

    In a notebook, a NameError is then followed by the section and the first line of that
    cell, which are looked up in the notebook's own file. Where the file is out of reach,
    as in Colab, the hint is a general one. Outside of IPython nothing happens.

    Args:
        chapter: The stem of the chapter's file, such as ``"02_superposition"``.
    """
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell: Any = get_ipython()
    if shell is None:
        return

    def explain(
        shell: Any,
        kind: type[BaseException],
        error: NameError,
        traceback: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
        told = missing(error.name, _names(chapter))
        if told:
            print(told, file=sys.stderr)

    shell.set_custom_exc((NameError,), explain)


def missing(name: str | None, names: Mapping[str, tuple[str, str]] | None) -> str | None:
    """What to say of a name that is not defined.

    Args:
        name: The name.
        names: The section and the first line of the cell that defines it, by name.
            ``None``: the notebook's file is out of reach.

    Returns:
        A sentence or two; ``None`` for a name that no cell defines.

    Example:
        >>> print(missing("story", {"story": ("Two cliffs", "story = blocks(0)")}))
        A cell further up defines story: in the section "Two cliffs", the one that begins
        with "story = blocks(0)". Run the cells above this one first, from the top.
    """
    if name is None:
        return None
    if names is None:
        return (
            f"If a cell further up defines {name}, run the cells above this one first, "
            "from the top."
        )
    if name not in names:
        return None
    section, line = names[name]
    return (
        f'A cell further up defines {name}: in the section "{section}", the one that '
        f'begins with "{line}". Run the cells above this one first, from the top.'
    )


def names_of_cells(notebook: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Section and first line of the first cell of a notebook that defines a name.

    Args:
        notebook: The notebook's JSON, of format 4.

    Returns:
        By name; solutions and stubs of exercises are left out, and cells that do not
        parse.
    """
    found: dict[str, tuple[str, str]] = {}
    section = ""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            headings = re.findall(r"^#+ (.+)$", source, re.MULTILINE)
            section = headings[-1] if headings else section
        elif not _LEFT_OUT & set(cell["metadata"].get("tags", [])):
            lines = [line for line in source.splitlines() if line.strip()]
            for name in _defined(source):
                found.setdefault(name, (section, lines[0]))
    return found


def _defined(source: str) -> Iterator[str]:
    """Names that a cell binds, outside of its functions."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a reader's cell with a magic in it
        return
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif isinstance(part, ast.alias):
                yield (part.asname or part.name).split(".")[0]


def _names(chapter: str) -> dict[str, tuple[str, str]] | None:
    # Jupyter tells a kernel which file it runs, and runs it in the file's folder.
    told = os.environ.get("JPY_SESSION_NAME", "")
    file = f"{chapter}.ipynb"
    for path in (Path(told), Path(file), Path("chapters") / file):
        try:
            if path.suffix == ".ipynb":
                return names_of_cells(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    return None
