"""Training in epochs of shuffled batches, several models of one architecture at once."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from tqdm import tqdm

from entk_lib import _checks, _progress
from entk_lib.training.losses import mean_squared_error
from entk_lib.training.optimizers import adam
from entk_lib.training.results import (
    DivergedError,
    Loss,
    MakeOptimizer,
    State,
    TrainingResult,
)


def train_epochs(
    models: Sequence[nn.Module],
    x: Shaped[Tensor, "models n *inputs"],
    y: Shaped[Tensor, "models n *outputs"],
    *,
    epochs: int,
    batch_size: int,
    seeds: Sequence[int],
    loss: Loss = mean_squared_error,
    optimizer: MakeOptimizer | None = None,
    snapshot_epochs: Iterable[int] = (),
    progress: bool = True,
) -> list[TrainingResult]:
    """Train models side by side in mini-batches, each on its own data and in its own order.

    Every epoch visits each sample once, in an order drawn anew; where ``batch_size`` does
    not divide their number, the epoch's last batch is smaller. What a model learns
    depends on its own start, data and seed, not on which models it is trained with, up to
    rounding. Parameters are stacked and one vectorised call evaluates all models: for five
    Transformers of 53,000 parameters an update takes 2.7 times as long as for one.

    A keyboard interrupt ends the training early and returns what there is.

    Args:
        models: Models that differ in their parameters only; trained in place.
        x: Inputs, one set a model on the first axis, samples on the second.
        y: Targets, likewise; class numbers for ``torch.nn.functional.cross_entropy``.
        epochs: Passes through the data.
        batch_size: Samples in a batch.
        seeds: One a model, of the order in which it sees its samples.
        loss: Scalar loss of one model's outputs and targets.
        optimizer: Makes the optimizer of the stacked parameters; it must work entry by
            entry, as SGD, Adam and AdamW do. ``None``: `entk_lib.training.adam`.
        snapshot_epochs: Epochs after which the states are kept, 0 being the start. Start
            and end are always among them.
        progress: Show a bar on stderr if it takes longer than two seconds.

    Returns:
        One result a model. ``history`` has ``"epoch"`` and ``"loss"``, the mean over that
        epoch's updates; ``snapshots`` are by epoch; ``steps`` counts updates.

    Raises:
        ValueError: If numbers of models, data sets and seeds differ, a size is below 1 or
            does not fit the data, data are not finite, or no parameter is trainable.
        DivergedError: If the loss of any model is no longer finite; what was recorded is
            attached.

    Example:
        >>> data = torch.ones(1, 5, 1)
        >>> model = nn.Linear(1, 1)
        >>> (result,) = train_epochs([model], data, data, epochs=2, batch_size=2, seeds=[0])
        >>> result.history["epoch"], result.steps, sorted(result.snapshots)
        ([1, 2], 6, [0, 2])
    """
    keep = _check(models, x, y, epochs, batch_size, seeds, snapshot_epochs)
    parameters, buffers = stack_module_state(list(models))
    trainable = [p for p in parameters.values() if p.requires_grad]
    updates = (optimizer or adam())(trainable)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    results = [TrainingResult(model) for model in models]
    for result in results:
        result.history = {"epoch": [], "loss": []}
    rows = torch.arange(len(models)).unsqueeze(1)

    def loss_of_one(state: State, fixed: State, inputs: Tensor, targets: Tensor) -> Tensor:
        return loss(functional_call(models[0], (state, fixed), (inputs,)), targets)

    def one_epoch() -> Tensor:
        n = x.shape[1]
        order = torch.stack([torch.randperm(n, generator=g) for g in generators])
        batches = order.split(batch_size, 1)
        total = torch.zeros(len(models))
        for batch in batches:
            losses = vmap(loss_of_one)(parameters, buffers, x[rows, batch], y[rows, batch])
            updates.zero_grad()
            losses.sum().backward()
            updates.step()
            total += losses.detach()
            for result in results:
                result.steps += 1
        return total / len(batches)

    def states() -> list[State]:
        stacked = {**parameters, **buffers}
        return [
            {name: t[i].detach().clone() for name, t in stacked.items()}
            for i in range(len(models))
        ]

    def snapshot(epoch: int) -> None:
        for result, state in zip(results, states(), strict=True):
            result.snapshots[epoch] = state

    snapshot(0)
    done = 0
    silence: dict[str, Any] = {} if progress else {"disable": True}
    bar = tqdm(
        total=epochs,
        desc="training",
        unit="epoch",
        delay=_progress.SECONDS_BEFORE_BAR,
        leave=False,
        file=sys.stderr,
        **silence,
    )
    try:
        with bar:
            for done in range(1, epochs + 1):
                values = one_epoch().tolist()
                for result, value in zip(results, values, strict=True):
                    result.history["epoch"].append(done)
                    result.history["loss"].append(value)
                if not all(map(_is_finite, values)):
                    raise DivergedError(
                        f"the loss must stay finite, got {values} in epoch {done}. Try a "
                        "smaller learning rate; what was recorded is in error.results.",
                        results,
                    )
                if done in keep:
                    snapshot(done)
                bar.update()
    except KeyboardInterrupt:
        for result in results:
            result.interrupted = True
    finally:
        snapshot(done)
        for model, state in zip(models, states(), strict=True):
            model.load_state_dict(state, strict=False)
    return results


def _is_finite(value: float) -> bool:
    return value - value == 0


def _check(
    models: Sequence[nn.Module],
    x: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    seeds: Sequence[int],
    snapshot_epochs: Iterable[int],
) -> set[int]:
    counts = (len(models), len(x), len(y), len(seeds))
    if len(set(counts)) > 1 or not models:
        raise ValueError(
            "models, x, y and seeds must be as many, at least 1, got "
            f"{', '.join(map(str, counts))}. Stack the data: torch.stack([x_0, x_1, ...])."
        )
    for model in models:
        _checks.select_parameters(model, None)
    if x.ndim < 2 or y.ndim < 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise ValueError(
            "x and y must hold as many samples on their second axis, at least 1, got "
            f"shapes {tuple(x.shape)} and {tuple(y.shape)}."
        )
    _checks.require_finite("x", x)
    _checks.require_finite("y", y)
    _checks.require_count("epochs", epochs)
    _checks.require_count("batch_size", batch_size)
    if batch_size > x.shape[1]:
        raise ValueError(
            f"batch_size must be at most the {x.shape[1]} samples, got {batch_size}."
        )
    keep = set(snapshot_epochs)
    if any(not 0 <= epoch <= epochs for epoch in keep):
        raise ValueError(
            f"snapshot_epochs must be from 0 to {epochs}, got {sorted(keep)}. Leave them "
            "out for start and end."
        )
    return keep
