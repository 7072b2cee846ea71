"""Chapter 6, the ledger."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from entk_book.ledger import Claim
from entk_book.studies.spans import in_most, predicted, within
from entk_book.studies.transformer import EASY, HARD, Outcome
from entk_book.studies.transformer_overlaps import Separation, span


def claims(
    *,
    ended: Outcome,
    rows: Mapping[str, Sequence[float]],
    at_400: Mapping[str, float],
    query: tuple[int, int],
    gram_gains: Float[Tensor, "layers seeds"],
    average_gains: Float[Tensor, "layers seeds"],
    rival_gains: Mapping[str, Sequence[float]],
    separated: Separation,
) -> list[Claim]:
    """What was published of the Transformer, and what is new, beside ours.

    Args:
        ended: How all seeds end.
        rows: The table's rows for the seeds that generalise.
        at_400: Accuracies of seed 0 at epoch 400.
        query: Seeds in which the query's kernel has a cliff after 4, trained and untrained.
        gram_gains: Symmetric waves in the inputs' Gram matrix less those in the kernel.
        average_gains: Those in the class-averaged kernel less those in the mean logit's.
        rival_gains: Share of each family in inputs and activations side by side less that
            in the kernel of the mean logit, one a seed.
        separated: The overlap with sums by accuracy.

    Returns:
        The ledger's rows.
    """
    lin, new, unpublished = "Lin 2025", "new here", "not published"
    n_general, n_seeds = len(ended.general), len(ended.accuracies)

    def of_row(row: str, text: str) -> Claim:
        values = rows[row]
        percent = span([100 * value for value in values], digits=0)
        passed = sum(value >= 0.75 for value in values)
        return Claim(
            text,
            unpublished,
            f"{percent} % of the family, {n_general} seeds",
            in_most(passed, n_general),
            new,
            "at least 75 % in most seeds",
        )

    def published_row(row: str, text: str, dimensions: float) -> Claim:
        percent = [100 * value for value in rows[row]]
        low, high = predicted(percent)
        return Claim(
            text,
            f"{dimensions:g} of 4",
            f"{span(percent, digits=0)} % of the family, one more in {low:.0f} to "
            f"{min(high, 100.0):.0f} %",
            within(100 * dimensions / 4, percent),
            lin,
            "95 % prediction interval",
        )

    def gain_of(family: str) -> str:
        low, high = min(rival_gains[family]), max(rival_gains[family])
        return f"{low:+.2f} to {high:+.2f}"

    n_overall = ended.n_overall
    twice = (n_overall / n_seeds) ** 2
    better = [int((gains > 0).all(0).sum()) for gains in (gram_gains, average_gains)]
    return [
        published_row(
            "unembedding, leading: sum",
            "unembedding's leading modes are waves of the sum",
            3.96,
        ),
        published_row(
            "unembedding, next: symmetric",
            "unembedding's next modes are symmetric waves",
            3.94,
        ),
        Claim(
            "the network groks within 4,000 epochs",
            "two of two networks, over all test pairs",
            f"{n_overall} of {n_seeds} seeds over all test pairs, {n_general} over those "
            "with untrained mirror",
            twice >= 0.05,
            lin,
            f"two of two are not rarer than 1 in 20 at our rate: {twice:.2f}",
        ),
        *(
            of_row(row, text)
            for row, text in (
                (
                    "MLP out, leading: symmetric",
                    "MLP out's leading modes are symmetric waves",
                ),
                ("MLP out, next: sum", "MLP out's next modes are waves of the sum"),
                (
                    "MLP in, leading: symmetric",
                    "MLP in's leading modes are symmetric waves",
                ),
                (
                    "attention out, leading: symmetric",
                    "attention output's leading modes are symmetric waves",
                ),
            )
        ),
        Claim(
            "half of the test set is answered by a + b = b + a alone",
            unpublished,
            f"epoch 400, seed 0: {at_400[EASY]:.2f} with the mirror trained, "
            f"{at_400[HARD]:.2f} without",
            at_400[EASY] > 0.8 and at_400[HARD] < 0.1,
            new,
            "above 0.8 and below 0.1",
        ),
        Claim(
            "the query's kernel has one mode a head",
            unpublished,
            f"cliff after 4 in {query[0]} of {n_general} seeds, untrained {query[1]}",
            query[0] == n_general and not query[1],
            new,
            "all seeds, none untrained",
        ),
        Claim(
            "in MLP in and attention output, the Gram matrix of the inputs "
            "shows the waves better than the kernel",
            unpublished,
            f"in both, {better[0]} of {n_general} seeds",
            in_most(better[0], n_general),
            new,
            "in both tensors, in most seeds",
        ),
        Claim(
            "the class-averaged kernel shows the waves better than that of the mean logit",
            unpublished,
            f"in all three tensors, {better[1]} of {n_general} seeds",
            in_most(better[1], n_general),
            new,
            "in all three tensors, in most seeds",
        ),
        Claim(
            "inputs and activations side by side hold fewer waves than the kernel",
            unpublished,
            f"of sums {gain_of('sum')} of the family, of symmetric waves "
            f"{gain_of('symmetric')}, beyond the kernel of the mean logit",
            all(max(gain) < 0 for gain in rival_gains.values()),
            new,
            "fewer in every seed",
        ),
        Claim(
            "overlap with sums separates networks that generalise from those that do not",
            "rises with grokking",
            f"{span(separated.every)} against {span(separated.none)}",
            separated.gap > 0.1,
            new,
            "a gap above 0.1 between the ranges",
        ),
    ]
