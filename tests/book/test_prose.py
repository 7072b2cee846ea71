"""How much a chapter asks of its reader, and what is left at its end."""

import re
from pathlib import Path

import nbformat
import pytest

import normalise

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[01][0-9]_*.ipynb"))
WORDS = 2_500  # of reading: before the exercises, outside folded blocks
LINES = 3  # printed by a cell that shows no table
TAKEN, LEFT = "## To take away", "## What would change our mind"
# What is folded, and pictures with their captions.
_FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
_PICTURE = re.compile(r"!\[[^]]*\]\([^)]*\)(?:\n\n\*[^*]+\*)?")
_READER_S = {"exercise", "solution", "colab"}


def prose(notebook):
    """The text that everybody reads: nothing folded, no pictures, no exercises."""
    cells = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    text = _PICTURE.sub("", _FOLDED.sub("", "\n\n".join(cells)))
    return text.partition("\n## Exercises")[0]


def shown(cell):
    """Lines that a cell prints, and tables that it shows."""
    lines = sum(
        len(output.text.splitlines())
        for output in cell.outputs
        if output.output_type == "stream"
    )
    tables = sum("text/markdown" in output.get("data", {}) for output in cell.outputs)
    return lines, tables


def section(text, heading):
    """What stands under a heading."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return [part for part in parts if part.startswith(heading + "\n")]


def problems(notebook):
    """What is too much, and what is missing."""
    text, found = prose(notebook), []
    if (count := len(text.split())) > WORDS:
        found.append(f"{count} words, more than {WORDS}")
    for cell in notebook.cells:
        if cell.cell_type == "code" and not _READER_S & set(cell.metadata.get("tags", [])):
            lines, tables = shown(cell)
            if lines > LINES or tables > 1 or (lines and tables):
                found.append(f"{cell.id}: {lines} printed lines and {tables} tables")
    for heading, fewest, most in ((TAKEN, 3, 3), (LEFT, 2, 4)):
        bodies = section(text, heading)
        items = [len(re.findall(r"^(?:[-*]|\d\.) ", body, re.MULTILINE)) for body in bodies]
        if len(items) != 1 or not fewest <= items[0] <= most:
            found.append(
                f"{heading}: {items} items, expected one list of {fewest} to {most}"
            )
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_asks_no_more_than_it_may(path):
    notebook = normalise.read(path)
    print(f"{path.stem}: {len(prose(notebook).split())} words")
    assert problems(notebook) == []


def chapter(*outputs, text="Words.", tags=(), taken="- a\n- b\n- c", left="- d\n- e"):
    end = f"{text}\n\n{TAKEN}\n\n{taken}\n\n{LEFT}\n\n{left}\n\n## Exercises"
    cell = nbformat.v4.new_code_cell("x", outputs=list(outputs), metadata={"tags": [*tags]})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(end), cell])


def printed(lines):
    return nbformat.v4.new_output("stream", text="line\n" * lines)


TABLE = nbformat.v4.new_output("display_data", data={"text/markdown": "| a |"})


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        (chapter(text="word " * 2_500), "words, more than"),
        (chapter(printed(4)), "4 printed lines"),
        (chapter(printed(2), printed(2)), "4 printed lines"),
        (chapter(TABLE, TABLE), "2 tables"),
        (chapter(printed(1), TABLE), "1 printed lines and 1 tables"),
        (chapter(taken="- a\n- b"), "To take away: [2] items"),
        (chapter(left="Nothing."), "What would change our mind: [0] items"),
    ],
)
def test_what_is_too_much_or_missing_is_noticed(damaged, problem):
    (found,) = problems(damaged)
    assert problem in found


def test_what_is_folded_or_the_reader_s_own_does_not_count():
    folded = f"<details><summary>More</summary>\n\n{'word ' * 3_000}\n\n</details>"
    assert problems(chapter(text=folded)) == []
    picture = f"![{'word ' * 3_000}](a.svg)\n\n*A caption.*"
    assert problems(chapter(text=picture)) == []
    assert problems(chapter(printed(9), tags=["solution"])) == []
    assert problems(chapter(printed(3))) == []
    assert problems(chapter(TABLE)) == []
