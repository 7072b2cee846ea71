"""Run a chapter's cell for Colab under a stand-in for Colab, and compare versions.

Usage: python tests/colab_standin.py chapters/01_tangent_kernel.ipynb

For an environment with other versions of torch and numpy than ours. The library comes from
this checkout's last commit, by git over HTTP from this machine, as it would from the
repository. Ends with an error if torch or numpy were replaced, or the preflight is not
ready afterwards.
"""

import functools
import http.server
import importlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import types
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent


def git(*arguments: str) -> str:
    """What git prints."""
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def serve(folder: str) -> str:
    """The address under which a copy of this checkout's repository is served."""
    git("clone", "--quiet", "--bare", str(ROOT), f"{folder}/book.git")
    git("-C", f"{folder}/book.git", "update-server-info")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/book.git"


def colab_cell(notebook: Path, address: str) -> str:
    """The cell's source, with another repository in it."""
    cells = json.loads(notebook.read_text())["cells"]
    (cell,) = (c for c in cells if "colab" in c["metadata"].get("tags", []))
    commit = git("-C", str(ROOT), "rev-parse", "HEAD")
    line = f'REPOSITORY, BRANCH = "{address}", "{commit}"'
    pattern = re.compile(r"^REPOSITORY, BRANCH = .*$", re.MULTILINE)
    source, n = pattern.subn(line, "".join(cell["source"]))
    if n != 1:
        raise ValueError(f"the cell must have one line with REPOSITORY, got {n}.")
    return source


def versions() -> dict[str, str]:
    """What must stay as it is."""
    return {name: metadata.version(name) for name in ("torch", "numpy")}


def main(notebook: Path) -> None:
    """Uninstall the library, run the cell, compare."""
    pip = [sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", "entk_lib"]
    subprocess.run(pip, check=True)
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    for name in ("google", "google.colab"):
        sys.modules[name] = types.ModuleType(name)
    before = versions()
    with tempfile.TemporaryDirectory() as folder:
        source = colab_cell(notebook, serve(folder))
        exec(compile(source, str(notebook), "exec"), {})
    importlib.invalidate_caches()
    after = versions()
    if before != after:
        sys.exit(f"the cell must leave {before} as they are, got {after}.")
    import entk_lib

    if ROOT in Path(entk_lib.__file__).parents and "site-packages" not in entk_lib.__file__:
        sys.exit(f"the installed library must be imported, got {entk_lib.__file__}.")
    found = entk_lib.preflight()
    print(found)
    if not found.ready:
        sys.exit("the preflight must be ready after the cell.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
