"""Chapter 4: what moves in the kernel while a network learns, and while it memorises."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.studies.adders import MODULUS, Adder, ratio_after, train_adders
from entk_lib import Spectrum
from entk_lib.training import dynamics

N_ONE, N_TWO = 2 * MODULUS - 1, 4 * MODULUS - 3
CONTROLS = ("shuffled labels", "little data")
KINDS = ("learns", *CONTROLS)
N_CALIBRATION = 3
# The quantities that are scored, and whether learning makes them rise or fall.
DIRECTIONS = {
    "sum overlap": 1,
    "sum overlap, activations": 1,
    "ratio at 57": -1,
    "ratio at 113": 1,
    "tail dimension": -1,
    "tail dimension, activations": -1,
    "weight norm": 1,
}

Course = dict[str, list[int | float]]


def train_runs(
    kind: str, seeds: Sequence[int], *, steps: int, every: int, width: int = 512
) -> list[Adder]:
    """Networks that learn, or controls that only memorise.

    Args:
        kind: ``"learns"``; ``"shuffled labels"``, of which none can be predicted; or
            ``"little data"``, 30 % of the pairs.
        seeds: One a network.
        steps: Updates.
        every: Steps between snapshots.
        width: Hidden units.

    Returns:
        The networks, with snapshots.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    return train_adders(
        seeds,
        width=width,
        fraction=0.3 if kind == "little data" else 0.7,
        shuffled=kind == "shuffled labels",
        steps=steps,
        snapshot_every=every,
    )


def kernel_spectrum(model: nn.Module, x: Float[Tensor, "n d"]) -> Spectrum:
    """Every eigenpair of the class-averaged kernel, decomposed in float64.

    Args:
        model: At its present parameters.
        x: Inputs.

    Returns:
        The spectrum.
    """
    return entk.kernel_spectrum(entk.empirical_ntk(model, x).double())


def order_parameters(adder: Adder, sums: Float[Tensor, "pairs k"], tail: int) -> Course:
    """Quantities that may tell learning from memorising, at every snapshot of one run.

    Args:
        adder: Trained with snapshots.
        sums: Orthonormal waves of the sum.
        tail: Number of eigenvalues above the cliff of the untrained kernel.

    Returns:
        Series by name: ``"step"``, accuracies, and the quantities of ``DIRECTIONS``.
    """

    @torch.no_grad()
    def measure(model: nn.Module) -> dict[str, float]:
        spectrum = kernel_spectrum(model, adder.x)
        hidden = model.get_submodule("first")(adder.x).double().square()
        components = entk.factor_spectrum(hidden - hidden.mean(0))
        modes = spectrum.eigenvectors[:, N_ONE:N_TWO]
        leading = components.eigenvectors[:, : N_TWO - 1]
        weights = torch.cat([p.flatten() for p in model.parameters()])
        accuracy = adder.accuracy(model)
        return {
            "train": accuracy["train"],
            "test accuracy": accuracy["test"],
            "sum overlap": entk.subspace_overlap(modes, sums),
            "sum overlap, activations": entk.subspace_overlap(leading, sums),
            "ratio at 57": ratio_after(spectrum, N_ONE),
            "ratio at 113": ratio_after(spectrum, N_TWO),
            "tail dimension": entk.participation_ratio(spectrum.eigenvalues[tail:]),
            "tail dimension, activations": entk.participation_ratio(
                components.eigenvalues[tail - 1 :]
            ),
            "weight norm": float(weights.norm()),
        }

    return dynamics.follow(adder.network, adder.snapshots, measure)


@dataclass(frozen=True)
class Courses:
    """The order parameters of every run, by kind.

    Attributes:
        series: One course a run, by kind.
    """

    series: Mapping[str, Sequence[Course]]

    @property
    def times(self) -> list[int | float]:
        """The steps, the same for all runs."""
        return next(iter(self.series.values()))[0]["step"]

    def of(self, kind: str, name: str) -> Float[Tensor, "runs steps"]:
        """One quantity of all runs of a kind.

        Args:
            kind: Of the runs.
            name: Of the quantity.

        Returns:
            One row a run.
        """
        return torch.tensor([course[name] for course in self.series[kind]])

    def at(self, kind: str, name: str, step: int | float) -> list[float]:
        """One quantity of all runs of a kind, at one step.

        Args:
            kind: Of the runs.
            name: Of the quantity.
            step: Of the training.

        Returns:
            One number a run.
        """
        return self.of(kind, name)[:, self.times.index(step)].tolist()

    def first_beyond(self, name: str, level: float) -> list[int | float | None]:
        """When each network that learns goes beyond a level.

        Args:
            name: Of the quantity.
            level: The level.

        Returns:
            Onsets as `entk_lib.training.dynamics.find_onset` finds them.
        """
        learners = self.series["learns"]
        return [dynamics.find_onset(self.times, s[name], level) for s in learners]

    def rates(self, name: str) -> tuple[list[float], Float[Tensor, "runs intervals"]]:
        """How fast a quantity grows in the networks that learn.

        Args:
            name: Of the quantity.

        Returns:
            Middles of the intervals between snapshots, and the rate per step in each.
        """
        width = self.times[1] - self.times[0]
        middles = [time + width / 2 for time in self.times[:-1]]
        return middles, self.of("learns", name).diff(dim=1) / width
