"""Chapter 6's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from entk_book.studies.restricted import LongRuns
from entk_book.studies.transformer import EASY, EPOCHS, HARD, MODULUS, Outcome
from entk_lib import plotting
from entk_lib.toys.tasks.frequencies import KeyFrequencies

_KINDS = {
    "train": (plotting.ORANGE, "o"),
    EASY: (plotting.SKY, "^"),
    HARD: (plotting.BLUE, "s"),
}


def learning(epochs: Sequence[int], story: Sequence[Mapping[str, float]], ax: Axes) -> Axes:
    """Accuracies of one network over its training, by kind of pairs.

    Args:
        epochs: Of the snapshots.
        story: Accuracies at each.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for name, (color, marker) in _KINDS.items():
        values = [entry[name] for entry in story]
        ax.plot(epochs, values, f"{marker}-", color=color, label=name, markersize=4)
    plotting.chance_line(1 / MODULUS, ax)
    ax.set(xlabel="epoch", ylabel="accuracy", xlim=(-20, 2050))
    ax.legend()
    return ax


def outcome(ended: Outcome, ax: Axes) -> Axes:
    """Accuracies of all networks at the end, the worst on the hard pairs first.

    Args:
        ended: How all seeds end.
        ax: Where to draw.

    Returns:
        The axes.
    """
    easy, hard, order = ended.of(EASY), ended.of(HARD), ended.order
    values = [easy[seed] for seed in order]
    ax.plot(values, "^", color=plotting.SKY, label="mirror trained")
    ax.plot([hard[seed] for seed in order], "s", color=plotting.BLUE, label="not trained")
    plotting.chance_line(1 / MODULUS, ax)
    ax.axhline(0.95, color=plotting.VERMILION, linewidth=1, linestyle="--")
    ax.set_xticks(range(len(order)), [str(seed) for seed in order])
    ax.set(xlabel="seed, sorted", ylabel="accuracy on test pairs")
    ax.legend()
    return ax


def powers(
    found: Mapping[int, KeyFrequencies], n_general: int, title: str, ax: Axes
) -> AxesImage:
    """Share of the embedding's power at each frequency, with the key frequencies marked.

    Args:
        found: By seed, those that generalise first.
        n_general: How many do.
        title: Of the axes.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    table = torch.stack([one.shares for one in found.values()]).numpy()
    image = ax.imshow(table, cmap="viridis", vmin=0, vmax=0.5, aspect="auto")
    for i, one in enumerate(found.values()):
        for k in one.frequencies:
            ax.plot(k - 1, i, "o", color=plotting.VERMILION, markersize=4)
    ax.axhline(n_general - 0.5, color="white", linestyle="--")
    ax.set_xticks(range(1, 14, 3), [str(k) for k in range(2, 15, 3)])
    ax.set_yticks(range(len(found)), [str(seed) for seed in found])
    ax.set(title=title, xlabel="frequency")
    ax.grid(visible=False)
    return image


def restricted_course(runs: LongRuns, seed: int, ax: Axes) -> Axes:
    """Accuracies of one network through a long training, restricted to its waves and not.

    Args:
        runs: Of all networks.
        seed: Of the one.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = {
        "restricted": (plotting.GREEN, "-"),
        EASY: (plotting.SKY, "--"),
        HARD: (plotting.BLUE, "-"),
    }
    labels = {"restricted": "restricted to its waves"}
    for name, (color, style) in looks.items():
        values = runs.series[seed][name]
        label = labels.get(name, name)
        ax.plot(runs.epochs, values, color=color, linestyle=style, label=label)
    ax.axvline(EPOCHS, color=plotting.BLACK, linewidth=1, linestyle=":")
    ax.set(title=f"seed {seed}", xlabel="epoch", ylim=(-0.02, 1.02))
    ax.set_xticks([0, 4000, 8000], ["0", "4,000", "8,000"])
    return ax


def family_table(
    values: Float[Tensor, "layers 2 families"],
    layers: Sequence[str],
    title: str,
    ax: Axes,
) -> AxesImage:
    """Shares of four families in the leading and the next modes of each layer.

    Args:
        values: From 0 to 1.
        layers: Their names.
        title: Of the axes.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    image = plotting.alignment(values.flatten(1), ax)
    ax.set_title(title)
    ax.axvline(3.5, color="white", linestyle="--")
    ax.set_xticks(range(8), ["a+b", "a−b", "sym", "anti"] * 2, rotation=60)  # ruff: ignore[ambiguous-unicode-character-string]
    ax.set_yticks(range(len(layers)), [layer.replace("_", " ") for layer in layers])
    ax.set_xlabel("leading modes            next modes")
    ax.set_ylabel("")
    return image


def groups_of_rows(
    groups: Mapping[str, Mapping[str, Sequence[float]]], chance: float, ax: Axes
) -> Axes:
    """Rows of the table for several groups of networks, a point a seed.

    Args:
        groups: Shares by group and row.
        chance: What two random spans share.
        ax: Where to draw.

    Returns:
        The axes.
    """
    palette = (plotting.BLUE, plotting.VERMILION, plotting.ORANGE, plotting.PURPLE)
    names = list(next(iter(groups.values())))
    for i, (group, color, marker) in enumerate(zip(groups, palette, "os^x", strict=True)):
        for j, name in enumerate(names):
            values = groups[group][name]
            places = [j + 0.18 * (i - 1.5)] * len(values)
            label = group if j == 0 else None
            ax.plot(values, places, marker, color=color, label=label, markersize=5)
    line = {"color": plotting.BLACK, "linewidth": 1, "linestyle": ":"}
    ax.axvline(chance, label="chance", **line)
    ax.set_yticks(range(len(names)), [name.replace(": ", ":\n") for name in names])
    ax.invert_yaxis()
    ax.set_xlabel("share of the family")
    return ax


def ways(
    shares: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str], ax: Axes
) -> Axes:
    """Share of the symmetric waves by three ways to look at a layer, a point a seed.

    Args:
        shares: By way and layer.
        names: Of the layers, to be written.
        ax: Where to draw.

    Returns:
        The axes.
    """
    palette = (plotting.BLACK, plotting.BLUE, plotting.GREEN)
    for i, (way, color, marker) in enumerate(zip(shares, palette, "xos", strict=True)):
        for j, values in enumerate(shares[way].values()):
            label = way if j == 0 else None
            places = [j + 0.2 * (i - 1)] * len(values)
            ax.plot(places, values, marker, color=color, label=label)
    ax.set_xticks(range(len(names)), names)
    ax.set(ylabel="share of the symmetric waves", ylim=(0, 1.05))
    return ax


def course(
    epochs: Sequence[int], values: Float[Tensor, "epochs 3"], chance: float, ax: Axes
) -> Axes:
    """Overlap, embedding's share and accuracy over the training of one network.

    Args:
        epochs: Of the snapshots.
        values: One row an epoch.
        chance: Of the overlap.
        ax: Where to draw.

    Returns:
        The axes.
    """
    lines = (
        ("overlap of the unembedding with sums", plotting.VERMILION, "o"),
        ("key frequencies' share of the embedding", plotting.GREEN, "^"),
        ("accuracy, mirror not trained", plotting.BLUE, "s"),
    )
    for series, (label, color, marker) in zip(values.T, lines, strict=True):
        ax.plot(epochs, series, f"{marker}-", color=color, label=label, markersize=4)
    plotting.chance_line(chance, ax, label="chance, of the overlap")
    ax.set(xlabel="epoch", ylabel="share, accuracy", xlim=(-20, 2050))
    return ax
