"""Small tables: as such in a page, in JupyterLab and in Colab, as lines elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table that a notebook shows as one; its ``repr`` is a line for each row.

    Attributes:
        columns: The head of each column.
        rows: Their cells, as text.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _repr_markdown_(self) -> str:
        by_column = zip(*self.rows, strict=True)
        marks = tuple(
            "---:" if all(map(_is_number, column)) else "---" for column in by_column
        )
        lines = [self.columns, marks, *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        return "\n".join(" | ".join(line) for line in (self.columns, *self.rows))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table out of rows; put it last in a cell, or give it to ``display``.

    Numbers must come rounded as they shall be read: a chapter's test compares every digit.

    Args:
        columns: The head of each column; Markdown and formulas are shown as such.
        rows: One cell for each column. What is no text is made text by ``str``.

    Returns:
        An object that displays as a table in a notebook.

    Raises:
        ValueError: If there is no row, if a row has more or fewer cells than there are
            columns, if a column has no head, or if a cell is not one line without ``|``.

    Example:
        >>> table(["regime", "found"], [["dense", 50], ["sparse", "20 to 22"]])
        regime | found
        dense | 50
        sparse | 20 to 22
    """
    head = tuple(columns)
    texts = tuple(tuple(map(str, row)) for row in rows)
    if not texts:
        raise ValueError("a table must have at least one row, got none.")
    if not all(head):
        raise ValueError(f"each column must have a head, for who hears it, got {head}.")
    for line in (head, *texts):
        if len(line) != len(head):
            raise ValueError(
                f"each row must have {len(head)} cells, one for each of {head}, got {line}."
            )
        for text in line:
            if "|" in text or "\n" in text:
                raise ValueError(f"a cell must be one line without '|', got {text!r}.")
    return Table(head, texts)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "").replace(",", "").isdigit()
