"""One address, everywhere or nowhere; and a cell for Colab that replaces nothing."""

import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from sphinx.errors import ExtensionError

import address
import normalise

URL = "https://github.com/Someone/a-book"
FILES = ("README.md", "CITATION.cff", "pyproject.toml", "_toc.yml")


@pytest.fixture
def tree(tmp_path):
    for name in FILES:
        shutil.copy(address.ROOT / name, tmp_path)
    shutil.copytree(address.ROOT / "chapters", tmp_path / "chapters")
    return tmp_path


def texts(tree):
    return {path: path.read_text() for path in tree.rglob("*") if path.is_file()}


def test_every_place_of_the_book_agrees():
    address.check()


def test_until_it_is_set_nothing_points_at_a_repository(tree):
    address.write(tree, address.parse(""))
    for path, text in texts(tree).items():
        assert not re.search(r"(github\.com|mybinder\.org)/(?!OWNER/NAME)", text), path


@pytest.mark.sweep
def test_setting_and_unsetting_restores_every_byte(tree):
    address.write(tree, address.parse(""))
    before = texts(tree)
    changed = address.write(tree, address.parse(URL, "stable"))
    assert {path.name for path in changed} >= {
        "README.md",
        "CITATION.cff",
        "pyproject.toml",
    }
    assert texts(tree) != before
    address.write(tree, address.parse("", "main"))
    assert texts(tree) == before


def test_a_set_address_stands_everywhere(tree):
    address.write(tree, address.parse(URL, "stable"))
    address.check(tree)
    assert address.read(tree) == address.Address(URL, "stable")
    for path in address.notebooks(tree):
        cells = normalise.read(path).cells
        link = (
            f"{URL.replace('github.com', 'colab.research.google.com/github')}/blob/stable/"
        )
        assert f"({link}chapters/{path.name})" in cells[0].source
        assert f'REPOSITORY, BRANCH = "{URL}", "stable"' in cells[1].source
    assert f"git clone {URL}.git" in (tree / "README.md").read_text()
    cited = yaml.safe_load((tree / "CITATION.cff").read_text())
    assert cited["repository-code"] == URL


# A page of each kind: what points at a repository is made of the page's name alone. The
# chapters' own links are tested above, those of other pages in their sources.
KEPT = (
    *("chapters/05_layerwise", "chapters/preflight"),
    *("reference/glossary", "reference/bibliography"),
)
# Pages that must quote all chapters: their checks stop the build of a book of few.
OF_ALL_CHAPTERS = ("ledger_page", "costs_page", "workshop_pages")


def made_short(root):
    """Leave a few pages of a book's contents."""
    contents = yaml.safe_load((root / "_toc.yml").read_text())
    for part in contents["parts"]:
        part["chapters"] = [one for one in part["chapters"] if one["file"] in KEPT]
        assert part["chapters"]
    (root / "_toc.yml").write_text(yaml.safe_dump(contents))
    config = yaml.safe_load((root / "_config.yml").read_text())
    for name in OF_ALL_CHAPTERS:
        del config["sphinx"]["local_extensions"][name]
    (root / "_config.yml").write_text(yaml.safe_dump(config))


@pytest.mark.slow
def test_a_built_book_points_at_its_own_repository_and_at_no_other(tmp_path):
    copy = tmp_path / "book"
    ignored = shutil.ignore_patterns(".*", "_build", "*.egg-info", "__pycache__")
    shutil.copytree(address.ROOT, copy, ignore=ignored)
    made_short(copy)
    address.write(copy, address.parse(URL))
    tool = Path(sys.executable).parent / "jupyter-book"
    # References to the pages left out have no target: here no warning is an error.
    done = subprocess.run(
        [str(tool), "build", "--quiet", str(copy)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    pages = copy / "_build" / "html"
    pattern = r"https://(?:github\.com|mybinder\.org|colab\.\S+?)/[^\s\"<]*"
    for path in [*pages.rglob("*.html"), *copy.glob("reference/*.md"), copy / "intro.md"]:
        for link in re.findall(pattern, path.read_text()):
            known = "Someone/a-book" in link or "executablebooks" in link
            assert known, f"{path.name}: {link}"
    for path in address.notebooks(copy):
        text = (pages / "chapters" / f"{path.stem}.html").read_text()
        own = f"Someone/a-book/blob/main/chapters/{path.name}"
        links = set(re.findall(r"https://colab[^\s\"]*", text))
        assert links == {f"https://colab.research.google.com/github/{own}"}
        binder = (
            f"mybinder.org/v2/gh/Someone/a-book/main?urlpath=lab/tree/chapters/{path.name}"
        )
        assert binder in text
        assert (
            f'content="https://someone.github.io/a-book/chapters/{path.stem}.html"' in text
        )


def other_owner(text):
    return text.replace("Someone", "SomebodyElse", 1)


@pytest.mark.parametrize(
    "name", ["README.md", "CITATION.cff", "chapters/04_grokking.ipynb"]
)
def test_a_place_that_disagrees_is_named(tree, name):
    address.write(tree, address.parse(URL))
    path = tree / name
    path.write_text(other_owner(path.read_text()))
    with pytest.raises(
        ExtensionError, match=rf"got another in {re.escape(name)}:\d+\. Run"
    ):
        address.check(tree)


def test_a_new_chapter_without_the_cell_is_named_and_refreshed(tree):
    path = tree / "chapters" / "05_layerwise.ipynb"
    notebook = normalise.read(path)
    del notebook.cells[1]
    path.write_text(normalise.as_text(notebook))
    with pytest.raises(ExtensionError, match="05_layerwise"):
        address.check(tree)
    address.write(tree, address.read(tree))
    address.check(tree)


@pytest.mark.parametrize(
    "typed", [f"{URL}.git", f"{URL}/", f" {URL} ", f"{URL}.git/".replace(".git/", "/")]
)
def test_what_people_paste_is_understood(typed):
    assert address.parse(typed).repository == URL


@pytest.mark.parametrize(
    "typed",
    [
        "github.com/Someone/a-book",
        "http://github.com/Someone/a-book",
        "https://gitlab.com/Someone/a-book",
        "https://github.com/Someone",
        "https://github.com/Someone/a-book/tree/main",
        'https://github.com/Someone/"; rm',
    ],
)
def test_another_address_is_refused(typed):
    with pytest.raises(ValueError, match=r"must look like https://github\.com/OWNER/NAME"):
        address.parse(typed)


def test_a_branch_that_is_none_is_refused():
    with pytest.raises(ValueError, match="must be a branch's name"):
        address.parse(URL, "a b")


def test_the_site_is_that_of_the_owner():
    assert address.parse(URL).site == "https://someone.github.io/a-book/"
    assert address.parse("").site == ""


def run_cell(monkeypatch, given, *, in_colab, installed=False, code=0):
    """Run the cell with every outside effect planted; the pip commands that it gave."""
    commands = []

    def run(command):
        commands.append(command)
        return types.SimpleNamespace(returncode=code)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: object() if installed else None
    )
    if in_colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    exec(address.colab_cell(given, "torch 2.4 and numpy 1.24"), {})
    return commands


def test_outside_of_colab_the_cell_installs_nothing(monkeypatch, capsys):
    given = address.parse(URL)
    assert run_cell(monkeypatch, given, in_colab=False, installed=True) == []
    assert capsys.readouterr().out == ""


def test_outside_of_colab_the_cell_says_in_one_sentence_what_is_missing(monkeypatch):
    with pytest.raises(ModuleNotFoundError, match=r"needs the library .*: .*pip install"):
        run_cell(monkeypatch, address.parse(URL), in_colab=False)


def test_the_cell_does_nothing_where_the_library_is(monkeypatch):
    given = address.parse(URL)
    assert run_cell(monkeypatch, given, in_colab=True, installed=True) == []


def test_in_colab_the_cell_holds_torch_and_numpy_where_they_are(monkeypatch, capsys):
    import numpy
    import torch

    (command,) = run_cell(monkeypatch, address.parse(URL), in_colab=True)
    assert command[:5] == [sys.executable, "-m", "pip", "install", "--quiet"]
    assert command[5:] == [
        f"entk_lib[explorers] @ git+{URL}@main",
        f"torch=={torch.__version__}",
        f"numpy=={numpy.__version__}",
    ]
    assert "stay as they were" in capsys.readouterr().out


def test_in_colab_without_an_address_the_cell_says_what_to_do(monkeypatch):
    with pytest.raises(RuntimeError, match=r"does not know its repository\. Clone it"):
        run_cell(monkeypatch, address.parse(""), in_colab=True)


def test_a_failed_installation_names_the_oldest_versions(monkeypatch):
    with pytest.raises(RuntimeError, match=r"needs torch 2\.4 and numpy 1\.24 or newer"):
        run_cell(monkeypatch, address.parse(URL), in_colab=True, code=1)


def test_the_oldest_versions_are_those_that_are_tried():
    tried = (address.ROOT / "tests" / "oldest.txt").read_text()
    bounds = re.findall(r"(\w+) ([\d.]+)", address.oldest(address.ROOT))
    assert [name for name, _ in bounds] == ["torch", "numpy"]
    for name, bound in bounds:
        assert re.search(rf"^{name}=={re.escape(bound)}\.", tried, re.MULTILINE)


def workflows():
    return sorted((address.ROOT / ".github" / "workflows").glob("*.yml"))


def test_what_the_workflows_and_binder_name_exists():
    targets = re.findall(
        r"^([\w-]+):", (address.ROOT / "Makefile").read_text(), re.MULTILINE
    )
    runs = []
    for path in workflows():
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            runs += [step["run"] for step in job["steps"] if "run" in step]
    text = "\n".join(runs)
    named = re.findall(r"\bmake ([\w-]+)", text)
    assert {"test", "book", "zip", "address"} <= set(named)
    assert set(named) <= set(targets)
    for script in re.findall(r"\bbash (\S+)", text):
        assert (address.ROOT / script).exists()
    # pip takes -r from the file's folder, and -e from where it is run: the repository's.
    folder = address.ROOT / ".binder"
    words = (folder / "requirements.txt").read_text().split()
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert (folder / options["-r"]).samefile(address.ROOT / "requirements.txt")
    assert (address.ROOT / options["-e"] / "pyproject.toml").samefile(
        address.ROOT / "pyproject.toml"
    )


def test_the_weekly_run_takes_every_package_without_its_pin(tmp_path):
    (step,) = (
        step["run"]
        for step in yaml.safe_load(
            (address.ROOT / ".github" / "workflows" / "weekly.yml").read_text()
        )["jobs"]["newest"]["steps"]
        if "newest.txt" in step.get("run", "") and "sed" in step["run"]
    )
    shutil.copy(address.ROOT / "requirements.txt", tmp_path)
    subprocess.run(["bash", "-c", step], cwd=tmp_path, check=True)
    lines = (tmp_path / "newest.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert "torch" in packages
    assert "jupyter-book<2" in packages
    assert not any("==" in line for line in packages)
