"""Chapter 2's figures."""

import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.superposition import Nulls
from entk_lib import plotting

_NULLS = {
    "trained": (plotting.BLUE, "o"),
    "untrained": (plotting.ORANGE, "^"),
    "shuffled samples": (plotting.GREEN, "x"),
}


def nulls(found: Nulls, title: str, ax: Axes) -> Axes:
    """Best alignment of each feature, trained beside three nulls.

    Args:
        found: Of one network.
        title: Of the axes.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for label, (color, marker) in _NULLS.items():
        values = found.best[label]
        places = range(len(values))
        ax.plot(places, values, marker, color=color, markersize=4, label=label)
    plotting.chance_line(found.chance, ax)
    ax.axhline(0.5, color="grey", linewidth=0.8)
    ax.set(title=title, xlabel="feature", ylim=(0, 1))
    return ax


def open_outputs(
    shares: Float[Tensor, " features"], kept: Bool[Tensor, " features"], ax: Axes
) -> Axes:
    """On which share of the samples each output is open, by what its feature became.

    Args:
        shares: From 0 to 1.
        kept: Which features are reconstructed.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for mask, label, color, marker in (
        (kept, "reconstructed", plotting.BLUE, "o"),
        (~kept, "dropped", plotting.ORANGE, "^"),
    ):
        places = torch.nonzero(mask).squeeze()
        ax.plot(places, shares[mask], marker, color=color, markersize=4, label=label)
    ax.set(xlabel="feature", ylabel="fraction of samples", ylim=(0, 1.05))
    ax.legend(loc="center right")
    return ax
