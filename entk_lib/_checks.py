"""Argument checks: every message says what was expected, what came, and the fix."""

import difflib
from collections.abc import Iterable

import psutil
import torch
from torch import Tensor, nn

from entk_lib import _inputs
from entk_lib._inputs import Inputs

_MEMORY_FRACTION = 0.5


def require_finite(name: str, tensor: Tensor) -> None:
    """Raise ValueError if ``tensor`` holds NaN or infinity, or nothing at all."""
    if tensor.is_meta:
        raise ValueError(
            f"{name} must hold numbers, got a tensor on the meta device. Create the model "
            "and its data on a real device, and load the weights."
        )
    if bool(torch.isfinite(tensor.sum())):  # a fifth of the time; sums may overflow
        return
    if not torch.isfinite(tensor).all():
        count = int((~torch.isfinite(tensor)).sum())
        raise ValueError(
            f"{name} must be finite, got {count} NaN or infinite entries of "
            f"{tensor.numel()}. Find where they arise; torch.isfinite marks them."
        )


def require_matrix(name: str, tensor: Tensor) -> None:
    """Raise ValueError unless ``tensor`` is a finite, non-empty matrix."""
    if tensor.ndim != 2 or tensor.numel() == 0:
        raise ValueError(
            f"{name} must be a non-empty matrix, got shape {tuple(tensor.shape)}. "
            "One row per data point, one column per vector."
        )
    require_finite(name, tensor)


def require_count(name: str, value: int, *, minimum: int = 1) -> None:
    """Raise unless ``value`` is an integer of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r}. Pass a whole number.")
    if value < minimum:
        raise ValueError(
            f"{name} must be at least {minimum}, got {value}. Pass a larger number."
        )


def select_parameters(
    model: nn.Module, parameters: Iterable[str] | str | None
) -> dict[str, Tensor]:
    """Detached parameters by name: all trainable ones, or those asked for.

    A name may be a parameter's full name, or a submodule's, which stands for all the
    parameters below it.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a torch.nn.Module, got {type(model).__name__}. "
            "Wrap a function of tensors in a Module that owns its parameters."
        )
    _refuse_wrapped(model)
    own = dict(model.named_parameters())
    if parameters is None:
        chosen = {name: p for name, p in own.items() if p.requires_grad}
        if not chosen:
            raise ValueError(
                f"model must have a trainable parameter, got {len(own)} parameters of "
                "which none requires grad. Call model.requires_grad_(), or name the "
                "parameters in parameters=[...]."
            )
    else:
        wanted = [parameters] if isinstance(parameters, str) else list(parameters)
        if not wanted:
            raise ValueError(
                "parameters must name at least one parameter, got none. Leave it out "
                f"for all of: {', '.join(own)}."
            )
        chosen = {}
        for name in wanted:
            below = [n for n in own if n == name or n.startswith(f"{name}.")]
            if not below:
                modules = {n.rpartition(".")[0] for n in own} - {""}
                near = difflib.get_close_matches(name, [*own, *modules], 1, cutoff=0.0)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"parameters must be names in model.named_parameters(), got "
                    f"{name!r}.{hint}"
                )
            chosen.update({n: own[n] for n in below})
        chosen = {n: p for n, p in own.items() if n in chosen}  # the model's order
    for name, parameter in chosen.items():
        if not parameter.is_floating_point():
            raise TypeError(
                f"parameter {name!r} must be real, got {parameter.dtype}. Hold real and "
                "imaginary parts in two parameters, or leave it out of parameters=[...]."
            )
        require_finite(f"parameter {name!r}", parameter)
    return {name: p.detach() for name, p in chosen.items()}


def _refuse_wrapped(model: nn.Module) -> None:
    """Refuse models that others stand in for: they cannot be run with other parameters."""
    kind = type(model).__name__
    if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        raise TypeError(
            f"model must be the module itself, got {kind} around it. Pass model.module."
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            f"model must be a module in Python, got {kind}, compiled by torch.jit. Pass "
            "the original module, before torch.jit.script or torch.jit.trace."
        )


def check_inputs(x: Inputs, name: str = "x") -> int:
    """Refuse what is not a batch of tensors; return the number of samples."""
    if not isinstance(x, (Tensor, tuple, dict)):
        raise TypeError(
            f"{name} must be a tensor, or a tuple or dict of tensors, got "
            f"{type(x).__name__}. Use torch.as_tensor."
        )
    parts = (
        {name: x}
        if isinstance(x, Tensor)
        else {f"{name}[{key!r}]": part for key, part in _items(x)}
    )
    if not parts:
        raise ValueError(f"{name} must hold at least one tensor, got none.")
    for label, part in parts.items():
        if not isinstance(part, Tensor):
            raise TypeError(
                f"{label} must be a tensor, got {type(part).__name__}. Use "
                "torch.as_tensor; what is not data belongs into the model."
            )
        if part.ndim == 0 or len(part) == 0:
            raise ValueError(
                f"{label} must hold at least one sample on its first axis, got shape "
                f"{tuple(part.shape)}. A single sample needs unsqueeze(0)."
            )
        if part.is_floating_point():
            require_finite(label, part)
    lengths = {label: len(part) for label, part in parts.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{label} has {length}" for label, length in lengths.items())
        raise ValueError(
            f"{name} must have one number of samples on the first axis, but {told}. What "
            "is the same for all samples needs expand(n, ...)."
        )
    return _inputs.n_samples(x)


def _items(x: tuple | dict) -> Iterable:
    return x.items() if isinstance(x, dict) else enumerate(x)


def check_output_weights(weights: Tensor | None, n_outputs: int) -> None:
    """Refuse weights that are neither one number an output nor a matrix of all outputs.

    Numbers must be finite and not negative, a matrix symmetric and positive semi-definite,
    each to rounding in its own dtype.
    """
    if weights is None:
        return
    if not isinstance(weights, Tensor):
        raise TypeError(
            f"output_weights must be a tensor, got {type(weights).__name__}. Use "
            "torch.as_tensor."
        )
    if weights.shape not in ((n_outputs,), (n_outputs, n_outputs)):
        raise ValueError(
            f"output_weights must have shape ({n_outputs},), one weight per output, or "
            f"({n_outputs}, {n_outputs}), a matrix of all of them, got "
            f"{tuple(weights.shape)}. Use torch.ones({n_outputs}) as a start."
        )
    require_finite("output_weights", weights)
    if weights.ndim == 2:
        _check_semidefinite(weights.double(), weights.dtype)
    elif (weights < 0).any():
        raise ValueError(
            f"output_weights must not be negative, got {float(weights.min()):.3g}. A "
            "weight scales its output by its square root."
        )


def _check_semidefinite(matrix: Tensor, dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
    bound = len(matrix) * eps * float(matrix.abs().max())
    if float((matrix - matrix.mT).abs().max()) > bound:
        raise ValueError(
            "a matrix of output_weights must be symmetric, got entries that differ from "
            f"their mirror by up to {float((matrix - matrix.mT).abs().max()):.3g}. Pass "
            "(M + M.mT) / 2 if that is meant."
        )
    smallest = float(torch.linalg.eigvalsh(matrix)[0])
    if smallest < -bound:
        raise ValueError(
            "a matrix of output_weights must be positive semi-definite, got an eigenvalue "
            f"of {smallest:.3g}. The kernel is that of M^(1/2) f, so M needs a square root."
        )


def available_memory(device: torch.device) -> int:
    """Bytes that a computation on ``device`` may plan with: half of what is free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    return int(_MEMORY_FRACTION * free)


def memory_budget(device: torch.device, gib: float | None = None) -> int:
    """Bytes from an argument in GiB, or what `available_memory` says."""
    if gib is None:
        return available_memory(device)
    if isinstance(gib, bool) or not isinstance(gib, (int, float)):
        raise TypeError(f"memory must be a number of GiB or None, got {gib!r}.")
    if not 0 < gib < float("inf"):
        raise ValueError(
            f"memory must be a positive number of GiB, got {gib}. None stands for half of "
            "what is free."
        )
    return int(gib * 2**30)


def require_memory(
    n_bytes: int, device: torch.device, what: str, fix: str, budget: int | None = None
) -> None:
    """Raise MemoryError, before anything is allocated, if ``n_bytes`` will not fit."""
    budget = available_memory(device) if budget is None else budget
    if n_bytes > budget:
        raise MemoryError(
            f"{what} would need {n_bytes / 2**30:.2g} GiB, expected at most "
            f"{budget / 2**30:.2g} GiB (half of the free memory, or the memory given). "
            f"{fix}"
        )
