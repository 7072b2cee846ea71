"""The reproduction ledger: one page from the tables that the chapters store.

As a program it writes the page. As a Sphinx extension it stops the build of a book whose
page quotes anything but what the chapters printed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import normalise

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "reference" / "ledger.md"
HEAD = ["claim", "published", "here", "agrees?", "agrees if", "source"]
_OPENING = """\
# The reproduction ledger

Every published claim that the chapters put to the test: what was published, what came out
here with its spread over seeds, and the rule by which the two agree. Claims that are this
book's own say "new here" in the last column; for them the rule says when they hold. The
page is made from the tables that the chapters print; the book does not build if it quotes
anything else.

## How a verdict is reached

- **A published number** comes from one more network of the same recipe. It agrees if it
  lies where one more of ours would with a probability of 95 %: in the prediction interval
  of our seeds ({py:func}`~entk_book.studies.spans.predicted`). To ask for the range of
  ten seeds instead would reject nearly one true number in five.
- **A count over seeds** stands for "most seeds" if fewer than half of all seeds would give
  so many less than one time in twenty ({py:func}`~entk_book.studies.spans.in_most`): 5 of 5
  do and 9 of 10, 4 of 5 and 8 of 10 do not. Even "10 of 10" says no more than that at
  least 74 % of all seeds do it.
- **"Every seed"** in a row is a stricter bar, that of the weakest network. It tells nothing
  of the next one.
- **A fitted power** is what its 95 % interval allows.
- **A cliff** is a gap that a spectrum without one would hardly ever have at that place
  ({py:func}`~entk_lib.cliff_chance`). Where only the ratio of two eigenvalues counts, the
  row says so.
- **A choice made after looking**, of a threshold, a span or a quantity, is said to be one,
  and scored on seeds that were not looked at: in chapters 3, 4, 6, 7 and 9. Chapter 2 chose
  how it rescales by importance on one seed of ten, chapter 8 its rule for the peak on three
  settings of eighteen.
- **No rule is better than its rival.** What holds without a derivative, too, says nothing
  for the kernel.
"""
NEW = "new here"


@dataclass(frozen=True)
class Table:
    """A chapter's table of claims.

    Attributes:
        chapter: The notebook's stem.
        title: The chapter's title.
        section: Heading above the cell that made the table.
        cell: Number of that cell, as a notebook counts executions.
        rows: The cells of the table's rows, with those of later tables in the section.
    """

    chapter: str
    title: str
    section: str
    cell: int
    rows: list[list[str]]


def tables(notebook: nbformat.NotebookNode, chapter: str) -> list[Table]:
    """The tables of claims that a chapter stores.

    Args:
        notebook: A notebook of format 4, executed.
        chapter: Its stem, for links.

    Returns:
        Tables in the order of the chapter.
    """
    title, section, found = chapter, "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^(#+) (.+)$", cell.source, re.MULTILINE)
            for level, text in headings:
                title, section = (text, section) if level == "#" else (title, text)
            continue
        for output in cell.outputs:
            text = output.get("data", {}).get("text/markdown", "")
            head, _, *rows = [_cells(line) for line in text.splitlines()] or [[], []]
            if head == HEAD and found and found[-1].section == section:
                found[-1].rows.extend(rows)
            elif head == HEAD:
                found.append(Table(chapter, title, section, cell.execution_count, rows))
    return found


def _cells(line: str) -> list[str]:
    return [text.strip() for text in line.strip().strip("|").split("|")]


def chapters(root: Path) -> list[Path]:
    """The chapters of the book, in the order of its contents."""
    contents = yaml.safe_load((root / "_toc.yml").read_text())
    entries = [e["file"] for part in contents["parts"] for e in part["chapters"]]
    files = [root / f"{entry}.ipynb" for entry in entries]
    return [file for file in files if file.exists()]


def page(root: Path = ROOT) -> str:
    """The page's text, from the stored chapters.

    Args:
        root: The book's folder.

    Returns:
        Markdown.
    """
    every = [t for p in chapters(root) for t in tables(normalise.read(p), p.stem)]
    rows = [(table, row) for table in every for row in table.rows]
    published = [(table, row) for table, row in rows if row[5] != NEW]
    new = [(table, row) for table, row in rows if row[5] == NEW]
    parts = [
        _OPENING,
        *_summary(f"{len(published)} published claims", "agree", published),
        *(_summary(f"{len(new)} claims that are new here", "hold", new) if new else []),
    ]
    for table in every:
        lines = [HEAD, ["---"] * len(HEAD), *table.rows]
        parts += [
            f"## {table.title}",
            f"Made by cell {table.cell}, in {_link(table)}.",
            "\n".join("| " + " | ".join(line) + " |" for line in lines),
        ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _summary(what: str, verb: str, rows: list[tuple[Table, list[str]]]) -> list[str]:
    """How many claims stand, and those that do not."""
    failed = [(table, row) for table, row in rows if row[3] != "yes"]
    if not failed:
        return [f"{what}: all of them {verb}."]
    return [
        f"{what}, {len(rows) - len(failed)} {verb}, {len(failed)} do not:",
        "\n".join(
            f"- {row[0]}: {'' if row[5] == NEW else f'published {row[1]}, '}here {row[2]} "
            f"({_link(table)})"
            for table, row in failed
        ),
    ]


def _link(table: Table) -> str:
    anchor = re.sub(r"[^\w\- ]", "", table.section.lower()).replace(" ", "-")
    return f"[{table.section}](../chapters/{table.chapter}.ipynb#{anchor})"


def check(root: Path = ROOT) -> None:
    """Compare the stored page with the chapters.

    Args:
        root: The book's folder.

    Raises:
        ExtensionError: If they differ; names the first line that does.
    """
    expected = page(root).splitlines()
    stored = (root / PAGE.relative_to(ROOT)).read_text(encoding="utf-8").splitlines()
    if stored == expected:
        return
    length = max(len(stored), len(expected))
    padded = zip(
        stored + [""] * (length - len(stored)),
        expected + [""] * (length - len(expected)),
        strict=True,
    )
    number, (got, wanted) = next(
        (i, pair) for i, pair in enumerate(padded, 1) if pair[0] != pair[1]
    )
    raise ExtensionError(
        f"the ledger must quote what the chapters printed, {wanted!r}, got {got!r} in line "
        f"{number} of {PAGE.relative_to(ROOT)}. Run python book/ledger_page.py."
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Check the page before anything is built.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("builder-inited", lambda app: check(Path(app.srcdir)))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
