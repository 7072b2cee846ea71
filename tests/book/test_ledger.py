"""The table of claims shows every claim, and disagreement loudly."""

import pytest

from entk_book.ledger import Claim, ledger

CLAIMS = [
    Claim("a cliff after 50", "50", "50 in 10 of 10 seeds", True, "Fig. 1", "nine of ten"),
    Claim("a cliff after 80", "80", "77 (75 to 79)", False, "Fig. 2", "within 1"),
]


def test_markdown_has_a_row_for_each_claim_in_order():
    lines = ledger(CLAIMS)._repr_markdown_().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["claim", "published", "here", "agrees?", "agrees if", "source"]
    assert cells[1] == ["---"] * 6
    assert cells[2] == [
        *("a cliff after 50", "50", "50 in 10 of 10 seeds", "yes", "nine of ten", "Fig. 1")
    ]
    assert cells[3] == [
        *("a cliff after 80", "80", "77 (75 to 79)", "**no**", "within 1", "Fig. 2")
    ]
    assert len(cells) == 4


def test_plain_text_has_a_line_for_each_claim():
    first, second = repr(ledger(CLAIMS)).splitlines()
    assert (
        first
        == "a cliff after 50: published 50, here 50 in 10 of 10 seeds, agrees (Fig. 1)"
    )
    assert "DOES NOT AGREE" in second


def test_the_ledger_keeps_what_it_was_given():
    claims = list(CLAIMS)
    table = ledger(claims)
    claims.clear()
    assert len(repr(table).splitlines()) == 2


@pytest.mark.parametrize("field", ["statement", "published", "here", "source", "tolerance"])
@pytest.mark.parametrize("text", ["", "a|b", "a\nb"], ids=["empty", "bar", "lines"])
def test_texts_that_break_the_table_are_refused(field, text):
    texts = dict.fromkeys(("statement", "published", "here", "source", "tolerance"), "t")
    texts[field] = text
    with pytest.raises(ValueError, match=r"one non-empty line without '\|', got"):
        ledger([Claim(**texts, agrees=True)])
