"""Re-execute chapters from a fresh kernel and store them with normalised outputs.

Usage: python book/execute.py chapters/01_tangent_kernel.ipynb [...]

A chapter that fails, or that writes to stderr, leaves its stored file as it was. The time
and memory that a chapter's box states are measured here and written into it, and the
seconds after which each section is done into the workshop's clock.
"""

import json
import math
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

import normalise

CLOCK = Path("reference") / "ready_seconds.json"
_CELL_TIMEOUT = 300
_COST = re.compile(r"About \S+ s and \S+ GiB")


def execute(path: Path) -> str:
    """Execute one chapter, replace its file, and say what it cost.

    Args:
        path: The chapter's notebook.

    Returns:
        One line with the measured seconds and memory.

    Raises:
        CellExecutionError: If a cell fails; the file is not touched.
        CellTimeoutError: If a cell takes longer than five minutes; the same.
        ValueError: If a cell writes to stderr; the file is not touched.
    """
    notebook = normalise.read(path)
    done_after: dict[int, float] = {}  # by index of the cell

    def note(*, cell_index: int, **_: object) -> None:
        done_after[cell_index] = time.perf_counter() - start

    client = NotebookClient(
        notebook,
        on_cell_executed=note,
        timeout=_CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    os.environ["TQDM_DISABLE"] = "1"  # the kernel's: stored outputs hold no bars
    start = time.perf_counter()
    client.execute()
    seconds = time.perf_counter() - start
    # The kernel has ended; of all children of this process it was the largest.
    gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    clean = normalise.normalised(notebook)
    _state_cost(clean, seconds, gib)
    _replace(path, normalise.as_text(clean))
    _set_clock(path, _by_section(clean, done_after))
    return f"{path}: {seconds:.0f} s, {gib:.2f} GiB"


def _state_cost(notebook: nbformat.NotebookNode, seconds: float, gib: float) -> None:
    # Rounded up, coarsely: a repeated run on the same machine should change nothing.
    text = f"About {math.ceil(seconds / 15) * 15} s and {math.ceil(2 * gib) / 2:.1f} GiB"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _COST.sub(text, cell.source)


def _by_section(
    notebook: nbformat.NotebookNode, done_after: dict[int, float]
) -> dict[str, int]:
    """Seconds after which the last output of each section is there, in steps of five."""
    section, found = "top", {}
    for index, cell in enumerate(notebook.cells):
        headings = re.findall(r"^## (.+)", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown" and headings:
            section = headings[-1]
        elif index in done_after:
            found[section] = math.ceil(done_after[index] / 5) * 5
    return found


def _set_clock(path: Path, sections: dict[str, int]) -> None:
    clock = path.resolve().parents[1] / CLOCK
    if clock.parent.exists():  # a notebook of the book's
        every = json.loads(clock.read_text(encoding="utf-8")) if clock.exists() else {}
        every[path.stem] = sections
        _replace(clock, json.dumps(every, indent=1, ensure_ascii=False) + "\n")


def _replace(path: Path, text: str) -> None:
    # Written beside it and moved into place: a full disk leaves the old file whole.
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8"
    ) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    os.replace(file.name, path)


def main() -> None:
    """Execute the chapters named on the command line, one after the other."""
    for name in sys.argv[1:]:
        try:
            print(execute(Path(name)), flush=True)
        except (CellExecutionError, CellTimeoutError, ValueError) as error:
            sys.exit(f"{name} was not executed to its end and is left as it was.\n{error}")


if __name__ == "__main__":
    main()
