"""Explorers inside chapters: after a key or a click they show the library's numbers."""

import numpy as np
import pytest
from test_explorers import group, heights, move

import entk_lib as entk
from entk_book.studies import grokking_story
from entk_book.studies.adders import eigenspaces, train_adders
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

waves = pytest.importorskip("entk_book.explorers.waves")
FIGURES = {
    "03_modular_addition": ("Waves explorer", "fig-turn-the-waves"),
    "04_grokking": ("Grokking explorer", "fig-turn-the-steps"),
}
FAMILIES = ("a", "b", "sum", "difference")


@pytest.fixture(scope="module")
def untrained():
    """The spectrum of seed 0's kernel before training, which needs no training."""
    x = modular_addition.one_hot(modular_addition.all_pairs(29), 29)
    kernel = entk.empirical_ntk(QuadraticMLP(58, 29, 512, seed=0), x)
    return entk.kernel_spectrum(kernel.double())


@pytest.fixture
def opened(visit):
    """A chapter's page with its explorer, which has taken the place of its picture."""

    def open_chapter(name, **options):
        visited = visit(f"chapters/{name}.html", **options).settle()
        assert visited.problems == []
        label, figure = FIGURES[name]
        box = group(visited.page, label)
        box.wait_for()
        assert visited.page.locator(f"#{figure} [role=group]").count() == 1
        assert visited.page.locator(f"#{figure} img").count() == 0
        return visited.page, box

    return open_chapter


def status(box):
    return box.locator("p[role=status]").inner_text()


def test_the_waves_follow_the_keyboard(opened, untrained):
    page, box = opened("03_modular_addition")
    assert status(box).startswith("second, trained, rotated atoms, vector ")
    box.get_by_label("eigenspace", exact=True).select_option("second, untrained")
    box.get_by_label("basis", exact=True).select_option("eigenvectors")
    move(page, "Waves explorer", "vector", 1, "Home")
    move(page, "Waves explorer", "vector", 4)
    power = waves.fourier_power(untrained.eigenvectors[:, 61:62], 29)[0].numpy()
    plot = box.locator("svg.plot")
    drawn = np.concatenate([heights(plot, name, "rect", "y") for name in FAMILIES])
    assert np.abs(drawn - power).max() < 0.004
    wave = f"{FAMILIES[power.argmax() // 14]}, frequency {power.argmax() % 14 + 1}"
    assert f"strongest wave: {wave}" in status(box)


def test_rotated_vectors_are_as_pure_as_the_library_s(opened):
    page, box = opened("03_modular_addition")
    (adder,) = train_adders([0])
    kernel = entk.ntk_spectrum(adder.network, adder.x, k=113)
    basis = eigenspaces(kernel)["second"]
    expected = waves.fourier_power(waves.rotated(basis, 29), 29).amax(1)
    move(page, "Waves explorer", "vector", 1, "Home")
    for at in (0, 30):
        plot = box.locator("svg.plot")
        bars = [heights(plot, name, "rect", "y").max() for name in FAMILIES]
        assert max(bars) == pytest.approx(float(expected[at]), abs=0.01)
        move(page, "Waves explorer", "vector", 30)


def test_a_rotation_gathers_the_waves_of_what_was_learned_alone(opened):
    page, box = opened("03_modular_addition")
    basis = box.get_by_label("basis", exact=True)
    strongest = {}
    for space in ("second, trained", "second, untrained"):
        box.get_by_label("eigenspace", exact=True).select_option(space)
        for way in ("eigenvectors", "rotated atoms"):
            basis.select_option(way)
            move(page, "Waves explorer", "vector", 1, "Home")
            move(page, "Waves explorer", "vector", 30)
            plot = box.locator("svg.plot")
            bars = [heights(plot, name, "rect", "y").max() for name in FAMILIES]
            strongest[space, way] = max(bars)
    assert strongest["second, trained", "rotated atoms"] > 0.9
    assert strongest["second, trained", "eigenvectors"] < 0.7
    assert strongest["second, untrained", "rotated atoms"] < 0.5


def test_the_steps_follow_keyboard_and_list(opened, untrained):
    page, box = opened("04_grokking")
    assert box.locator(".value").inner_text() == "50"
    move(page, "Grokking explorer", "step", 1)
    assert box.locator(".value").inner_text() == "60"
    assert "sum 13." in status(box)
    move(page, "Grokking explorer", "step", 1, "Home")
    expected = (untrained.eigenvalues / untrained.eigenvalues[0])[:200].numpy()
    drawn = heights(box.locator("svg.plot").nth(2), "spectrum", "circle", "cy")
    assert np.abs(np.log10(drawn / expected)).max() < 0.005
    family = modular_addition.fourier_families(29)["sum"].flatten(1)
    shared = entk.subspace_overlap(untrained.eigenvectors[:, 57:113], family)
    assert f"sum {shared:.1f}" in status(box)
    move(page, "Grokking explorer", "step", 1, "End")
    assert status(box).startswith("Step 200: accuracy 1.00 on the pairs trained on, 1.00")


def test_the_controls_show_what_is_stored(opened):
    page, box = opened("04_grokking")
    at = grokking_story.STEPS.index(60)
    move(page, "Grokking explorer", "step", 1)
    for kind, course in grokking_story.stored_controls().items():
        box.get_by_label("training", exact=True).select_option(kind)
        told = status(box)
        for name, overlap in zip(FAMILIES, course["overlaps"][at], strict=True):
            assert f"{name} {float(overlap):.1f}" in told
        assert f", {float(course['accuracies'][at, 1]):.2f} on others" in told
        drawn = heights(box.locator("svg.plot").nth(2), "spectrum", "circle", "cy")
        stored = course["eigenvalues"][at].numpy()
        assert np.abs(np.log10(drawn / stored)).max() < 0.005


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("name", "dial", "marks"),
    [
        ("03_modular_addition", "vector", '[data-series="sum"]'),
        ("04_grokking", "step", '[data-series="spectrum"]'),
    ],
)
def test_a_click_on_a_dial_moves_it(opened, name, dial, marks, width):
    page, box = opened(name, width=width)
    slider = box.get_by_label(dial, exact=True)
    slider.scroll_into_view_if_needed()
    place = slider.bounding_box()
    drawn = box.locator(f"svg.plot {marks}")
    before, told = drawn.inner_html(), status(box)
    page.mouse.click(place["x"] + 0.9 * place["width"], place["y"] + place["height"] / 2)
    assert before != drawn.inner_html()
    assert told != status(box)
    value, last = (int(slider.evaluate(f"(d) => d.{what}")) for what in ("value", "max"))
    assert 0.8 * last < value <= last
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", FIGURES)
def test_without_javascript_the_picture_stays(visit, name):
    page = visit(f"chapters/{name}.html", scripts=False).page
    page.wait_for_load_state("load")
    picture = page.locator(f"#{FIGURES[name][1]} img")
    assert picture.evaluate("(img) => img.naturalWidth > 400")
    assert len(picture.get_attribute("alt")) > 30
