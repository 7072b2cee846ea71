"""Chapter 1, a network that learns features: its kernels at the start and later."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.studies.tangent_kernel import EXACT, sgd
from entk_lib import LinearizedPredictor
from entk_lib.toys.models import ReLUNetwork
from entk_lib.training import TrainingResult, closed_forms, train_many

# The kernel of a network scaled by 0.1 is a hundred times smaller: so is the ridge.
RIDGE = 1e-10
WAYS = ("start, around the model", "start, around zero", "end, around zero")


@dataclass(frozen=True, eq=False)
class Task:
    """Six inputs of which two matter, on a sphere of radius sqrt(6).

    Attributes:
        x_train: Training inputs, shape ``(n, 6)``.
        y_train: Their targets, shape ``(n, 1)``.
        x_fresh: Other inputs.
        y_fresh: Their targets.
    """

    x_train: Float[Tensor, "n 6"]
    y_train: Float[Tensor, "n 1"]
    x_fresh: Float[Tensor, "m 6"]
    y_fresh: Float[Tensor, "m 1"]


def two_of_six(n_train: int = 40, n_fresh: int = 400) -> Task:
    """Draw the task: the target is the difference of two absolute values.

    Args:
        n_train: Training samples.
        n_fresh: Other samples.

    Returns:
        Inputs and targets, float64.
    """
    generator = torch.Generator().manual_seed(0)

    def on_sphere(n: int) -> Tensor:
        points = torch.randn(n, 6, generator=generator, **EXACT)
        return points / points.norm(dim=1, keepdim=True) * math.sqrt(6)

    def target(points: Tensor) -> Tensor:
        return points[:, :1].abs() - points[:, 1:2].abs()

    x_train, x_fresh = on_sphere(n_train), on_sphere(n_fresh)
    return Task(x_train, target(x_train), x_fresh, target(x_fresh))


def rich_network(seed: int, width: int = 128) -> ReLUNetwork:
    """A network whose output is scaled down, so that its weights must move far.

    Args:
        seed: Of its start.
        width: Hidden units.

    Returns:
        The network, float64.
    """
    return ReLUNetwork(6, width, output_scale=0.1, seed=seed, **EXACT)


def regression(
    model: ReLUNetwork,
    task: Task,
    around: Literal["model", "zero"],
) -> LinearizedPredictor:
    """Kernel regression with a network's present kernel.

    Args:
        model: The network.
        task: Its training inputs.
        around: As in `entk_lib.LinearizedPredictor`.

    Returns:
        The predictor.
    """
    return LinearizedPredictor(
        model, task.x_train, task.y_train, ridge=RIDGE, around=around
    )


@dataclass(frozen=True, eq=False)
class RichRun:
    """A training, with the predictors made at its start and at its end.

    Attributes:
        seed: Of the start.
        result: History and snapshots.
        predictors: By the names of ``WAYS``.
        trained: The trained network's outputs on fresh inputs.
    """

    seed: int
    result: TrainingResult
    predictors: dict[str, LinearizedPredictor]
    trained: Float[Tensor, "m 1"]


def train_rich(
    task: Task, seeds: Sequence[int] = range(5), *, width: int = 128, steps: int = 4000
) -> list[RichRun]:
    """Train networks that learn features.

    Args:
        task: What they learn.
        seeds: One a network.
        width: Hidden units.
        steps: Updates.

    Returns:
        One run a seed, with twenty snapshots.
    """
    models = [rich_network(seed, width) for seed in seeds]
    starts = [
        (regression(model, task, "model"), regression(model, task, "zero"))
        for model in models
    ]
    results = train_many(
        models,
        task.x_train.expand(len(models), -1, -1),
        task.y_train.expand(len(models), -1, -1),
        steps=steps,
        optimizer=sgd(2.0),
        gradients=closed_forms.relu_network(models[0].output_scale),
        snapshot_every=steps // 20,
    )
    runs = []
    for seed, model, start, result in zip(seeds, models, starts, results, strict=True):
        end = regression(model, task, "zero")
        with torch.no_grad():
            trained = model(task.x_fresh)
        named = zip(WAYS, (*start, end), strict=True)
        predictors: dict[str, LinearizedPredictor] = {way: made for way, made in named}
        runs.append(RichRun(seed, result, predictors, trained))
    return runs


def scores(
    runs: Sequence[RichRun], task: Task
) -> dict[str, tuple[list[float], list[float]]]:
    """R² of each way's prediction with the network, and with the true function.

    Args:
        runs: The trainings.
        task: What they learned.

    Returns:
        By way, one number a seed each.
    """
    return {
        way: (
            [run.predictors[way].r_squared(task.x_fresh, run.trained) for run in runs],
            [run.predictors[way].r_squared(task.x_fresh, task.y_fresh) for run in runs],
        )
        for way in WAYS
    }


def kernels_on_the_way(
    runs: Sequence[RichRun], task: Task
) -> tuple[list[int], dict[str, Float[Tensor, "seeds steps"]]]:
    """What regression with the kernel of every snapshot describes, on fresh inputs.

    Args:
        runs: The trainings.
        task: What they learned.

    Returns:
        The snapshots' steps but for the first; and R² of three regressions: of the labels
        and of the network's own outputs, against the network of that step, and of the
        labels against the network at the end.
    """
    steps = sorted(runs[0].result.snapshots)[1:]
    points = torch.cat([task.x_train, task.x_fresh])
    n_train = len(task.x_train)
    rows = []
    for run in runs:
        model = run.result.model
        row = []
        for step in steps:
            model.load_state_dict(run.result.snapshots[step])
            with torch.no_grad():
                now, now_fresh = model(points).split([n_train, len(task.x_fresh)])
            # One Jacobian for all three: a predictor for each would take it six times.
            blocks = entk.jacobian(model, points).values()
            jacobian = torch.cat([block.flatten(1) for block in blocks], 1)
            kernel, cross = (jacobian @ jacobian[:n_train].T).split(
                [n_train, len(points) - n_train]
            )
            kernel.diagonal().add_(RIDGE)
            targets = torch.cat([task.y_train, now], 1)
            root = torch.linalg.cholesky(kernel)
            labels, own = (cross @ torch.cholesky_solve(targets, root)).split(1, 1)
            row.append(
                [
                    _explained(labels, now_fresh),
                    _explained(own, now_fresh),
                    _explained(labels, run.trained),
                ]
            )
        rows.append(row)
    names = (
        "labels, against this step",
        "own outputs, against this step",
        "labels, against the end",
    )
    return steps, dict(zip(names, torch.tensor(rows).unbind(2), strict=True))


def _explained(predicted: Tensor, target: Tensor) -> float:
    """R², as `entk_lib.LinearizedPredictor.r_squared`."""
    total = (target - target.mean()).square().sum()
    return float(1 - (predicted - target).square().sum() / total)
