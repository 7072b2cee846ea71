"""Routes and instructors' notes: made of the chapters, within their time, up to date."""

import json
import shutil

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx.errors import ExtensionError

import execute
import normalise
import workshop_pages
from entk_book.exercises import explorers, tangent_kernel

ROOT = workshop_pages.ROOT
ROUTES = workshop_pages.routes()


@pytest.fixture
def book(tmp_path):
    for name in ("chapters", "reference"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "routes.yml", tmp_path / "book")
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    workshop_pages.check(tmp_path)
    return tmp_path


def replaced(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.minutes))
def test_a_route_fits_into_its_time_and_asks_something(route):
    assert 0.75 * route.minutes < route.takes() <= 0.95 * route.minutes
    assert sum(step.key.startswith("exercise") for step in route.steps) >= 3
    assert route.steps[0].stem == "preflight"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.minutes))
def test_outputs_are_there_when_a_route_needs_them(route):
    # "Run all" is pressed when a notebook is opened: what a section shows must have come by
    # the time that its talk ends.
    opened: dict[str, float] = {}
    for step in route.steps:
        begin = opened.setdefault(step.stem, step.start)
        end = step.start + step.part.takes()
        assert begin + step.ready / 60 <= end + 1, (step.stem, step.key)
        assert bool(step.ready) == (step.part.cells > 0 and not step.part.minutes)


def test_there_are_routes_of_three_lengths():
    assert [route.minutes for route in ROUTES] == [45, 90, 180]


def notebook(*cells):
    made = nbformat.v4.new_notebook()
    for kind, source, *tags in cells:
        new = getattr(nbformat.v4, f"new_{kind}_cell")
        made.cells.append(new(source, metadata={"tags": tags}))
    return made


def test_a_chapter_is_taken_apart_where_its_headings_stand():
    parts = workshop_pages.chapter(
        notebook(
            ("markdown", "# Title\n\none two three"),
            ("code", "install()", "colab"),
            ("code", "from entk_book.exercises import tangent_kernel as exercises"),
            (
                "markdown",
                "four five\n\n## Second\n\nsix\n\n<details><summary>Why?</summary>\n\n"
                "not\nread\n\n</details>",
            ),
            ("code", "1"),
            ("code", "2"),
            ("markdown", "**Exercise 1.1. Count** (*easy · 2 minutes · code*)\n\nseven"),
            ("code", "n = ...\nexercises.rank_of_linear_model(n)", "exercise"),
            ("code", "# Solution", "solution"),
        )
    ).parts
    assert list(parts) == ["top", "Second", "exercise 1.1"]
    assert (parts["top"].title, parts["top"].words, parts["top"].cells) == ("Title", 7, 1)
    assert (parts["Second"].words, parts["Second"].cells) == (3, 2)
    assert parts["Second"].takes() == pytest.approx(3 / 120 + 2 * 0.75)
    assert (parts["exercise 1.1"].title, parts["exercise 1.1"].takes()) == ("Count", 2)
    assert parts["exercise 1.1"].check is tangent_kernel.rank_of_linear_model


def test_a_stub_that_calls_no_check_is_named():
    stub = notebook(
        ("markdown", "**Exercise 1.1. Count** (*easy · 2 minutes · code*)"),
        ("code", "n = ...", "exercise"),
    )
    with pytest.raises(ExtensionError, match=r"must end with exercises\.NAME.*got 'n ="):
        workshop_pages.chapter(stub)


def test_every_named_mistake_is_in_the_notes():
    text = (ROOT / workshop_pages.PAGES["answers"]).read_text(encoding="utf-8")
    for check in (tangent_kernel.rank_of_linear_model, explorers.family_of_an_atom):
        assert f"- *Right.* {check.right}" in text
        for wrong in check.wrong:
            assert f"- *{wrong.name}.* {wrong.message}" in text


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("reference/workshop.md", "Planned: ", "Planned: 1"),
        ("reference/instructor_notes.md", "- *Right.*", "- *Wrong.*"),
        ("chapters/01_tangent_kernel.ipynb", "· 2 minutes", "· 3 minutes"),
        ("reference/ready_seconds.json", '"What a spectrum means": ', '"What": '),
    ],
)
def test_a_page_that_disagrees_stops_the_build(book, name, old, new):
    replaced(book / name, old, new)
    with pytest.raises(ExtensionError, match=r"\.md must say.*Run python"):
        workshop_pages.check(book)


def test_a_heading_that_changed_is_named(book):
    replaced(book / "book" / "routes.yml", "- What a spectrum means", "- What it means")
    with pytest.raises(ExtensionError, match=r"must be one of top, .*got 'What it means'"):
        workshop_pages.check(book)


def test_a_page_without_its_place_is_named(book):
    replaced(book / "reference" / "workshop.md", "<!-- /routes -->", "")
    with pytest.raises(ExtensionError, match=r"workshop\.md must hold .*got the first"):
        workshop_pages.check(book)


@pytest.mark.sweep
def test_the_clock_tells_when_a_section_is_done(book):
    cells = notebook(
        ("markdown", "# T\n\nAbout 1 s and 1.0 GiB"),
        ("code", "import time"),
        ("markdown", "## Slow\n\ntext"),
        ("code", "time.sleep(6)"),
        ("markdown", "more\n\n## Quick"),
        ("code", "1"),
    )
    path = book / "chapters" / "new.ipynb"
    path.write_text(normalise.as_text(normalise.normalised(cells)), encoding="utf-8")
    before = json.loads((book / execute.CLOCK).read_text(encoding="utf-8"))
    execute.execute(path)
    after = json.loads((book / execute.CLOCK).read_text(encoding="utf-8"))
    clock = after.pop("new")
    assert after == before
    assert list(clock) == ["top", "Slow", "Quick"]
    assert clock["top"] < clock["Slow"] <= clock["Quick"]
    assert all(seconds % 5 == 0 for seconds in clock.values())


@pytest.mark.sweep
def test_the_preflight_says_ready():
    path = ROOT / "chapters" / "preflight.ipynb"
    made = normalise.read(path)
    NotebookClient(made, kernel_name="python3", timeout=120).execute()
    said = next(c for c in made.cells if "preflight()" in c.source).outputs[-1]
    assert said.data["text/plain"].startswith("Ready: torch ")
