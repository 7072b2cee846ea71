"""Quantities followed over the snapshots of a training, and when they take off."""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from entk_lib import _checks
from entk_lib._progress import progress

Snapshots = Mapping[int, Mapping[str, Tensor]]


def follow(
    model: nn.Module,
    snapshots: Snapshots,
    quantities: Callable[[nn.Module], Mapping[str, float]],
) -> dict[str, list[int | float]]:
    """Evaluate quantities of a model at every snapshot of its training.

    Shows a bar on stderr if it takes longer than two seconds.

    Args:
        model: Of the architecture that was trained; a copy is loaded, it is not changed.
        snapshots: State dicts by step, as `entk_lib.training.train` keeps them.
        quantities: Numbers by name for a model, the same names for all.

    Returns:
        Series by name, ``"step"`` first, in ascending order of steps.

    Raises:
        ValueError: If there is no snapshot, one does not fit the model, or names change
            from one snapshot to the next.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> snapshots = {0: {"weight": torch.zeros(1, 1)}, 5: {"weight": torch.ones(1, 1)}}
        >>> follow(model, snapshots, lambda m: {"weight": float(m.weight.detach())})
        {'step': [0, 5], 'weight': [0.0, 1.0]}
    """
    if not snapshots:
        raise ValueError("snapshots must hold at least one state, got none.")
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for step, state in snapshots.items():
        found = {name: tuple(value.shape) for name, value in state.items()}
        if found != own:
            raise ValueError(
                f"snapshots must be of the model's architecture, {own}, got {found} at "
                f"step {step}. Pass the model that was trained."
            )
    moving = copy.deepcopy(model)
    series: dict[str, list[int | float]] = {"step": []}
    with progress("snapshots", len(snapshots), "snapshot") as bar:
        for step in sorted(snapshots):
            moving.load_state_dict(dict(snapshots[step]))
            values = quantities(moving)
            if series["step"] and set(values) != set(series) - {"step"}:
                raise ValueError(
                    f"quantities must have one set of names, got {sorted(values)} at step "
                    f"{step} after {sorted(set(series) - {'step'})}."
                )
            series["step"].append(step)
            for name, value in values.items():
                series.setdefault(name, []).append(float(value))
            bar.update(1)
    return series


def find_onset(
    steps: Sequence[int | float],
    values: Sequence[int | float],
    threshold: int | float,
    *,
    hold: int = 3,
) -> int | float | None:
    """The step from which a series has left its baseline, upwards.

    The threshold is the caller's statement of what the baseline can reach: a chance
    value with its spread, or the largest value of control runs. One entry above it may be
    an accident, so that ``hold`` entries in a row are asked for.

    Args:
        steps: In ascending order.
        values: One for each step, finite.
        threshold: What the series must exceed.
        hold: How many entries in a row must exceed it.

    Returns:
        The step of the first of these entries. None where there are none, as in a series
        shorter than ``hold`` or constant, or where the series starts above the threshold:
        nothing is known then of when it rose.

    Raises:
        ValueError: If the lengths differ, steps do not ascend, numbers are not finite or
            ``hold`` is below 1.

    Example:
        >>> find_onset([0, 10, 20, 30, 40], [1, 3, 1, 3, 4], threshold=2, hold=2)
        30
    """
    _checks.require_count("hold", hold)
    if len(steps) != len(values):
        raise ValueError(
            f"values must be one for each of the {len(steps)} steps, got {len(values)}."
        )
    series = torch.as_tensor(values, dtype=torch.float64)
    _checks.require_finite("values", series)
    _checks.require_finite("threshold", torch.as_tensor(float(threshold)))
    if any(later <= earlier for earlier, later in itertools.pairwise(steps)):
        raise ValueError(f"steps must ascend, got {list(steps)}. Sort them with values.")
    above = (series > threshold).tolist()
    if not above or above[0]:
        return None
    for i in range(1, len(above) - hold + 1):
        if all(above[i : i + hold]):
            return steps[i]
    return None
