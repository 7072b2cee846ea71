"""Chapter 4, the verdicts: thresholds from controls, onsets, false alarms, the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.adders import MODULUS, Adder
from entk_book.studies.grokking import CONTROLS, DIRECTIONS, N_CALIBRATION, Courses
from entk_book.studies.spans import in_most, span
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import dynamics


@dataclass(frozen=True)
class Score:
    """How well a quantity marks learning, by one rule for its threshold.

    Attributes:
        threshold: The fixed threshold; of the matched rule, where it is highest.
        onsets: Of each network that learns; ``None`` where it is never beyond.
        leads: Steps by which each onset comes before the test accuracy leaves chance.
        alarms: Onsets of the controls that did not calibrate.
    """

    threshold: float
    onsets: list[int | float | None]
    leads: list[int | float]
    alarms: list[int | float | None]

    def __str__(self) -> str:
        """One line of the chapter."""
        found = [at for at in self.onsets if at is not None]
        when = f", at step {span(found)}, lead {span(self.leads)}" if found else ""
        n_alarms = sum(at is not None for at in self.alarms)
        return (
            f"onset in {len(found)} of {len(self.onsets)}{when}; "
            f"false alarms {n_alarms} of {len(self.alarms)}"
        )


def score(
    courses: Courses, name: str, rule: str, left_chance: Sequence[int | float]
) -> Score:
    """Calibrate a threshold on half of the controls, and score it on everything else.

    Args:
        courses: Of all runs.
        name: Of the quantity, one of ``DIRECTIONS``.
        rule: ``"fixed"``, the controls' most extreme value over all steps; or
            ``"matched"``, the one at the same step. Either with 5 % of their range beyond.
        left_chance: When the test accuracy of each network that learns leaves chance.

    Returns:
        The score.
    """
    sign = DIRECTIONS[name]
    calibration = torch.cat(
        [sign * courses.of(kind, name)[:N_CALIBRATION] for kind in CONTROLS]
    )
    margin = 0.05 * (calibration.max() - calibration.min())
    highest = calibration.max() if rule == "fixed" else calibration.max(0).values
    bar = highest + margin

    def onsets(values: Tensor) -> list[int | float | None]:
        excess = (sign * values - bar).tolist()
        return [dynamics.find_onset(courses.times, row, 0) for row in excess]

    learners = onsets(courses.of("learns", name))
    held_back = [courses.of(kind, name)[N_CALIBRATION:] for kind in CONTROLS]
    return Score(
        sign * float(bar.max()),
        learners,
        [
            known - at
            for at, known in zip(learners, left_chance, strict=True)
            if at is not None
        ],
        [at for values in held_back for at in onsets(values)],
    )


def left_out_accuracy(
    kernel: Float[Tensor, "n n"], y: Float[Tensor, "n c"], ridge: float = 0.01
) -> float:
    """Accuracy of kernel regression on each sample from all the others.

    Args:
        kernel: On the samples, float64.
        y: Their targets, one-hot.
        ridge: Relative to the mean of the diagonal.

    Returns:
        From 0 to 1.

    References:
        The closed form for leaving one out: Craven and Wahba (1979), Numer. Math. 31.
    """
    kernel = kernel / kernel.diagonal().mean()
    inverse = torch.linalg.inv(kernel + ridge * torch.eye(len(kernel)).double())
    missed = (inverse @ y.double()) / inverse.diagonal().unsqueeze(1)
    return modular_addition.accuracy(y - missed, y)


def regression_accuracy(
    kernel: Float[Tensor, "pairs pairs"], adder: Adder, ridge: float = 0.01
) -> float:
    """Accuracy of kernel regression from the pairs trained on, on the others.

    Args:
        kernel: On all pairs, float64.
        adder: Says which pairs are which.
        ridge: Relative to the mean of the diagonal.

    Returns:
        From 0 to 1.
    """
    scale = kernel.diagonal().mean()
    known, others = adder.known, adder.others
    weights = torch.linalg.solve(
        kernel[known][:, known] / scale + ridge * torch.eye(len(known)).double(),
        adder.y[known].double(),
    )
    return modular_addition.accuracy(kernel[others][:, known] @ weights, adder.y[others])


def regressions(adder: Adder, steps: Sequence[int]) -> dict[int, tuple[float, float]]:
    """What kernel regression seems to know, and what it knows, during a run.

    Args:
        adder: Trained with snapshots; left as it was at the last of the steps.
        steps: Of the training.

    Returns:
        By step, the accuracy on each training pair left out, and on pairs that the
        network was not trained on.
    """
    found = {}
    for step in steps:
        adder.network.load_state_dict(adder.snapshots[step])
        kernel = entk.empirical_ntk(adder.network, adder.x).double()
        known = kernel[adder.known][:, adder.known]
        left_out = left_out_accuracy(known, adder.y[adder.known])
        found[step] = left_out, regression_accuracy(kernel, adder)
    return found


@dataclass(frozen=True)
class Timing:
    """When the second cliff opens, and how the sum overlap grows until then.

    Attributes:
        delays: Steps from 50 % test accuracy to a ratio at 113 of 1.05, one a seed that
            gets there.
        n_peaks: Seeds in which the sum overlap grows fastest between steps 70 and 80.
        n_climb: Seeds in which it grows at every snapshot from step 20 to 65, with the
            test accuracy below twice chance at each.
    """

    delays: list[int | float]
    n_peaks: int
    n_climb: int


def timing(courses: Courses) -> Timing:
    """What the ledger asks of the courses.

    Args:
        courses: Of all runs.

    Returns:
        Counts over the networks that learn.
    """
    half = courses.first_beyond("test accuracy", 0.5)
    opened = courses.first_beyond("ratio at 113", 1.05)
    middles, rates = courses.rates("sum overlap")
    peaks = [middles[int(row.argmax())] for row in rates]
    early = slice(courses.times.index(20), courses.times.index(65) + 1)
    return Timing(
        [
            at - known
            for at, known in zip(opened, half, strict=True)
            if at is not None and known is not None
        ],
        sum(70 <= peak <= 80 for peak in peaks),
        sum(
            bool(min(torch.tensor(s["sum overlap"])[early].diff()) > 0)
            and max(s["test accuracy"][early]) < 2 / MODULUS
            for s in courses.series["learns"]
        ),
    )


def claims(found: Timing, at_start: Sequence[float]) -> list[Claim]:
    """What was published of the spectrum over training, beside ours.

    Args:
        found: From the networks that learn.
        at_start: Their ratios at 113 before training, one a seed.

    Returns:
        The ledger's rows.
    """
    n_seeds = len(at_start)
    n_opened = sum(-20 <= delay <= 20 for delay in found.delays)
    return [
        Claim(
            "no second cliff at first",
            "absent",
            f"ratio at 113 at the start: {span(at_start, 2)}",
            max(at_start) < 1.02,
            "Lin 2025, Figure 2",
            "every seed below 1.02",
        ),
        Claim(
            "the second cliff opens around grokking",
            "around grokking",
            f"within 20 steps of 50 % test accuracy in {n_opened} of {n_seeds} seeds",
            in_most(n_opened, n_seeds),
            "Lin 2025, Figure 2",
            "most seeds",
        ),
        Claim(
            "the sum overlap grows fastest near step 75",
            "75",
            f"between steps 70 and 80 in {found.n_peaks} of {n_seeds} seeds",
            in_most(found.n_peaks, n_seeds),
            "Lin 2025, public code, Figure 2",
            "most seeds",
        ),
        Claim(
            "the sum overlap climbs while test accuracy is at chance",
            "not published",
            f"at every snapshot from 20 to 65 in {found.n_climb} of {n_seeds} seeds",
            in_most(found.n_climb, n_seeds),
            "new here",
            "most seeds",
        ),
    ]
