"""What the built site needs beyond jupyter-book: maths without a network, and no Thebe."""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

# Of the package's 24 MB, what a page with formulas loads.
_MATHJAX = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def _mathjax_folder() -> Path:
    # Its name has dashes: it can be found, but not be written in an import statement.
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "maths in the pages needs sphinx-mathjax-offline, which is not installed. Run "
            "pip install --requirement requirements.txt."
        )
    return Path(found.origin).parent / "static" / "mathjax"


def _configure(app: Sphinx, config: Config) -> None:
    config.mathjax_path = "mathjax/tex-chtml.js"
    # Jupyter-book loads Thebe's settings on every page, twice, with somebody else's
    # repository in them; no page of this book uses it.
    for listeners in app.events.listeners.values():
        listeners[:] = [
            one for one in listeners if one.handler.__module__ != "sphinx_thebe"
        ]
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def _copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    source, target = _mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for part in _MATHJAX:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / part, target / part)


def setup(app: Sphinx) -> dict[str, bool]:
    """Configure once jupyter-book has done so, and copy MathJax at the end.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("config-inited", _configure, priority=900)
    app.connect("build-finished", _copy_mathjax)
    return {"parallel_read_safe": True}
