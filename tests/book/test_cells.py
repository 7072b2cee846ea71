"""A cell shows the idea: how long the cells of the chapters are, beside the text."""

import math
import statistics
from pathlib import Path

import nbformat
import pytest

import normalise

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[01][0-9]_*.ipynb"))
# No numbered chapter, but a page to copy from: its cells may not be longer either.
YOUR_OWN = ROOT / "chapters" / "your_own_model.ipynb"
# The cell for Colab is hidden; stubs and solutions are the reader's own work.
NOT_THE_TEXT_S = {"colab", "exercise", "solution"}
MEDIAN, NINE_IN_TEN, LONGEST = 10, 20, 35
WORDS_PER_LINE = 8
WIDTH = 80


def lengths(notebooks):
    """Lines of each code cell that tells the story, blank ones included."""
    return [
        len(cell.source.splitlines())
        for notebook in notebooks
        for cell in notebook.cells
        if cell.cell_type == "code"
        and not NOT_THE_TEXT_S & set(cell.metadata.get("tags", []))
    ]


def words(notebooks):
    """Words of text around the cells."""
    return sum(
        len(cell.source.split())
        for notebook in notebooks
        for cell in notebook.cells
        if cell.cell_type == "markdown"
    )


def problems(notebooks):
    """What is too long, and too little explained."""
    lines = sorted(lengths(notebooks))
    ninth = lines[math.ceil(0.9 * len(lines)) - 1]
    ratio = words(notebooks) / sum(lines)
    print(
        f"{len(lines)} cells of {sum(lines)} lines: median {statistics.median(lines):g}, "
        f"nine in ten at most {ninth}, longest {lines[-1]}; {ratio:.1f} words a line"
    )
    found = []
    if statistics.median(lines) > MEDIAN:
        found.append("the median is too long")
    if ninth > NINE_IN_TEN:
        found.append("more than one in ten is too long")
    if lines[-1] > LONGEST:
        found.append("the longest is too long")
    if ratio < WORDS_PER_LINE:
        found.append("too few words")
    return found


def test_there_are_eleven_chapters():
    assert len(CHAPTERS) == 11


def test_cells_are_short_and_explained():
    # Move the plumbing into entk_book/studies, a figure into entk_book/figures.
    assert problems([normalise.read(path) for path in CHAPTERS]) == []


def test_no_cell_of_a_page_to_copy_from_is_too_long():
    assert max(lengths([normalise.read(YOUR_OWN)])) <= LONGEST


@pytest.mark.parametrize("path", [*CHAPTERS, YOUR_OWN], ids=lambda path: path.stem)
def test_a_cell_fits_the_width_of_a_page(path):
    for cell in normalise.read(path).cells:
        solution = "solution" in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not solution:  # it begins with its answer
            assert max(map(len, cell.source.splitlines())) <= WIDTH, cell.id


def book(*cells, text="word " * 400):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    made.cells += [nbformat.v4.new_code_cell("\n".join(["x = 1"] * n)) for n in cells]
    return made


@pytest.mark.parametrize(
    ("notebook", "problem"),
    [
        (book(11, 11, 11), "the median is too long"),
        (book(5, 5, 5, 21), "more than one in ten is too long"),
        (book(*[5] * 11, 36, text="word " * 800), "the longest is too long"),
        (book(10, 10, text="word " * 159), "too few words"),
    ],
)
def test_what_is_too_long_is_noticed(notebook, problem):
    assert problems([notebook]) == [problem]


def test_what_readers_write_and_what_is_hidden_does_not_count():
    notebook = book(10, 50)
    for tag in NOT_THE_TEXT_S:
        notebook.cells[2].metadata["tags"] = [tag]
        assert problems([notebook]) == []
