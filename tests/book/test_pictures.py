"""The pictures that open the chapters: what is stored, what it says, where it stands."""

import re
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import check
import make_pictures
import normalise
from entk_book.pictures import brand
from entk_book.pictures.style import Canvas, mixed

ROOT = Path(__file__).parents[2]
ENTRIES = make_pictures.entries()
CHAPTERS = [name for name in ENTRIES if name[0].isdigit()]
SCHEMES = [name for name in ENTRIES if name not in CHAPTERS]
# Drawn in a second or two; the others train a network first.
CHEAP = [*SCHEMES, "01_tangent_kernel", "11_grammar"]
SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def stored(name):
    return (make_pictures.STORE / f"{name}.svg").read_text(encoding="utf-8")


def numbers(text):
    return [float(one) for one in NUMBER.findall(text)]


def test_each_chapter_of_the_book_has_a_picture_and_each_file_its_words():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [part["chapters"] for part in contents["parts"] if part.get("numbered")]
    assert [f"chapters/{name}" for name in CHAPTERS] == [one["file"] for one in listed[0]]
    files = {path.stem for path in make_pictures.STORE.glob("*.svg")}
    assert files == set(ENTRIES)


@pytest.mark.parametrize("name", ENTRIES)
def test_a_picture_says_what_it_shows(name):
    words = ENTRIES[name]
    root = ElementTree.fromstring(stored(name))
    assert root.find(f"{SVG}title").text == words["title"]
    assert root.find(f"{SVG}desc").text == words["alt"]
    assert len(words["alt"]) > 80
    assert words["caption"].endswith(".")
    # They stand between brackets, and between stars, in a cell of Markdown.
    assert not set(words["alt"]) & set("[]<>*_`$")
    assert not set(words["caption"]) & set("*_`<>$")


@pytest.mark.parametrize("name", ENTRIES)
def test_its_text_is_text_and_can_be_read(name):
    root = ElementTree.fromstring(stored(name))
    texts = list(root.iter(f"{SVG}text"))
    assert texts
    for text in texts:
        style = text.get("style")
        assert "font-family: Helvetica, Arial, sans-serif" in style
        assert float(re.search(r"font-size: ([\d.]+)px", style)[1]) >= 18
    assert not list(root.iter(f"{SVG}image"))


def test_chapters_share_a_size_and_open_with_their_title():
    for name in CHAPTERS:
        root = ElementTree.fromstring(stored(name))
        assert root.get("viewBox") == "0 0 800 450"
        first = next(root.iter(f"{SVG}text"))
        assert first.text == ENTRIES[name]["title"]
        assert "font-size: 31px" in first.get("style")
        assert len(first.text) <= 40


def test_files_are_small():
    sizes = [len(stored(name).encode()) for name in ENTRIES]
    assert max(sizes) < 60_000
    assert sum(sizes) / len(sizes) < 20_000
    assert len((ROOT / "book/_static/card.png").read_bytes()) < 150_000


@pytest.mark.parametrize("name", CHEAP)
def test_what_is_stored_is_what_is_drawn(name):
    old, new = stored(name), make_pictures.drawn(name)
    assert NUMBER.sub("0", old) == NUMBER.sub("0", new)
    # Last digits differ between machines.
    assert numbers(old) == pytest.approx(numbers(new), abs=0.21)


def test_a_second_run_gives_the_same_bytes():
    first, second = (make_pictures.drawn("scheme_outputs") for _ in range(2))
    assert first == second


def a_canvas():
    canvas = Canvas()
    canvas.headline("A < b & c")
    return canvas


def test_a_canvas_escapes_and_keeps_no_trace_of_its_maker():
    text = a_canvas().svg("a < b", "b & c")
    assert ElementTree.fromstring(text).find(f"{SVG}desc").text == "b & c"
    assert "atplotlib" not in text
    assert "clip" not in text


def test_placed_moves_and_scales_what_is_drawn():
    canvas = Canvas(ground=False)
    with canvas.placed(100, 50, 2):
        canvas.lines([[(10, 20), (30, 20)]], width=3)
    canvas.lines([[(10, 20), (30, 20)]], width=3)
    moved, plain = re.findall(
        r"M([\d.]+) ([\d.]+)L[^\"]*\" style=\"[^\"]*width: (\d)", canvas.svg("", "")
    )[-2:]
    assert moved == ("120", "90", "6")
    assert plain == ("10", "20", "3")


def test_an_arrow_ends_at_its_last_point():
    canvas = Canvas(ground=False)
    canvas.arrow([(10, 10), (90, 10), (100, 10)], head=10)
    tip = re.findall(r"M([\d.]+) ([\d.]+)L", canvas.svg("", ""))[-1]
    assert tip == ("100", "10")


def test_mixed_goes_from_the_ground_to_the_colour():
    assert mixed("#0072B2", 0) == "#ffffff"
    assert mixed("#0072B2", 1) == "#0072b2"
    assert mixed("#000000", 0.5) == "#808080"


@pytest.mark.parametrize("name", ["favicon.svg", "wordmark.svg", "wordmark_dark.svg"])
def test_marks_are_those_that_are_drawn(name):
    content = (ROOT / "book" / "_static" / name).read_text(encoding="utf-8")
    ElementTree.fromstring(content)
    assert content == brand.marks()[name]


@pytest.mark.parametrize(
    ("name", "size"), [("favicon.png", (32, 32)), ("card.png", (1200, 630))]
)
def test_pictures_of_points_have_the_size_that_is_asked_for(name, size):
    content = (ROOT / "book" / "_static" / name).read_bytes()
    assert struct.unpack(">II", content[16:24]) == size


def test_marks_are_where_the_site_looks_for_them():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    options = config["sphinx"]["config"]
    logo = options["html_theme_options"]["logo"]
    named = [config["html"]["favicon"], logo["image_light"], logo["image_dark"]]
    named.append(f"book/{options['ogp_image']}")
    for path in named:
        assert (ROOT / path).is_file(), path


def cards():
    text = (ROOT / "intro.md").read_text(encoding="utf-8")
    pattern = (
        r":link: chapters/(\S+)\n:link-type: doc\n"
        r":img-top: book/_static/pictures/(\S+)\.svg\n:img-alt: (.+)\n"
    )
    return re.findall(pattern, text)


def test_the_front_page_has_a_card_for_each_chapter():
    found = cards()
    assert sorted(chapter for chapter, _, _ in found) == CHAPTERS
    for chapter, picture, alt in found:
        assert chapter == picture
        assert len(alt) > 30


# Where a chapter shows its picture.


@pytest.fixture
def chapter(tmp_path):
    """A chapter that shows no picture yet."""
    path = tmp_path / "02_superposition.ipynb"
    notebook = normalise.read(ROOT / "chapters" / path.name)
    shown = make_pictures.picture_cells(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell not in shown]
    path.write_text(normalise.as_text(normalise.normalised(notebook)), encoding="utf-8")
    return path


def test_insertion_puts_the_picture_under_the_title_and_leaves_the_rest(chapter):
    before = normalise.read(chapter)
    make_pictures.insert(chapter)
    after = normalise.read(chapter)
    assert make_pictures.picture_cells(after) == [after.cells[make_pictures.PLACE]]
    assert after.cells[make_pictures.PLACE].source == make_pictures.markdown(
        "02_superposition"
    )
    rest = [*after.cells[:2], *after.cells[3:]]
    assert [cell.source for cell in rest] == [cell.source for cell in before.cells]
    assert check.problems(after) == []


def test_insertion_twice_is_insertion_once(chapter):
    make_pictures.insert(chapter)
    once = chapter.read_text(encoding="utf-8")
    make_pictures.insert(chapter)
    assert chapter.read_text(encoding="utf-8") == once


def test_insertion_brings_old_words_up_to_date(chapter):
    make_pictures.insert(chapter)
    fresh = chapter.read_text(encoding="utf-8")
    chapter.write_text(
        fresh.replace("A star of 22 arrows", "A star of 7"), encoding="utf-8"
    )
    make_pictures.insert(chapter)
    assert chapter.read_text(encoding="utf-8") == fresh


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_that_shows_its_picture_says_what_is_listed(name):
    notebook = normalise.read(ROOT / "chapters" / f"{name}.ipynb")
    for cell in make_pictures.picture_cells(notebook):
        assert cell.source == make_pictures.markdown(name)
        assert cell == notebook.cells[make_pictures.PLACE]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_scheme_in_a_chapter_says_what_is_listed(name):
    notebook = normalise.read(ROOT / "chapters" / f"{name}.ipynb")
    for cell in notebook.cells:
        for scheme in SCHEMES:
            if f"pictures/{scheme}.svg" in cell.source:
                assert make_pictures.markdown(scheme) in cell.source


def test_the_picture_of_a_cell_is_a_file_beside_the_chapters():
    for name in CHAPTERS:
        path = re.search(r"\]\((\S+)\)", make_pictures.markdown(name))[1]
        assert (ROOT / "chapters" / path).resolve() == make_pictures.STORE / f"{name}.svg"


def test_an_unknown_name_is_refused():
    with pytest.raises(SystemExit, match="12 is no picture"):
        make_pictures.main(["12"])
