"""Training loops that record what happens: history, snapshots, seeds."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from tqdm import tqdm

from entk_lib import _checks, _progress
from entk_lib.training.closed_forms import ClosedForm
from entk_lib.training.losses import mean_squared_error
from entk_lib.training.optimizers import adam
from entk_lib.training.results import (
    DivergedError,
    Loss,
    MakeOptimizer,
    State,
    TrainingResult,
)

# A closed form adds the same products in another order.
_CLOSED_FORM_TOLERANCE = 1e-4


def train(
    model: nn.Module,
    x: Shaped[Tensor, " n *inputs"],
    y: Float[Tensor, " n *outputs"],
    *,
    steps: int,
    loss: Loss = mean_squared_error,
    optimizer: MakeOptimizer | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    record_every: int = 100,
    snapshot_every: int | None = None,
    metrics: Mapping[str, Callable[[nn.Module], float]] | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a model in place, and keep what happened on the way.

    A keyboard interrupt ends the training early and returns what there is, the model in
    the state of the last update.

    Args:
        model: Trained in place.
        x: Training inputs, samples along the first axis.
        y: Targets, samples along the first axis.
        steps: Number of updates.
        loss: Scalar loss of outputs and targets.
        optimizer: Makes the optimizer of the trainable parameters. ``None``: `adam`.
        batch_size: Samples drawn without replacement for each step. ``None``: all.
        seed: Seed of the batches; needed with ``batch_size`` and only there.
        record_every: Steps between entries of the history; the end is always recorded.
        snapshot_every: Steps between snapshots; start and end are always among them.
            ``None``: those two only.
        metrics: Functions of the model, evaluated without gradients for the history.
        progress: Show a bar on stderr if it takes longer than two seconds.

    Returns:
        Model, history and snapshots.

    Raises:
        ValueError: If numbers of samples differ, a size is below 1, data are not finite,
            no parameter is trainable, or batches are asked for without a seed.
        DivergedError: If the loss is no longer finite; what was recorded is attached.

    Example:
        >>> result = train(nn.Linear(1, 1), torch.ones(2, 1), torch.ones(2, 1), steps=3)
        >>> result.history["step"], sorted(result.snapshots)
        ([0, 3], [0, 3])
    """
    _checks.select_parameters(model, None)
    _check_data(x, y, steps, record_every, snapshot_every)
    draw = _batches(len(x), batch_size, seed)

    def losses() -> Tensor:
        batch = draw()
        if batch is None:
            return loss(model(x), y).reshape(1)
        return loss(model(x[batch]), y[batch]).reshape(1)

    def store(_: int) -> dict[str, Tensor]:
        return {name: t.detach().clone() for name, t in model.state_dict().items()}

    trainable = [p for p in model.parameters() if p.requires_grad]
    return _loop(
        [model],
        _by_autograd(losses),
        losses,
        store,
        steps,
        (optimizer or adam())(trainable),
        record_every,
        snapshot_every,
        metrics or {},
        progress,
    )[0]


def train_many(
    models: Sequence[nn.Module],
    x: Shaped[Tensor, "models n *inputs"],
    y: Float[Tensor, "models n *outputs"],
    *,
    steps: int,
    loss: Loss = mean_squared_error,
    optimizer: MakeOptimizer | None = None,
    gradients: ClosedForm | None = None,
    record_every: int = 100,
    snapshot_every: int | None = None,
    progress: bool = True,
) -> list[TrainingResult]:
    """Train models of one architecture side by side, each on its own data.

    Their parameters are stacked and the models evaluated by one vectorised call. For ten
    or more small models that takes about half the time of one after the other; for a few
    it takes longer. The optimizer sees stacked tensors: use one that works entry by
    entry, as SGD and Adam do.

    Args:
        models: Models that differ in their parameters only; trained in place.
        x: Inputs, one set a model on the first axis, samples on the second.
        y: Targets, likewise.
        steps: Number of full-batch updates.
        loss: As in `train`, for one model.
        optimizer: As in `train`.
        gradients: Losses and gradients of this architecture and loss, written out, as
            ``entk_lib.training.closed_forms`` has them. ``None``: autograd.
        record_every: As in `train`.
        snapshot_every: As in `train`.
        progress: As in `train`.

    Returns:
        One result for each model, as `train` would give it.

    Raises:
        ValueError: As in `train`; also if the numbers of models and data sets differ, or
            ``gradients`` are not those of autograd at the start.
        DivergedError: If the loss of any model is no longer finite.
    """
    if not models or len(models) != len(x):
        raise ValueError(
            f"models must be as many as data sets in x, at least 1, got {len(models)} and "
            f"{len(x)}. Stack the data: torch.stack([x_0, x_1, ...])."
        )
    if len(x) != len(y):
        raise ValueError(f"x and y must hold as many data sets, got {len(x)} and {len(y)}.")
    for model in models:
        _checks.select_parameters(model, None)
    _check_data(x[0], y[0], steps, record_every, snapshot_every)
    _checks.require_finite("x", x)
    _checks.require_finite("y", y)
    parameters, buffers = stack_module_state(list(models))

    def loss_of_one(state: State, fixed: State, inputs: Tensor, targets: Tensor) -> Tensor:
        return loss(functional_call(models[0], (state, fixed), (inputs,)), targets)

    def losses() -> Tensor:
        return vmap(loss_of_one)(parameters, buffers, x, y)

    def store(i: int) -> dict[str, Tensor]:
        stacked = {**parameters, **buffers}
        return {name: t[i].detach().clone() for name, t in stacked.items()}

    trainable = [p for p in parameters.values() if p.requires_grad]
    descend = _by_autograd(losses)
    if gradients is not None:
        descend = _by_closed_form(gradients, parameters, x, y)
        _check_closed_form(descend, losses, parameters)
    try:
        return _loop(
            models,
            descend,
            losses,
            store,
            steps,
            (optimizer or adam())(trainable),
            record_every,
            snapshot_every,
            {},
            progress,
        )
    finally:
        for i, model in enumerate(models):
            model.load_state_dict(store(i), strict=False)


def _loop(
    models: Sequence[nn.Module],
    descend: Callable[[], Tensor],
    losses: Callable[[], Tensor],
    store: Callable[[int], dict[str, Tensor]],
    steps: int,
    optimizer: torch.optim.Optimizer,
    record_every: int,
    snapshot_every: int | None,
    metrics: Mapping[str, Callable[[nn.Module], float]],
    progress: bool,
) -> list[TrainingResult]:
    results = [TrainingResult(model) for model in models]
    for result in results:
        result.history = {name: [] for name in ("step", "loss", *metrics)}

    def record(step: int, values: Tensor) -> None:
        if step in results[0].history["step"]:
            return  # an interrupt at a step that has its entry
        # All values before any entry: an interrupt in a metric leaves no half of one.
        with torch.no_grad():
            entries = [
                [step, value, *(float(metric(r.model)) for metric in metrics.values())]
                for r, value in zip(results, values.tolist(), strict=True)
            ]
        for result, entry in zip(results, entries, strict=True):
            for series, number in zip(result.history.values(), entry, strict=True):
                series.append(number)

    def snapshot(step: int) -> None:
        for i, result in enumerate(results):
            result.snapshots[step] = store(i)

    def finite_losses(step: int, losses: Callable[[], Tensor] = losses) -> Tensor:
        values = losses()
        if not torch.isfinite(values.detach()).all():
            raise DivergedError(
                f"the loss must stay finite, got {values.tolist()} at step {step}. Try a "
                "smaller learning rate; what was recorded is in error.results.",
                results,
            )
        return values

    step = 0
    # Left out where a bar is wanted: tqdm's environment variables then still work.
    silence: dict[str, Any] = {} if progress else {"disable": True}
    bar = tqdm(
        total=steps,
        desc="training",
        delay=_progress.SECONDS_BEFORE_BAR,
        leave=False,
        file=sys.stderr,
        **silence,
    )

    def update_until_done() -> None:
        nonlocal step
        while step < steps:
            optimizer.zero_grad()
            values = finite_losses(step, descend)
            if step % record_every == 0:
                record(step, values.detach())
            if step == 0 or (snapshot_every and step % snapshot_every == 0):
                snapshot(step)
            optimizer.step()
            step += 1
            bar.update()

    @torch.no_grad()
    def record_the_end() -> None:
        record(step, finite_losses(step))

    try:
        for part in (update_until_done, record_the_end):
            try:
                with bar:
                    part()
            except KeyboardInterrupt:
                for result in results:
                    result.interrupted = True
    finally:
        optimizer.zero_grad()  # gradients of the last step are nobody's business
        for result in results:
            result.steps = step
        # After the last loss: in training mode that moves BatchNorm's statistics.
        snapshot(step)
    return results


def _by_autograd(losses: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Losses, and the gradients of their sum left with the parameters."""

    def descend() -> Tensor:
        values = losses()
        values.sum().backward()
        return values

    return descend


def _by_closed_form(
    gradients: ClosedForm, parameters: State, x: Tensor, y: Tensor
) -> Callable[[], Tensor]:
    """The same, without a graph."""
    detached = {name: p.detach() for name, p in parameters.items()}

    def descend() -> Tensor:
        values, found = gradients(detached, x, y)
        for name, parameter in parameters.items():
            if parameter.requires_grad:
                parameter.grad = found[name]
        return values

    return descend


def _check_closed_form(
    descend: Callable[[], Tensor], losses: Callable[[], Tensor], parameters: State
) -> None:
    expected = losses()
    trainable = {name: p for name, p in parameters.items() if p.requires_grad}
    exact = torch.autograd.grad(expected.sum(), list(trainable.values()))
    pairs = {"losses": (descend(), expected.detach())}
    for (name, p), gradient in zip(trainable.items(), exact, strict=True):
        assert p.grad is not None
        pairs[f"the gradient of {name!r}"] = p.grad, gradient
    for what, (found, right) in pairs.items():
        error = float((found - right).abs().max() / right.abs().max().clamp_min(1e-30))
        if not error <= _CLOSED_FORM_TOLERANCE:
            raise ValueError(
                f"gradients must be those of the loss, got {what} with a relative error "
                f"of {error:.1e} beside autograd's. Is it the closed form of this "
                "architecture and this loss? gradients=None takes autograd."
            )


def _batches(
    n_samples: int, batch_size: int | None, seed: int | None
) -> Callable[[], Tensor | None]:
    if (batch_size is None) != (seed is None):
        raise ValueError(
            f"batch_size and seed go together, got batch_size={batch_size} and "
            f"seed={seed}. Batches are drawn with the seed; a full batch draws nothing."
        )
    if batch_size is None or seed is None:
        return lambda: None
    _checks.require_count("batch_size", batch_size)
    if batch_size > n_samples:
        raise ValueError(
            f"batch_size must be at most the {n_samples} samples, got {batch_size}. "
            "Leave it out for full batches."
        )
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randperm(n_samples, generator=generator)[:batch_size]


def _check_data(
    x: Tensor, y: Tensor, steps: int, record_every: int, snapshot_every: int | None
) -> None:
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"x and y must hold as many samples, at least 1, got {len(x)} and {len(y)}."
        )
    _checks.require_finite("x", x)
    _checks.require_finite("y", y)
    _checks.require_count("steps", steps)
    _checks.require_count("record_every", record_every)
    if snapshot_every is not None:
        _checks.require_count("snapshot_every", snapshot_every)
