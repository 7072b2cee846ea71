"""Chapter 10's figures of the edit, and of the helix."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.pitch import N_TONES, PER_OCTAVE
from entk_book.studies.pitch_answers import Answers
from entk_book.studies.pitch_edits import CONTROLS, OCTAVE, PLACES
from entk_book.studies.pitch_helix import Helix
from entk_lib import plotting

_MOVED = (-50, 150)  # cents that are drawn


def along_the_row(
    cents: Float[Tensor, " n"],
    done: Mapping[str, Float[Tensor, " n"]],
    edited: Sequence[float],
    left_out: float,
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """What an edit does to tones all over the range.

    Args:
        cents: Pitches of the tones.
        done: As `entk_book.studies.pitch_edits.each_done` gives it.
        edited: Pitches that were edited.
        left_out: The pitch of the row that was not.
        axes: Two: the pitch that is told, before and after; the share of the change.

    Returns:
        The axes.
    """

    def octaves(values: Tensor | float) -> Any:
        return (values - left_out) / 1200

    across = octaves(cents)
    for ax in axes:
        for i, one in enumerate(edited):
            label = "edited" if i == 0 else None
            look = {"color": plotting.ORANGE, "linewidth": 6, "alpha": 0.35}
            ax.axvline(octaves(one), label=label, **look)
            twelfth = octaves(one) + 1902 / 1200
            if twelfth < float(across.max()):
                label = "a twelfth above" if i == 0 else None
                ax.axvline(twelfth, color=plotting.BLACK, ls=":", lw=1, label=label)
        ax.axvline(0, color=plotting.SKY, linewidth=6, alpha=0.5, label="left out")
        ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
    moved = done["cents"]
    beyond = (moved < _MOVED[0]) | (moved > _MOVED[1])
    inside = moved.masked_fill(beyond, float("nan"))
    axes[0].plot(across, inside, color=plotting.BLUE, linewidth=1.3)
    if bool(beyond.any()):
        edge = moved[beyond].clamp(_MOVED[0] + 5, _MOVED[1] - 5)
        axes[0].plot(across[beyond], edge, "x", color=plotting.VERMILION, label="beyond")
    axes[0].set(ylabel="pitch told moves (cents)", ylim=_MOVED)
    axes[1].plot(across, done["own"], color=plotting.BLUE, linewidth=1.3)
    axes[1].set_ylabel("share of the change")
    axes[1].set_xlabel("pitch (octaves from the tone left out)")
    axes[0].legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return axes


def carried(answers: Answers, measure: str, ax: Axes) -> Axes:
    """What is done on a tone that was left out, by its place and the row's spacing.

    Args:
        answers: All seeds.
        measure: A field of `entk_book.studies.pitch_edits.Done`.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = {OCTAVE: ("o", plotting.BLUE), CONTROLS[0]: ("v", plotting.ORANGE)}
    looks[CONTROLS[1]] = ("^", plotting.VERMILION)
    for shift, (steps, (marker, color)) in zip((0, -0.2, 0.2), looks.items(), strict=True):
        row = "octave" if steps == OCTAVE else f"{steps} steps"
        label = "octave" if steps == OCTAVE else f"{50 * steps} cents"
        for i, place in enumerate(PLACES):
            name = f"{row}, {place}"
            if name in answers.table:
                values = answers.of(name, "left out", measure)
                at = [i + shift] * len(values)
                ax.plot(at, values, marker, color=color, markersize=5, label=label)
                label = None
    ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
    ax.set_xticks(range(len(PLACES)), PLACES)
    ax.set_xlabel("tone that was left out")
    return ax


def helices(found: Mapping[str, Helix], axes: np.ndarray) -> np.ndarray:
    """Rotated modes from above, where the circle is, and from the side, up the line.

    Args:
        found: As `entk_book.studies.pitch_helix.helix`, by name.
        axes: Two rows, one column each.

    Returns:
        The axes.
    """
    tones = torch.arange(N_TONES)
    semitones = (tones % PER_OCTAVE / 2).tolist()
    for (above, side), (name, one) in zip(axes.T, found.items(), strict=True):
        x, y = (column.tolist() for column in one.round[:, :2].T)
        # Signs of modes are free: up is up.
        up = one.line[:, 0] * torch.sign(one.line[-5:].mean() - one.line[:5].mean())
        above.plot(x, y, color=plotting.BLACK, linewidth=0.4, alpha=0.3)
        dots = above.scatter(x, y, c=semitones, cmap="twilight_shifted", s=18)
        above.set(title=name, xticks=[], yticks=[], aspect="equal")
        octaves = (tones / PER_OCTAVE).tolist()
        side.scatter(octaves, up.tolist(), c=semitones, cmap="twilight_shifted", s=10)
        side.set(yticks=[], xlabel="octaves")
    axes[0, 0].set_ylabel("from above")
    axes[1, 0].set_ylabel("the line")
    bar = axes[0, 0].figure.colorbar(dots, ax=axes, aspect=30)
    bar.set_label("pitch class (semitones)")
    return axes
