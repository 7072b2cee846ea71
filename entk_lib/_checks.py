"""Argument checks: every message says what was expected, what came, and the fix."""

import difflib
from collections.abc import Iterable

import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call

# Outputs of one batch and of its samples one by one agree to rounding, not to the bit:
# matrix products are blocked differently. These bounds are far above that and far below
# what BatchNorm or Dropout do.
_MIXING_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}
_PROBE_SAMPLES = 4
_MEMORY_FRACTION = 0.5


def require_finite(name: str, tensor: Tensor) -> None:
    """Raise ValueError if ``tensor`` holds NaN or infinity."""
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
        require_finite(f"parameter {name!r}", parameter)
    return {name: p.detach() for name, p in chosen.items()}


def _evaluate(model: nn.Module, x: Tensor) -> Tensor:
    # Clones: BatchNorm in training mode updates its buffers, an in-place ReLU its input.
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    try:
        outputs = functional_call(model, buffers, (x.clone(),))
    except Exception as error:
        dtypes = sorted({str(p.dtype) for p in model.parameters()})
        raise ValueError(
            f"model must accept a batch of {len(x)} samples, x of shape "
            f"{tuple(x.shape)} and {x.dtype} (parameters are {', '.join(dtypes)}), "
            f"but it raised {type(error).__name__}: {error}. Is the first axis the "
            "batch, and do the dtypes agree?"
        ) from error
    if not isinstance(outputs, Tensor):
        raise TypeError(
            f"model must return one tensor, got {type(outputs).__name__}. Wrap it in a "
            "Module that returns the tensor you mean."
        )
    if outputs.ndim not in (1, 2) or len(outputs) != len(x):
        raise ValueError(
            f"model must return (batch,) or (batch, outputs), got shape "
            f"{tuple(outputs.shape)} for a batch of {len(x)}. Is the first axis of x "
            "the batch? Select or flatten further axes in a wrapping Module."
        )
    return outputs.reshape(len(x), -1)


def check_model(model: nn.Module, x: Tensor, name: str = "x") -> int:
    """Refuse models whose per-sample Jacobian has no meaning; return their output count.

    A few samples are evaluated twice (is the model stochastic?) and one by one (does it
    mix samples?), without touching the model, its buffers or the global random state.
    """
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name} must be a tensor, got {type(x).__name__}. Use torch.as_tensor."
        )
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(
            f"{name} must hold at least one sample on its first axis, got shape "
            f"{tuple(x.shape)}. A single sample needs unsqueeze(0)."
        )
    if x.is_floating_point():
        require_finite(name, x)
    count = min(len(x), _PROBE_SAMPLES)
    probe = x[torch.linspace(0, len(x) - 1, count, device=x.device).round().long()]
    with torch.no_grad(), torch.random.fork_rng():
        together = _evaluate(model, probe)
        require_finite("model(x)", together)
        scale = together.abs().max().clamp_min(torch.finfo(together.dtype).tiny)
        bound = _MIXING_TOLERANCE.get(together.dtype, 1e-2)
        spread = float((together - _evaluate(model, probe)).abs().max() / scale)
        if spread > bound:
            raise ValueError(
                f"model must be deterministic, got outputs that differ by {spread:.0e} "
                "(relative) between two evaluations of one batch. Is Dropout in "
                "training mode? Call model.eval()."
            )
        # Twice the same sample: BatchNorm in training mode refuses a single one with a
        # message of its own, and a model that takes samples on their own cannot tell.
        twins = [_evaluate(model, probe[[i, i]])[:1] for i in range(count)]
        alone = twins if count > 1 else [together]
        spread = float((together - torch.cat(alone)).abs().max() / scale)
        if spread > bound:
            raise ValueError(
                f"model must treat samples independently, but a batch of {count} and "
                f"the same samples one by one differ by {spread:.0e} (relative). Is "
                "BatchNorm in training mode? Call model.eval()."
            )
    return together.shape[1]


def check_output_weights(weights: Tensor | None, n_outputs: int) -> None:
    """Raise ValueError unless ``weights`` is one finite, non-negative number an output."""
    if weights is None:
        return
    if not isinstance(weights, Tensor):
        raise TypeError(
            f"output_weights must be a tensor, got {type(weights).__name__}. Use "
            "torch.as_tensor."
        )
    if weights.shape != (n_outputs,):
        raise ValueError(
            f"output_weights must have shape ({n_outputs},), one weight per output, got "
            f"{tuple(weights.shape)}. Use torch.ones({n_outputs}) as a start."
        )
    require_finite("output_weights", weights)
    if (weights < 0).any():
        raise ValueError(
            f"output_weights must not be negative, got {float(weights.min()):.3g}. A "
            "weight scales its output by its square root."
        )


def available_memory(device: torch.device) -> int:
    """Bytes that a computation on ``device`` may plan with: half of what is free."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = psutil.virtual_memory().available
    return int(_MEMORY_FRACTION * free)


def require_memory(n_bytes: int, device: torch.device, what: str, fix: str) -> None:
    """Raise MemoryError, before anything is allocated, if ``n_bytes`` will not fit."""
    budget = available_memory(device)
    if n_bytes > budget:
        raise MemoryError(
            f"{what} would need {n_bytes / 2**30:.1f} GiB, expected at most "
            f"{budget / 2**30:.1f} GiB (half of the free memory). {fix}"
        )
