"""Chapter 4: grokking."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Whole, Wholes
from entk_lib.features import subspace_overlap
from entk_lib.training.dynamics import find_onset

_SIMILAR = 0.9  # the smaller over the larger


def _differences(basis: Tensor, families: Mapping[str, Tensor]) -> str:
    total, difference = (
        subspace_overlap(basis, families[name].flatten(1)) for name in ("sum", "difference")
    )
    if difference > total / _SIMILAR:
        return "more"
    if difference > total * _SIMILAR:
        return "as much"
    return "chance" if difference < 0.25 * total else "less"


share_of_differences = Check(
    Choice(("more", "as much", "less", "chance")),
    truth=_differences,
    wrong=(
        Wrong(
            "the labels decide",
            lambda *_: "chance",
            "The labels say nothing of a - b. But what does the square of a sum of two "
            "waves, one of a and one of b, consist of?",
        ),
        Wrong(
            "the labels weigh in",
            lambda *_: "less",
            "The readout cancels differences in the outputs. Does the kernel cancel them?",
        ),
        Wrong(
            "the other way round",
            lambda *_: "more",
            "Each squared unit holds a sum for each difference.",
        ),
    ),
    right="Each squared unit holds both. The readout cancels differences in the outputs by "
    "combining units; the kernel adds units up, and keeps both.",
    hint="Load the snapshot, and compute both overlaps.",
)

Series = Sequence[Mapping[str, Sequence[int | float]]]


def _alarms(calibration: Series, others: Series, name: str = "sum overlap") -> int:
    values = [value for run in calibration for value in run[name]]
    margin = 0.05 * (max(values) - min(values))
    onsets = [find_onset(run["step"], run[name], max(values) + margin) for run in others]
    return sum(onset is not None for onset in onsets)


false_alarms = Check(
    Whole(),
    truth=_alarms,
    wrong=(
        Wrong(
            "calibrated on both controls",
            lambda calibration, others: _alarms([*calibration, *others], others),
            "That is the count with a threshold from both kinds of control. Calibrate on "
            "the shuffled labels alone.",
        ),
        Wrong(
            "silent runs counted",
            lambda calibration, others: len(others) - _alarms(calibration, others),
            "Those are the runs that stay silent. A false alarm is an onset.",
        ),
        Wrong(
            "all runs counted",
            lambda calibration, others: len(calibration) + len(others),
            "Those are all the controls. How many of the runs with little data cross?",
        ),
    ),
    right="Shuffled labels are the milder control: calibrating on them alone flatters.",
    hint="The threshold lies 5 % of their range above the largest value of the shuffled "
    "runs. Count the runs with little data for which find_onset finds a step.",
)


def _onsets() -> list[float | None]:
    return [
        find_onset([0, 1, 2, 3], [1, 1, 1, 1], 2),
        find_onset([0, 1], [1, 3], 2),
        find_onset([0, 1, 2, 3], [3, 3, 3, 3], 2),
    ]


onsets_of_three_series = Check(
    Wholes(),
    truth=_onsets,
    wrong=(
        Wrong(
            "above from the start counts",
            lambda: [None, None, 0],
            "The last series is above the threshold at step 0. When did it rise?",
        ),
        Wrong(
            "one value is enough",
            lambda: [None, 1, None],
            "The second series is above for one value only. What is hold for?",
        ),
        Wrong(
            "both of these",
            lambda: [None, 1, 0],
            "The constant series is right. An onset needs a value below before it, and "
            "some above after it.",
        ),
    ),
    right="Of a series that starts above, nobody can say when it rose.",
    hint="Three answers, each a step or None, in the order of the question.",
)
