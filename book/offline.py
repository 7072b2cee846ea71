"""What pages ask for: nothing from outside, and of the theme only what they use.

Jupyter-book and its theme bring Thebe, an icon font three times over, a search index to
every page, and maps of their sources. Here they go; `book/_static/icons.css` draws the
icons, and `book/maths.py` sets the formulas.
"""

import re
import shutil
import struct
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

from wide import in_boxes

ICONS = Path(__file__).parent / "_static" / "icons.css"

# The theme's style sheet has the icon font in three pieces, each up to its end here.
_ICON_RULES = re.compile(r"/\*!\s*\* Font Awesome.*?(?=html\{--pst-)", re.DOTALL)
_ICON_SCRIPT = re.compile(r"<script[^>]*/fontawesome\.js[^>]*></script>\n?")
# Only the page of the search searches: the theme's "search as you type" is off.
_SEARCH = re.compile(
    r'<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>\n?'
)
_PICTURE = re.compile(r'<img [^>]*src="([^"]+\.png)"(?![^>]*width=)')
_ICON = re.compile(r"\bfa-([a-z0-9-]+)")
# Of the classes that start like icons: how they are drawn, and how large.
_MANNERS = {"solid", "regular", "brands", "lg", "sm", "fw", "xs", "2x"}


# One rule of a style sheet, with its selectors. What stands in :not() or :is() is not asked
# for, which only keeps more.
_RULE = re.compile(r"(@?[^{};@]+)\{[^{}]*\}")
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_COMMENT = re.compile(r"/\*(?!!).*?\*/", re.DOTALL)
_CLASS = re.compile(r"\.([a-zA-Z_][\w-]*)")
_CLASSES = re.compile(r'class="([^"]*)"')
# Classes whose names the theme's scripts put together out of parts.
_MADE_BY_SCRIPTS = {
    f"bs-tooltip-{side}" for side in ("auto", "top", "bottom", "start", "end")
}


def _configure(app: Sphinx, config: Config) -> None:
    # Jupyter-book loads Thebe's settings on every page, twice, with somebody else's
    # repository in them; no page of this book uses it.
    for listeners in app.events.listeners.values():
        listeners[:] = [
            one for one in listeners if one.handler.__module__ != "sphinx_thebe"
        ]
    styles = app.registry.css_files
    styles[:] = [style for style in styles if style[0] != "sphinx-thebe.css"]


def lighter(page: str, *, searches: bool = False) -> str:
    """A page without scripts that it does not use, and whose figures wait.

    Args:
        page: HTML, as Sphinx has written it.
        searches: Whether it is the page of the search.

    Returns:
        HTML. All figures but the first load when the reader comes near them.
    """
    page = _ICON_SCRIPT.sub("", page)
    if not searches:
        page = _SEARCH.sub("", page)
    head, article, rest = page.partition("<article")
    first, image, others = rest.partition("<img ")
    others = re.sub(r"<img (?!loading=)", '<img loading="lazy" ', others)
    return head + article + first + image + others


def sized(page: str, folder: Path) -> str:
    """A page that knows how large its pictures are before they are there.

    Args:
        page: HTML.
        folder: Where it lies; the pictures are PNG files, named from there.

    Returns:
        HTML. Nothing moves when a picture that has waited comes.
    """

    def with_size(match: re.Match[str]) -> str:
        path = folder / match[1]
        if "width=" in match[0] or not path.is_file():
            return match[0]
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return f'{match[0]} width="{width}" height="{height}"'

    return _PICTURE.sub(with_size, page)


def missing_icons(page: str, styles: str) -> set[str]:
    """Icons of a page that the book's style sheet does not draw.

    Args:
        page: HTML.
        styles: CSS.

    Returns:
        Their names, without ``fa-``.
    """
    used = {
        name
        for classes in re.findall(r'class="([^"]*\bfa-[^"]*)"', page)
        for name in _ICON.findall(classes)
    }
    return used - _MANNERS - set(_ICON.findall(styles))


def used_rules(styles: str, words: set[str]) -> str:
    """A style sheet without rules for classes that no page and no script names.

    Args:
        styles: CSS, with media queries but nothing nested deeper.
        words: Names of classes.

    Returns:
        CSS.
    """

    def kept(match: re.Match[str]) -> str:
        if match[1].lstrip().startswith("@"):
            return match[0]
        selectors = match[1]
        while (plain := _IN_BRACKETS.sub("", selectors)) != selectors:
            selectors = plain
        return (
            match[0]
            if any(set(_CLASS.findall(s)) <= words for s in selectors.split(","))
            else ""
        )

    return _RULE.sub(kept, _COMMENT.sub("", styles))


def _words(out: Path) -> set[str]:
    words = set(_MADE_BY_SCRIPTS)
    for path in out.rglob("*.html"):
        for classes in _CLASSES.findall(path.read_text(encoding="utf-8")):
            words.update(classes.split())
    for path in (out / "_static").rglob("*.js"):
        words.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    return words


def _lighten(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    for path in [*static.rglob("*.map"), *static.glob("scripts/fontawesome.js*")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(static / "vendor" / "fontawesome", ignore_errors=True)
    theme = static / "styles" / "pydata-sphinx-theme.css"
    text = _ICON_RULES.sub("", theme.read_text(encoding="utf-8"))
    if "@font-face" in text:
        raise ExtensionError(
            f"{theme.name} must have no font of its own after its icons are cut, got one. "
            "Has the theme changed? Look at _ICON_RULES in book/offline.py."
        )
    words = _words(out)
    theme.write_text(used_rules(text, words), encoding="utf-8")
    for path in [*static.glob("sphinx-design*.css"), *static.glob("mystnb*.css")]:
        path.write_text(
            used_rules(path.read_text(encoding="utf-8"), words), encoding="utf-8"
        )
    styles, missing = ICONS.read_text(encoding="utf-8"), set()
    for path in out.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        new = lighter(page, searches=path == out / "search.html")
        new = in_boxes(sized(new, path.parent))
        missing |= missing_icons(new, styles)
        if new != page:
            path.write_text(new, encoding="utf-8")
    if missing:
        raise ExtensionError(
            "icons must be drawn in book/_static/icons.css, got none for "
            f"{sorted(missing)}. Add a rule for each."
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Configure once jupyter-book has done so, and lighten the pages at the end.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("config-inited", _configure, priority=900)
    app.connect("build-finished", _lighten)
    return {"parallel_read_safe": True}
