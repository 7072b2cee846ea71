"""Chapter 9's figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes

from entk_book.studies.edit_records import Table
from entk_book.studies.edited_transformers import BETTER_PART, CHANGES, Tensors
from entk_lib import plotting

COLORS = {
    "sum": (plotting.BLUE, "o"),
    "difference": (plotting.GREEN, "^"),
    "a": (plotting.ORANGE, "s"),
    "a + 2b": (plotting.PURPLE, "D"),
    "random": (plotting.BLACK, "x"),
}


def presence(shares: Mapping[str, Mapping[str, Sequence[float]]], ax: Axes) -> Axes:
    """Share of energy of each family, in several places, over seeds.

    Args:
        shares: One number a seed, by place and family.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = (plotting.ORANGE, plotting.PURPLE, plotting.BLUE)
    families = list(next(iter(shares.values())))
    width = 0.8 / len(shares)
    for i, (place, by_family) in enumerate(shares.items()):
        heights = [100 * float(np.median(by_family[name])) for name in families]
        at = np.arange(len(families)) + width * (i - (len(shares) - 1) / 2)
        ax.bar(at, heights, 0.95 * width, color=looks[i], label=place)
    ax.set_xticks(range(len(families)), families)
    ax.set(ylabel="share of the energy (%)")
    ax.legend()
    return ax


def price(
    modes: tuple[Sequence[float], Sequence[float]],
    functions: Mapping[str, tuple[float, float]],
    ax: Axes,
) -> Axes:
    """What a change of unit size costs, over the eigenvalue that its direction has.

    Args:
        modes: Eigenvalues and prices of single modes of the class-averaged kernel.
        functions: The same of waves and random functions, by name; their eigenvalue is
            the kernel's mean along them.
        ax: Where to draw.

    Returns:
        The axes.
    """
    values = np.array(sorted(modes[0]))
    anchor = float(np.median(np.array(modes[1]) * np.sqrt(np.array(modes[0]))))
    ax.plot(values, anchor / np.sqrt(values), color=plotting.BLACK, linewidth=1)
    ax.plot(*modes, ".", color=plotting.SKY, markersize=9, label="modes of the kernel")
    for name in COLORS:
        point = functions[name]
        color, marker = COLORS[name]
        ax.plot(*point, marker, color=color, label=name, markersize=7)
    ax.set(xscale="log", yscale="log", xlabel="eigenvalue", ylabel="length of the change")
    ax.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.tick_params(axis="y", which="minor", labelleft=False)
    ax.legend(fontsize=8)
    return ax


def spreads(
    table: Table, kinds: Sequence[str], shares: Sequence[float], axes: Sequence[Axes]
) -> Sequence[Axes]:
    """How much of an edit is done on the pairs that were not edited.

    Args:
        table: All edits.
        kinds: Of networks, one an axes.
        shares: Of the pairs that were edited.
        axes: Where to draw.

    Returns:
        The axes.
    """
    for ax, kind in zip(axes, kinds, strict=True):
        for name, (color, marker) in COLORS.items():
            values = torch.tensor([table.spread(kind, name, s) for s in shares])
            middle = values.median(1).values
            across = [100 * s for s in shares]
            ax.plot(across, middle, marker=marker, color=color, label=name)
            low, high = values.amin(1), values.amax(1)
            ax.fill_between(across, low, high, color=color, alpha=0.15, linewidth=0)
        ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
        ax.set(title=kind, xlabel="pairs edited (%)", ylim=(-0.15, 1.0))
    axes[0].set_ylabel("done on the other pairs")
    return axes


def course(table: Table, functions: Sequence[str], ax: Axes) -> Axes:
    """How far edits spread, and the accuracy on new pairs, through training.

    Args:
        table: All edits.
        functions: Which to draw; as in `spreads`, whose legend names them.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for name in functions:
        color, marker = COLORS[name]
        by_step = table.course(name)
        steps = list(by_step)
        middle = [float(np.median(values)) for values in by_step.values()]
        ax.plot(steps, middle, marker=marker, color=color, label=name)
    by_step = table.course("accuracy")
    middle = [float(np.median(values)) for values in by_step.values()]
    (line,) = ax.plot(
        list(by_step), middle, "--", color=plotting.VERMILION, label="new pairs right"
    )
    ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
    ax.set_xscale("symlog", linthresh=50)
    ax.set(title="through training", xlabel="step", xlim=(-3, 550), ylim=(-0.15, 1.05))
    ax.set_xticks([0, 50, 100, 200, 500], ["0", "50", "100", "200", "500"])
    ax.legend(handles=[line])
    return ax


def tensors(held: Tensors, ax: Axes) -> Axes:
    """What single tensors of Transformers lack of a wave, and of other functions.

    Args:
        held: All changes.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = (
        (plotting.BLUE, "o"),
        (plotting.SKY, "v"),
        (plotting.GREEN, "^"),
        (plotting.PURPLE, "D"),
        (plotting.BLACK, "x"),
    )
    for k, (what, (color, marker)) in enumerate(zip(CHANGES, looks, strict=True)):
        for i, name in enumerate(held.tensors):
            values = held.of(what, name)
            label = what if i == 0 else None
            at = [i + 0.15 * (k - 2)] * len(values)
            ax.plot(at, values, marker, color=color, alpha=0.6, markersize=4, label=label)
    ax.axhline(BETTER_PART, color=plotting.BLACK, linewidth=0.8, linestyle=":")
    names = [name.replace("_", "\n") for name in held.tensors]
    ax.set_xticks(range(len(names)), names, fontsize=8)
    ax.set(ylabel="missing of the change", ylim=(0, 1.05))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=3, fontsize=8)
    return ax
