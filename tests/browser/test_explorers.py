"""Explorers in the page: what is drawn after moving a dial is what the library computes.

Read as a reader would: pixels of the marks, through the numbers beside the axes' ticks.
Untrained networks need no training, so the library's numbers are computed here.
"""

import numpy as np
import pytest

import entk_lib as entk
from entk_book.studies import edit_strengths, edited_adders, superposition_grid
from entk_book.studies.adders import train_adders
from entk_lib.toys.models import QuadraticMLP, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition

waves = pytest.importorskip("entk_book.explorers.waves")
PAGE = "chapters/explorers.html"
CHAPTER = "chapters/02_superposition.html"
NAMES = (
    "Superposition explorer",
    "Grokking explorer",
    "Waves explorer",
    "Edits explorer",
)
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


@pytest.fixture
def page(visit):
    opened = visit(PAGE).settle()
    assert opened.problems == []
    for name in NAMES:
        opened.page.get_by_role("group", name=name).wait_for()
    return opened.page


@pytest.fixture(params=[PAGE, CHAPTER])
def with_superposition(visit, request):
    """The page of all explorers, and the chapter that shows this one."""
    opened = visit(request.param).settle()
    assert opened.problems == []
    group(opened.page, "Superposition explorer").wait_for()
    return opened.page


def group(page, name):
    return page.get_by_role("group", name=name)


def number(text):
    """A tick's number: plain, or a power of ten in raised digits."""
    if text.startswith("10") and len(text) > 2 and text[2] in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
        return 10.0 ** int(text[2:].translate(_DIGITS))
    return float(text)


def heights(plot, series, mark, attribute, middle=0):
    """Values of a series' marks, from their pixels and the ticks of the vertical axis.

    ``middle`` is how far below the attribute's place a mark's middle lies.
    """
    ticks = plot.locator("text[data-axis=y]").evaluate_all(
        "(all) => all.map((t) => [t.textContent, Number(t.getAttribute('y')) - 4])"
    )
    values = np.array([number(text) for text, _ in ticks])
    pixels = np.array([at for _, at in ticks])
    log = values[-1] / values[0] > 100 if values[0] > 0 else False
    slope, start = np.polyfit(pixels, np.log10(values) if log else values, 1)
    drawn = plot.locator(f'[data-series="{series}"] {mark}').evaluate_all(
        "(all, name) => all.map((m) => Number(m.getAttribute(name)))", attribute
    )
    found = slope * (np.array(drawn) + middle) + start
    return 10**found if log else found


def move(page, where, label, presses, key="ArrowRight"):
    dial = group(page, where).get_by_label(label, exact=True)
    dial.focus()
    for _ in range(presses):
        page.keyboard.press(key)


def test_superposition_follows_the_keyboard(with_superposition):
    page = with_superposition
    where = "Superposition explorer"
    plot = group(page, where).locator("svg.plot")
    before = heights(plot, "trained", "circle", "cy")
    # From S = 0.9, 10 hidden units, beta 0 to S = 0.6, 20 hidden units, beta 0.3.
    move(page, where, "sparsity S", 1, "ArrowLeft")
    move(page, where, "hidden units", 1)
    move(page, where, "β, importance in the kernel", 1)
    shown = group(page, where).locator(".value").all_inner_texts()
    assert shown == ["0.6", "20", "0.3"]
    spectrum = entk.ntk_spectrum(
        TiedAutoencoder(50, 20, seed=100),
        superposition.sample(500, 50, 0.6, seed=0),
        k=65,
        outputs="flatten",
        output_weights=superposition.importances(50) ** 0.3,
    )
    expected = (spectrum.eigenvalues / spectrum.eigenvalues[0]).numpy()
    drawn = heights(plot, "untrained", "rect", "y", middle=2)
    assert np.abs(np.log10(drawn / expected)).max() < 0.005
    after = heights(plot, "trained", "circle", "cy")
    assert len(after) == 65
    assert np.abs(np.log10(after / before)).max() > 0.01
    stops = [cliff.stop for cliff in entk.find_cliffs(spectrum.eigenvalues)]
    told = group(page, where).locator("p[role=status]").inner_text()
    assert f"(untrained: {', '.join(map(str, stops)) or 'none'})." in told


def test_superposition_s_heatmap_shows_the_stored_alignments(with_superposition):
    page = with_superposition
    where = "Superposition explorer"
    canvas = group(page, where).locator("canvas")
    pixels = canvas.evaluate(
        "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    red = np.array(pixels).reshape(50, 50, 4)[:, :, 0]
    alignment = 1 - red / 255  # from white to no red at all
    told = group(page, where).locator("p[role=status]").inner_text()
    passing = int((alignment.max(axis=0) > 0.5).sum())
    assert f"{passing} features align above 0.5" in told
    stored = superposition_grid.stored_grid().arrays["trained alignment"][2, 1, 0]
    assert np.abs(alignment - stored.numpy()).max() < 0.01


def test_superposition_follows_the_mouse(with_superposition):
    box = group(with_superposition, "Superposition explorer")
    dial = box.get_by_label("hidden units", exact=True)
    dial.scroll_into_view_if_needed()
    place = dial.bounding_box()
    with_superposition.mouse.click(
        place["x"] + 0.64 * place["width"], place["y"] + place["height"] / 2
    )
    assert box.locator(".value").all_inner_texts() == ["0.9", "20", "0"]
    grid = superposition_grid.stored_grid()
    stops = [
        ", ".join(map(str, grid.cliffs(0.9, 20, 0.0, s))) for s in ("trained", "untrained")
    ]
    told = box.locator("p[role=status]").inner_text()
    kept = int(grid.arrays["reconstructed"][2, 2])
    assert told.startswith(f"{kept} of 50 features reconstructed; ")
    assert f"cliffs after: {stops[0]} (untrained: {stops[1]})." in told


def test_grokking_follows_keyboard_and_list(page):
    where = "Grokking explorer"
    plots = group(page, where).locator("svg.plot")
    move(page, where, "step", 1, "Home")
    assert group(page, where).locator(".value").inner_text() == "0"
    x = modular_addition.one_hot(modular_addition.all_pairs(29), 29)
    untrained = entk.kernel_spectrum(
        entk.empirical_ntk(QuadraticMLP(58, 29, 512, seed=0), x).double()
    )
    expected = (untrained.eigenvalues / untrained.eigenvalues[0])[:200].numpy()
    drawn = heights(plots.nth(2), "spectrum", "circle", "cy")
    assert np.abs(np.log10(drawn / expected)).max() < 0.005
    family = modular_addition.fourier_families(29)["sum"].flatten(1)
    shared = entk.subspace_overlap(untrained.eigenvectors[:, 57:113], family)
    told = group(page, where).locator("p[role=status]").inner_text()
    assert f"sum {shared:.1f}" in told
    move(page, where, "step", 1, "End")
    told = group(page, where).locator("p[role=status]").inner_text()
    assert told.startswith("Step 200: accuracy 1.00 on the pairs trained on, 1.00 on")
    group(page, where).get_by_label("training", exact=True).select_option("shuffled labels")
    told = group(page, where).locator("p[role=status]").inner_text()
    assert "accuracy 1.00 on the pairs trained on, 0.0" in told


def test_waves_show_the_power_that_the_library_computes(page):
    where = "Waves explorer"
    spans = group(page, where).get_by_label("eigenspace", exact=True)
    spans.select_option("second, untrained")
    group(page, where).get_by_label("basis", exact=True).select_option("eigenvectors")
    move(page, where, "vector", 1, "Home")
    move(page, where, "vector", 2)
    x = modular_addition.one_hot(modular_addition.all_pairs(29), 29)
    spectrum = entk.ntk_spectrum(QuadraticMLP(58, 29, 512, seed=0), x, k=200)
    vector = spectrum.eigenvectors[:, 59:60].double()
    power = waves.fourier_power(vector, 29)[0].numpy()
    plot = group(page, where).locator("svg.plot")
    drawn = np.concatenate(
        [heights(plot, name, "rect", "y") for name in ("a", "b", "sum", "difference")]
    )
    assert np.abs(drawn - power).max() < 0.004
    pixels = (
        group(page, where)
        .locator("canvas")
        .evaluate(
            "(c) => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        )
    )
    colours = np.array(pixels).reshape(29, 29, 4)[::-1, :, :3].astype(float)
    # Away from white by as much as the entry is large: blue below zero, red above.
    size = np.where(
        colours[:, :, 0] < colours[:, :, 2],
        -(255 - colours[:, :, 0]) / 255,
        (255 - colours[:, :, 2]) / 212,
    )
    entries = vector.reshape(29, 29).T.numpy() / float(vector.abs().max())
    assert np.abs(np.abs(size) - np.abs(entries)).max() < 0.02
    assert abs(np.corrcoef(size.ravel(), entries.ravel())[0, 1]) > 0.999


def test_edits_show_what_a_new_edit_gives(page):
    where = "Edits explorer"
    box = group(page, where)
    (adder,) = train_adders([edit_strengths.SEED])
    network = edited_adders.in_double(adder.network)
    change = edited_adders.take_out(network, adder.x.double(), 3)
    edit = entk.tangent_edit(network, adder.x.double(), change, tolerance=1e-6)
    changed = edited_adders.in_double(network)
    for name, parameter in changed.named_parameters():
        parameter.data += 4 * edit.delta[name]
    expected = edit_strengths.answers(adder, network, changed)
    move(page, where, "frequency", 1, "Home")
    move(page, where, "frequency", 2)
    move(page, where, "strength", 1, "End")
    move(page, where, "strength", 2, "ArrowLeft")
    assert box.locator(".value").all_inner_texts() == ["3", "4"]
    waves, accuracies = (box.locator("svg.plot").nth(i) for i in range(2))
    drawn = heights(waves, "others", "circle", "cy")
    assert np.abs(drawn - np.delete(expected["left"], 2)).max() < 0.03
    chosen = heights(waves, "chosen", "rect", "y", middle=2)
    assert chosen == pytest.approx([expected["left"][2]], abs=0.03)
    points = accuracies.locator('[data-series="test"] polyline').get_attribute("points")
    curve = np.array([float(pair.split(",")[1]) for pair in points.split()])
    course = edit_strengths.course(adder, network, dict(edit.delta))["accuracies"]
    others = np.array(course)[:, 1]
    slope = np.polyfit(curve, others, 1)
    assert np.abs(np.polyval(slope, curve) - others).max() < 0.02
    told = box.locator("p[role=status]").inner_text()
    assert f"of the parameters' length: {expected['left'][2]:.2f} of frequency 3" in told
    assert f"{expected['accuracies'][1]:.2f} on others" in told
    box.get_by_label("what is changed").select_option("a random change, as long")
    assert "of frequency 3 is left" in box.locator("p[role=status]").inner_text()
    assert heights(waves, "chosen", "rect", "y", middle=2) == pytest.approx([1], abs=0.1)


def test_the_chapter_s_own_explorer_takes_the_place_of_its_picture(visit):
    opened = visit("chapters/09_present_or_used.html").settle()
    assert opened.problems == []
    box = group(opened.page, "Edits explorer")
    box.wait_for()
    assert box.locator(".value").all_inner_texts() == ["5", "1"]


@pytest.mark.parametrize("width", [1280, 390])
def test_a_click_on_a_dial_moves_it(visit, width):
    opened = visit(PAGE, width=width).settle()
    box = group(opened.page, "Grokking explorer")
    dial = box.get_by_label("step", exact=True)
    dial.scroll_into_view_if_needed()
    place = dial.bounding_box()
    assert place["height"] >= 24  # a finger's target
    marks = box.locator("svg.plot").nth(2).locator('[data-series="spectrum"]')
    before = marks.inner_html()
    opened.page.mouse.click(
        place["x"] + 0.9 * place["width"], place["y"] + place["height"] / 2
    )
    assert int(box.locator(".value").inner_text()) > 100
    assert before != marks.inner_html()


def test_every_dial_can_be_reached_by_the_keyboard_and_has_a_name(page):
    for name in NAMES:
        dials = group(page, name).locator("input, select")
        for i in range(dials.count()):
            dial = dials.nth(i)
            dial.focus()
            assert dial.evaluate("(d) => d === document.activeElement")
            assert dial.evaluate("(d) => d.labels[0].textContent.length > 2")
    ids = page.locator(".entk-explorer [id]").evaluate_all("(all) => all.map((e) => e.id)")
    assert len(ids) == len(set(ids)) > 5


def test_without_javascript_the_static_figures_stay(visit):
    page = visit(PAGE, scripts=False).page
    page.wait_for_load_state("load")
    for name in ("superposition", "grokking", "waves", "edits"):
        assert_shown(page.locator(f"#fig-explore-{name} img"))
    chapter = visit(CHAPTER, scripts=False).page
    chapter.wait_for_load_state("load")
    assert_shown(chapter.locator("#fig-superposition-dials img"))


def assert_shown(picture):
    """A picture is there, with a text that describes it."""
    assert picture.evaluate("(img) => img.naturalWidth > 400")
    assert len(picture.get_attribute("alt")) > 30


def test_an_explorer_that_fails_leaves_its_figure(visit, book):
    source = (book / PAGE).read_text()
    damaged = book / "chapters" / "damaged.html"
    damaged.write_text(
        source.replace("function arraysOf(model) {", "function arraysOf() {")
    )
    assert damaged.read_text() != source
    opened = visit("chapters/damaged.html")
    opened.page.wait_for_load_state("load")
    opened.page.wait_for_timeout(1000)
    assert opened.problems != []
    assert opened.page.locator("#fig-explore-waves img").is_visible()
