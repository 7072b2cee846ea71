"""Chapter 9, the ledger."""

from collections.abc import Sequence

from entk_book.ledger import Claim
from entk_book.studies.edit_records import SHARES, Table
from entk_book.studies.edited_transformers import BETTER_PART, UNUSED, Tensors
from entk_book.studies.edits_elsewhere import TakenOut
from entk_book.studies.spans import in_most, span

MIDDLE = SHARES[1]


def ahead(table: Table, level: float = 0.1) -> list[int | float]:
    """By how many steps the sum becomes movable before the test accuracy leaves chance.

    Movable: an edit of its wave is done on the other pairs to a larger share than the same
    network does at its start, by ``level``.

    Args:
        table: All edits.
        level: Also that of the test accuracy.

    Returns:
        One number for each network in which both happen.
    """
    done, accuracy = table.course("sum"), table.course("accuracy")
    steps, n = list(done), len(done[0])

    def first(series: dict[int, list[float]], i: int, beyond: float) -> int | None:
        return next((step for step in steps if series[step][i] > beyond), None)

    found = []
    for i in range(n):
        moved, learned = first(done, i, done[0][i] + level), first(accuracy, i, level)
        if moved is not None and learned is not None:
            found.append(learned - moved)
    return found


def claims(table: Table, taken_out: Sequence[TakenOut], tensors: Tensors) -> list[Claim]:
    """What is present, movable and used; all rows are new.

    Args:
        table: All edits.
        taken_out: Features of toy models of superposition.
        tensors: Edits of Transformers through single tensors.

    Returns:
        Rows of the ledger.
    """
    trained = table.of("trained")
    n = len(trained)
    new, unpublished = "new here", "not published"

    def shares(where: str, family: str) -> list[float]:
        return [100 * row["presence"][where][family] for row in trained]

    def test(what: str) -> list[float]:
        return [row["ablated"][what]["test"] for row in trained]

    whole = test("nothing")
    lost = {
        name: [a - b for a, b in zip(whole, test(name), strict=True)]
        for name in ("sums", "differences")
    }

    def done(kind: str, function: str) -> list[float]:
        return table.spread(kind, function, MIDDLE)

    def count(flags: Sequence[bool]) -> int:
        return sum(flags)

    spreads = {name: done("trained", name) for name in ("sum", "difference", "a + 2b")}
    controls = [
        value
        for kind in ("untrained", "shuffled labels")
        for name in ("sum", "difference")
        for value in done(kind, name)
    ]
    randoms = [v for kind in ("trained", "untrained") for v in done(kind, "random")]
    others = done("trained", "sum, other classes")
    leads = ahead(table)
    cases = len(tensors.networks)
    able = [name for name, able in tensors.able().items() if in_most(able, cases)]
    by_network = [
        [tensors.of(UNUSED, name)[i] for name in tensors.tensors] for i in range(cases)
    ]
    closed = [min(missing) > BETTER_PART for missing in by_network]
    unused = [value for missing in by_network for value in missing]

    def row(text: str, here: str, holds: bool, rule: str) -> Claim:
        return Claim(text, unpublished, here, holds, new, rule)

    return [
        row(
            "differences are present in the activations",
            f"{span(shares('activations', 'difference'))} % of their energy",
            in_most(count([v > 10 for v in shares("activations", "difference")]), n),
            "above 10 % in most seeds",
        ),
        row(
            "differences are present in the logits",
            f"{span(shares('logits', 'difference'), 1)} % of their energy",
            in_most(count([v > 1 for v in shares("logits", "difference")]), n),
            "above 1 % in most seeds",
        ),
        row(
            "sums are missed at the output",
            f"taken out, test accuracy falls by {span(lost['sums'], 2)}",
            in_most(count([v > 0.5 for v in lost["sums"]]), n),
            "by more than 0.5 in most seeds",
        ),
        row(
            "differences are missed at the output",
            f"test accuracy falls by {span(lost['differences'], 2)}",
            in_most(count([v > 0.01 for v in lost["differences"]]), n),
            "by more than 0.01 in most seeds",
        ),
        row(
            "an edit of the sum's wave carries over to pairs that were not edited",
            f"with 30 % edited, {span(spreads['sum'], 2)} of it is done",
            in_most(count([v > 0.4 for v in spreads["sum"]]), n),
            "more than 0.4 in most seeds",
        ),
        row(
            "so does one of the difference, which is not missed",
            f"{span(spreads['difference'], 2)}",
            in_most(count([v > 0.4 for v in spreads["difference"]]), n),
            "more than 0.4 in most seeds",
        ),
        row(
            "what is no feature does not: a wave of a + 2b",
            f"{span(spreads['a + 2b'], 2)}",
            in_most(count([v < 0.1 for v in spreads["a + 2b"]]), n),
            "less than 0.1 in most seeds",
        ),
        row(
            "nor a wave of a times a random function of b",
            f"{span(done('trained', 'a, random in b'), 2)}",
            in_most(count([v < 0.1 for v in done("trained", "a, random in b")]), n),
            "less than 0.1 in most seeds",
        ),
        row(
            "the pattern of the classes does not matter for it",
            f"of the sum, {span(others, 2)} with that of another frequency",
            in_most(
                count([a > b - 0.1 for a, b in zip(others, spreads["sum"], strict=True)]), n
            ),
            "within 0.1 in most seeds",
        ),
        row(
            "a random function of the pair does not",
            f"{span(randoms, 2)}, trained and untrained",
            max(map(abs, randoms)) < 0.1,
            "below 0.1 in every seed",
        ),
        row(
            "without the rule nothing of sums or differences carries over",
            f"{span(controls, 2)}, untrained and shuffled labels",
            max(map(abs, controls)) < 0.1,
            "below 0.1 in every seed",
        ),
        row(
            "the sum is movable before the test accuracy leaves chance",
            f"{span(leads)} steps before, in {count([v > 0 for v in leads])} of "
            f"{len(leads)} seeds",
            in_most(count([v > 0 for v in leads]), len(leads)),
            "earlier in most seeds",
        ),
        row(
            "in superposition, what moves along is what interferes",
            f"rank correlation {span([one.agreement for one in taken_out], 2)}, "
            f"{len(taken_out)} features",
            in_most(count([one.agreement > 0.5 for one in taken_out]), len(taken_out)),
            "above 0.5 for most features",
        ),
        row(
            "in a Transformer a wave of the sum can be turned down through one tensor only",
            f"through {len(able)} of {len(tensors.tensors)}, each alone, in most of "
            f"{cases} networks",
            len(able) == 1,
            "one and no other does the better part in most networks",
        ),
        row(
            "one that the network does not use cannot be put in through any",
            f"in {count(closed)} of {cases} networks; {span(unused, 2)} of it is missing",
            in_most(count(closed), cases),
            "no tensor does the better part, in most networks",
        ),
    ]
