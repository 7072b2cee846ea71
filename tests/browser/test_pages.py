"""Every page of the built book in a browser, from its file, with a network that hangs."""

import zipfile
from importlib import resources
from pathlib import Path

import pytest
import yaml

import offline_zip

ROOT = Path(__file__).parents[2]
_CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [_CONTENTS["root"] + ".html"] + [
    f"{entry['file']}.html" for part in _CONTENTS["parts"] for entry in part["chapters"]
]
CHAPTERS = [page for page in PAGES if page.startswith("chapters/")]
WITHOUT_FIGURES = {"chapters/preflight.html", "chapters/template.html"}
PHONE = 390

# What axe finds that is not ours to mend, and whose it is.
NOT_OURS = {
    "region": "the theme puts its dialogs outside of landmarks",
    "aria-allowed-role": "docutils gives entries of a bibliography a role of their own",
    "aria-deprecated-role": "the same role",
    "aria-required-children": "docutils says that a bibliography is a list",
}


def violations(page):
    """What axe-core finds, as (rule, selector) pairs."""
    source = resources.files("axe_playwright_python") / "axe.min.js"
    page.wait_for_timeout(500)  # the theme fades its colours in
    page.evaluate(source.read_text("utf-8"))
    found = page.evaluate("() => axe.run().then((result) => result.violations)")
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


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_readable_at_once_and_asks_for_nothing_outside(visit, name):
    opened = visit(name)
    # The document is parsed; nothing that it might have asked for has been answered.
    heading = opened.page.locator("article h1").first
    assert heading.is_visible()
    assert len(opened.page.locator("article p").first.inner_text()) > 20
    opened.settle()
    assert opened.outside == []
    assert opened.problems == []


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(visit, name):
    # 640 pixels of layout are what a 1280 pixel window zoomed to 200 % has.
    for width in (PHONE, 640):
        opened = visit(name, width=width).settle()
        wide = opened.page.evaluate("document.scrollingElement.scrollWidth")
        assert wide <= width, f"{wide} pixels wide in a window of {width}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_in_our_content(visit, name, scheme):
    page = visit(name, scheme=scheme).settle().page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    found = violations(page)
    assert [one for one in found if one[0] not in NOT_OURS] == []
    assert not any(ours(page, where) for rule, where, _ in found if rule == "region")


def test_what_is_not_ours_is_still_there(visit):
    found = set()
    for name in ("intro.html", "reference/bibliography.html"):
        found |= {rule for rule, *_ in violations(visit(name).settle().page)}
    assert found == set(NOT_OURS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_javascript_text_and_figures_are_there(visit, name):
    page = visit(name, scripts=False).page
    page.wait_for_load_state("load")
    assert page.locator("article h1").first.is_visible()
    pictures = page.locator("article img")
    n_pictures = pictures.count()
    n_loaded = sum(
        pictures.nth(i).evaluate("(img) => img.complete && img.naturalWidth > 100")
        for i in range(n_pictures)
    )
    assert n_pictures == n_loaded
    assert (n_pictures > 0) is (name not in WITHOUT_FIGURES)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_weighs_at_most_three_megabytes(visit, name):
    opened = visit(name).settle()
    opened.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    megabytes = opened.gzipped() / 1e6
    print(f"{name}: {megabytes:.2f} MB gzipped in {len(opened.files)} files")
    assert megabytes <= 3


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_copy_buttons_and_neighbours(visit, name):
    page = visit(name).settle().page
    cells = page.locator("article div.cell_input").count()
    assert page.locator("article div.cell_input button.copybtn").count() == cells > 0
    assert page.locator("a.left-prev, a.right-next").count() in (1, 2)


@pytest.mark.parametrize("name", ["chapters/01_tangent_kernel.html"])
def test_maths_is_typeset_without_a_network(visit, name):
    page = visit(name).settle().page
    assert page.locator("mjx-container").count() > 10
    assert page.locator("mjx-merror").count() == 0
    loaded = "(font) => font.family.startsWith('MJX') && font.status == 'loaded'"
    page.wait_for_function(f"() => [...document.fonts].some({loaded})", timeout=5000)


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
    path = tmp_path / "chapter.pdf"
    opened.page.pdf(path=path, format="A4")
    pages = pypdf.PdfReader(path).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert "Further reading" in text
    assert "Skip to main content" not in text
    print(f"{len(pages)} pages")
    assert len(pages) < 40
    assert all(len(page.extract_text()) > 40 or len(page.images) for page in pages)


def test_the_zip_unpacked_elsewhere_opens_without_a_network(visit, book, tmp_path):
    with zipfile.ZipFile(offline_zip.build(book.parents[1])) as packed:
        packed.extractall(tmp_path)
    opened = visit("index.html", folder=tmp_path / offline_zip.NAME / "book").settle()
    opened.page.get_by_role("link", name="Features in superposition").first.click()
    opened.settle()
    assert opened.page.url.startswith(tmp_path.as_uri())
    assert "superposition" in opened.page.locator("article h1").inner_text()
    assert opened.page.locator("mjx-container").count() > 5
    assert opened.outside == []
    assert opened.problems == []


DAMAGE = {
    "an image from outside": (
        '<img src="https://example.org/x.png" alt="something" width="5">',
        lambda v: v.outside,
    ),
    "a wide table": (
        '<div style="width:800px;height:5px">wide</div>',
        lambda v: v.page.evaluate("document.scrollingElement.scrollWidth") > PHONE,
    ),
    "an image without alt text": (
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
        lambda v: any(rule == "image-alt" for rule, *_ in violations(v.page)),
    ),
    "a script that fails": (
        "<script>notDefinedAnywhere()</script>",
        lambda v: v.problems,
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_page_is_noticed(visit, book, kind):
    html, noticed = DAMAGE[kind]
    source = (book / "reference" / "glossary.html").read_text()
    damaged = book / "reference" / "damaged.html"
    end = source.index("</h1>", source.index('class="bd-article"'))
    damaged.write_text(f"{source[:end]}</h1>{html}{source[end:].removeprefix('</h1>')}")
    opened = visit("reference/damaged.html", width=PHONE)
    opened.page.wait_for_timeout(500)
    assert noticed(opened)
