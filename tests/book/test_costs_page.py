"""The page of costs says what the chapters' boxes say, and nothing else builds."""

import shutil

import pytest
from sphinx.errors import ExtensionError

import costs_page


@pytest.fixture
def book(tmp_path):
    for name in ("chapters", "reference"):
        shutil.copytree(costs_page.ROOT / name, tmp_path / name)
    for name in ("_toc.yml", "requirements.txt"):
        shutil.copy(costs_page.ROOT / name, tmp_path)
    costs_page.check(tmp_path)
    return tmp_path


def replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("reference/costs.md", "| 45 |", "| 44 |"),
        ("chapters/05_layerwise.ipynb", "About ", "About 1"),
        ("requirements.txt", "torch==2", "torch==9"),
    ],
)
def test_a_cost_that_disagrees_stops_the_build(book, name, old, new):
    replaced(book / name, old, new)
    with pytest.raises(ExtensionError, match=r"costs\.md must say.*Run python"):
        costs_page.check(book)


def test_a_chapter_without_its_box_is_named(book):
    replaced(book / "chapters" / "05_layerwise.ipynb", "About ", "Some ")
    with pytest.raises(ExtensionError, match="Which layer holds what"):
        costs_page.check(book)
