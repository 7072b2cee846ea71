"""The explorer in the middle of chapter 9: dials by key and mouse, against the record."""

import numpy as np
import pytest

from entk_book.studies import edit_strengths

explorers = pytest.importorskip("test_explorers")
PAGE, WHERE = "chapters/09_present_or_used.html", "Edits explorer"
STRENGTHS = list(edit_strengths.STRENGTHS)
RECORD = edit_strengths.stored_strengths()
THIS, ALL_BUT_THIS = "this wave", "all waves of the sum but this one"


@pytest.fixture
def box(visit):
    opened = visit(PAGE).settle()
    assert opened.problems == []
    found = explorers.group(opened.page, WHERE)
    found.wait_for()
    return found


def drawn(box):
    """What is left of each wave, from the pixels of its mark, in the order of waves."""
    waves = box.locator("svg.plot").first
    others = explorers.heights(waves, "others", "circle", "cy")
    (chosen,) = explorers.heights(waves, "chosen", "rect", "y", middle=2)
    frequency = int(box.locator(".value").first.inner_text())
    return np.insert(others, frequency - 1, chosen)


def test_it_starts_where_the_chapter_stands(box):
    assert box.locator(".value").all_inner_texts() == ["5", "1"]
    left = RECORD[THIS]["left"][4, STRENGTHS.index(1)]
    assert np.abs(drawn(box) - left.numpy()).max() < 0.03


@pytest.mark.parametrize("presses", [1, 3])
def test_keys_turn_strength_and_frequency(box, presses):
    explorers.move(box.page, WHERE, "strength", presses)
    explorers.move(box.page, WHERE, "frequency", 2, "ArrowLeft")
    strength = STRENGTHS[STRENGTHS.index(1) + presses]
    assert box.locator(".value").all_inner_texts() == ["3", f"{strength:g}"]
    left = RECORD[THIS]["left"][2, STRENGTHS.index(strength)]
    assert np.abs(drawn(box) - left.numpy()).max() < 0.03
    told = box.locator("p[role=status]").inner_text()
    assert f"{left[2]:.2f} of frequency 3 is left" in told


@pytest.mark.parametrize("width", [1280, 390])
def test_a_mouse_on_the_dial_takes_the_wave_out(visit, width):
    opened = visit(PAGE, width=width).settle()
    box = explorers.group(opened.page, WHERE)
    dial = box.get_by_label("strength", exact=True)
    dial.scroll_into_view_if_needed()
    place = dial.bounding_box()
    share = STRENGTHS.index(3) / (len(STRENGTHS) - 1)
    opened.page.mouse.click(
        place["x"] + share * place["width"], place["y"] + place["height"] / 2
    )
    assert box.locator(".value").all_inner_texts() == ["5", "3"]
    left = RECORD[THIS]["left"][4, STRENGTHS.index(3)]
    assert drawn(box)[4] == pytest.approx(float(left[4]), abs=0.03)
    train, test = RECORD[THIS]["accuracies"][4, STRENGTHS.index(3)]
    told = box.locator("p[role=status]").inner_text()
    assert f"{train:.2f} on the pairs trained on, {test:.2f} on others" in told


def test_thirteen_waves_lose_the_new_pairs_and_not_the_others(box):
    box.get_by_label("what is changed", exact=True).select_option(ALL_BUT_THIS)
    train, test = RECORD[ALL_BUT_THIS]["accuracies"][4, STRENGTHS.index(1)]
    assert float(train) > 0.999
    assert float(test) < 0.1
    told = box.locator("p[role=status]").inner_text()
    assert f"1.00 on the pairs trained on, {test:.2f} on others" in told
    left = RECORD[ALL_BUT_THIS]["left"][4, STRENGTHS.index(1)]
    assert np.abs(drawn(box) - left.numpy()).max() < 0.03


def test_without_javascript_its_picture_stays(visit):
    page = visit(PAGE, scripts=False).page
    page.wait_for_load_state("load")
    picture = page.locator("#fig-turn-the-scalpel img")
    assert picture.evaluate("(img) => img.naturalWidth > 400")
    assert len(picture.get_attribute("alt")) > 30
