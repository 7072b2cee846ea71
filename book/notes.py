"""What is said in place: definitions of terms, and what a fold holds.

A page that links to a term of the glossary carries its definition, which
`book/_static/notes.js` shows beside the link. Folded cells are named after what they hold.
"""

import json
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

GLOSSARY = "reference/glossary.html"

_ENTRY = re.compile(r'((?:<dt id="term-[^"]+">.*?</dt>\s*)+)<dd>(.*?)</dd>', re.DOTALL)
_TERM = re.compile(r'<dt id="(term-[^"]+)">')
_TAG = re.compile(r"</?(?:a|span)\b[^>]*>")
_USED = re.compile(r'href="[^"]*#(term-[^"]+)"')
_STORED = re.compile(r'<script id="entk-terms"[^>]*>.*?</script>\n?', re.DOTALL)
_PROMPT = "Show code cell"  # how myst-nb's own names begin
_FOLD = re.compile(
    r'(<div class="cell (?P<tags>[^"]*)">\s*)'
    r'<details class="admonition hide (?P<where>[\w-]+)">\s*<summary[^>]*>'
    r"(?:\s*<p[^>]*>(?P<prompt>[^<]*)</p>)?.*?</summary>",
    re.DOTALL,
)


def definitions(glossary: str) -> dict[str, str]:
    """What each term means, as the glossary's page has it.

    Args:
        glossary: HTML.

    Returns:
        For the ``id`` of each term, HTML without links.

    Raises:
        ValueError: If there is none.
    """
    found = {
        term: _TAG.sub("", text).strip()
        for terms, text in _ENTRY.findall(glossary)
        for term in _TERM.findall(terms)
    }
    if not found:
        raise ValueError(
            "the glossary's page must define terms, got none. Has its HTML changed? Look "
            "at _ENTRY in book/notes.py."
        )
    return found


def with_definitions(page: str, known: dict[str, str]) -> str:
    """A page with the definitions of the terms to which it links.

    Args:
        page: HTML.
        known: As `definitions` returns them.

    Returns:
        HTML; the same if it links to none.
    """
    page = _STORED.sub("", page)
    used = {term: known[term] for term in _USED.findall(page) if term in known}
    if not used:
        return page
    stored = json.dumps(used, ensure_ascii=False).replace("</", "<\\/")
    script = f'<script id="entk-terms" type="application/json">{stored}</script>\n'
    head, end, rest = page.rpartition("</body>")
    return head + script + end + rest


def with_named_folds(page: str) -> str:
    """A page whose folded cells say in a word what they hold.

    Args:
        page: HTML.

    Returns:
        HTML. The word is the fold's name for a screen reader, too. A cell that says it by
        itself, as ``code_prompt_show`` in its metadata, keeps its words.
    """

    def named(match: re.Match[str]) -> str:
        if "tag_solution" in match["tags"]:
            kind, name = "solution", "Solution"
        elif match["where"] == "above-output":
            kind, name = "output", "Result"
        else:
            kind, name = "code", "Code"
        prompt = match["prompt"] or _PROMPT
        if not prompt.startswith(_PROMPT):
            name = prompt
        return f'{match[1]}<details class="{kind}"><summary>{name}</summary>'

    return _FOLD.sub(named, page)


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    try:
        known = definitions((out / GLOSSARY).read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise ExtensionError(str(wrong)) from wrong
    for path in out.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        new = with_definitions(with_named_folds(page), known)
        if new != page:
            path.write_text(new, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write into the pages once they are made.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}
