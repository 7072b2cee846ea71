"""The ledger's page quotes the chapters, and nothing else builds."""

import shutil

import nbformat
import pytest
from sphinx.errors import ExtensionError

import ledger_page
import normalise
from entk_book.ledger import Claim, ledger


def test_the_stored_page_is_what_the_chapters_printed():
    ledger_page.check()


@pytest.fixture
def book(tmp_path):
    shutil.copytree(ledger_page.ROOT / "chapters", tmp_path / "chapters")
    shutil.copytree(ledger_page.ROOT / "reference", tmp_path / "reference")
    shutil.copy(ledger_page.ROOT / "_toc.yml", tmp_path)
    ledger_page.check(tmp_path)
    return tmp_path


def first_row(book):
    chapter = ledger_page.chapters(book)[0]
    return ledger_page.tables(normalise.read(chapter), chapter.stem)[0].rows[0]


def test_a_number_typed_into_the_page_stops_the_build(book):
    path = book / "reference" / "ledger.md"
    here = first_row(book)[2]
    path.write_text(path.read_text().replace(here, here + "1"))
    with pytest.raises(ExtensionError, match=r"must quote what the chapters printed.*got"):
        ledger_page.check(book)


def test_a_number_that_changed_in_a_chapter_stops_the_build(book):
    path = ledger_page.chapters(book)[0]
    here = first_row(book)[2]
    path.write_text(path.read_text().replace(here, here + "1"))
    with pytest.raises(ExtensionError, match="must quote what the chapters printed"):
        ledger_page.check(book)


def test_a_claim_left_out_stops_the_build(book):
    path = book / "reference" / "ledger.md"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ExtensionError, match="got ''"):
        ledger_page.check(book)


def test_every_chapter_with_claims_is_found_with_cell_and_section(tmp_path):
    claims = [
        Claim("a", "1", "2 to 3", False, "Fig. 1", "in the range"),
        Claim("b", "4", "4", True, "Fig. 2", "equal"),
        Claim("c", "unknown", "5 to 6", False, ledger_page.NEW, "above 5"),
        Claim("d", "unknown", "7", True, ledger_page.NEW, "above 5"),
    ]
    output = nbformat.v4.new_output(
        "display_data", data={"text/markdown": ledger(claims)._repr_markdown_()}
    )
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# A title\n\n## A part\n\n## What came out?"),
            nbformat.v4.new_code_cell("...", outputs=[output], execution_count=7),
        ]
    )
    (table,) = ledger_page.tables(notebook, "09_x")
    assert (table.title, table.section, table.cell) == ("A title", "What came out?", 7)
    assert table.rows[0] == ["a", "1", "2 to 3", "**no**", "in the range", "Fig. 1"]
    (tmp_path / "chapters").mkdir()
    nbformat.write(notebook, tmp_path / "chapters" / "09_x.ipynb")
    (tmp_path / "_toc.yml").write_text("parts: [{chapters: [{file: chapters/09_x}]}]")
    text = ledger_page.page(tmp_path)
    assert "2 published claims, 1 agree, 1 do not:\n\n- a: published 1, here 2 to 3" in text
    assert "2 claims that are new here, 1 hold, 1 do not:\n\n- c: here 5 to 6" in text
    assert "(../chapters/09_x.ipynb#what-came-out)" in text


def test_tables_of_one_section_are_one_table():
    def cell(statement, count):
        claims = [Claim(statement, "1", "2", True, "Fig. 1", "equal")]
        data = {"text/markdown": ledger(claims)._repr_markdown_()}
        output = nbformat.v4.new_output("display_data", data=data)
        return nbformat.v4.new_code_cell("...", outputs=[output], execution_count=count)

    part, other = (nbformat.v4.new_markdown_cell(f"## {name}") for name in ("One", "Two"))
    cells = [part, cell("a", 3), cell("b", 4), other, cell("c", 5)]
    found = ledger_page.tables(nbformat.v4.new_notebook(cells=cells), "09_x")
    assert [[row[0] for row in table.rows] for table in found] == [["a", "b"], ["c"]]
    assert [table.cell for table in found] == [3, 5]
