"""MathML as browsers need it: letters, columns, spaces, and where a line may end."""

import re
import xml.etree.ElementTree as ET

# Browsers know no mathvariant but "normal": bold letters are characters of their own.
_BOLD = {
    **{chr(ord("A") + i): chr(0x1D400 + i) for i in range(26)},
    **{chr(ord("a") + i): chr(0x1D41A + i) for i in range(26)},
    **{chr(ord("0") + i): chr(0x1D7CE + i) for i in range(10)},
}
# A formula in the text may go on in the next line after one of these.
_BREAKS = set("=≈≠<>≤≥\u223c∝→+\u2212,;")
_LONG = 12
# A formula as the pages have it, with the brackets and stops that touch it.
_START = '<span class="math notranslate nohighlight">'
_TOUCHED = re.compile(
    rf"([(\[\u201c\u2018]*){_START}((?:<math.*?</math>(?:<wbr ?/?>)?)+)</span>"
    r"([.,;:!?)\]\u201d\u2019]*)",
    re.DOTALL,
)
# After one of these, a plus or minus is a sign.
_BEFORE_A_SIGN = set("=≈≠<>≤≥\u223c∝→,;([{⋅")
_ROWS = {"math", "mrow", "mtd", "mstyle"}


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
    return "<wbr/>".join(ET.tostring(part, encoding="unicode") for part in parts)


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


def with_punctuation(page: str) -> str:
    """A page whose formulas keep the brackets and stops that touch them in their line.

    Args:
        page: HTML.

    Returns:
        HTML.
    """

    def glued(match: re.Match[str]) -> str:
        opening, body, closing = match.groups()
        if not (opening or closing):
            return match[0]
        parts = re.split(r"<wbr ?/?>", body)
        parts[0] = opening + parts[0]
        parts[-1] += closing
        for index in {0, len(parts) - 1}:
            parts[index] = f'<span class="keep">{parts[index]}</span>'
        return f"{_START}{'<wbr/>'.join(parts)}</span>"

    return _TOUCHED.sub(glued, page)
