"""The zip holds the book, its notebooks and a library that imports; always the same."""

import shutil
import subprocess
import sys
import zipfile

import pytest

import address
import offline_zip

CHAPTERS = ("05_layerwise", "template")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What the zip takes of two chapters, with a page in place of the built book."""
    copy = tmp_path_factory.mktemp("zip") / "source"
    left_out = (".*", "_build", "*.egg-info", "__pycache__", "tests", "*.safetensors")
    others = [p.name for p in address.notebooks(offline_zip.ROOT) if p.stem not in CHAPTERS]
    ignored = shutil.ignore_patterns(*left_out, *others)
    shutil.copytree(offline_zip.ROOT, copy, ignore=ignored)
    assert len(address.notebooks(copy)) == len(CHAPTERS)
    pages = copy / "_build" / "html"
    (pages / "_sources").mkdir(parents=True)
    (pages / "index.html").write_text("<h1>The book</h1>")
    (pages / "_sources" / "intro.md").write_text("not packed")
    return copy


@pytest.mark.slow
def test_the_zip_holds_all_that_a_reader_needs_without_a_network(root, tmp_path):
    made = offline_zip.build(root)
    before = made.read_bytes()
    with zipfile.ZipFile(made) as packed:
        names = {name.removeprefix(f"{offline_zip.NAME}/") for name in packed.namelist()}
        packed.extractall(tmp_path)
    folder = tmp_path / offline_zip.NAME
    assert {
        "START_HERE.txt",
        "LICENSE",
        "requirements.txt",
        "requirements-wild.txt",
        "book/index.html",
    } <= names
    for copies in ("notebooks", "student"):
        assert {f"{copies}/{p.name}" for p in address.notebooks(root)} <= names
    assert "# Solution" in (folder / "notebooks" / "05_layerwise.ipynb").read_text()
    assert "# Solution" not in (folder / "student" / "05_layerwise.ipynb").read_text()
    assert not any("_sources" in name for name in names)
    (wheel,) = (folder / "library").glob("*.whl")
    assert f"library/{wheel.name}" in (folder / "START_HERE.txt").read_text()
    # Imported from the wheel alone: an explorer finds its JavaScript in there.
    code = (
        "import entk_book.explorers as e; print(e.__file__);"
        " assert 'render' in e.Waves._esm"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(wheel) in done.stdout
    assert offline_zip.build(root).read_bytes() == before
    assert not (root / "build").exists()


def test_a_book_that_was_not_built_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be built.*Run make book"):
        offline_zip.build(tmp_path)
