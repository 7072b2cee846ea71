"""The workshop's routes and the instructors' notes, from the chapters and their exercises.

As a program it fills the pages. As a Sphinx extension it stops the build of a book in which
they say anything else.

Minutes are worked out, not typed: prose at a speaker's pace, a minute for each code
cell to look at what it shows, and the minutes that an exercise states. The seconds after
which a section's outputs are there were taken when the chapters were last executed.
"""

import importlib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import address
import normalise
from entk_book.exercises import Check
from execute import CLOCK

ROOT = Path(__file__).parent.parent
PAGES = {"routes": "reference/workshop.md", "answers": "reference/instructor_notes.md"}
_OPEN, _CLOSE = "<!-- {}: made by book/workshop_pages.py -->", "<!-- /{} -->"
_WORDS_A_MINUTE = 120
_MINUTES_A_CELL = 0.75  # of some ten lines, its output included
_EXERCISE = re.compile(r"\*\*Exercise (\w+\.\d)\. (.+?)\*\* \(\*(\w+) · (\d+) minutes")


@dataclass
class Part:
    """A section of a chapter, or an exercise.

    Attributes:
        title: Its heading.
        words: Of its prose, without what is folded.
        cells: Code cells, without those that are hidden.
        minutes: What an exercise states; 0 for a section.
        check: The exercise's check, where it has one.
    """

    title: str
    words: int = 0
    cells: int = 0
    minutes: int = 0
    check: Check | None = None

    def takes(self) -> float:
        """Minutes in a workshop."""
        return self.minutes or self.words / _WORDS_A_MINUTE + self.cells * _MINUTES_A_CELL


@dataclass
class Chapter:
    """A notebook as a workshop sees it.

    Attributes:
        title: Its title.
        parts: Sections by heading, exercises by ``exercise N.M``, in order.
    """

    title: str = ""
    parts: dict[str, Part] = field(default_factory=dict)


def chapter(notebook: nbformat.NotebookNode) -> Chapter:
    """Take a notebook apart into sections and exercises.

    Args:
        notebook: A chapter.

    Returns:
        Its parts; solutions and the cell for Colab are left out.
    """
    found = Chapter()
    part = found.parts["top"] = Part("")
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if tags & {"colab", "solution"}:
            continue
        if cell.cell_type == "code":
            part.cells += 1
            if "exercise" in tags:
                part.check = _check(cell.source, notebook)
            continue
        # What is folded is not read in a workshop.
        open_text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
        for line in open_text.splitlines():
            if line.startswith("# "):
                part.title = found.title = line[2:]
            elif line.startswith("## "):
                part = found.parts[line[3:]] = Part(line[3:])
            elif exercise := _EXERCISE.match(line):
                number, title, _, minutes = exercise.groups()
                part = found.parts[f"exercise {number}"] = Part(title, minutes=int(minutes))
            # The link is there only when the repository's address is set.
            if not line.startswith("[Open this chapter in Colab]"):
                part.words += len(line.split())
    return found


def _check(source: str, notebook: nbformat.NotebookNode) -> Check:
    # Chapters import their module of checks once, as `exercises`.
    sources = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    module = re.search(r"from entk_book\.exercises import (\w+) as exercises", sources)
    name = re.search(r"^exercises\.(\w+)\(", source, re.MULTILINE)
    if module is None or name is None:
        raise ExtensionError(
            "a stub of an exercise must end with exercises.NAME(...), and its chapter must "
            f"import a module of entk_book.exercises as exercises, got {source!r}."
        )
    return getattr(importlib.import_module(f"entk_book.exercises.{module[1]}"), name[1])


def chapters(root: Path = ROOT) -> dict[str, Chapter]:
    """All notebooks of the book, by stem."""
    return {p.stem: chapter(normalise.read(p)) for p in address.notebooks(root)}


@dataclass(frozen=True)
class Step:
    """A section or an exercise of a route.

    Attributes:
        stem: The notebook's.
        key: The part's, within its chapter.
        part: The section or exercise.
        start: Minutes since the beginning.
        ready: Seconds from "Run all" in its notebook to its last output; 0 without code.
    """

    stem: str
    key: str
    part: Part
    start: float
    ready: int


@dataclass(frozen=True)
class Route:
    """A way through the book for a workshop of so many minutes."""

    minutes: int
    title: str
    goal: str
    steps: tuple[Step, ...]

    def takes(self) -> float:
        """Minutes in all."""
        return self.steps[-1].start + self.steps[-1].part.takes()


def routes(root: Path = ROOT) -> list[Route]:
    """The routes, with the minutes of each step worked out.

    Args:
        root: The book's folder.

    Returns:
        As in ``book/routes.yml``.

    Raises:
        ExtensionError: If a step names no section or exercise.
    """
    known = chapters(root)
    clock = json.loads((root / CLOCK).read_text(encoding="utf-8"))
    found = []
    for entry in yaml.safe_load((root / "book" / "routes.yml").read_text("utf-8")):
        start, steps = 0.0, []
        for stem, keys in (pair for step in entry["steps"] for pair in step.items()):
            for key in keys:
                parts = known[stem].parts
                if key not in parts:
                    raise ExtensionError(
                        f"a step of book/routes.yml must be one of {', '.join(parts)} in "
                        f"{stem}, got {key!r}. Was a heading changed?"
                    )
                ready = clock.get(stem, {}).get(key, 0)
                steps.append(Step(stem, key, parts[key], start, ready))
                start += parts[key].takes()
        found.append(Route(entry["minutes"], entry["title"], entry["goal"], tuple(steps)))
    return found


def _routes(root: Path) -> str:
    titles = {stem: c.title for stem, c in chapters(root).items()}
    blocks = []
    for route in routes(root):
        takes = math.ceil(route.takes())
        lines = [
            f"## {route.minutes} minutes: {route.title}",
            f"{route.goal} Planned: {takes} minutes, which leaves "
            f"{route.minutes - takes} for questions and latecomers.",
            "| from minute | step | outputs after (s) |\n| --- | --- | --- |",
        ]
        stem = ""
        for step in route.steps:
            if step.stem != stem:
                stem = step.stem
                link = f"[{titles[stem]}](../chapters/{stem}.ipynb)"
                lines[-1] += f"\n| {step.start:.0f} | **{link}** *run all* | {step.ready} |"
            if step.key != "top":
                part, name = step.part, step.part.title
                if part.minutes:
                    name = f"*{_named(step.key)}* {name} ({part.minutes} min)"
                lines[-1] += f"\n| {step.start:.0f} | {name} | {step.ready or ''} |"
        blocks += lines
    return "\n\n".join(blocks)


def _named(key: str) -> str:
    return key.replace("exercise", "Exercise")


def _answers(root: Path) -> str:
    blocks = []
    for stem, found in chapters(root).items():
        checked = {k: p for k, p in found.parts.items() if p.check}
        if not checked:
            continue
        blocks.append(f"### [{found.title}](../chapters/{stem}.ipynb)")
        for key, part in checked.items():
            assert part.check is not None
            lines = [f"{_named(key)}, {part.title}:", ""]
            lines += [f"- *{w.name}.* {w.message}" for w in part.check.wrong]
            blocks.append("\n".join([*lines, f"- *Right.* {part.check.right}"]))
    return "\n\n".join(blocks)


def filled(root: Path = ROOT) -> dict[Path, str]:
    """The pages as they should be, by path."""
    made = {"routes": _routes(root), "answers": _answers(root)}
    return {root / page: _between(root / page, n, made[n]) for n, page in PAGES.items()}


def _between(path: Path, name: str, text: str) -> str:
    old = path.read_text(encoding="utf-8")
    head, found, rest = old.partition(_OPEN.format(name))
    _, closed, tail = rest.partition(_CLOSE.format(name))
    if not found or not closed:
        raise ExtensionError(
            f"{path.name} must hold {_OPEN.format(name)} and {_CLOSE.format(name)}, got "
            f"{'the first' if found else 'none'}. Put them back: the text goes between."
        )
    return f"{head}{found}\n\n{text}\n\n{closed}{tail}"


def check(root: Path = ROOT) -> None:
    """Compare the stored pages with the chapters.

    Args:
        root: The book's folder.

    Raises:
        ExtensionError: If they differ.
    """
    for path, text in filled(root).items():
        if path.read_text(encoding="utf-8") != text:
            raise ExtensionError(
                f"{path.name} must say what the chapters and their checks say, got "
                "something else. Run python book/workshop_pages.py."
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Check the pages before anything is built.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("builder-inited", lambda app: check(Path(app.srcdir)))
    return {"parallel_read_safe": True}


if __name__ == "__main__":
    for page, text in filled().items():
        page.write_text(text, encoding="utf-8")
