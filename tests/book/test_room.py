"""What a room gets: twelve slides in one file, a handout, a form without names."""

import base64
import re
import zipfile
from xml.etree import ElementTree

import pypdf
import pytest
import yaml

import paper
import room


@pytest.fixture
def root(tmp_path):
    """A book of one picture and the frame of the slides."""
    (tmp_path / "book" / "room").mkdir(parents=True)
    (tmp_path / "book" / "_static" / "pictures").mkdir(parents=True)
    frame = (room.ROOT / "book" / "room" / "deck.html").read_text()
    (tmp_path / "book" / "room" / "deck.html").write_text(frame)
    (tmp_path / "book/_static/pictures/one.svg").write_text("<svg/>")
    described = {
        "chapters": [{"chapter": "one", "alt": 'a "picture"\nof one'}],
        "schemes": [],
    }
    (tmp_path / "book" / "pictures.yml").write_text(yaml.safe_dump(described))
    return tmp_path


def slides_of(root, *slides):
    (root / "book" / "room" / "slides.yml").write_text(yaml.safe_dump(list(slides)))


SLIDE = {"title": "A < B", "picture": "one", "text": "Said.", "notes": "Ask."}


def test_a_slide_holds_its_picture_its_description_and_escaped_words(root):
    slides_of(root, SLIDE, SLIDE)
    made = room.deck(root)
    assert made.count("<section ") == 2
    assert "<h1>A &lt; B</h1>" in made
    assert "<h2>A &lt; B</h2>" in made
    assert 'alt="a &quot;picture&quot; of one"' in made
    assert base64.b64encode(b"<svg/>").decode() in made


@pytest.mark.parametrize("damage", [{"picture": "two"}, {"text": ""}, {"more": "x"}])
def test_a_slide_without_a_text_or_with_an_unknown_picture_is_refused(root, damage):
    slides_of(root, {**SLIDE, **damage})
    with pytest.raises(ValueError, match="must have a title, a picture"):
        room.deck(root)


def test_the_book_has_twelve_slides_and_each_chapter_a_place_in_them():
    every = room.slides()
    assert len(every) == 12
    shown = {slide.picture for slide in every}
    chapters = {p.stem for p in (room.ROOT / "chapters").glob("[01][0-9]_*.ipynb")}
    # The last slide stands for both networks that others trained.
    assert chapters - shown == {"11_grammar"}
    assert all(len(slide.text.split()) <= 30 for slide in every)


@pytest.mark.parametrize("name", room.PAGES)
def test_a_page_for_the_room_needs_no_other_file(tmp_path, name):
    room.write(room.ROOT, tmp_path)
    text = (tmp_path / name).read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", text)
    assert "<title>" in text
    assert 'lang="en"' in text


def test_the_papers_leave_out_what_only_a_screen_can_use():
    toc = paper.contents()
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    assert "chapters/02_superposition" in files
    assert "reference/glossary" in files
    assert not {"reference/api", "chapters/explorers"} & set(files)


def epub(tmp_path, **files):
    path = tmp_path / "book.epub"
    with zipfile.ZipFile(path, "w") as book:
        for name, text in files.items():
            book.writestr(name.replace("_", "."), text)
    return path


PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><img src="{}"/></html>'


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"mimetype": "", "a_xhtml": PAGE.format("b.png")}, "shows b.png, which is not"),
        ({"mimetype": "", "a_xhtml": "<p>"}, "not well-formed"),
        ({"a_xhtml": PAGE.format("data:x")}, "first entry"),
        ({"mimetype": "", "a_xhtml": PAGE.format("b.png"), "b_png": "x"}, None),
        ({"mimetype": "", "a/a_xhtml": PAGE.format("../b.png"), "b_png": "x"}, None),
    ],
)
def test_what_an_epub_lacks_is_noticed(tmp_path, files, problem):
    found = paper.problems_of_epub(epub(tmp_path, **files))
    assert (problem is None) == (not found)
    assert problem is None or problem in found[0]


def test_pictures_on_slides_are_well_formed():
    for slide in room.slides():
        path = room.ROOT / "book/_static/pictures" / f"{slide.picture}.svg"
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_a_blank_page_is_noticed(tmp_path):
    writer = pypdf.PdfWriter()
    writer.add_blank_page(width=100, height=100)
    path = tmp_path / "blank.pdf"
    writer.write(path)
    assert paper.problems_of_pdf(path) == ["page 1 is blank"]
