"""Chapter 4: the early sign over fractions and moduli, beside measures of the test set."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies.adders import Adder, train_adders
from entk_book.studies.grokking import CONTROLS, N_CALIBRATION
from entk_book.studies.side_by_side import side_by_side
from entk_book.studies.spans import span
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import dynamics

MODULI = (29, 23)
FRACTIONS = (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
SEEDS = range(60, 65)
SHUFFLED_SEEDS, LITTLE_SEEDS = range(40, 46), range(50, 56)
LITTLE = 0.3
STEPS = 1000
TIMES = (*range(0, 200, 5), *range(200, STEPS + 1, 100))
# What is followed, and whether learning makes it rise or fall. All but the overlap and the
# accuracy are relative to what they are before training, or to chance.
DIRECTIONS = {
    "tail": -1,
    "tail, training pairs": -1,
    "tail, side by side": -1,
    "sum overlap": 1,
    "sum overlap, side by side": 1,
    "test accuracy": 1,
    "rank of the right logit": -1,
    "test error": -1,
}

Series = dict[str, list[float]]


@dataclass(frozen=True)
class Run:
    """One training and what was followed in it.

    Attributes:
        modulus: What the network adds by.
        kind: ``"learns"`` or one of the controls.
        fraction: Share of the pairs that it was trained on.
        seed: Of its start and split.
        series: Values at every time of ``TIMES``, by name.
    """

    modulus: int
    kind: str
    fraction: float
    seed: int
    series: Series


def follow(adder: Adder, times: Sequence[int] = TIMES) -> Series:
    """Signs of learning at some steps of one training.

    Args:
        adder: Trained with snapshots at these steps.
        times: Steps.

    Returns:
        By name of ``DIRECTIONS``. The tails are participation ratios of the eigenvalues
        beyond ``2 * modulus - 1``, divided by what they are at the first time; those "side
        by side" are of inputs and activations, each of trace one, in place of a kernel; the
        rank is the mean share of wrong logits above the right one on the pairs left out,
        and the test error there is that of the output zero where it is 1.
    """
    p = adder.modulus
    sums = modular_addition.fourier_families(p)["sum"].flatten(1)
    first, second = 2 * p - 1, 4 * p - 3
    network = copy.deepcopy(adder.network)
    series: Series = {name: [] for name in DIRECTIONS}
    for time in times:
        network.load_state_dict(adder.snapshots[time])
        kernel = entk.empirical_ntk(network, adder.x).double()
        spectrum = entk.kernel_spectrum(kernel)
        rival = entk.kernel_spectrum(_inputs_and_activations(network, adder.x))
        known = torch.linalg.eigvalsh(kernel[adder.known][:, adder.known]).flip(0)
        values = {
            "tail": entk.participation_ratio(spectrum.eigenvalues[first:]),
            "tail, training pairs": entk.participation_ratio(known[first:].clamp(min=0)),
            "tail, side by side": entk.participation_ratio(rival.eigenvalues[first:]),
            "sum overlap": entk.subspace_overlap(
                spectrum.eigenvectors[:, first:second], sums
            ),
            "sum overlap, side by side": entk.subspace_overlap(
                rival.eigenvectors[:, first:second], sums
            ),
            "test accuracy": adder.accuracy(network)["test"],
            **_test_measures(network, adder),
        }
        for name, value in values.items():
            series[name].append(value)
    for name in ("tail", "tail, training pairs", "tail, side by side"):
        series[name] = [value / series[name][0] for value in series[name]]
    return series


@torch.no_grad()
def _inputs_and_activations(network: nn.Module, x: Float[Tensor, "n d"]) -> Tensor:
    hidden = network.get_submodule("first")(x).double().square()
    return side_by_side([x, hidden], [1.0, 1.0])


@torch.no_grad()
def _test_measures(network: nn.Module, adder: Adder) -> dict[str, float]:
    outputs, y = network(adder.x)[adder.others], adder.y[adder.others]
    right = (outputs * y).sum(1, keepdim=True)
    above = (outputs > right).double().sum(1) / (adder.modulus - 1)
    error = (outputs - y).square().sum(1).mean()
    return {"rank of the right logit": float(above.mean()), "test error": float(error)}


def measure(
    modulus: int,
    kind: str,
    fraction: float,
    seeds: Sequence[int],
    *,
    steps: int = STEPS,
    times: Sequence[int] = TIMES,
) -> list[Run]:
    """Train networks of one kind and follow them.

    Args:
        modulus: What they add by.
        kind: ``"learns"`` or one of the controls; ``"shuffled labels"`` permutes them.
        fraction: Share of the pairs that they are trained on.
        seeds: One a network.
        steps: Updates.
        times: Steps, of fives, at which to look.

    Returns:
        One run a seed.
    """
    adders = train_adders(
        seeds,
        modulus=modulus,
        fraction=fraction,
        shuffled=kind == "shuffled labels",
        steps=steps,
        snapshot_every=5,
    )
    return [Run(modulus, kind, fraction, a.seed, follow(a, times)) for a in adders]


def record() -> dict[str, Any]:
    """Every run of the ladder, as it is stored.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    runs = []
    for modulus in MODULI:
        runs += measure(modulus, "shuffled labels", 0.7, SHUFFLED_SEEDS)
        runs += measure(modulus, "little data", LITTLE, LITTLE_SEEDS)
        for fraction in FRACTIONS:
            runs += measure(modulus, "learns", fraction, SEEDS)
    return {
        "times": list(TIMES),
        "runs": [
            {
                "modulus": run.modulus,
                "kind": run.kind,
                "fraction": run.fraction,
                "seed": run.seed,
                "series": {
                    name: [float(f"{value:.4g}") for value in values]
                    for name, values in run.series.items()
                },
            }
            for run in runs
        ],
    }


Onset = int | float | None


@dataclass(frozen=True)
class Ladder:
    """All runs: what was followed, over moduli, kinds and fractions.

    Attributes:
        times: Steps at which was looked.
        runs: One entry a training.
    """

    times: list[int]
    runs: Sequence[Run]

    def of(self, modulus: int, kind: str, fraction: float | None = None) -> list[Run]:
        """Some of the runs, in the order of their seeds.

        Args:
            modulus: What the networks add by.
            kind: ``"learns"`` or one of the controls.
            fraction: Share of the pairs. ``None``: any.

        Returns:
            Runs.
        """
        return [
            run
            for run in self.runs
            if (run.modulus, run.kind) == (modulus, kind)
            and fraction in (None, run.fraction)
        ]

    def threshold(self, name: str, modulus: int) -> float:
        """Beyond what half of a modulus's controls do at any time, by 5 % of their range.

        Args:
            name: One of ``DIRECTIONS``.
            modulus: Whose controls.

        Returns:
            The threshold.
        """
        sign = DIRECTIONS[name]
        values = [
            sign * value
            for kind in CONTROLS
            for run in self.of(modulus, kind)[:N_CALIBRATION]
            for value in run.series[name]
        ]
        return sign * (max(values) + 0.05 * (max(values) - min(values)))

    def onset(self, run: Run, name: str, threshold: float) -> Onset:
        """When a quantity goes beyond a threshold, for three looks in a row.

        Args:
            run: One training.
            name: One of ``DIRECTIONS``.
            threshold: As `threshold` gives it.

        Returns:
            The step, or ``None``.
        """
        sign = DIRECTIONS[name]
        values = [sign * value for value in run.series[name]]
        return dynamics.find_onset(self.times, values, sign * threshold)

    def onsets(self, name: str, runs: Sequence[Run], modulus: int) -> list[Onset]:
        """Onsets of several runs by the threshold of one modulus.

        Args:
            name: One of ``DIRECTIONS``.
            runs: Trainings, of this modulus or another.
            modulus: Whose controls set the threshold.

        Returns:
            One entry a run.
        """
        threshold = self.threshold(name, modulus)
        return [self.onset(run, name, threshold) for run in runs]

    def left_chance(self, runs: Sequence[Run]) -> list[Onset]:
        """When the test accuracy goes beyond 10 %.

        Args:
            runs: Trainings.

        Returns:
            One entry a run.
        """
        return [self.onset(run, "test accuracy", 0.1) for run in runs]

    def ends(self, runs: Sequence[Run]) -> list[float]:
        """Test accuracy at the last step.

        Args:
            runs: Trainings.

        Returns:
            One number a run.
        """
        return [run.series["test accuracy"][-1] for run in runs]

    def alarms(self, name: str, modulus: int, threshold_of: int) -> tuple[int, int]:
        """Controls that a threshold takes for networks that learn.

        Args:
            name: One of ``DIRECTIONS``.
            modulus: Of the controls.
            threshold_of: Whose controls set the threshold. If it is the same modulus, those
                that did so are left out.

        Returns:
            How many, and of how many.
        """
        start = N_CALIBRATION if modulus == threshold_of else 0
        held_back = [run for kind in CONTROLS for run in self.of(modulus, kind)[start:]]
        found = self.onsets(name, held_back, threshold_of)
        return sum(at is not None for at in found), len(found)


def leads(early: Sequence[Onset], late: Sequence[Onset]) -> list[int | float]:
    """By how many steps one onset comes before another.

    Args:
        early: One entry a run.
        late: Likewise.

    Returns:
        A number for each run that has both.
    """
    pairs = zip(early, late, strict=True)
    return [b - a for a, b in pairs if a is not None and b is not None]


def told(onsets: Sequence[Onset]) -> str:
    """How many onsets there are and when, as text.

    Args:
        onsets: One entry a run.

    Returns:
        Text.
    """
    found = [at for at in onsets if at is not None]
    when = f" at step {span(found)}" if found else ""
    return f"{len(found)} of {len(onsets)}{when}"


def stored_ladder() -> Ladder:
    """The stored runs of both moduli.

    Returns:
        What was followed in them.
    """
    found = records.read("grokking_ladder")
    return Ladder(found["times"], [Run(**run) for run in found["runs"]])
