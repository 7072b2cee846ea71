"""The chapters as students get them: no solutions, no outputs.

Usage: python book/student.py OUT_DIR     (a folder that is new or empty)

Outputs are left out because students run the cells themselves, and because a stored figure
or number would give a prediction away before it is made.
"""

import argparse
import base64
import os
import re
import sys
from pathlib import Path

import nbformat
import yaml
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

import address
import normalise

ROOT = Path(__file__).parent.parent
# Code and formulas come first, so that the brackets in them are no links.
_LINK = re.compile(
    r"(?P<ticks>`+).*?(?<!`)(?P=ticks)(?!`)|\$[^$]+\$"
    r'|!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)(?:\s+"[^"]*")?\)',
    re.DOTALL,
)
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<file>[^():\s]+\.svg)\)")


def student_version(root: Path, source: Path) -> nbformat.NotebookNode:
    """A chapter without what students should not see.

    Args:
        root: The book's folder.
        source: The chapter's notebook, which is not touched.

    Returns:
        The student version, normalised.

    Raises:
        ValueError: If a cell looks like a solution and is not tagged as one.
    """
    notebook, _ = TagRemovePreprocessor(remove_cell_tags=["solution"]).preprocess(
        normalise.read(source), {}
    )
    notebook, _ = ClearOutputPreprocessor().preprocess(notebook, {})
    for cell in notebook.cells:
        if re.match(r"\s*# solution\b|\s*<details><summary>What we", cell.source, re.I):
            raise ValueError(
                f"{source.name}, {cell.id}: a solution must be tagged so that students do "
                f"not get it, got the tags {cell.metadata.get('tags', [])}. Add 'solution'."
            )
        if cell.cell_type == "markdown":
            _attach_pictures(cell, source)
            cell.source = _with_links(cell.source, root, source)
    # In Colab it would open the chapter with its solutions.
    colab = f"\n\n[Open this chapter in Colab]({address.read(root).colab(source.stem)})"
    title, _, rest = notebook.cells[0].source.replace(colab, "").partition("\n")
    notebook.cells[0].source = (
        f"{title}\n\n> **Student version** of `{source.relative_to(root).as_posix()}`, "
        "made by `book/student.py`. It has no solutions, and no outputs until you run "
        f"it.\n{rest}"
    )
    return normalise.normalised(notebook)


def _attach_pictures(cell: nbformat.NotebookNode, source: Path) -> None:
    # A student's folder holds notebooks alone, so that their pictures travel in them.
    def attached(match: re.Match[str]) -> str:
        file = source.parent / match["file"]
        content = base64.b64encode(file.read_bytes()).decode()
        cell.setdefault("attachments", {})[file.name] = {"image/svg+xml": content}
        return f"![{match['alt']}](attachment:{file.name})"

    cell.source = _PICTURE.sub(attached, cell.source)


def _with_links(text: str, root: Path, source: Path) -> str:
    # Between chapters links stay. Other pages are there on the site only: without one, the
    # words of the link remain.
    site, chapters = address.read(root).site, address.notebooks(root)
    contents = yaml.safe_load((root / "_toc.yml").read_text())
    pages = [e["file"] for part in contents["parts"] for e in part["chapters"]]

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or re.match(r"#|[a-z]+:", target):
            return match[0]
        file, _, anchor = target.partition("#")
        path = Path(os.path.normpath(source.parent / file))
        if path in chapters:
            return match[0]
        page = os.path.relpath(path.with_suffix(""), root)
        if site and page in [*pages, contents["root"]]:
            return f"[{match['text']}]({site}{page}.html{anchor and '#'}{anchor})"
        return match["text"] or file

    return _LINK.sub(replaced, text)


def write(root: Path, folder: Path) -> list[Path]:
    """Write the student version of every notebook of the book.

    Args:
        root: The book's folder.
        folder: Where to; new or empty, so that no chapter and no student's work is lost.

    Returns:
        The files, in the book's order.

    Raises:
        FileExistsError: If the folder holds anything; nothing is written.
        ValueError: If a solution is not tagged as one; nothing is written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FileExistsError(
            "the folder for the student versions must be new or empty, got "
            f"{folder}. Choose another, or move what is in it: nothing was overwritten."
        )
    texts = {
        folder / source.name: normalise.as_text(student_version(root, source))
        for source in address.notebooks(root)
    }
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def main() -> None:
    """Write the student versions into the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Chapters without solutions and outputs.")
    parser.add_argument("folder", type=Path, help="new or empty")
    try:
        for path in write(ROOT, parser.parse_args().folder):
            print(path)
    except (FileExistsError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
