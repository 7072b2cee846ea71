"""The whole book as one PDF and one EPUB; slides, handout and form as PDF.

Usage: python book/paper.py     (`make paper` does it; needs Chromium; a few minutes)

Sphinx makes one long page, which Chromium prints: its formulas, tables and figures are then
those of the site. Pages that only a screen can use are left out.
"""

import posixpath
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdf
import yaml
from playwright.sync_api import Page, sync_playwright

import room

ROOT = Path(__file__).parent.parent
NAME = "features-in-the-tangent-kernel"
# References for who sits at a keyboard, and pages to be run.
_NOT_ON_PAPER = {
    *(
        "reference/api",
        "reference/book_package",
        "reference/book_package_late",
        "reference/instructor_notes",
    ),
    *("reference/workshop", "reference/costs"),
    *("chapters/preflight", "chapters/template", "chapters/explorers"),
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
)
_STYLE = """
span[id^="document-"] + section { break-before: page; }
.headerlink, .copybtn, button, .launch-buttons { display: none !important; }
.bd-article, .bd-article :is(p, li, details) { font-size: 10pt !important; }
.bd-article section > :last-child { margin-bottom: 0 !important; }
/* Plumbing is for the screen. */
.tag_hide-input > details { display: none; }
img, figure, .MathJax, math, tr { break-inside: avoid; }
.bd-article table { display: table !important; overflow: visible !important; }
.bd-article table:has(tr:nth-child(9)) { break-inside: auto !important; }
.pst-scrollable-table-container { overflow: visible !important; }
"""
# A page's number has some.
_FEW_LETTERS = 10
_NUMBERS = (
    '<div style="width:100%;text-align:center;font-size:8pt;color:#555">'
    '<span class="pageNumber"></span></div>'
)


def contents(root: Path = ROOT) -> dict:
    """The book's contents without the pages that only a screen can use.

    Args:
        root: The book's folder.

    Returns:
        As ``_toc.yml`` has them.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    for part in toc["parts"]:
        part["chapters"] = [
            entry for entry in part["chapters"] if entry["file"] not in _NOT_ON_PAPER
        ]
    toc["parts"] = [part for part in toc["parts"] if part["chapters"]]
    return toc


def build(root: Path = ROOT) -> list[Path]:
    """Make all papers, in ``_build/paper``.

    Args:
        root: The book's folder.

    Returns:
        The files.

    Raises:
        FileNotFoundError: If there is no Chromium.
        subprocess.CalledProcessError: If Sphinx fails.
    """
    target, work = root / "_build" / "paper", root / "_build" / "for_paper"
    for old in (target, work):  # an earlier page would stay as it was
        shutil.rmtree(old, ignore_errors=True)
    target.mkdir(parents=True)
    work.mkdir(parents=True, exist_ok=True)
    toc = work / "_toc.yml"
    toc.write_text(yaml.safe_dump(contents(root)), encoding="utf-8")
    tool = [str(Path(sys.executable).parent / "jupyter-book"), "build", "--quiet"]
    where = ["--toc", str(toc), "--path-output", str(work), str(root)]
    epub = ["--builder", "custom", "--custom-builder", "epub"]
    for builder in (["--builder", "singlehtml"], epub):
        subprocess.run([*tool, *builder, *where], check=True)
    (made,) = (work / "_build" / "epub").glob("*.epub")
    shutil.copy(made, target / f"{NAME}.epub")
    room.write(root, work / "room")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        page = browser.new_page()
        _print_book(
            page, work / "_build" / "singlehtml" / "intro.html", target / f"{NAME}.pdf"
        )
        for name in room.PAGES:
            page.goto((work / "room" / name).as_uri())
            file = target / Path(name).with_suffix(".pdf")
            page.pdf(
                path=file, prefer_css_page_size=True, print_background=True, tagged=True
            )
        browser.close()
    return sorted(target.iterdir())


def chromium() -> str:
    """Where the browser is.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: If none is installed.
    """
    for name in _BROWSERS:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(
        f"this needs one of {', '.join(_BROWSERS)}, found none. Install Chromium."
    )


def problems_of_epub(path: Path) -> list[str]:
    """What an EPUB lacks: files that its pages name, well-formed pages, a first entry.

    Args:
        path: The file.

    Returns:
        A line for each problem.
    """
    from xml.etree import ElementTree

    found = []
    with zipfile.ZipFile(path) as book:
        names = set(book.namelist())
        first = book.infolist()[0]
        if first.filename != "mimetype" or first.compress_type != zipfile.ZIP_STORED:
            found.append("the first entry must be mimetype, stored")
        for name in sorted(n for n in names if n.endswith((".xhtml", ".opf", ".ncx"))):
            try:
                tree = ElementTree.fromstring(book.read(name))
            except ElementTree.ParseError as error:
                found.append(f"{name} is not well-formed: {error}")
                continue
            folder = Path(name).parent
            for image in tree.iter("{http://www.w3.org/1999/xhtml}img"):
                source = image.get("src", "")
                inside = posixpath.normpath(f"{folder}/{source}")
                if not source.startswith("data:") and inside not in names:
                    found.append(f"{name} shows {source}, which is not in the file")
    return found


def problems_of_pdf(path: Path) -> list[str]:
    """Pages without anything on them.

    Args:
        path: The file.

    Returns:
        A line for each problem.
    """
    found = []
    for number, page in enumerate(pypdf.PdfReader(path).pages, 1):
        drawn = "/XObject" in (page.get("/Resources") or {})
        if len(page.extract_text()) < _FEW_LETTERS and not drawn:
            found.append(f"page {number} is blank")
    return found


def _print_book(page: Page, source: Path, target: Path) -> None:
    page.emulate_media(media="print", color_scheme="light")
    page.goto(source.as_uri())
    page.evaluate("() => window.MathJax?.startup?.promise")
    # Figures that wait for a reader to come near would stay away.
    page.evaluate(
        """() => Promise.all([...document.images].map((image) => {
            image.loading = 'eager';
            return image.decode().catch(() => null);
        }))"""
    )
    page.add_style_tag(content=_STYLE)
    page.pdf(
        path=target,
        format="A4",
        scale=0.85,
        outline=True,
        tagged=True,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=_NUMBERS,
        margin={"top": "16mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
    )


if __name__ == "__main__":
    problems = []
    for file in build():
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
        look = problems_of_epub if file.suffix == ".epub" else problems_of_pdf
        problems += [f"{file.name}: {problem}" for problem in look(file)]
    if problems:
        sys.exit("\n".join(problems))
