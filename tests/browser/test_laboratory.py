"""The front page's laboratory: its numbers against the library, and every way to use it."""

import json
import re
from dataclasses import asdict, replace
from importlib import resources

import numpy as np
import pytest
import torch

import entk_lib as entk
from entk_book.studies import laboratory as study
from entk_lib.toys.tasks import superposition
from entk_lib.training import weighted_squared_error

PAGE = "intro.html"
STATIC = resources.files("entk_book.explorers") / "static"
FIRST = study.Settings()
SETTINGS = (
    FIRST,
    study.Settings(features=8, hidden=3, sparsity=0.5, decay=0.9, start=1),
    study.Settings(features=12, hidden=4, sparsity=0.9, decay=0.8, start=2),
    study.Settings(sparsity=0, decay=0.95, start=3),
    study.Settings(features=7, sparsity=0.99, start=4),
)
RUN = """([settings, steps]) => {
  const data = makeData(settings);
  const network = makeNetwork(settings);
  const importances = network.bias.map((_, i) => settings.decay ** i);
  const adam = new Adam(network, settings.rate);
  const grads = () => gradients(network, data, importances);
  for (let step = 0; step < steps; step++) adam.step(network, grads());
  const found = { data, network, grads: grads(), measured: measure(network, data) };
  const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
  return JSON.parse(JSON.stringify(found, plain));
}"""


@pytest.fixture(scope="module")
def core(browser):
    """A page with nothing but the laboratory's numbers."""
    page = browser.new_page()
    page.add_script_tag(content=(STATIC / "laboratory_core.js").read_text("utf-8"))
    yield page
    page.close()


def computed(core, settings, steps):
    return core.evaluate(RUN, [asdict(settings), steps])


def with_weights(found, settings):
    """The library's network with the weights of the page."""
    network = study.network(settings)
    for name in ("weight", "bias"):
        values = torch.tensor(found["network"][name], dtype=torch.float64)
        getattr(network, name).data = values.reshape(getattr(network, name).shape)
    return network


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_data_and_start_are_those_of_python(core, settings):
    found = computed(core, settings, 0)
    x = study.data(settings)
    some = (x > 0).any(1)
    n = settings.features
    assert found["data"]["blank"] == int((~some).sum())
    drawn = torch.tensor(found["data"]["x"], dtype=torch.float64)
    assert torch.equal(drawn, x[some].flatten())
    mixed = study.shuffled(x, settings)
    drawn = torch.tensor(found["data"]["shuffled"], dtype=torch.float64)
    assert torch.equal(drawn, mixed[some].flatten())
    rest = torch.tensor(found["data"]["shuffledBlank"], dtype=torch.float64)
    assert torch.allclose(rest, mixed[~some].sum(0), atol=1e-12)
    weight = study.network(settings).weight.detach().flatten()
    start = torch.tensor(found["network"]["weight"], dtype=torch.float64)
    assert len(start) == n * settings.hidden
    assert torch.allclose(start, weight, atol=1e-14)


@pytest.mark.parametrize("steps", [0, 200])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_loss_and_gradients_are_those_of_autograd(core, settings, steps):
    found = computed(core, settings, steps)
    network, x = with_weights(found, settings), study.data(settings)
    weights = superposition.importances(
        settings.features, decay=float(settings.decay), dtype=torch.float64
    )
    loss = weighted_squared_error(weights)(network(x), x)
    loss.backward()
    assert found["grads"]["loss"] == pytest.approx(loss.item(), rel=1e-9)
    for name, parameter in network.named_parameters():
        grad = parameter.grad.flatten().numpy()
        wrong = np.abs(np.array(found["grads"][name]) - grad).max()
        assert wrong <= 1e-6 * np.abs(grad).max()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_two_hundred_steps_of_training_are_those_of_torch(core, settings):
    found = computed(core, settings, 200)
    network = study.trained(settings, 200)
    for name, parameter in network.named_parameters():
        drawn = np.array(found["network"][name])
        assert np.abs(drawn - parameter.detach().flatten().numpy()).max() < 1e-4


@pytest.mark.parametrize("steps", [0, 200, 1000])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_spectrum_cliffs_and_alignments_are_those_of_the_library(core, settings, steps):
    found = computed(core, settings, steps)
    network, x = with_weights(found, settings), study.data(settings)
    spectrum = entk.ntk_spectrum(network, x, outputs="flatten")
    measured, n = found["measured"], settings.features
    values = spectrum.eigenvalues.numpy()
    assert len(measured["values"]) == len(values)
    assert np.abs(np.array(measured["values"]) - values).max() <= 1e-6 * values[0]
    cliffs = entk.find_cliffs(spectrum.eigenvalues)
    assert [c["stop"] for c in measured["cliffs"]] == [c.stop for c in cliffs]
    ratios = [c["ratio"] for c in measured["cliffs"]]
    assert ratios == pytest.approx([c.ratio for c in cliffs], rel=1e-6)
    leading = min(len(values), max(n, cliffs[-1].stop if cliffs else 0))
    assert measured["leading"] == leading
    vectors = spectrum.eigenvectors[:, :leading]
    mixed = study.shuffled(x, settings)
    own = entk.feature_alignment(vectors, superposition.feature_indicators(x))
    null = entk.feature_alignment(vectors, superposition.feature_indicators(mixed))
    assert np.abs(np.array(measured["aligned"]) - own.numpy()).max() < 1e-6
    kept = (network.feature_gram().diagonal() >= 0.75).tolist()
    assert [f["kept"] for f in measured["features"]] == kept
    for i, feature in enumerate(measured["features"]):
        assert feature["shuffled"] == pytest.approx(float(null[:, i].max()), abs=1e-6)
        assert feature["rank"] == int(own[:, i].argmax())
        passes = bool(own[:, i].max() > 0.5) and bool(null[:, i].max() <= 0.5)
        assert feature["found"] is passes


def test_cliffs_are_found_by_the_library_s_rule(core):
    generator = torch.Generator().manual_seed(0)
    n_cliffs = 0
    for size in (1, 2, 3, 5, 14, 29, 54, 60) * 12:
        gaps = -torch.rand(size, generator=generator, dtype=torch.float64).log()
        gaps = gaps * 0.05
        jumps = torch.randint(size, (2,), generator=generator)
        gaps[jumps] += torch.rand(2, generator=generator, dtype=torch.float64) * 2
        values = torch.exp(-gaps.cumsum(0))
        values[size // 2 :] *= 1e-16 ** float(torch.rand(1, generator=generator) > 0.7)
        expected = [c.stop for c in entk.find_cliffs(values)]
        found = core.evaluate("(v) => findCliffs(v)", values.tolist())
        assert [c["stop"] for c in found] == expected
        n_cliffs += len(expected)
    assert n_cliffs > 20
    steps = [8.0] * 4 + [4.0] * 4 + [2.0] * 4 + [1.0] * 4
    found = core.evaluate("(v) => findCliffs(v)", steps)
    assert [c["stop"] for c in found] == [
        c.stop for c in entk.find_cliffs(torch.tensor(steps))
    ]


@pytest.mark.parametrize("size", [1, 2, 15, 60])
def test_eigenpairs_of_a_degenerate_matrix(core, size):
    generator = torch.Generator().manual_seed(size)
    shape = (size, size)
    basis = torch.linalg.qr(torch.randn(shape, generator=generator, dtype=torch.float64)).Q
    values = torch.tensor(([3.0, 3.0, 1.0, 0.0, 1e-9] * 12)[:size], dtype=torch.float64)
    matrix = (basis * values) @ basis.T
    found = core.evaluate(
        """([matrix, size]) => {
            const { values, vectors } = eigenpairs(matrix, size);
            return [values, vectors.map((vector) => [...vector])];
        }""",
        [((matrix + matrix.T) / 2).flatten().tolist(), size],
    )
    vectors = torch.tensor(found[1], dtype=torch.float64).T
    drawn = torch.tensor(found[0], dtype=torch.float64)
    assert torch.allclose(drawn, values.sort(descending=True).values, atol=1e-13)
    assert torch.allclose(matrix @ vectors, vectors * drawn, atol=1e-13)
    assert torch.allclose(vectors.T @ vectors, torch.eye(size).double(), atol=1e-13)


def test_what_the_caption_says_of_thirty_starts_is_true(core, book):
    counts = {0: [0, 0], 2000: [0, 0]}
    for start in study.DIALS["start"]:
        for steps, tally in counts.items():
            measured = computed(core, replace(FIRST, start=int(start)), steps)["measured"]
            tally[0] += bool(measured["cliffs"])
            tally[1] += all(f["found"] for f in measured["features"])
    assert counts == {0: [1, 0], 2000: [12, 24]}
    caption = " ".join((book / PAGE).read_text().split())
    assert "of 30, 12 show a cliff after 2,000 steps (untrained, one)" in caption
    assert "in 24 all five features are found (untrained, in none)" in caption


def laboratory_module():
    return pytest.importorskip("entk_book.explorers").Laboratory._esm


def laboratory(opened):
    box = opened.page.get_by_role("group", name="Laboratory")
    box.wait_for()
    return box


def step_of(box):
    found = re.match(r"Step ([\d,]+)\.", box.locator(".seen").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def drawn_values(box):
    values = box.locator(".spectrum circle[data-value]").evaluate_all(
        "(all) => all.map((c) => [c.parentNode.dataset.rank, c.dataset.value].map(Number))"
    )
    return np.array([value for _, value in sorted(dict(values).items())])


def dial(box, label):
    return box.get_by_label(label, exact=True)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_sentence_pictures_and_button_are_above_the_fold(visit, width, height):
    opened = visit(PAGE, width=width).settle()
    opened.page.set_viewport_size({"width": width, "height": height})
    box = laboratory(opened)
    for part in (".directions", ".spectrum", "button.start"):
        place = box.locator(part).bounding_box()
        assert place["y"] + place["height"] <= height
        assert place["x"] + place["width"] <= width
    assert opened.page.locator("h1 + p").first.bounding_box()["y"] < 200
    assert opened.problems == []
    assert opened.outside == []


def test_nothing_moves_before_somebody_starts_it(visit):
    box = laboratory(visit(PAGE).settle())
    before = box.inner_html()
    box.page.wait_for_timeout(400)
    assert box.inner_html() == before
    assert box.locator(".seen").inner_text().startswith("Untrained. 2 hidden units")


def test_steps_draw_what_the_library_computes(visit):
    box = laboratory(visit(PAGE).settle())
    for steps in range(4):
        network = study.trained(FIRST, steps) if steps else study.network(FIRST)
        values = entk.ntk_spectrum(
            network, study.data(FIRST), outputs="flatten"
        ).eigenvalues
        expected = (values / values[0]).numpy()
        shown = drawn_values(box)
        assert len(shown) > 10
        assert np.abs(shown - expected[: len(shown)]).max() < 1e-6
        box.get_by_role("button", name="Step").click()
    assert step_of(box) == 4


def test_the_keyboard_starts_pauses_and_turns_dials(visit):
    opened = visit(PAGE).settle()
    box, keys = laboratory(opened), opened.page.keyboard
    box.focus()
    keys.press("Space")
    opened.page.wait_for_function(
        "document.querySelector('.seen').textContent.startsWith('Step')"
    )
    assert box.get_by_role("button", name="Pause").is_visible()
    keys.press("Space")
    assert box.get_by_role("button", name="Go on").is_visible()
    stopped = step_of(box)
    opened.page.wait_for_timeout(300)
    assert step_of(box) == stopped > 0
    dial(box, "features").focus()
    keys.press("ArrowRight")
    assert "2 hidden units" in box.locator(".seen").inner_text()
    assert "of 6 features" in box.locator(".seen").inner_text()
    assert step_of(box) == 0
    assert box.locator(".directions [data-feature]").count() == 6
    keys.press("Space")  # on a dial as well
    assert box.get_by_role("button", name="Pause").is_visible()
    keys.press("Space")
    box.get_by_role("button", name="Reset").focus()
    keys.press("Space")
    assert step_of(box) == 0
    for one in box.locator("input, button").all():
        one.focus()
        assert one.evaluate("(e) => e === document.activeElement")
        assert one.evaluate("(e) => (e.labels?.[0] ?? e).textContent.length > 2")


def test_the_mouse_trains_a_pentagon(visit):
    opened = visit(PAGE).settle()
    box = laboratory(opened)
    box.get_by_role("button", name="Train").click()
    # At once: a few steps on the cliff may be another.
    paused = """() => {
        const seen = document.querySelector('.seen').textContent;
        if (!seen.includes('a pentagon. Cliff after 7')) return false;
        [...document.querySelectorAll('.laboratory button, button')]
            .find((button) => button.textContent.trim() === 'Pause').click();
        return true;
    }"""
    opened.page.wait_for_function(paused, timeout=60_000)
    assert box.locator(".directions .found").count() == 5
    assert box.locator(".cliff").get_attribute("data-cliff") == "7"
    assert "features kept: a pentagon" in box.get_by_role("status").inner_text()
    label = box.locator(".directions").get_attribute("aria-label")
    assert "Found by an eigenvector: 1, 2, 3, 4, 5." in label
    box.get_by_role("button", name="show as a matrix").click()
    assert box.locator(".directions rect").count() == 25
    assert opened.problems == []


@pytest.mark.parametrize(
    "settings", [FIRST, replace(FIRST, features=12, hidden=4)], ids=str
)
def test_how_long_a_frame_takes(visit, settings):
    opened = visit(PAGE).settle()
    page, box = opened.page, laboratory(opened)
    page.evaluate("(hash) => (location.hash = hash)", settings.address())
    page.evaluate(
        """() => {
            window.frames_drawn = 0;
            const asked = window.requestAnimationFrame;
            window.requestAnimationFrame = (call) => asked.call(window, (now) => {
                window.frames_drawn += 1;
                call(now);
            });
        }"""
    )
    # What the page's thread computes: a wall clock says nothing on a busy machine.
    counter = opened.context.new_cdp_session(page)
    counter.send("Performance.enable", {"timeDomain": "threadTicks"})
    used = []
    for start in (True, False):
        metrics = counter.send("Performance.getMetrics")["metrics"]
        used.append({m["name"]: m["value"] for m in metrics}["TaskDuration"])
        if start:
            box.get_by_role("button", name="Train").click()
            page.wait_for_function("frames_drawn > 60", timeout=60_000)
    frames = page.evaluate("frames_drawn")
    print(f"{1000 * (used[1] - used[0]) / frames:.1f} ms of computing a frame")
    assert step_of(box) > 0


def test_the_widget_s_module_runs_without_the_page(core):
    """As a live kernel and Colab load it: a module, with a model behind it."""
    made = core.evaluate(
        """async ([source, settings]) => {
            const heard = {};
            const spec = { arrays: {}, settings };
            const model = {
                get: (name) => ({ spec })[name],
                on: (name, call) => (heard[name] = call),
                off: () => {},
            };
            const place = document.createElement("div");
            document.body.append(place);
            const module = new Blob([source], { type: "text/javascript" });
            const { default: widget } = await import(URL.createObjectURL(module));
            widget.render({ model, el: place });
            const count = () => place.querySelectorAll("[data-feature]").length;
            await new Promise((done) => setTimeout(done, 200));
            const first = count();
            spec.settings = { ...settings, features: 9 };
            heard["change:spec"]();
            return [first, count(), place.querySelector(".seen").textContent];
        }""",
        [laboratory_module(), asdict(replace(FIRST, hidden=3))],
    )
    assert made[:2] == [5, 9]
    assert "3 hidden units" in made[2]


def test_a_finger_trains_and_turns_a_dial(visit):
    opened = visit(PAGE, width=390, has_touch=True, is_mobile=True).settle()
    box, page = laboratory(opened), opened.page

    def tap(target, share=0.5):
        target.scroll_into_view_if_needed()
        place = target.bounding_box()
        page.touchscreen.tap(
            place["x"] + share * place["width"], place["y"] + place["height"] / 2
        )
        return place

    assert tap(box.locator("button.start"))["height"] >= 40
    page.wait_for_function("document.querySelector('.seen').textContent.startsWith('Step')")
    tap(box.locator("button.start"))
    assert box.get_by_role("button", name="Go on").is_visible()
    tap(dial(box, "hidden units"), 0.98)
    assert "4 hidden units" in box.locator(".seen").inner_text()
    assert dial(box, "turn the view").is_visible()
    before = box.locator(".directions").inner_html()
    tap(dial(box, "turn the view"), 0.7)
    assert box.locator(".directions").inner_html() != before


def test_an_address_brings_the_settings_back(visit):
    opened = visit(PAGE, permissions=["clipboard-read", "clipboard-write"]).settle()
    box, page = laboratory(opened), opened.page
    for label in ("sparsity", "hidden units", "random start"):
        dial(box, label).focus()
        page.keyboard.press("ArrowLeft" if label == "sparsity" else "ArrowRight")
    box.get_by_role("button", name="Share").click()
    settings = replace(FIRST, sparsity=0.93, hidden=3, start=7)
    page.wait_for_function("location.hash.length > 10")
    assert page.url.endswith(f"#{settings.address()}")
    assert study.Settings.from_address(page.url) == settings
    page.reload()
    box = laboratory(opened)
    shown = box.locator(".value").all_inner_texts()[:6]
    assert shown == ["0.93", "5", "3", "1", "0.01", "7"]
    other = replace(settings, features=9, decay=0.9)
    page.evaluate("(hash) => (location.hash = hash)", other.address())
    page.wait_for_function("document.querySelectorAll('[data-feature]').length === 9")
    page.evaluate("location.hash = 'features=99&hidden=x&sparsity=NaN'")
    page.wait_for_function("document.querySelectorAll('[data-feature]').length === 5")
    assert opened.problems == []


def words_after(opened, settings, seconds=1.5):
    """What is said after some training with settings, and all that was drawn."""
    opened.page.evaluate("(hash) => (location.hash = hash)", settings.address())
    box = laboratory(opened)
    opened.page.wait_for_timeout(200)
    first = box.locator(".seen").inner_text()
    box.get_by_role("button", name="Train").click()
    opened.page.wait_for_timeout(1000 * seconds)
    drawn = box.locator(".panels").inner_html()
    assert not re.search(r"NaN|Infinity|undefined", drawn)
    return first, box.locator(".seen").inner_text()


def test_the_dials_ends_say_what_happens(visit):
    opened = visit(PAGE).settle()
    dense = words_after(opened, replace(FIRST, sparsity=0))
    assert all("Every sample has every feature." in text for text in dense)
    assert "on shuffled samples as well" in dense[1]
    empty, _ = words_after(opened, replace(FIRST, sparsity=0.99))
    blank = int((study.data(replace(FIRST, sparsity=0.99)) == 0).all(1).sum())
    assert f"{blank} of 1,000 samples are empty." in empty
    _, wide = words_after(opened, replace(FIRST, features=12, hidden=4, decay=0.5))
    assert "4 hidden units" in wide
    _, gone = words_after(opened, replace(FIRST, rate=10))
    assert gone.startswith("Stopped at step ")
    assert "the loss has run away" in gone
    assert opened.page.locator("button.start").is_disabled()
    opened.page.get_by_role("button", name="Reset").click()
    assert opened.page.locator("button.start").is_enabled()
    assert opened.problems == []


@pytest.mark.parametrize(
    ("n", "expected"), [(0, "No feature is kept"), (5, "all 5 features kept")]
)
def test_none_and_all_kept_are_said(core, n, expected):
    core.add_script_tag(content=(STATIC / "laboratory_words.js").read_text("utf-8"))
    features = [
        {"kept": i < n, "length": 1, "found": False, "alignment": 0} for i in range(5)
    ]
    scene = {
        "network": {"n": 5, "m": 2, "weight": [0.1] * 10, "bias": [0] * 5},
        "measured": {"values": [], "cliffs": [], "leading": 0, "features": features},
        "settings": asdict(FIRST),
        "data": {"lengths": [1, 1, 0, 1, 1], "blank": 0},
        "step": 12,
        "diverged": False,
    }
    told = core.evaluate("(scene) => words(scene)", json.loads(json.dumps(scene)))
    assert expected in told
    assert "Every output is closed" in told
    assert "No sample has feature 3." in told


def test_less_motion_is_respected(visit):
    opened = visit(PAGE, reduced_motion="reduce").settle()
    opened.page.evaluate(
        "(hash) => (location.hash = hash)", replace(FIRST, hidden=3).address()
    )
    box = laboratory(opened)
    opened.page.wait_for_timeout(200)
    view = dial(box, "turn the view").input_value()
    box.get_by_role("button", name="Train").click()
    opened.page.wait_for_function(
        "document.querySelector('.seen').textContent.startsWith('Step')"
    )
    box.get_by_role("button", name="Pause").click()
    assert dial(box, "turn the view").input_value() == view


def test_a_narrow_phone_does_not_scroll_sideways(visit):
    opened = visit(PAGE, width=320).settle()
    laboratory(opened)
    assert opened.page.evaluate("document.scrollingElement.scrollWidth") <= 320


def test_without_javascript_the_still_picture_stays(visit):
    page = visit(PAGE, scripts=False).page
    page.wait_for_load_state("load")
    picture = page.locator("#fig-laboratory img")
    assert picture.evaluate("(img) => img.naturalWidth > 400")
    assert "pentagon" in picture.get_attribute("alt")
    assert page.locator("#fig-laboratory figcaption").is_visible()


def test_a_laboratory_that_fails_leaves_its_picture(visit, book):
    script = (book / "_static" / "laboratory.js").read_text()
    source = (book / PAGE).read_text()
    damaged = script.replace("function makeNetwork(", "function lostNetwork(")
    assert damaged != script
    (book / "_static" / "damaged.js").write_text(damaged)
    (book / "damaged.html").write_text(source.replace("laboratory.js?", "damaged.js?"))
    opened = visit("damaged.html").settle()
    assert opened.problems != []
    assert opened.page.locator("#fig-laboratory img").is_visible()


def test_the_script_is_on_the_front_page_alone(book):
    pages = [p for p in book.rglob("*.html") if "static/laboratory.js?" in p.read_text()]
    assert [str(path.relative_to(book)) for path in pages] == [PAGE]
