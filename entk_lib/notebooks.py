"""Help for a chapter's notebook that is run out of order."""

import json
import sys
from collections.abc import Mapping
from importlib import resources
from types import TracebackType
from typing import Any


def begin(chapter: str) -> None:
    """Make a name that is not defined yet say which cell of a chapter defines it.

    In a notebook, a NameError is then followed by the section and the first line of that
    cell. Outside of IPython nothing happens. The map from names to cells is made of the
    chapters by ``book/names_of_cells.py``.

    Args:
        chapter: The stem of the chapter's file, such as ``"02_superposition"``.

    Raises:
        ValueError: If there is no such chapter.
    """
    every = json.loads(
        resources.files("entk_lib").joinpath("names_of_cells.json").read_text("utf-8")
    )
    if chapter not in every:
        raise ValueError(
            f"chapter must be one of {', '.join(sorted(every))}, got {chapter!r}. For a "
            "notebook of your own, leave the call out."
        )
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell: Any = get_ipython()
    if shell is None:
        return
    names = every[chapter]

    def explain(
        shell: Any,
        kind: type[BaseException],
        error: NameError,
        traceback: TracebackType,
        tb_offset: int | None = None,
    ) -> None:
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
        told = missing(error.name, names)
        if told:
            print(told, file=sys.stderr)

    shell.set_custom_exc((NameError,), explain)


def missing(name: str | None, names: Mapping[str, list[str]]) -> str | None:
    """What to say of a name that is not defined.

    Args:
        name: The name.
        names: The section and the first line of the cell that defines it, by name.

    Returns:
        Two sentences; ``None`` for a name that no cell defines.

    Example:
        >>> print(missing("story", {"story": ["Two cliffs", "story = blocks(0)"]}))
        A cell further up defines story: in the section "Two cliffs", the one that begins
        with "story = blocks(0)". Run the cells above this one first, from the top.
    """
    if name is None or name not in names:
        return None
    section, line = names[name]
    return (
        f'A cell further up defines {name}: in the section "{section}", the one that '
        f'begins with "{line}". Run the cells above this one first, from the top.'
    )
