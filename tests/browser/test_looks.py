"""Code that waits beside its result, and figures of several panels on a phone."""

import pytest

CHAPTERS = (
    "chapters/01_tangent_kernel.html",
    "chapters/06_transformer.html",
    "chapters/10_pitch.html",
)
LAPTOP, PHONE = 1280, 390
# Words under a label of folded code: what stands before the cell, and its own result.
COVERED = """() => {
    const article = document.querySelector('article');
    const boxes = [...article.querySelectorAll('details.code:not([open]) > summary')];
    const labels = boxes.map((one) => [one, one.getBoundingClientRect()]);
    const found = [];
    const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    for (let text; (text = walk.nextNode());) {
        if (!text.data.trim()) continue;
        if (text.parentElement.closest('summary, .headerlink')) continue;
        if (!text.parentElement.checkVisibility()) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        for (const line of range.getClientRects())
            for (const [label, box] of labels)
                if (line.right > box.left + 8 && line.left < box.right &&
                    line.bottom > box.top + 5 && line.top < box.bottom - 5)
                    found.push(text.data.trim().slice(0, 60));
    }
    return [boxes.length, found];
}"""


@pytest.mark.parametrize("width", [LAPTOP, PHONE, 320])
@pytest.mark.parametrize("name", CHAPTERS)
def test_folded_code_takes_no_height_and_covers_no_word(visit, name, width):
    page = visit(name, width=width).settle().page
    labels, covered = page.evaluate(COVERED)
    assert labels > 5
    assert covered == []
    for label in page.locator("article details.code:not([open]) > summary").all():
        if label.is_visible():
            box = label.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["height"] >= 24
    taken = page.evaluate(
        "[...document.querySelectorAll('article details.code:not([open])')]"
        ".map((fold) => fold.getBoundingClientRect().height)"
    )
    assert max(taken) == 0


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_the_code_opens_by_keyboard_where_its_label_stays(visit, width):
    page = visit(CHAPTERS[0], width=width).settle().page
    label = page.locator("article .tag_hide-input > details.code > summary").first
    code = page.locator("article .tag_hide-input > details.code pre").first
    label.scroll_into_view_if_needed()
    label.focus()
    before = label.bounding_box()
    page.keyboard.press("Enter")
    assert code.is_visible()
    assert label.bounding_box() == before
    assert code.bounding_box()["y"] >= before["y"] + before["height"]
    page.keyboard.press("Enter")
    assert not code.is_visible()


def test_a_figure_of_panels_scrolls_in_its_own_box_on_a_phone(visit):
    page = visit("chapters/06_transformer.html", width=PHONE).settle().page
    box = page.locator("#fig-restricted .entk-wide")
    image = box.locator("img")
    drawn = int(image.get_attribute("width"))
    assert image.bounding_box()["width"] >= 0.59 * drawn > PHONE
    assert box.bounding_box()["x"] + box.bounding_box()["width"] <= PHONE
    assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE
    shows_more = "(box) => getComputedStyle(box).maskImage != 'none'"
    assert box.evaluate(shows_more)
    box.focus()
    assert box.evaluate("(box) => document.activeElement == box")
    assert "scrolls" in box.get_attribute("aria-label")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
    page.wait_for_timeout(300)
    assert box.evaluate("(box) => box.scrollLeft + box.clientWidth >= box.scrollWidth - 4")
    assert not box.evaluate(shows_more)


def test_a_figure_of_panels_is_whole_and_no_stop_on_a_laptop(visit):
    page = visit("chapters/06_transformer.html", width=LAPTOP).settle().page
    box = page.locator("#fig-restricted .entk-wide")
    assert box.get_attribute("tabindex") is None
    assert box.evaluate("(box) => box.scrollWidth == box.clientWidth")


def test_no_figure_is_taller_than_its_labels_ask_for(visit):
    for name in CHAPTERS:
        page = visit(name, width=LAPTOP).settle().page
        for image in page.locator("article figure img[style]").all():
            height = image.bounding_box() and image.bounding_box()["height"]
            drawn = int(image.get_attribute("height"))
            assert (height or 0) <= max(421, 0.67 * drawn), image.get_attribute("alt")


def test_a_wide_screen_has_the_caption_beside_its_figure(visit):
    page = visit("chapters/06_transformer.html", width=1600).settle().page
    image = page.locator("#fig-frequencies img").bounding_box()
    caption = page.locator("#fig-frequencies figcaption").bounding_box()
    assert caption["x"] >= image["x"] + image["width"]
    assert image["y"] < caption["y"] + caption["height"] <= image["y"] + image["height"] + 1
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 1600


def test_figures_far_down_wait_on_a_phone(visit):
    page = visit(CHAPTERS[0], width=PHONE).settle().page
    page.wait_for_timeout(3000)
    last = page.locator("article figure img").last
    assert last.evaluate("(image) => image.naturalWidth") == 0
