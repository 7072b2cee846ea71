"""From a chapter's cell to the source: names of studies and figures lead to their code.

`sphinx_codeautolink` links every name in a cell to its entry in the reference. For a
function that makes a chapter's numbers or draws its figure, a reader wants the code: here
these links are turned to the page that `sphinx.ext.viewcode` makes of its module.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

_LINK = re.compile(
    r'(<a class="sphinx-codeautolink-a" href=")[^"]*#'
    r'(entk_book\.(?:studies|figures)\.\w+)\.([\w.]+)(" title=")[^"]*(")'
)


def to_source(page: str) -> str:
    """A chapter's page whose links to studies and figures lead to their source.

    Args:
        page: HTML, as Sphinx has written it into the folder of the chapters.

    Returns:
        HTML.
    """

    def replaced(match: re.Match[str]) -> str:
        start, module, name, middle, end = match.groups()
        target = f"../_modules/{module.replace('.', '/')}.html#{name}"
        return f"{start}{target}{middle}Source of {module}.{name}{end}"

    return _LINK.sub(replaced, page)


def _turn_links(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in (Path(app.outdir) / "chapters").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        if (turned := to_source(page)) != page:
            path.write_text(turned, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Turn the links once they are made.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("build-finished", _turn_links, priority=900)
    return {"parallel_read_safe": True}
