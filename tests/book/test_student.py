"""Student versions: everything but the solutions, and nothing is ever overwritten."""

import base64
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import address
import make_pictures
import normalise
import student

ROOT = Path(__file__).parents[2]
NOTEBOOKS = address.notebooks(ROOT)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "student"
    return student.write(ROOT, folder)


def tagged(notebook, tag):
    return [c.source for c in notebook.cells if tag in c.metadata.get("tags", [])]


@pytest.mark.sweep
def test_every_notebook_has_a_student_version(written):
    assert [path.name for path in written] == [path.name for path in NOTEBOOKS]
    for path in written:
        nbformat.validate(normalise.read(path))
        assert f"**Student version** of `chapters/{path.name}`" in path.read_text()


def test_no_solution_and_no_output_is_left_and_every_stub_is(written):
    n_solutions = 0
    for source, path in zip(NOTEBOOKS, written, strict=True):
        chapter, copy = normalise.read(source), normalise.read(path)
        text = "\n".join(cell.source for cell in copy.cells)
        solutions = tagged(chapter, "solution")
        n_solutions += len(solutions)
        assert not any(solution in text for solution in solutions)
        assert "# Solution" not in text
        assert tagged(copy, "exercise") == tagged(chapter, "exercise")
        assert all(not c.outputs for c in copy.cells if c.cell_type == "code")
        assert len(copy.cells) == len(chapter.cells) - len(solutions)
    assert n_solutions >= 28


def test_links_lead_to_files_that_are_there(written):
    for path in written:
        for cell in normalise.read(path).cells:
            if cell.cell_type != "markdown":
                continue
            prose = re.sub(r"`[^`]*`|\$[^$]*\$", "", cell.source)
            for target in re.findall(r"\]\(([^)#:\s]+)\)", prose):
                assert (path.parent / target).exists(), (path.name, target)


def test_pictures_travel_in_the_notebooks(tmp_path):
    root = copy_of_the_book(tmp_path)
    path = root / "chapters" / "02_superposition.ipynb"
    make_pictures.insert(path)
    copy = student.student_version(root, path)
    (cell,) = make_pictures.picture_cells(copy)
    assert "](attachment:02_superposition.svg)" in cell.source
    (picture,) = cell.attachments.values()
    content = base64.b64decode(picture["image/svg+xml"])
    assert content == (make_pictures.STORE / "02_superposition.svg").read_bytes()
    nbformat.validate(copy)


def copy_of_the_book(folder):
    for name in ("_toc.yml", "_config.yml", "pyproject.toml", "intro.md"):
        shutil.copy(ROOT / name, folder)
    (folder / "chapters").mkdir()
    pictures = Path("book", "_static", "pictures")
    shutil.copytree(ROOT / pictures, folder / pictures)
    for path in NOTEBOOKS:
        shutil.copy(path, folder / "chapters")
    return folder


@pytest.mark.parametrize("start", ["# Solution", "<details><summary>What we would"])
def test_a_solution_without_its_tag_is_an_error(start, tmp_path):
    root = copy_of_the_book(tmp_path)
    path = root / "chapters" / "02_superposition.ipynb"
    notebook = normalise.read(path)
    cell = next(c for c in notebook.cells if c.source.startswith(start))
    cell.metadata.tags = ["hide-cell"]
    path.write_text(normalise.as_text(notebook), encoding="utf-8")
    with pytest.raises(ValueError, match=f"02_superposition.ipynb, {cell.id}: a solution"):
        student.write(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_file_is_overwritten(tmp_path):
    root = copy_of_the_book(tmp_path)
    before = {p: p.read_bytes() for p in (root / "chapters").iterdir()}
    with pytest.raises(FileExistsError, match="must be new or empty"):
        student.write(root, root / "chapters")
    assert {p: p.read_bytes() for p in (root / "chapters").iterdir()} == before


def test_links_to_other_pages_keep_their_words_or_lead_to_the_site(tmp_path):
    root = copy_of_the_book(tmp_path)
    path = root / "chapters" / "02_superposition.ipynb"
    notebook = normalise.read(path)
    notebook.cells[
        0
    ].source += "\n[words](../reference/glossary.md) [next](03_modular_addition.ipynb)"
    path.write_text(normalise.as_text(notebook), encoding="utf-8")
    top = student.student_version(root, path).cells[0].source
    assert "\nwords [next](03_modular_addition.ipynb)" in top


@pytest.mark.slow
def test_a_student_version_runs_and_every_check_waits_for_an_answer(tmp_path):
    root = copy_of_the_book(tmp_path)
    path = root / "chapters" / "preflight.ipynb"
    notebook = normalise.read(path)
    new = nbformat.v4.new_code_cell
    stub = (
        "from entk_book.exercises import tangent_kernel as exercises\n"
        "exercises.rank_of_linear_model(...)"
    )
    notebook.cells.append(new(stub, metadata={"tags": ["exercise"]}))
    notebook.cells.append(new("# Solution: 18\n1 / 0", metadata={"tags": ["solution"]}))
    path.write_text(normalise.as_text(notebook), encoding="utf-8")
    made = student.student_version(root, path)
    NotebookClient(made, kernel_name="python3", timeout=120).execute()
    assert "Not answered yet" in made.cells[-1].outputs[-1].data["text/plain"]
