"""Published figures beside ours: a table that is made from the run, never typed."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One published statement and what the run says of it.

    Attributes:
        statement: What is claimed, in a few words.
        published: The published figure, as text.
        here: Our figure with its spread over seeds, as text made from the run.
        agrees: Whether they agree by the rule that the chapter states.
        source: Where it is published.
        tolerance: When the two agree, in a few words.
    """

    statement: str
    published: str
    here: str
    agrees: bool
    source: str
    tolerance: str


@dataclass(frozen=True)
class _Ledger:
    claims: tuple[Claim, ...]

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                c.statement,
                c.published,
                c.here,
                "yes" if c.agrees else "**no**",
                c.tolerance,
                c.source,
            )
            for c in self.claims
        ]

    def _repr_markdown_(self) -> str:
        head = ("claim", "published", "here", "agrees?", "agrees if", "source")
        lines = [head, ("---",) * len(head), *self._rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        return "\n".join(
            f"{c.statement}: published {c.published}, here {c.here}, "
            f"{'agrees' if c.agrees else 'DOES NOT AGREE'} ({c.source})"
            for c in self.claims
        )


def ledger(claims: Sequence[Claim]) -> _Ledger:
    """A table of claims that notebooks show as such.

    Args:
        claims: In the order of the table.

    Returns:
        An object that displays as a table in a notebook and as lines elsewhere.

    Raises:
        ValueError: If a claim leaves a column empty or breaks the table with a ``|``.

    Example:
        >>> ledger([Claim("a cliff", "50", "49 to 51", True, "Fig. 1", "in the range")])
        a cliff: published 50, here 49 to 51, agrees (Fig. 1)
    """
    for claim in claims:
        texts = (claim.statement, claim.published, claim.here, claim.source)
        for text in (*texts, claim.tolerance):
            if not text or "|" in text or "\n" in text:
                raise ValueError(
                    f"a claim's texts must be one non-empty line without '|', got {text!r}."
                )
    return _Ledger(tuple(claims))
