"""Makers of optimizers, for the training loops."""

import torch

from entk_lib.training.results import MakeOptimizer


def adam(learning_rate: float = 1e-3) -> MakeOptimizer:
    """Adam with torch's other defaults, for `train`; one call for all parameters.

    Args:
        learning_rate: Step size.

    Returns:
        A function from parameters to their optimizer.

    Example:
        >>> from torch import nn
        >>> adam(0.1)([nn.Parameter(torch.zeros(1))]).defaults["lr"]
        0.1
    """
    return lambda parameters: torch.optim.Adam(
        list(parameters), lr=learning_rate, fused=True
    )


def adamw(learning_rate: float, weight_decay: float = 0.01) -> MakeOptimizer:
    """AdamW with torch's other defaults, for `train`; one call for all parameters.

    Args:
        learning_rate: Step size.
        weight_decay: Share of ``learning_rate`` by which weights shrink at each step.

    Returns:
        A function from parameters to their optimizer.

    Example:
        >>> from torch import nn
        >>> adamw(0.1)([nn.Parameter(torch.zeros(1))]).defaults["weight_decay"]
        0.01
    """
    return lambda parameters: torch.optim.AdamW(
        list(parameters), lr=learning_rate, weight_decay=weight_decay, fused=True
    )
