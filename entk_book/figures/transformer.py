"""Chapter 6's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

import entk_lib as entk
from entk_book.figures.common import trained_and_untrained
from entk_book.studies.restricted import LongRuns
from entk_book.studies.transformer import EASY, EPOCHS, HARD, MODULUS, Outcome
from entk_lib import Spectrum, plotting
from entk_lib.toys.tasks.frequencies import KeyFrequencies

# As the text calls them: the label, the colour and the marker of each kind of pairs.
_KINDS = {
    "train": ("training pairs", plotting.ORANGE, "o"),
    EASY: ("mirrored pairs", plotting.SKY, "^"),
    HARD: ("hard pairs", plotting.BLUE, "s"),
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
    for name, (label, color, marker) in _KINDS.items():
        values = [entry[name] for entry in story]
        ax.plot(epochs, values, f"{marker}-", color=color, label=label, markersize=4)
    plotting.chance_line(1 / MODULUS, ax)
    ax.set(xlabel="epoch", ylabel="accuracy", xlim=(-20, 2050))
    return ax


def outcome(ended: Outcome, ax: Axes) -> Axes:
    """Accuracies of all networks at the end, the worst on the hard pairs first.

    Args:
        ended: How all seeds end.
        ax: Where to draw.

    Returns:
        The axes.
    """
    order = ended.order
    for kind in (EASY, HARD):
        label, color, marker = _KINDS[kind]
        values = [ended.of(kind)[seed] for seed in order]
        ax.plot(values, marker, color=color, label=label)
    plotting.chance_line(1 / MODULUS, ax)
    ax.axhline(0.95, color=plotting.VERMILION, linewidth=1, linestyle="--")
    ax.set_xticks(range(len(order)), [str(seed) for seed in order])
    ax.set(xlabel="seed, sorted", ylabel="accuracy")
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
        "restricted": ("hard pairs, restricted", plotting.GREEN, "-"),
        EASY: (*_KINDS[EASY][:2], "--"),
        HARD: (*_KINDS[HARD][:2], "-"),
    }
    for name, (label, color, style) in looks.items():
        values = runs.series[seed][name]
        ax.plot(runs.epochs, values, color=color, linestyle=style, label=label)
    ax.axvline(EPOCHS, color=plotting.BLACK, linewidth=1, linestyle=":")
    ax.set(title=f"seed {seed}", xlabel="epoch", ylim=(-0.02, 1.02))
    ax.set_xticks([0, 4000, 8000], ["0", "4,000", "8,000"])
    return ax


def spectra(
    trained: Mapping[str, Spectrum], untrained: Mapping[str, Spectrum], axes: Sequence[Axes]
) -> Sequence[Axes]:
    """Spectra of some layers' kernels, with the cliffs of the trained ones.

    Args:
        trained: By layer; one for each of the axes.
        untrained: Of the same layers.
        axes: Where to draw.

    Returns:
        The axes.
    """
    for ax, (layer, one) in zip(axes, trained.items(), strict=True):
        pair = (one.eigenvalues, untrained[layer].eigenvalues)
        trained_and_untrained(*pair, ax, cliffs=entk.find_cliffs(one.eigenvalues))
        ax.set(title=layer.replace("_", " "), xlabel="rank of eigenvalue", ylabel="")
    axes[0].set_ylabel("eigenvalue / largest")
    axes[0].legend()
    return axes


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
        ("overlap with sums", plotting.VERMILION, "o"),
        ("embedding's share", plotting.GREEN, "^"),
        ("accuracy, hard pairs", plotting.BLUE, "s"),
    )
    for series, (label, color, marker) in zip(values.T, lines, strict=True):
        ax.plot(epochs, series, f"{marker}-", color=color, label=label, markersize=4)
    plotting.chance_line(chance, ax, label="chance, of the overlap")
    ax.set(xlabel="epoch", ylabel="share, accuracy", xlim=(-20, 2050))
    return ax
