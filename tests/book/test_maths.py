"""TeX becomes MathML that browsers set, and what TeX does not know is refused."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.utils import new_document
from sphinx.errors import ExtensionError

import mathml
import maths


def one(tex, display=False):
    return maths.convert([(tex, display)])[tex, display]


def test_formulas_become_mathml_that_needs_nothing_else():
    made = one(r"\frac{\partial f_c(x_n)}{\partial \theta_p}", display=True)
    root = ET.fromstring(made)
    assert root.tag == "math"
    assert root.get("display") == "block"
    assert [element.tag for element in root] == ["mfrac"]
    assert "data-" not in made
    assert "xmlns" not in made


def test_every_formula_is_given_back_under_its_own_name():
    wanted = [("a", False), ("b", True), ("a", False), ("a", True)]
    assert set(maths.convert(wanted)) == set(wanted)
    assert maths.convert([]) == {}


@pytest.mark.parametrize("tex", [r"\unheardof x", r"\frac{1", r"x }"])
def test_what_tex_does_not_know_is_named(tex):
    with pytest.raises(ValueError, match="formulas must be TeX") as error:
        maths.convert([("a + b", False), (tex, False)])
    assert tex in str(error.value)
    assert "a + b" not in str(error.value)


def test_bold_letters_are_characters_of_their_own_and_other_styles_are_refused():
    assert ">\U0001d7cf<" in one(r"\mathbf{1}")
    assert "mathvariant" not in one(r"\mathbf{x}")
    with pytest.raises(ValueError, match="must be italic, upright or bold"):
        one(r"\mathcal{L}")


def test_columns_are_aligned_and_lines_split():
    root = ET.fromstring(one(r"\begin{aligned} a &= b \\ &= c \end{aligned}", display=True))
    sides = [cell.get("style") for cell in root.iter("mtd")]
    assert sides == ["text-align: right", "text-align: left"] * 2


def test_signs_and_bars_stand_close_to_what_they_belong_to():
    signs = [m for m in ET.fromstring(one("a = -b - c")).iter("mo") if m.text == "\u2212"]
    assert [sign.get("form") for sign in signs] == ["prefix", None]
    bars = [m for m in ET.fromstring(one("|x|")).iter("mo") if m.text == "|"]
    assert [bar.get("lspace") for bar in bars] == ["0", "0"]
    assert 'class="prime"' in one("x'")


def test_a_long_formula_in_the_text_may_be_broken_but_not_within_brackets():
    parts = one("f(a, b) = g(a) + h(b) = 0.123").split("<wbr/>")
    assert ["".join(ET.fromstring(part).itertext()) for part in parts] == [
        "f(a,b)=",
        "g(a)+",
        "h(b)=",
        "0.123",
    ]
    assert "<wbr/>" not in one("a = b")
    assert one(r"a = b, \qquad c = d", display=True).count("<math") == 2


def test_brackets_and_stops_stay_with_their_formula():
    start = '<span class="math notranslate nohighlight">'
    formula = f"{start}<math><mi>a</mi></math></span>"
    long = f"{start}<math><mi>a</mi></math><wbr/><math><mi>b</mi></math></span>"
    assert mathml.with_punctuation(f"so {formula} is") == f"so {formula} is"
    written = mathml.with_punctuation(f"({formula}), {long}.")
    assert written == (
        f'{start}<span class="keep">(<math><mi>a</mi></math>),</span></span> '
        f'{start}<span class="keep"><math><mi>a</mi></math></span><wbr/>'
        '<span class="keep"><math><mi>b</mi></math>.</span></span>'
    )
    assert mathml.with_punctuation(written) == written


def test_a_wrong_formula_stops_the_build_with_its_page():
    app = SimpleNamespace(builder=SimpleNamespace(format="html"))
    page = new_document("page")
    page += nodes.math_block("", "a + b", nowrap=False)
    maths._convert_page(app, page, "chapters/one")
    page += nodes.math("", r"\unheardof x")
    with pytest.raises(ExtensionError, match=r"chapters/one: formulas .*unheardof x"):
        maths._convert_page(app, page, "chapters/one")
