"""Chapters as they are stored: everything that changes from run to run taken out."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat

_WIDGETS = "application/vnd.jupyter.widget-state+json"
_VIEW = "application/vnd.jupyter.widget-view+json"

_KEPT_NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_DROPPED_CELL_METADATA = ("execution", "collapsed", "scrolled", "ExecuteTime")


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without timings, versions of the machine's Python, or progress bars.

    Args:
        notebook: A notebook of format 4.

    Returns:
        The normalised copy; normalising it again changes nothing.

    Raises:
        ValueError: If a cell holds a warning or another text on stderr.
    """
    clean: Any = _with_stable_widgets(notebook)
    widgets = clean.metadata.get("widgets")
    clean.metadata = nbformat.from_dict(_KEPT_NOTEBOOK_METADATA)
    if widgets:
        clean.metadata.widgets = widgets
    for index, cell in enumerate(clean.cells):
        cell.id = f"cell-{index}"
        for key in _DROPPED_CELL_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _joined_streams(cell.outputs, cell.id)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    clean.nbformat, clean.nbformat_minor = 4, 5
    return clean


def _with_stable_widgets(notebook: nbformat.NotebookNode) -> Any:
    # A widget's id is drawn at random; here it says where the widget first appears. Of the
    # state only what the cells show is kept, and what that refers to.
    state = notebook.metadata.get("widgets", {}).get(_WIDGETS, {}).get("state", {})
    shown = [
        output.data[_VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if _VIEW in output.get("data", {})
    ]
    named: dict[str, str] = {}
    for name in shown:
        if name in state:
            parts = re.findall(r"IPY_MODEL_([\w-]+)", json.dumps(state[name]))
            for part in (name, *parts):
                named.setdefault(part, f"widget-{len(named)}")
    clean: Any = nbformat.from_dict(notebook)
    kept = {named[name]: state[name] for name in named}
    if kept:
        clean.metadata["widgets"] = {
            _WIDGETS: {"state": kept, "version_major": 2, "version_minor": 0}
        }
    else:
        clean.metadata.pop("widgets", None)
    text = nbformat.writes(clean)
    if named:
        pattern = re.compile("|".join(map(re.escape, sorted(named, key=len)[::-1])))
        text = pattern.sub(lambda match: named[match[0]], text)
    return nbformat.reads(text, as_version=4)  # pyright: ignore


def _joined_streams(outputs: list[Any], cell_id: str) -> list[Any]:
    # How a text is cut into stream messages depends on timing.
    joined: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise ValueError(
                f"{cell_id} must not write to stderr, got {output.text[:500]!r}. Mend the "
                "warning; progress bars are silent under TQDM_DISABLE=1."
            )
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook from a file, in format 4."""
    return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)  # pyright: ignore


def as_text(notebook: nbformat.NotebookNode) -> str:
    """The text that a chapter's file holds."""
    return nbformat.writes(notebook) + "\n"
