"""Chapter 6, the overlaps: families in leading and next modes, over training."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.studies.spans import span as collapsed_span
from entk_book.studies.transformer import (
    HARD,
    MODULUS,
    N_MODES,
    accuracies,
    frequencies_of,
    network,
)
from entk_book.tables import Table, table
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition
from entk_lib.toys.tasks.frequencies import waves_at

FAMILIES = ("sum", "difference", "symmetric", "antisymmetric")
BLOCKS = ("leading", "next")
# The rows of the table: layer, block, family. The first six are those of the nulls.
ROWS = {
    "unembedding, leading: sum": ("unembedding", "leading", "sum"),
    "unembedding, next: symmetric": ("unembedding", "next", "symmetric"),
    "MLP out, leading: symmetric": ("mlp_out", "leading", "symmetric"),
    "MLP out, next: sum": ("mlp_out", "next", "sum"),
    "MLP in, leading: symmetric": ("mlp_in", "leading", "symmetric"),
    "attention out, leading: symmetric": ("attention_output", "leading", "symmetric"),
    "value, leading: symmetric": ("value", "leading", "symmetric"),
    "key, leading: symmetric": ("key", "leading", "symmetric"),
    "query, leading: symmetric": ("query", "leading", "symmetric"),
    "positions, leading: symmetric": ("position_embedding", "leading", "symmetric"),
    "tokens, leading: symmetric": ("token_embedding", "leading", "symmetric"),
}
FIRST_SIX = tuple(ROWS)[:6]

# A range as this chapter writes it: both ends, even where they are the same.
span = partial(collapsed_span, digits=2, collapse=False)


def shares(spectrum: Spectrum, keys: Sequence[int]) -> Float[Tensor, "2 families"]:
    """Share of each family in the leading and in the next modes.

    At F key frequencies a family has 2 F dimensions; the leading modes are 2 F + 1, one
    more for the constant, and the next ones 2 F.

    Args:
        spectrum: Of a kernel on all pairs.
        keys: Frequencies.

    Returns:
        From 0 to 1, in the order of ``BLOCKS`` and ``FAMILIES``.
    """
    waves, n = waves_at(MODULUS, keys), 2 * len(keys)
    modes = spectrum.eigenvectors
    blocks = (modes[:, : n + 1], modes[:, n + 1 : 2 * n + 1])
    return torch.tensor(
        [[entk.subspace_overlap(block, waves[f]) / n for f in FAMILIES] for block in blocks]
    )


def course(seed: int, epoch: int, keys: Sequence[int]) -> list[float]:
    """Overlap of the residual stream with sums, the embedding's share, the accuracy.

    Args:
        seed: Of the network.
        epoch: Of its training.
        keys: Frequencies that it ends with.

    Returns:
        Three shares from 0 to 1; the accuracy is that on pairs whose mirror is not trained.
    """
    model = network(seed, epoch)
    x = modular_addition.tokens(modular_addition.all_pairs(MODULUS), MODULUS)
    with torch.no_grad():
        modes = entk.factor_spectrum(model.residual(x), k=N_MODES)
    power = frequencies_of(model).shares
    return [
        float(shares(modes, keys)[0, 0]),
        float(sum(power[k - 1] for k in keys)),
        accuracies(model, seed)[HARD],
    ]


def share_in_order(points: Float[Tensor, "n 3"], quantity: int) -> float:
    """Of pairs of snapshots 0.1 apart in accuracy, the share that a quantity orders.

    Args:
        points: Quantities of snapshots, the accuracy in the last column.
        quantity: Its column.

    Returns:
        From 0 to 1.
    """
    further = points[:, None] - points[None]
    clear = further[further[..., -1] > 0.1]
    return float((clear[:, quantity] > 0).double().mean())


@dataclass(frozen=True)
class Separation:
    """What a quantity is where nothing is generalised, and where nearly everything is.

    Attributes:
        none: Its values where the accuracy is below 0.1.
        every: Its values where the accuracy is above 0.95.
    """

    none: Float[Tensor, " n"]
    every: Float[Tensor, " m"]

    @property
    def gap(self) -> float:
        """How far the ranges are apart; negative where they overlap."""
        return float(self.every.min() - self.none.max())


def separation(points: Float[Tensor, "n 3"], quantity: int) -> Separation:
    """Split a quantity's values by the accuracy that goes with them.

    Args:
        points: Quantities of snapshots, the accuracy in the last column.
        quantity: Its column.

    Returns:
        Both groups.
    """
    accuracy, values = points[:, -1], points[:, quantity]
    return Separation(values[accuracy < 0.1], values[accuracy > 0.95])


def order_table(points: Float[Tensor, "n 3"]) -> Table:
    """How overlap and embedding go with the accuracy.

    Args:
        points: Of snapshots, as `course` gives them.

    Returns:
        A row for each quantity.
    """
    rows = []
    for i, name in enumerate(("overlap with sums", "embedding's share")):
        split = separation(points, i)
        ordered = f"{100 * share_in_order(points, i):.0f} %"
        rows.append([name, span(split.none), span(split.every), ordered])
    head = (f"{len(points)} snapshots", "accuracy < 0.1", "> 0.95", "in order")
    return table(head, rows)
