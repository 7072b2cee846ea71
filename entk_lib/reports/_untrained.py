"""The null that costs nothing: the same network before training."""

import copy

import torch
from torch import nn

from entk_lib import _checks


def untrained_copy(model: nn.Module, *, seed: int = 0) -> nn.Module:
    """A copy of a model whose parameters are drawn anew, as its modules draw them.

    Every module's own ``reset_parameters`` is called on a copy. An initialisation of your
    own, after the modules were built, is not repeated: build such a network anew. The
    model and the global random state are not changed.

    Args:
        model: Whose modules own all parameters that they use.
        seed: Of the draw.

    Returns:
        The copy, in the model's mode, dtype and device.

    Raises:
        TypeError: If the model is no module, or the seed no integer.
        ValueError: If the model cannot be copied, or a parameter is drawn anew by no
            module; the message names it.

    Example:
        >>> model = nn.Linear(2, 3)
        >>> fresh = untrained_copy(model, seed=1)
        >>> torch.equal(fresh.weight, model.weight)
        False
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. Pass the "
            "network itself."
        )
    _checks.require_count("seed", seed, minimum=0)
    fix = (
        "Build the model again, untrained, and pass it: "
        'kernel_report(..., references={"untrained": fresh}).'
    )
    try:
        fresh = copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"model must be one that can be copied, but copying it raised "
            f"{type(error).__name__}: {error}. {fix}"
        ) from error
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        # What no module draws anew stays NaN, and is found by that.
        for parameter in fresh.parameters():
            parameter.fill_(torch.nan)
        fresh.apply(_reset)
    kept = [n for n, p in fresh.named_parameters() if not bool(torch.isfinite(p).all())]
    if kept:
        raise ValueError(
            "model must consist of modules with reset_parameters(), but none of them "
            f"draws these parameters anew: {', '.join(kept)}. {fix}"
        )
    return fresh


def _reset(module: nn.Module) -> None:
    for name in ("reset_parameters", "_reset_parameters"):
        reset = getattr(module, name, None)
        if callable(reset):
            reset()
            return
