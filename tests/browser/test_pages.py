"""Every page of the built book in a browser, from its file, with a network that hangs."""

import html
import re
import string
import zipfile
from importlib import resources
from pathlib import Path

import pytest
import yaml
from fontTools.ttLib import TTFont

import offline_zip

ROOT = Path(__file__).parents[2]
_CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [_CONTENTS["root"] + ".html"] + [
    f"{entry['file']}.html" for part in _CONTENTS["parts"] for entry in part["chapters"]
]
# The source of a study and of the method, as the chapters link to them.
SOURCES = [
    "_modules/entk_book/studies/adders.html",
    "_modules/entk_lib/kernels/empirical.html",
]
# Pages on which the colours of code and of signatures are looked at.
WITH_CODE = {"chapters/template.html", "reference/api.html", SOURCES[0]}
WITHOUT_FIGURES = {"chapters/preflight.html", "chapters/template.html"}
PHONE = 390
# The narrowest phone; and 640 pixels of layout are what a 1280 pixel window zoomed to
# 200 % has.
WIDTHS = (640, PHONE, 320)
# Of a page and all that it loads, before compression.
MEGABYTES = 2

# What axe finds that is not ours to mend, and whose it is.
NOT_OURS = {
    "region": "the theme puts its dialogs outside of landmarks",
    "aria-allowed-role": "docutils gives entries of a bibliography a role of their own",
    "aria-deprecated-role": "the same role",
    "aria-required-children": "docutils says that a bibliography is a list",
}


def violations(page, only=None, *, code=False):
    """What axe-core finds by all rules or one, as (rule, selector, element) triples.

    A page has thousands of words of code and of signatures, in the same dozen colours on
    every page: with ``code``, they are looked at, too.
    """
    source = resources.files("axe_playwright_python") / "axe.min.js"
    page.wait_for_timeout(500)  # the theme fades its colours in
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(source.read_text("utf-8"))
    options = {"preload": False, **({"runOnly": [only]} if only else {})}
    where = {"exclude": [] if code else [["div.highlight"], ["dl.py"]]}
    found = page.evaluate(
        "([where, options]) => axe.run(where, options).then((r) => r.violations)",
        [where, options],
    )
    return [
        (one["id"], " ".join(map(str, node["target"])), node["html"][:160])
        for one in found
        for node in one["nodes"]
    ]


def ours(page, selector):
    """Whether an element lies in our content rather than in the theme's frame."""
    return page.evaluate(
        "(s) => Boolean(document.querySelector(s)?.closest('article.bd-article'))",
        selector,
    )


def at_once(opened):
    """Text that a reader has before anything that the page asks for is answered."""
    heading = opened.page.locator("article h1").first
    if not heading.is_visible():
        yield "no heading is visible at once"
    if len(opened.page.locator("article p, article pre").first.inner_text()) < 20:
        yield "no text is there at once"


def in_colours(opened, *, code):
    """What axe finds, in the light theme, and of colours in the dark one."""
    for scheme, only in (("light", None), ("dark", "color-contrast")):
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.wait_for_function(
            "(scheme) => document.documentElement.dataset.theme == scheme", arg=scheme
        )
        for rule, where, element in violations(opened.page, only, code=code):
            if rule not in NOT_OURS or (rule == "region" and ours(opened.page, where)):
                yield f"axe, {scheme}: {rule} at {where}: {element}"


def in_width(opened):
    """Whether the page scrolls sideways, on phones and zoomed to 200 %."""
    for width in WIDTHS:
        opened.page.set_viewport_size({"width": width, "height": 900})
        wide = opened.page.evaluate("document.scrollingElement.scrollWidth")
        if wide > width:
            yield f"{wide} pixels wide in a window of {width}"


def in_weight(opened):
    """Whether the page, with what it loads and all its figures, is light."""
    megabytes = opened.weight() / 1e6
    print(f"{opened.page.url}: {megabytes:.2f} MB in {len(opened.files)} files and figures")
    if megabytes > MEGABYTES:
        yield f"weighs {megabytes:.2f} MB, more than {MEGABYTES}"


def of_a_chapter(opened):
    """Copy buttons and neighbours, which a chapter has."""
    cells = opened.page.locator("article div.cell_input").count()
    buttons = opened.page.locator("article div.cell_input button.copybtn").count()
    if not buttons == cells > 0:
        yield f"{cells} cells have {buttons} copy buttons"
    if opened.page.locator("a.left-prev, a.right-next").count() not in (1, 2):
        yield "no neighbouring page is linked"


def problems(opened, *, chapter=False, code=False):
    """Everything that is wrong with a page, from one load of it."""
    found = list(at_once(opened))
    opened.page.wait_for_timeout(300)
    if opened.outside:  # what it waits for never comes
        return [*found, *(f"asks for {url} outside" for url in opened.outside)]
    opened.settle()
    found += in_weight(opened)
    if chapter:
        found += of_a_chapter(opened)
    found += in_colours(opened, code=code)
    found += in_width(opened)
    found += [f"asks for {url} outside" for url in opened.outside]
    return found + opened.problems


@pytest.mark.parametrize("name", [*PAGES, *SOURCES])
def test_a_page_is_as_it_should_be(visit, name):
    chapter, code = name.startswith("chapters/"), name in WITH_CODE
    assert problems(visit(name), chapter=chapter, code=code) == []


def test_what_is_not_ours_is_still_there(visit):
    found = set()
    for name in ("intro.html", "reference/bibliography.html"):
        found |= {rule for rule, *_ in violations(visit(name).settle().page)}
    assert found == set(NOT_OURS)


@pytest.mark.parametrize("name", [p for p in PAGES if p.startswith("chapters/")])
def test_figures_are_there_without_javascript(book, name):
    page = (book / name).read_text()
    article = page[page.index("<article") : page.index("</article>")]
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', article)
    assert bool(pictures) is (name not in WITHOUT_FIGURES)
    for source in pictures:
        file = (book / name).parent / source
        assert source.startswith("data:") or file.stat().st_size > 1000


@pytest.mark.parametrize("scripts", [True, False])
def test_maths_is_typeset_without_a_network_or_a_script(visit, scripts):
    page = visit("chapters/01_tangent_kernel.html", scripts=scripts).settle().page
    formulas = page.locator("article math")
    assert formulas.count() > 10
    assert "\\(" not in page.locator("article").inner_text()
    fraction = page.locator("article div.math mfrac").first.bounding_box()
    letter = page.locator("article span.math mi").first.bounding_box()
    assert fraction["height"] > 1.5 * letter["height"]
    loaded = "[...document.fonts].filter((f) => f.status == 'loaded').map((f) => f.family)"
    page.wait_for_timeout(500)
    assert any("Tangent Maths" in family for family in page.evaluate(loaded))


def test_the_font_has_every_character_of_every_formula(book):
    font = TTFont(book / "_static" / "fonts" / "maths.woff")
    # And a sign that nobody sees: what is before it is applied to what follows.
    known = {*map(chr, font.getBestCmap()), *string.whitespace, "\u2061"}
    for path in book.rglob("*.html"):
        found = re.findall(r"<math.*?</math>", path.read_text(), re.DOTALL)
        letters = set(html.unescape(re.sub(r"<[^>]*>", "", "".join(found))))
        assert letters <= known, f"{path.name}: {letters - known}"


def test_without_javascript_folds_open(visit):
    page = visit("chapters/01_tangent_kernel.html", scripts=False).settle().page
    for name in ("Solution", "What we would try"):
        fold = page.locator("article details", has=page.locator("summary", has_text=name))
        inside = fold.first.locator("pre, p").first
        assert not inside.is_visible()
        fold.first.locator("summary").click()
        assert inside.is_visible()


def test_a_term_says_in_place_what_it_means(visit):
    opened = visit("reference/glossary.html").settle()
    link = opened.page.locator('article dd a[href$="#term-overlap"]').first
    note = opened.page.locator("#entk-note")
    meaning = opened.page.locator("#term-overlap + dd").inner_text().strip()[:40]
    assert note.is_hidden()
    link.hover()
    assert note.inner_text().strip().startswith(meaning)
    opened.page.keyboard.press("Escape")
    assert note.is_hidden()
    opened.page.mouse.move(2, 2)
    link.focus()
    assert note.is_visible()
    assert link.get_attribute("aria-describedby") == "entk-note"
    assert opened.problems == []


def test_a_citation_says_on_a_tap_what_it_is_and_leads_there_on_the_next(browser, book):
    context = browser.new_context(has_touch=True, viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto((book / "chapters" / "01_tangent_kernel.html").as_uri())
    link = page.locator('article a[href*="bibliography.html#"]').first
    link.tap()
    note = page.locator("#entk-note")
    assert "Neural tangent kernel" in note.inner_text()
    assert note.bounding_box()["x"] >= 0
    assert note.bounding_box()["x"] + note.bounding_box()["width"] <= 320
    link.tap()
    page.wait_for_url("**/bibliography.html#*")
    context.close()


def test_every_sound_plays_without_a_kernel_on_a_phone(visit):
    opened = visit("chapters/10_pitch.html", width=PHONE).settle()
    played = opened.page.evaluate(
        """() => Promise.all([...document.querySelectorAll('article audio')].map(
            async (player) => {
                player.muted = true;
                await player.play();
                const inside = player.getBoundingClientRect().right <= innerWidth;
                return player.controls && inside && player.duration;
            }))"""
    )
    assert len(played) == 3  # three tones, and a scale before and after the edit
    assert all(0.4 < seconds < 10 for seconds in played)
    assert opened.outside == []


@pytest.mark.parametrize(
    ("term", "expected"),
    [("cliff", "The tangent kernel"), ("laplacian", "The waves"), ("tail", "Grokking")],
)
def test_the_search_finds_terms(visit, book, browser, term, expected):
    opened = visit("search.html")
    opened.page.goto(f"{(book / 'search.html').as_uri()}?q={term}")
    opened.page.wait_for_selector("#search-results li a", timeout=10_000)
    opened.page.wait_for_timeout(500)
    found = opened.page.locator("#search-results li a").all_inner_texts()
    assert any(expected in text for text in found)


def test_a_page_that_does_not_exist_says_so(browser, server, book):
    page = browser.new_page()
    page.goto(f"{server}/404.html")
    assert "does not exist" in page.locator("article h1").inner_text()
    page.get_by_role("link", name="Features in superposition").first.click()
    assert "superposition" in page.locator("article h1").inner_text()
    page.close()


def test_a_chapter_prints(visit, tmp_path):
    import pypdf

    opened = visit("chapters/01_tangent_kernel.html").settle()
    opened.page.wait_for_function(
        "[...document.images].every((image) => image.complete && image.naturalWidth)"
    )
    path = tmp_path / "chapter.pdf"
    opened.page.pdf(path=path, format="A4")
    pages = pypdf.PdfReader(path).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert "Further reading" in text
    assert "Skip to main content" not in text
    # What is folded on the screen is unfolded, and figures far down are there.
    assert "def untrained" in text or "Solution" in text
    assert (
        sum(len(page.images) for page in pages) >= opened.page.locator("figure img").count()
    )
    print(f"{len(pages)} pages")
    assert len(pages) < 40
    assert all(len(page.extract_text()) > 40 or len(page.images) for page in pages)


def test_the_zip_unpacked_elsewhere_opens_without_a_network(visit, book, tmp_path):
    with zipfile.ZipFile(offline_zip.build(ROOT)) as packed:
        packed.extractall(tmp_path)
    opened = visit("index.html", folder=tmp_path / offline_zip.NAME / "book").settle()
    opened.page.get_by_role("link", name="Features in superposition").first.click()
    opened.settle()
    assert opened.page.url.startswith(tmp_path.as_uri())
    assert "superposition" in opened.page.locator("article h1").inner_text()
    assert opened.page.locator("article math").count() > 5
    assert opened.outside == []
    assert opened.problems == []


DAMAGE = {
    "an image from outside": (
        '<img src="https://example.org/x.png" alt="something" width="5">',
        "outside",
    ),
    "a wide table": ('<div style="width:800px;height:5px">wide</div>', "pixels wide"),
    "an image without alt text": (
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
        "image-alt",
    ),
    "grey on grey": ('<p style="color:#999;background:#888">faint</p>', "color-contrast"),
    "a page that is too heavy": (f"<!-- {' ' * 2_000_000} -->", "weighs"),
    "a script that fails": (
        "<script>notDefinedAnywhere()</script>",
        "notDefinedAnywhere",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_page_is_noticed(visit, book, kind):
    added, told = DAMAGE[kind]
    source = (book / "reference" / "glossary.html").read_text()
    damaged = book / "reference" / "damaged.html"
    end = source.index("</h1>", source.index('class="bd-article"'))
    damaged.write_text(f"{source[:end]}</h1>{added}{source[end:].removeprefix('</h1>')}")
    assert any(told in problem for problem in problems(visit("reference/damaged.html")))


def test_a_damaged_chapter_is_noticed(visit, book):
    source = (book / "chapters" / "preflight.html").read_text()
    damaged = book / "chapters" / "damaged.html"
    damaged.write_text(re.sub(r"copybutton\.js|left-prev|right-next", "gone", source))
    found = problems(visit("chapters/damaged.html"), chapter=True)
    assert any("copy buttons" in problem for problem in found)
    assert any("neighbouring" in problem for problem in found)
