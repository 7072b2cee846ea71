"""The repository's address: it stands in pyproject.toml, and this sets it everywhere else.

Usage: python book/address.py https://github.com/OWNER/NAME [--branch BRANCH]
       python book/address.py --unset
       python book/address.py --refresh     (new chapters get their cell for Colab)
       python book/address.py --check

Until it is set, nothing points at any repository. As a Sphinx extension it stops the build
of a book in which places disagree, and gives the theme its launch buttons.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import tomllib
import yaml
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

import normalise

ROOT = Path(__file__).parent.parent
_OPEN, _CLOSE = "<!-- address: set by book/address.py -->", "<!-- /address -->"
_COLAB = "https://colab.research.google.com/github"
_LINK = re.compile(r"\n\n\[Open this chapter in Colab\]\([^)]*\)")
_CELL_TAGS = ["colab", "remove-cell", "nbval-ignore-output"]


@dataclass(frozen=True)
class Address:
    """Where the repository lives; all empty while that is not set.

    Attributes:
        repository: As in ``https://github.com/OWNER/NAME``, or empty.
        branch: The branch that links point at.
    """

    repository: str
    branch: str

    @property
    def path(self) -> str:
        """As in ``OWNER/NAME``."""
        return self.repository.removeprefix("https://github.com/")

    @property
    def site(self) -> str:
        """Where GitHub Pages publishes the book, or empty."""
        if not self.repository:
            return ""
        owner, name = self.path.split("/")
        return f"https://{owner.lower()}.github.io/{name}/"

    def colab(self, chapter: str) -> str:
        """Colab's address of a chapter, given by its file's stem."""
        return f"{_COLAB}/{self.path}/blob/{self.branch}/chapters/{chapter}.ipynb"


def read(root: Path = ROOT) -> Address:
    """The address as pyproject.toml has it.

    Args:
        root: The book's folder.

    Returns:
        The address.

    Raises:
        ValueError: If it is not one of a repository on GitHub.
    """
    entry = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["book"]
    return parse(entry["repository"], entry["branch"])


def parse(url: str, branch: str = "main") -> Address:
    """An address from what somebody typed.

    Args:
        url: With or without ``.git`` or a slash at the end; may be empty.
        branch: The branch that links point at.

    Returns:
        The address.

    Raises:
        ValueError: If it is not one of a repository on GitHub.
    """
    clean = url.strip().rstrip("/").removesuffix(".git")
    if clean and not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", clean):
        raise ValueError(
            "the repository's address must look like https://github.com/OWNER/NAME, got "
            f"{url!r}. Copy it from the browser's address bar."
        )
    if not re.fullmatch(r"[\w./-]+", branch):
        raise ValueError(f"branch must be a branch's name, got {branch!r}. Try main.")
    return Address(clean, branch)


def notebooks(root: Path) -> list[Path]:
    """The notebooks of the book's contents, in order."""
    parts = yaml.safe_load((root / "_toc.yml").read_text())["parts"]
    files = [root / f"{e['file']}.ipynb" for part in parts for e in part["chapters"]]
    return [file for file in files if file.exists()]


def oldest(root: Path) -> str:
    """The lower bounds of torch and numpy, as in ``torch 2.4 and numpy 1.24``."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    bounds = dict(line.split(">=") for line in project["dependencies"])
    return " and ".join(f"{name} {bounds[name]}" for name in ("torch", "numpy"))


def colab_cell(address: Address, bounds: str) -> str:
    """Source of the cell that installs the library in Colab, and does nothing elsewhere.

    Args:
        address: Of the repository.
        bounds: As `oldest` gives them.

    Returns:
        Python. torch and numpy stay as they are there: pip is held to their versions.
    """
    return f'''\
# In Colab this installs the library. Elsewhere it says if that is missing.
import importlib.util
import sys

REPOSITORY, BRANCH = "{address.repository}", "{address.branch}"
missing = importlib.util.find_spec("entk_book") is None
if missing and "google.colab" not in sys.modules:
    raise ModuleNotFoundError(
        "This notebook needs the library behind the book: in a clone of its "
        "repository run make lab, or pip install '.[explorers]'."
    )
if missing:
    from importlib.metadata import version
    from subprocess import run

    if not REPOSITORY:
        raise RuntimeError(
            "This copy does not know its repository. Clone it, and run "
            "%pip install PATH_OF_THE_CLONE[explorers]"
        )
    kept = [f"{{name}}=={{version(name)}}" for name in ("torch", "numpy")]
    wanted = f"entk_lib[explorers] @ git+{{REPOSITORY}}@{{BRANCH}}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    if run([*pip, wanted, *kept]).returncode:
        raise RuntimeError(
            f"Not installed. Here are {{' and '.join(kept)}}; the library needs "
            "{bounds} or newer. If they are older, choose "
            "Runtime > Change runtime type > a later version."
        )
    print("entk_lib is installed;", " and ".join(kept), "stay as they were.")
# Before torch, whose threads then wait for one another without spinning.
_ = importlib.import_module("entk_book")'''


def with_address(
    notebook: nbformat.NotebookNode, stem: str, address: Address, bounds: str
) -> nbformat.NotebookNode:
    """A chapter with its link and its cell for Colab, and nothing else changed.

    Args:
        notebook: A notebook of format 4 whose first cell is its title.
        stem: Of its file's name.
        address: Of the repository.
        bounds: As `oldest` gives them.

    Returns:
        The chapter, changed in place.
    """
    cells = notebook.cells
    title = _LINK.sub("", cells[0].source)
    if address.repository:
        title += f"\n\n[Open this chapter in Colab]({address.colab(stem)})"
    cells[0].source = title
    if "colab" not in cells[1].metadata.get("tags", []):
        cells.insert(1, nbformat.v4.new_code_cell(metadata={"tags": _CELL_TAGS}))
    cells[1].source = colab_cell(address, bounds)
    cells[1].metadata = nbformat.from_dict(
        {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": _CELL_TAGS}
    )
    return notebook


def readme_block(address: Address) -> str:
    """The lines of README that hold links to the repository."""
    if not address.repository:
        return f"{_OPEN}\n{_CLOSE}"
    name = address.path.split("/")[1]
    binder = f"https://mybinder.org/v2/gh/{address.path}/{address.branch}?urlpath=lab/tree/chapters"
    return (
        f"{_OPEN}\n[Read it online]({address.site}) · [Run it in Colab]"
        f"({address.colab('01_tangent_kernel')}) · [Run it in Binder]({binder})\n\n"
        f"```\ngit clone {address.repository}.git\ncd {name}\n```\n{_CLOSE}"
    )


def wanted(root: Path, address: Address) -> dict[Path, str]:
    """What every file that speaks of the address should hold.

    Args:
        root: The book's folder.
        address: Of the repository.

    Returns:
        Texts by path.
    """
    texts = {}
    for path in notebooks(root):
        notebook = with_address(normalise.read(path), path.stem, address, oldest(root))
        # Not normalised(): a chapter that somebody is writing may hold what it refuses.
        for index, cell in enumerate(notebook.cells):
            cell.id = f"cell-{index}"
        texts[path] = normalise.as_text(notebook)
    readme = root / "README.md"
    pattern = re.compile(re.escape(_OPEN) + ".*?" + re.escape(_CLOSE), re.DOTALL)
    block = readme_block(address)
    texts[readme] = pattern.sub(lambda _: block, readme.read_text())
    citation = root / "CITATION.cff"
    lines = [
        line
        for line in citation.read_text().splitlines()
        if not line.startswith("repository-code:")
    ]
    if address.repository:
        lines.append(f'repository-code: "{address.repository}"')
    texts[citation] = "\n".join(lines) + "\n"
    project = root / "pyproject.toml"
    text = re.sub(
        r'^repository = ".*"$',
        f'repository = "{address.repository}"',
        project.read_text(),
        flags=re.MULTILINE,
    )
    texts[project] = re.sub(
        r'^branch = ".*"$', f'branch = "{address.branch}"', text, flags=re.MULTILINE
    )
    return texts


def write(root: Path, address: Address) -> list[Path]:
    """Set the address everywhere.

    Args:
        root: The book's folder.
        address: Of the repository.

    Returns:
        The files that changed.
    """
    changed = [p for p, text in wanted(root, address).items() if p.read_text() != text]
    for path, text in wanted(root, address).items():
        path.write_text(text, encoding="utf-8")
    return changed


def check(root: Path = ROOT) -> None:
    """Compare every place with pyproject.toml.

    Args:
        root: The book's folder.

    Raises:
        ExtensionError: If one disagrees; names each file with its first wrong line.
    """
    wrong = []
    for path, text in wanted(root, read(root)).items():
        stored, expected = path.read_text().splitlines(), text.splitlines()
        if stored != expected:
            pairs = enumerate(zip(stored, expected, strict=False), 1)
            shorter = min(len(stored), len(expected))
            line = next((i for i, (a, b) in pairs if a != b), shorter)
            wrong.append(f"{path.relative_to(root)}:{line}")
    if wrong:
        raise ExtensionError(
            "the repository's address must be that of pyproject.toml everywhere, got "
            f"another in {', '.join(wrong)}. Run python book/address.py --refresh."
        )


def _configure(app: Sphinx, config: Config) -> None:
    check(Path(app.srcdir))
    address = read(Path(app.srcdir))
    config.ogp_site_url = address.site
    config.notfound_urls_prefix = "/" + "".join(address.site.split("/", 3)[3:])
    if address.repository:
        config.html_theme_options.update(
            repository_url=address.repository,
            repository_branch=address.branch,
            path_to_docs="",
            use_repository_button=True,
            use_issues_button=True,
            launch_buttons={
                "notebook_interface": "jupyterlab",
                "colab_url": "https://colab.research.google.com",
                "binderhub_url": "https://mybinder.org",
            },
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Check the places before anything is built, and configure the theme.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("config-inited", _configure)
    return {"parallel_read_safe": True}


def main() -> None:
    """Set, unset, refresh or check the address."""
    parser = argparse.ArgumentParser(description="The repository's address, everywhere.")
    parser.add_argument("url", nargs="?", help="https://github.com/OWNER/NAME")
    parser.add_argument("--branch", default="main")
    for flag in ("--unset", "--refresh", "--check"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args()
    try:
        if given.check:
            check()
            return
        if not (given.url or given.unset or given.refresh):
            parser.error("give an address, --unset, --refresh or --check")
        address = parse("" if given.unset else given.url or "", given.branch)
        for path in write(ROOT, read() if given.refresh else address):
            print(f"changed {path.relative_to(ROOT)}")
    except (ValueError, ExtensionError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
