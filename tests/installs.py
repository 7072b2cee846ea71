"""Install the packages in every way that the README names, and use them from elsewhere.

Usage: python tests/installs.py     (in an environment that holds the dependencies)

Each time the packages are taken out, put in by pip, and imported in another folder; a
kernel and a stored network say that code and data have come along. Without the extra, the
explorers must say what is missing.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# Whatever an installation brings along must be as old as what it is tried with.
OLDEST = ("--constraint", ROOT / "tests" / "oldest.txt")
SOURCES = ("entk_lib", "entk_book", "pyproject.toml", "README.md", "LICENSE")

USE = """
import entk_lib, entk_book
from entk_book import ledger, notebooks, stored
from entk_book.studies import adders
from entk_book.exercises import tangent_kernel
assert entk_lib.preflight().ready, entk_lib.preflight()
assert stored.transformer(0)
assert "site-packages" in entk_lib.__file__, entk_lib.__file__
"""
EXPLORERS = "from entk_book import explorers; assert 'render' in explorers.Waves._esm"
NO_EXPLORERS = """
try:
    from entk_book import explorers
except ModuleNotFoundError as error:
    assert "explorers]" in str(error), error
else:
    raise AssertionError("the explorers must need the extra")
"""


def run(*command: object, cwd: Path | None = None) -> None:
    """Run a command, or end with what it said."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def copied(folder: Path) -> Path:
    """The sources in a folder of their own: building leaves files beside them."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder)
    return folder


def built(source: Path, folder: Path) -> dict[str, Path]:
    """A wheel and an sdist of the sources."""
    run(*PIP, "install", "--quiet", "build")
    run(sys.executable, "-m", "build", "--outdir", folder, source)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"a wheel": wheel, "an sdist": sdist}


def main() -> None:
    """Try every way, and say which."""
    with tempfile.TemporaryDirectory() as name:
        source, packed, elsewhere = (Path(name) / part for part in "abc")
        for folder in (source, packed, elsewhere):
            folder.mkdir()
        copied(source)
        run(*PIP, "uninstall", "--quiet", "--yes", "entk_lib", "anywidget")
        plain = {"pip install .": source, **built(source, packed)}
        ways = {name: (target, NO_EXPLORERS) for name, target in plain.items()}
        ways["pip install .[explorers]"] = (f"{source}[explorers]", EXPLORERS)
        for way, (target, explorers) in ways.items():
            run(*PIP, "install", "--quiet", *OLDEST, target)
            run(sys.executable, "-c", USE + explorers, cwd=elsewhere)
            print(f"{way}: installed, and used from another folder", flush=True)
            if way != list(ways)[-1]:
                run(*PIP, "uninstall", "--quiet", "--yes", "entk_lib")


if __name__ == "__main__":
    main()
