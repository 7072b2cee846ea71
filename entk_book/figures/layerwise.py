"""Chapter 5's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.layerwise import LAYERS
from entk_lib import plotting

_PALETTE = (
    plotting.BLACK,
    plotting.ORANGE,
    plotting.VERMILION,
    plotting.BLUE,
    plotting.SKY,
    "#bbbbbb",
)


def energies(
    shares: Mapping[str, Float[Tensor, "seeds layers families"]],
    names: Sequence[str],
    ax: Axes,
) -> Axes:
    """A bar for each of the two layers, trained and untrained: its families' shares.

    Args:
        shares: By state; medians over seeds are drawn.
        names: Of the families, the rest at last.
        ax: Where to draw.

    Returns:
        The axes.
    """
    # The whole, in the last row, is the sum of both.
    medians = torch.cat([shares[state].median(0).values[:-1] for state in shares])
    left = torch.zeros(len(medians))
    for name, color, widths in zip(names, _PALETTE, medians.T, strict=True):
        ax.barh(range(len(medians)), 100 * widths, left=100 * left, color=color, label=name)
        left = left + widths
    labels = [f"{layer}, {state}" for state in shares for layer in LAYERS[:-1]]
    ax.set_yticks(range(len(medians)), labels)
    ax.invert_yaxis()
    ax.set_xlabel("share of the whole kernel's trace (%)")
    ax.grid(visible=False)
    return ax
