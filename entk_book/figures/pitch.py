"""Chapter 10's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.pitch import CHANCE, INTERVALS, Heard
from entk_lib import plotting


def by_block(heard: Heard, sounds: Sequence[str], axes: Sequence[Axes]) -> Sequence[Axes]:
    """What the spectrum and the blocks share with each kind of waves, over seeds.

    Args:
        heard: All seeds.
        sounds: One an axes.
        axes: Where to draw.

    Returns:
        The axes.
    """
    blocks = ["spectrum", *(f"block {i}" for i in range(1, 7))]
    looks = {"line": ("s", plotting.ORANGE), "circle": ("o", plotting.BLUE)}
    looks["decoy"] = ("x", plotting.BLACK)
    for ax, sound in zip(axes, sounds, strict=True):
        for kind, (marker, color) in looks.items():
            rows = [heard.of(sound, "spectrum", kind, what="activations")]
            rows += [heard.of(sound, block, kind) for block in blocks[1:]]
            values = torch.tensor(rows)
            ax.plot(values.median(1).values, marker=marker, color=color, label=kind)
            low, high = values.amin(1), values.amax(1)
            at = range(len(blocks))
            ax.fill_between(at, low, high, color=color, alpha=0.15, linewidth=0)
        plotting.chance_line(CHANCE, ax)
        names = [block.removeprefix("block ") for block in blocks]
        ax.set_xticks(range(len(blocks)), names)
        ax.set(title=sound, xlabel="tones' spectrum, then kernel by block", ylim=(0, 10))
    axes[0].set_ylabel("shared by 20 modes (of 10)")
    axes[0].legend(fontsize=8, loc="upper right")
    return axes


def by_interval(similar: Mapping[str, Float[Tensor, " steps"]], ax: Axes) -> Axes:
    """How similar tones are, by the interval between them.

    Args:
        similar: As `entk_book.studies.pitch.by_interval`, by name.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = ((plotting.BLUE, "-"), (plotting.VERMILION, "--"), (plotting.BLACK, ":"))
    for (name, values), (color, style) in zip(similar.items(), looks, strict=False):
        ax.plot(range(1, len(values)), values[1:], style, color=color, label=name)
    for name, steps in INTERVALS.items():
        ax.axvline(steps, color=plotting.BLACK, linewidth=0.5, alpha=0.5)
        ax.text(steps, 1.0, name, fontsize=8, ha="center", va="bottom")
    ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
    ax.set(xlabel="interval (quarter tones)", ylabel="mean cosine", ylim=(-0.3, 1.0))
    ax.legend(fontsize=8)
    return ax
