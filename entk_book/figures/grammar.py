"""Chapter 11's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.told import Told
from entk_lib import plotting

# The kernel, the published rival, and those that cost no derivative either.
LOOKS = {
    "kernel": ("o", plotting.BLUE, "kernel"),
    "returned": ("s", plotting.ORANGE, "returned, at the word"),
    "read": ("^", plotting.GREEN, "read, at all words used"),
    "embeddings": ("x", plotting.BLACK, "embeddings, all words"),
    "logits": ("v", plotting.SKY, "logits"),
    "probabilities": ("P", plotting.PURPLE, "probabilities"),
    "probe": ("d", plotting.VERMILION, "probe, at the word"),
}


def two_kinds(
    numbers: Float[Tensor, " n"], fact: Bool[Tensor, " n"], names: Sequence[str], ax: Axes
) -> Axes:
    """The numbers that a mode gives to samples with a fact and without.

    Args:
        numbers: One a sample.
        fact: Of each sample.
        names: Of those without it, and with it.
        ax: Where to draw.

    Returns:
        The axes.
    """
    bins = torch.linspace(float(numbers.min()), float(numbers.max()), 40).tolist()
    for holds, name, color in zip(
        (False, True), names, (plotting.ORANGE, plotting.BLUE), strict=True
    ):
        ax.hist(numbers[fact == holds].tolist(), bins, color=color, alpha=0.6, label=name)
    ax.set(xlabel="the chosen mode's number", ylabel="contexts")
    ax.legend(fontsize=8)
    return ax


def by_place(
    told: Told,
    facts: Mapping[str, Sequence[str]],
    ways: Sequence[str],
    axes: Sequence[Axes],
    **options: str,
) -> Sequence[Axes]:
    """What each way tells, layer by layer: medians and ranges over seeds.

    Args:
        told: All seeds.
        facts: Names of facts by title; the mean over them is drawn. One an axes.
        ways: Of ``LOOKS``.
        axes: Where to draw.
        **options: As in `entk_book.studies.told.Told.of`.

    Returns:
        The axes.
    """
    at = range(len(told.places))
    for ax, (title, names) in zip(axes, facts.items(), strict=True):
        for way in ways:
            marker, color, label = LOOKS[way]
            rows = [told.mean(way, place, names, **options) for place in told.places]
            values = torch.tensor(rows)
            ax.plot(at, values.median(1).values, marker=marker, color=color, label=label)
            low, high = values.amin(1), values.amax(1)
            ax.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
        chances = [max(told.chance(place, name) for name in names) for place in told.places]
        ax.plot(at, chances, ":", color=plotting.BLACK, linewidth=1, label="by choice")
        names = [place.removeprefix("layer ").replace(" ", "\n") for place in told.places]
        ax.set_xticks(at, names, fontsize=8)
        ax.set(title=title, ylim=(0.2, 1.03))
    axes[0].set_ylabel("AUROC on the other half")
    drawn, labels = axes[0].get_legend_handles_labels()
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.98)}
    axes[0].figure.legend(drawn, labels, fontsize=8, ncols=len(labels), **place)
    return axes


def by_class(
    told: Told, place: str, classes: Sequence[str], ways: Sequence[str], ax: Axes
) -> Axes:
    """What each way tells of each class at one place: medians and ranges over seeds.

    Args:
        told: All seeds.
        place: One of its places.
        classes: Facts.
        ways: Of ``LOOKS``.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for i, way in enumerate(ways):
        marker, color, label = LOOKS[way]
        values = torch.tensor([told.of(way, place, kind) for kind in classes])
        at = torch.arange(len(classes)) + 0.16 * (i - (len(ways) - 1) / 2)
        middle = values.median(1).values
        ax.vlines(at, values.amin(1), values.amax(1), color=color, linewidth=1)
        ax.plot(at, middle, marker, color=color, markersize=5, label=label)
    chances = [told.chance(place, kind) for kind in classes]
    dash = {"color": plotting.BLACK, "markersize": 22, "linestyle": "none"}
    ax.plot(range(len(classes)), chances, marker="_", label="by choice", **dash)
    ax.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    ax.set(ylabel="AUROC on the other half", ylim=(0.4, 1.03))
    ax.legend(fontsize=8, ncols=2, loc="lower left")
    return ax
