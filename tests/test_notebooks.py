"""A notebook run out of order: the error says which cell comes first."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import address
import names_of_cells
import normalise
from entk_lib import notebooks

ROOT = Path(__file__).parent.parent
CHAPTERS = [p for p in address.notebooks(ROOT) if p.stem not in names_of_cells.WITHOUT]


def test_the_map_is_the_chapters_own():
    stored = names_of_cells.TARGET.read_text(encoding="utf-8")
    assert stored == names_of_cells.as_text(), "run python book/names_of_cells.py"


def test_every_chapter_begins_with_its_own_map():
    for path in CHAPTERS:
        sources = "\n".join(cell.source for cell in normalise.read(path).cells)
        begun = re.findall(r'^entk\.notebooks\.begin\("(\w+)"\)$', sources, re.M)
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
    found = names_of_cells.names_of_cells(book)
    assert found["nn"] == ["Title", "import torch.nn as nn"]
    assert found["a"] == ["One", "# why"]
    assert found["f"] == ["Two", "def f():"]
    assert set(found) == {*"abcdefg", "nn", "os"}


def test_what_exercises_define_is_not_offered():
    book = chapter("M # Title", "a = 1", "b = 2")
    book.cells[2].metadata["tags"] = ["solution"]
    assert set(names_of_cells.names_of_cells(book)) == {"a"}


@pytest.mark.parametrize("name", ["story", "no_such_name"])
def test_a_cell_run_too_early_is_told_what_to_run(name):
    begin = 'import entk_lib as entk\nentk.notebooks.begin("03_modular_addition")'
    book = chapter(begin, f"print({name})")
    with pytest.raises(CellExecutionError, match=f"name '{name}' is not defined"):
        NotebookClient(book, kernel_name="python3", timeout=60).execute()
    told = "".join(o.text for o in book.cells[1].outputs if o.output_type == "stream")
    if name == "story":
        assert 'A cell further up defines story: in the section "' in told
        assert "Run the cells above this one first" in told
    else:
        assert told == ""


def test_an_unknown_chapter_is_refused_and_outside_of_a_notebook_nothing_happens():
    with pytest.raises(ValueError, match=r"must be one of .*01_tangent_kernel.* got 'x'"):
        notebooks.begin("x")
    notebooks.begin("01_tangent_kernel")
