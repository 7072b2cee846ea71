"""Chapter 2's figures."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.superposition import Nulls, OverSeeds
from entk_book.studies.superposition_gates import Found
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
    return _by_feature(title, ax)


def over_seeds(found: Mapping[str, OverSeeds], title: str, ax: Axes) -> Axes:
    """Best alignment of each feature over seeds, trained and untrained.

    Args:
        found: By ``"trained"`` and ``"untrained"``.
        title: Of the axes.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for state, color in (("trained", plotting.BLUE), ("untrained", plotting.ORANGE)):
        best = found[state].best
        plotting.band(range(best.shape[1]), best, ax, label=state, color=color)
    return _by_feature(title, ax)


def _by_feature(title: str, ax: Axes) -> Axes:
    """The line of one half, and features across."""
    ax.axhline(0.5, color="grey", linewidth=0.8)
    ax.set(title=title, xlabel="feature", ylim=(0, 1))
    return ax


def over_thresholds(found: Mapping[str, Found], ax: Axes) -> Axes:
    """How many features each way finds, over the alignment that is asked for.

    Args:
        found: By way, at most four.
        ax: Where to draw.

    Returns:
        The axes.
    """
    thresholds = torch.linspace(0.1, 1, 91)
    colors = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.PURPLE)
    for (way, one), color in zip(found.items(), colors, strict=False):
        counts = (one.best.unsqueeze(2) > thresholds).sum(1).float()
        plotting.band(thresholds.tolist(), counts, ax, label=way, color=color)
    ax.set(xlabel="alignment asked for", ylabel="features found")
    ax.legend()
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
