"""What a workshop needs beside the notebooks: slides, a handout, and a feedback form.

As a Sphinx extension it puts them beside the built pages, each one file that needs nothing
else. `book/paper.py` prints them.
"""

import base64
import html
from dataclasses import dataclass
from pathlib import Path

import yaml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parent.parent
PAGES = ("slides.html", "handout.html", "feedback.html")
_SLIDE = """\
<section id="{number}" aria-label="{number} of {count}">
<{level}>{title}</{level}>
<figure><img src="{picture}" alt="{alt}"></figure>
<p class="said">{text}</p>
<aside>{notes}</aside>
<footer><span>Features in the Tangent Kernel</span><span>{number} / {count}</span></footer>
</section>"""


@dataclass(frozen=True)
class Slide:
    """A picture, what is written under it, and what is said.

    Attributes:
        title: A few words.
        picture: Its name in ``book/pictures.yml``.
        alt: What the picture shows, for those who do not see it.
        text: A sentence or two.
        notes: For the speaker.
    """

    title: str
    picture: str
    alt: str
    text: str
    notes: str


def slides(root: Path = ROOT) -> list[Slide]:
    """The slides as ``book/room/slides.yml`` has them.

    Args:
        root: The book's folder.

    Returns:
        In order; each with its picture's description.

    Raises:
        ValueError: If a slide lacks a text, or its picture a description.
    """
    entries = yaml.safe_load((root / "book/room/slides.yml").read_text("utf-8"))
    drawn = yaml.safe_load((root / "book/pictures.yml").read_text("utf-8"))
    alts = {e["chapter"]: e["alt"] for e in drawn["chapters"]}
    alts |= {e["scheme"]: e["alt"] for e in drawn["schemes"]}
    found = []
    for entry in entries:
        given = {name for name, value in entry.items() if value}
        if given != {"title", "picture", "text", "notes"} or entry["picture"] not in alts:
            raise ValueError(
                "a slide must have a title, a picture that book/pictures.yml describes, a "
                f"text and notes, got {entry}."
            )
        found.append(Slide(**entry, alt=" ".join(alts[entry["picture"]].split())))
    return found


def deck(root: Path = ROOT) -> str:
    """All slides as one page that needs no other file.

    Args:
        root: The book's folder.

    Returns:
        HTML.
    """
    every = slides(root)
    parts = [
        _SLIDE.format(
            number=number,
            count=len(every),
            level="h1" if number == 1 else "h2",
            title=html.escape(slide.title),
            picture=_as_data(root / "book/_static/pictures" / f"{slide.picture}.svg"),
            alt=html.escape(slide.alt),
            text=html.escape(slide.text),
            notes=html.escape(slide.notes),
        )
        for number, slide in enumerate(every, 1)
    ]
    frame = (root / "book/room/deck.html").read_text("utf-8")
    return frame.replace("<!-- slides -->", "\n".join(parts))


def write(root: Path, folder: Path) -> None:
    """Write all pages for a room.

    Args:
        root: The book's folder.
        folder: Where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slides.html").write_text(deck(root), encoding="utf-8")
    for name in ("handout.html", "feedback.html"):
        text = (root / "book" / "room" / name).read_text(encoding="utf-8")
        (folder / name).write_text(text, encoding="utf-8")


def _as_data(path: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _beside_the_pages(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        try:
            write(ROOT, Path(app.outdir))
        except (ValueError, OSError) as problem:
            raise ExtensionError(f"the slides cannot be made: {problem}") from problem


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages at the end of a build.

    Args:
        app: Sphinx's application.

    Returns:
        What Sphinx wants to know of an extension.
    """
    app.connect("build-finished", _beside_the_pages)
    return {"parallel_read_safe": True}
