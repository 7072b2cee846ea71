"""Chapter 4: trainings over fractions of the pairs and moduli, and what moves in them."""

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
from entk_book.studies.side_by_side import side_by_side
from entk_lib.toys.tasks import modular_addition

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
                "series": records.rounded(
                    {name: list(values) for name, values in run.series.items()}
                ),
            }
            for run in runs
        ],
    }
