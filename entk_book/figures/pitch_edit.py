"""Chapter 10's figures of the edit."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.pitch_answers import Answers
from entk_book.studies.pitch_edits import CONTROLS, OCTAVE, PLACES, SEMITONE
from entk_lib import plotting


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
    low = left_out

    def octaves(values: Tensor) -> Tensor:
        return (values - low) / 1200

    across = octaves(cents)
    for ax in axes:
        for one in edited:
            ax.axvline((one - low) / 1200, color=plotting.ORANGE, linewidth=6, alpha=0.3)
        ax.axvline(0, color=plotting.BLUE, linewidth=6, alpha=0.2)
        ax.axhline(0, color=plotting.BLACK, linewidth=0.8)
    axes[0].plot(across, done["cents"], color=plotting.BLACK, linewidth=1.2)
    axes[0].axhline(SEMITONE, color=plotting.BLACK, linewidth=0.8, linestyle=":")
    axes[0].set_ylabel("moved (cents)")
    axes[1].plot(across, done["own"], color=plotting.BLACK, linewidth=1.2)
    axes[1].set_ylabel("share of the change")
    axes[1].set_xlabel("pitch (octaves from the tone left out)")
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
