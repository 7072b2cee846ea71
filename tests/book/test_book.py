"""The book's sources: chapters as stored, the API page, and the tools that make them."""

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
import yaml

import check
import entk_lib
import normalise
import readme_picture

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_stored_chapter_has_no_problem(path):
    assert check.problems(normalise.read(path)) == []


def stripped(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def one_output_lost(notebook):
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    last.execution_count = None


def executed_twice(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count += 7


def figures(notebook):
    for cell in notebook.cells:
        if any("image/png" in o.get("data", {}) for o in cell.get("outputs", [])):
            yield cell


def alt_text_lost(notebook):
    del next(figures(notebook)).metadata["mystnb"]["image"]


def numbers_lost(notebook):
    cell = next(figures(notebook))
    cell.outputs = [o for o in cell.outputs if "image/png" in o.get("data", {})]


def timings_kept(notebook):
    notebook.cells[1].metadata["execution"] = {"iopub.execute_input": "2026-01-01"}


def python_version_kept(notebook):
    notebook.metadata.language_info.version = "3.11.7"


def a_warning_stored(notebook):
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stderr", text="!")]


def an_error_stored(notebook):
    notebook.cells[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="")]


def cost_lost(notebook):
    notebook.cells[0].source = "# A title"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (stripped, "no outputs are stored"),
        (one_output_lost, "not executed from top to bottom"),
        (executed_twice, "not executed from top to bottom"),
        (alt_text_lost, "no alt text"),
        (numbers_lost, "without the numbers"),
        (timings_kept, "not normalised"),
        (python_version_kept, "not normalised"),
        (a_warning_stored, "must not write to stderr"),
        (an_error_stored, "stores an error"),
        (cost_lost, "what it costs"),
    ],
)
def test_a_damaged_chapter_is_noticed(damage, problem):
    notebook = normalise.read(CHAPTERS[0])
    damage(notebook)
    assert any(problem in found for found in check.problems(notebook))


@pytest.mark.parametrize("tabled", [True, False])
def test_the_numbers_behind_a_figure_may_be_the_next_cell_s_table(tabled):
    mystnb = {"figure": {"caption": "A.", "name": "fig-a"}, "image": {"alt": "a" * 30}}
    picture = nbformat.v4.new_output("display_data", data={"image/png": ""})
    kind = "text/markdown" if tabled else "text/plain"
    numbers = nbformat.v4.new_output("display_data", data={kind: "1"})
    cells = [
        nbformat.v4.new_code_cell("plot", outputs=[picture], metadata={"mystnb": mystnb}),
        nbformat.v4.new_code_cell("table", outputs=[numbers]),
    ]
    found = check.problems(nbformat.v4.new_notebook(cells=cells))
    assert any("without the numbers" in problem for problem in found) is not tabled


def with_widget(widget, layout):
    """A notebook that shows one widget, with random ids, and stores another unseen."""
    view = "application/vnd.jupyter.widget-view+json"
    state = {
        "ffff": {"model_name": "Forgotten", "state": {}},
        widget: {"model_name": "Shown", "state": {"layout": f"IPY_MODEL_{layout}"}},
        layout: {"model_name": "Layout", "state": {}},
    }
    shown = nbformat.v4.new_output("display_data", data={view: {"model_id": widget}})
    cell = nbformat.v4.new_code_cell("explorer", outputs=[shown], execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": state}
    }
    return notebook


def test_a_widget_s_random_ids_are_normalised_and_what_nobody_sees_is_dropped():
    one, two = (
        normalise.as_text(normalise.normalised(with_widget(*ids)))
        for ids in (("a1b2", "c3d4"), ("9f8e", "7d6c"))
    )
    assert one == two
    state = nbformat.reads(one, as_version=4).metadata.widgets
    (models,) = (value["state"] for value in state.values())
    assert [model["model_name"] for model in models.values()] == ["Shown", "Layout"]
    assert models["widget-0"]["state"]["layout"] == "IPY_MODEL_widget-1"


def figures_of_pages():
    """Every figure of the Markdown pages, as (page, its lines)."""
    for path in (ROOT / "intro.md", *(ROOT / "reference").glob("*.md")):
        for block in re.findall(r"^```\{figure\}.*?^```$", path.read_text(), re.M | re.S):
            yield path.name, block


def test_figures_of_pages_have_alt_text_a_name_and_a_caption():
    found = list(figures_of_pages())
    assert found
    for page, block in found:
        assert re.search(r"^:alt: .{30,}$", block, re.M), page
        assert re.search(r"^:name: fig-", block, re.M), page
        assert len(block.split("\n\n", 1)[1]) > 30, page


def run_execute(path):
    return subprocess.run(
        [sys.executable, str(ROOT / "book" / "execute.py"), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def small_notebook(path, source):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("About 90 s and 1.0 GiB"),
            nbformat.v4.new_code_cell(source),
        ]
    )
    nbformat.write(notebook, path)
    return path.read_text()


@pytest.mark.slow
def test_execution_stores_normalised_outputs_and_the_measured_cost(tmp_path):
    path = tmp_path / "chapter.ipynb"
    small_notebook(path, "print(1 + 1)")
    done = run_execute(path)
    assert done.returncode == 0, done.stderr
    notebook = normalise.read(path)
    assert notebook.cells[1].outputs[0].text == "2\n"
    assert re.fullmatch(r"About 15 s and 0\.5 GiB", notebook.cells[0].source)
    assert normalise.as_text(normalise.normalised(notebook)) == path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("source", ["1 / 0", "import sys; print('!', file=sys.stderr)"])
def test_an_execution_that_fails_leaves_the_stored_chapter_as_it_was(tmp_path, source):
    path = tmp_path / "chapter.ipynb"
    before = small_notebook(path, source)
    done = run_execute(path)
    assert done.returncode != 0
    assert "left as it was" in done.stderr
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def is_documented(item):
    return inspect.isfunction(item) or inspect.isclass(item)


def names_of(module):
    """Dotted names of what a public module gives, modules in it included."""
    given = getattr(module, "__all__", None)
    for name in given or vars(module):
        item = getattr(module, name)
        if given and isinstance(item, ModuleType):
            yield from names_of(item)
        elif not name.startswith("_") and is_documented(item):
            if given or item.__module__ == module.__name__:
                yield f"{module.__name__}.{name}"


def public_names():
    """Dotted names of everything public that is a function or a class."""
    yield from names_of(entk_lib)


@pytest.mark.parametrize("name", sorted(public_names()))
def test_every_public_name_is_on_the_api_page(name):
    page = (ROOT / "reference" / "api.md").read_text()
    assert re.search(rf":: {re.escape(name)}$", page, re.MULTILINE)


def test_every_page_of_the_contents_exists():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    pages = [contents["root"]]
    pages += [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    for page in pages:
        assert any((ROOT / f"{page}{suffix}").exists() for suffix in (".md", ".ipynb"))
    assert {f"chapters/{path.stem}" for path in CHAPTERS} <= set(pages)


def test_the_picture_in_the_readme_is_the_chapter_s():
    assert readme_picture.PICTURE.read_bytes() == readme_picture.from_chapter()
    assert str(readme_picture.PICTURE.relative_to(ROOT)) in (ROOT / "README.md").read_text()


def test_the_versions_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert entk_lib.__version__ == cited
    assert f'version = "{cited}"' in (ROOT / "pyproject.toml").read_text()


def test_ledgers_show_as_tables():
    # The default, commonmark, knows no tables: readers saw rows of bars.
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]
    assert config["nb_render_markdown_format"] == "myst"
