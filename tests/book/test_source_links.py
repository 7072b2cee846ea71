"""Names in a chapter's cells lead to the code behind them."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import normalise
import source_links

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("[01][0-9]_*.ipynb"))
PAGE = "\n".join(
    path.read_text() for path in sorted((ROOT / "reference").glob("book_package*.md"))
)


def test_studies_and_figures_lead_to_their_source_and_nothing_else_is_touched():
    link = (
        '<a class="sphinx-codeautolink-a" href="../reference/{page}.html#{name}"'
        ' title="{name}">f</a>'
    )
    study = link.format(page="book_package", name="entk_book.studies.adders.train_adders")
    method = link.format(page="api", name="entk_lib.find_cliffs")
    turned = source_links.to_source(study + method)
    assert turned.endswith(method)
    assert 'href="../_modules/entk_book/studies/adders.html#train_adders"' in turned
    assert 'title="Source of entk_book.studies.adders.train_adders"' in turned
    assert source_links.to_source(turned) == turned


@pytest.mark.parametrize("folder", ["studies", "figures"])
def test_every_module_is_on_the_page_of_the_package(folder):
    for path in (ROOT / "entk_book" / folder).glob("[!_]*.py"):
        module = f"entk_book.{folder}.{path.stem}"
        assert re.search(rf"automodule:: {re.escape(module)}$", PAGE, re.M), module


def calls(notebook):
    """Module and name of everything that cells take from studies and figures."""
    modules, found = {}, set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and node.module in (
                "entk_book.studies",
                "entk_book.figures",
            ):
                for alias in node.names:
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.ImportFrom) and re.match(
                r"entk_book\.(studies|figures)\.", node.module or ""
            ):
                found |= {(node.module, alias.name) for alias in node.names}
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in modules
            ):
                found.add((modules[node.value.id], node.attr))
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_a_study_and_all_that_it_calls_is_documented(path):
    found = calls(normalise.read(path))
    assert len({module for module, _ in found if "studies" in module}) >= 1
    for module, name in found:
        item = getattr(importlib.import_module(module), name)
        if callable(item):
            assert not name.startswith("_")
            assert item.__doc__, f"{module}.{name}"
