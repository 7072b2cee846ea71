"""The laboratory on the front page: its script and its style, on that page alone.

A file ending in ``.js`` under ``_static`` would be loaded by every page. This Sphinx
extension writes the two files into the built book, and names them on the front page only.
"""

from pathlib import Path

from sphinx.application import Sphinx

from entk_book.explorers import laboratory

_SOURCES = Path(laboratory.__file__).parent / "static"


def _write(app: Sphinx, *_: object) -> list[str]:
    """Write the files, before Sphinx signs their addresses; whether the page is old."""
    if app.builder.name != "html":  # on paper stands the picture
        return []
    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "laboratory.js").write_text(laboratory.page_script(), "utf-8")
    (folder / "laboratory.css").write_text(laboratory.STYLE, "utf-8")
    page = Path(app.outdir) / f"{app.config.root_doc}.html"
    newest = max(path.stat().st_mtime for path in _SOURCES.iterdir())
    old = page.exists() and page.stat().st_mtime < newest
    return [app.config.root_doc] if old else []


def _add(app: Sphinx, page: str, *_: object) -> None:
    if page == app.config.root_doc and app.builder.name == "html":
        app.add_js_file("laboratory.js", loading_method="defer")
        app.add_css_file("laboratory.css")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the files while Sphinx asks which pages are outdated; then name them.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("env-get-outdated", _write)
    app.connect("html-page-context", _add)
    return {"parallel_read_safe": True}
