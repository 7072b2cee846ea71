"""A table shows every cell, and refuses what would break it."""

import pytest

from entk_book.tables import table


def test_numbers_stand_on_the_right_and_words_on_the_left():
    shown = table(["regime", "found"], [["dense", 50], ["sparse", -7.5]])
    assert shown._repr_markdown_().splitlines() == [
        "| regime | found |",
        "| --- | ---: |",
        "| dense | 50 |",
        "| sparse | -7.5 |",
    ]


def test_a_column_with_one_word_is_no_column_of_numbers():
    shown = table(["found"], [[50], ["none"]])
    assert shown._repr_markdown_().splitlines()[1] == "| --- |"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], "at least one row"),
        ([["a"]], "must have 2 cells"),
        ([["a", "b", "c"]], "must have 2 cells"),
        ([["a", "b|c"]], r"one line without '\|', got 'b\|c'"),
        ([["a\nb", "c"]], "one line"),
    ],
)
def test_what_breaks_a_table_is_refused(rows, problem):
    with pytest.raises(ValueError, match=problem):
        table(["one", "two"], rows)


def test_a_column_without_a_head_is_refused():
    with pytest.raises(ValueError, match="must have a head"):
        table(["", "found"], [["dense", 50]])
