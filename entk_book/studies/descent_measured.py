"""Chapter 8, the numbers of all networks: measured here, stored for five seeds."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies import double_descent as study
from entk_book.studies import memories_and_features as modes
from entk_book.studies.double_descent import N_FEATURES, ROWS, Grid
from entk_lib.toys.tasks import superposition

SPARSITY = 0.9
# Sizes at which the kernel is regressed with, and on how many fresh samples it is asked.
LINEAR, FEW = (3, 5, 8, 15, 30, 60, 120, 200), 200
RIDGES = (1.0, 0.1, 0.01, 1e-3, 1e-4)
# Where the test loss is largest.
PEAK = 30
REGRESSIONS: dict[str, dict[str, Any]] = {
    "trained kernel": {"ridge": 1e-3, "around": "zero"},
    "untrained kernel": {"ridge": 1e-3, "around": "zero"},
    "around zero": {"ridge": 0.1, "around": "zero"},
    "around the model": {"ridge": 0.1, "around": "model"},
}


def fresh_samples() -> Float[Tensor, "samples features"]:
    """Samples that no network was trained on, to test them.

    Returns:
        2,000 of them.
    """
    return superposition.sample(2000, N_FEATURES, SPARSITY, seed=1000)


def probe_samples() -> Float[Tensor, "samples features"]:
    """Other fresh samples, on which features are looked for in kernels.

    Returns:
        As many as kernels are taken on, in float64.
    """
    return superposition.sample(ROWS, N_FEATURES, SPARSITY, seed=2000, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Measured:
    """Numbers of networks over the size of their data set, one row a seed.

    Columns are sizes where nothing else is said. ``before`` stands for the networks as
    they were before training.

    Attributes:
        train_loss: On the training samples.
        test_loss: On `fresh_samples`.
        loss_before: On `fresh_samples`, no columns.
        long_features: Columns of W at least half as long as the longest.
        long_points: Hidden vectors of training samples, likewise.
        features: The five largest shares of a dimension, of features.
        data_points: The same of data points.
        features_before: The same of features, no columns.
        open_rows: Rows of the Jacobian that are not zero.
        open_before: The same before training.
        present: Features present in the training samples.
        ranks: Of the eNTK on at most 100 training samples, as all that follows.
        spread: Participation ratio.
        spread_before: The same before training.
        cliffs: Whether there is a cliff after 90 to 100 modes.
        cliffs_before: The same before training.
        points: Share of the five leading modes in the span of single samples.
        points_before: The same before training.
        held: Share of the five longest features within reach, and in ten modes of W.
        held_before: The same before training, no sizes.
        few_loss: Test loss on the first of the fresh samples, at the sizes of ``LINEAR``.
        regressions: By name: test loss, and R² with the network, at the same sizes.
        scan: R² around zero at the peak; one column a ridge of ``RIDGES``.
    """

    train_loss: Float[Tensor, "seeds sizes"]
    test_loss: Float[Tensor, "seeds sizes"]
    loss_before: Float[Tensor, " seeds"]
    long_features: Tensor
    long_points: Tensor
    features: Float[Tensor, "seeds sizes"]
    data_points: Float[Tensor, "seeds sizes"]
    features_before: Float[Tensor, " seeds"]
    open_rows: Tensor
    open_before: Tensor
    present: Tensor
    ranks: Tensor
    spread: Float[Tensor, "seeds sizes"]
    spread_before: Float[Tensor, "seeds sizes"]
    cliffs: Tensor
    cliffs_before: Tensor
    points: Float[Tensor, "seeds sizes"]
    points_before: Float[Tensor, "seeds sizes"]
    held: Float[Tensor, "seeds sizes 2"]
    held_before: Float[Tensor, "seeds 2"]
    few_loss: Float[Tensor, "seeds linear"]
    regressions: dict[str, Float[Tensor, "seeds linear 2"]]
    scan: Float[Tensor, "seeds ridges"]


def measured(grid: Grid) -> Measured:
    """All numbers of the chapter.

    Args:
        grid: Networks at all sizes.

    Returns:
        The numbers.
    """
    fresh, probe = fresh_samples(), probe_samples()
    trained = study.training_spectra(grid)
    start = study.training_spectra(grid, untrained=True)
    long = grid.over(lambda network, x: list(map(study.n_long, study.hidden(network, x))))
    shares = grid.over(study.top_fives)

    def each_start(measure: Callable[..., Any]) -> Tensor:
        return torch.tensor([measure(network) for network in grid.starts])

    return Measured(
        train_loss=grid.over(study.loss),
        test_loss=grid.loss_on(fresh),
        loss_before=each_start(lambda network: study.loss(network, fresh)),
        long_features=long[:, :, 0],
        long_points=long[:, :, 1],
        features=shares[:, :, 0],
        data_points=shares[:, :, 1],
        features_before=each_start(lambda n: study.top_five(n.weight.detach())),
        open_rows=grid.over(study.n_open),
        open_before=grid.over(study.n_open, untrained=True),
        present=grid.over(lambda _, x: int((x > 0).sum())),
        ranks=study.over_spectra(trained, len),
        spread=study.over_spectra(trained, _spread),
        spread_before=study.over_spectra(start, _spread),
        cliffs=study.over_spectra(trained, study.has_cliff),
        cliffs_before=study.over_spectra(start, study.has_cliff),
        points=modes.data_point_shares(grid, trained),
        points_before=modes.data_point_shares(grid, start),
        held=grid.over(lambda network, _: modes.feature_shares(network, probe)),
        held_before=each_start(lambda n: modes.feature_shares(n, probe)),
        few_loss=grid.loss_on(fresh[:FEW], LINEAR),
        regressions={name: regress(grid, name) for name in REGRESSIONS},
        scan=modes.scan_ridges(grid, RIDGES, fresh=fresh[:FEW], size=PEAK),
    )


def regress(grid: Grid, name: str) -> Float[Tensor, "seeds linear 2"]:
    """Regress each network's training data with a kernel.

    Args:
        grid: Networks at the sizes of ``LINEAR`` and perhaps others.
        name: Of one of ``REGRESSIONS``.

    Returns:
        Test loss, and R² with the network, on the first of the fresh samples.
    """
    return grid.over(
        modes.regression,
        untrained=name == "untrained kernel",
        sizes=LINEAR,
        fresh=fresh_samples()[:FEW],
        **REGRESSIONS[name],
    )


def record() -> dict[str, Any]:
    """All seeds at all sizes, as they are stored.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    found = measured(study.train_sizes(SPARSITY))
    numbers = {one.name: getattr(found, one.name) for one in dataclasses.fields(Measured)}
    numbers["regressions"] = {k: v.tolist() for k, v in found.regressions.items()}
    lists = {k: v.tolist() if isinstance(v, Tensor) else v for k, v in numbers.items()}
    return records.rounded(lists)


def stored_seeds() -> Measured:
    """The stored numbers.

    Returns:
        All seeds at all sizes.
    """
    found = records.read("double_descent")
    regressions = {k: torch.tensor(v) for k, v in found.pop("regressions").items()}
    return Measured(
        **{name: torch.tensor(values) for name, values in found.items()},
        regressions=regressions,
    )


def _spread(spectrum: study.Leading) -> float:
    return float(entk.participation_ratio(spectrum.eigenvalues))
