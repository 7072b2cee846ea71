"""A notebook run out of order: the error says which cell comes first."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import address
import normalise
from entk_book import notebooks

ROOT = Path(__file__).parents[2]
# The template is changed by its readers; the preflight is one cell.
CHAPTERS = [p for p in address.notebooks(ROOT) if p.stem not in {"template", "preflight"}]


def test_every_chapter_begins_with_its_own_name():
    for path in CHAPTERS:
        sources = "\n".join(cell.source for cell in normalise.read(path).cells)
        begun = re.findall(r'^notebooks\.begin\("(\w+)"\)$', sources, re.M)
        assert begun == [path.stem]


def chapter(*cells):
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(text[2:])
            if text.startswith("M ")
            else nbformat.v4.new_code_cell(text)
            for text in cells
        ]
    )


def test_names_are_found_where_they_are_first_defined():
    book = chapter(
        "M # Title",
        "import torch.nn as nn\nimport os.path",
        "M ## One",
        "# why\na, (b, *c) = 1, (2, 3)\nfor d in (1,):\n    e = d",
        "M text\n\n## Two",
        "def f():\n    hidden = 1\n\n\na = 3\nwith open('x') as g:\n    pass",
    )
    found = notebooks.names_of_cells(book)
    assert found["nn"] == ("Title", "import torch.nn as nn")
    assert found["a"] == ("One", "# why")
    assert found["f"] == ("Two", "def f():")
    assert set(found) == {*"abcdefg", "nn", "os"}


def test_what_exercises_define_is_not_offered():
    book = chapter("M # Title", "a = 1", "b = 2")
    book.cells[2].metadata["tags"] = ["solution"]
    assert set(notebooks.names_of_cells(book)) == {"a"}


BEGIN = 'from entk_book import notebooks\nnotebooks.begin("a_chapter")'


def told(folder, *names):
    """What a reader sees who runs a chapter's first cell, then cells that need a name."""
    book = chapter(BEGIN, *(f"print({name})" for name in names))
    client = NotebookClient(
        book,
        kernel_name="python3",
        timeout=60,
        allow_errors=True,
        resources={"metadata": {"path": folder}},
    )
    client.execute()
    assert all(o.output_type != "error" for o in book.cells[0].outputs)
    hints = []
    for name, cell in zip(names, book.cells[1:], strict=True):
        (error,) = (o for o in cell.outputs if o.output_type == "error")
        assert error.evalue == f"name '{name}' is not defined"
        hints.append("".join(o.text for o in cell.outputs if o.output_type == "stream"))
    return hints


@pytest.mark.sweep
def test_a_cell_run_too_early_is_told_what_to_run(tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    stored = chapter("M ## Two cliffs", "story = 1")
    nbformat.write(stored, tmp_path / "a_chapter.ipynb")
    hint, none = told(str(tmp_path), "story", "no_such_name")
    assert 'A cell further up defines story: in the section "Two cliffs"' in hint
    assert "Run the cells above this one first" in hint
    assert none == ""


@pytest.mark.sweep
def test_where_the_file_is_out_of_reach_the_hint_is_general(tmp_path, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert "If a cell further up defines story" in told(str(tmp_path), "story")[0]


def test_the_file_that_jupyter_names_comes_first(tmp_path, monkeypatch):
    renamed = tmp_path / "my_copy.ipynb"
    nbformat.write(chapter("M ## Mine", "story = 1"), renamed)
    monkeypatch.setenv("JPY_SESSION_NAME", str(renamed))
    assert notebooks._names("a_chapter") == {"story": ("Mine", "story = 1")}


def test_outside_of_a_notebook_nothing_happens():
    notebooks.begin("01_tangent_kernel")
