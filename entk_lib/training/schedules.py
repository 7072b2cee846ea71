"""Learning rates that change over a training, as a wrapper around an optimizer's maker."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from entk_lib import _checks
from entk_lib.training.results import MakeOptimizer

Schedule = Callable[[int], float]


def scheduled(optimizer: MakeOptimizer, schedule: Schedule) -> MakeOptimizer:
    """An optimizer whose learning rate follows a schedule.

    For `entk_lib.training.train` and `entk_lib.training.train_many`. The learning rates
    that the optimizer was made with are its full ones. Before update s, counted from 0,
    each is set to ``schedule(s)`` times that. A weight decay that is a share of the
    learning rate, as in `entk_lib.training.adamw`, follows it.

    Args:
        optimizer: Makes the optimizer, such as ``adamw(0.02)``.
        schedule: From the number of updates made to a finite factor of at least 0.

    Returns:
        A maker for the same optimizer with the schedule.

    Raises:
        ValueError: If a factor is negative or not finite, when its update is due.

    Example:
        >>> weight = torch.zeros(1, requires_grad=True)
        >>> make = scheduled(lambda p: torch.optim.SGD(p, lr=0.5), lambda s: 1 / (1 + s))
        >>> sgd = make([weight])
        >>> for _ in range(2):
        ...     weight.grad = torch.ones(1)
        ...     sgd.step()
        >>> weight.item()  # -0.5 - 0.25
        -0.75
    """

    def make(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        made = optimizer(parameters)
        full = [group["lr"] for group in made.param_groups]
        updates = 0

        def set_rates() -> None:
            factor = float(schedule(updates))
            if not 0 <= factor < math.inf:
                raise ValueError(
                    f"schedule must give finite factors of at least 0, got {factor} for "
                    f"update {updates}. It scales the learning rate."
                )
            for group, rate in zip(made.param_groups, full, strict=True):
                group["lr"] = factor * rate

        def after_update(*_: Any) -> None:
            nonlocal updates
            updates += 1

        made.register_step_pre_hook(lambda *_: set_rates())
        made.register_step_post_hook(after_update)
        return made

    return make


def warmup_cosine(steps: int, *, warmup: int = 0) -> Schedule:
    r"""A linear rise to 1, then half a cosine down to 0 at the last step.

    Args:
        steps: Updates of the whole training.
        warmup: Updates of the rise; update ``warmup - 1`` is the first at full rate.

    Returns:
        The factor of each update, for `scheduled`; 0 after the last.

    Raises:
        ValueError: If ``steps`` is below 1, or ``warmup`` is not within 0 and ``steps``.

    References:
        Loshchilov and Hutter (2017), "SGDR: Stochastic gradient descent with warm
        restarts", arXiv:1608.03983, for the cosine.

    Example:
        >>> factor = warmup_cosine(6, warmup=2)
        >>> [round(factor(s), 2) for s in range(7)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15, 0.0]
    """
    _checks.require_count("steps", steps)
    _checks.require_count("warmup", warmup, minimum=0)
    if warmup > steps:
        raise ValueError(
            f"warmup must be at most the {steps} steps, got {warmup}. A twentieth is usual."
        )

    def factor(update: int) -> float:
        if update < warmup:
            return (update + 1) / warmup
        if update >= steps:
            return 0.0
        return 0.5 * (1 + math.cos(math.pi * (update - warmup) / (steps - warmup)))

    return factor
