"""Jacobians of a model's outputs with respect to its parameters, by autodiff."""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from entk_lib import _checks

# A Jacobian that is only multiplied is made in pieces of this size: measured, pieces of
# 8 to 32 MB take a third of the time of one of 400 MB.
CACHE_BYTES = 16 * 2**20


def jacobian(
    model: nn.Module,
    x: Shaped[Tensor, " samples *inputs"],
    *,
    parameters: Iterable[str] | str | None = None,
) -> dict[str, Float[Tensor, "samples outputs *shape"]]:
    """Derivative of every output on every sample with respect to every parameter.

    Args:
        model: Maps a batch ``(n, ...)`` to ``(n,)`` or ``(n, outputs)``, each sample on
            its own. Its mode, gradients and buffers are not changed.
        x: Samples along the first axis.
        parameters: Names of parameters, or of submodules for all that is below them.
            ``None``: all that require grad.

    Returns:
        For each parameter its Jacobian, shape ``(n, outputs, *parameter.shape)``, in the
        model's dtype and without autograd history.

    Raises:
        ValueError: If the model mixes samples, is stochastic, or holds or produces NaN or
            infinity; if a name does not exist; if no parameter is trainable.
        TypeError: If model, x or the model's output is not what it should be.
        MemoryError: If the Jacobian will not fit, before it is computed.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> jacobian(model, torch.tensor([[3.0, 4.0]]))["weight"]
        tensor([[[[3., 4.]]]])
    """
    chosen = _checks.select_parameters(model, parameters)
    n_outputs = _checks.check_model(model, x)
    needed = 2 * len(x) * bytes_per_sample(chosen, n_outputs)
    _checks.require_memory(
        needed,
        x.device,
        f"the Jacobian (n={len(x)}, outputs={n_outputs}, {n_entries(chosen)} parameters)",
        "Use empirical_ntk(...) or ntk_spectrum(...), which work in chunks.",
    )
    blocks = jacobian_blocks(model, x, chosen)
    for name, block in blocks.items():
        _checks.require_finite(f"the Jacobian of {name!r}", block)
    return {
        name: block.reshape(*block.shape[:2], *chosen[name].shape)
        for name, block in blocks.items()
    }


def jacobian_blocks(
    model: nn.Module,
    x: Tensor,
    parameters: dict[str, Tensor],
    output_map: Tensor | None = None,
) -> dict[str, Tensor]:
    """Jacobian of the mapped outputs by parameter, ``(n, mapped, size)``; no checks."""
    frozen = {
        name: p.detach() for name, p in model.named_parameters() if name not in parameters
    }

    def mapped_outputs(selected: dict[str, Tensor], sample: Tensor) -> Tensor:
        # Clones: a module may count its calls in a buffer, or change its input in place.
        buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        state = {**frozen, **buffers, **selected}
        outputs = functional_call(model, state, (sample.unsqueeze(0).clone(),)).reshape(-1)
        return outputs if output_map is None else output_map @ outputs

    blocks = vmap(jacrev(mapped_outputs), in_dims=(None, 0))(parameters, x)
    return {
        name: blocks[name].detach().reshape(len(x), -1, max(1, parameter.numel()))
        for name, parameter in parameters.items()
    }


def jacobian_matrix(
    model: nn.Module,
    x: Tensor,
    parameters: dict[str, Tensor],
    output_map: Tensor,
    rows_per_sample: int,
) -> Tensor:
    """The Jacobian as a factor A of the kernel A A^T, in float64; no checks.

    Returns:
        Shape ``(n * rows_per_sample, mapped / rows_per_sample * n_params)``: rows
        sample-major; mapped outputs that are summed lie side by side in the columns.
    """
    blocks = jacobian_blocks(model, x, parameters, output_map)
    shape = (len(x), len(output_map), n_entries(parameters))
    joined = torch.empty(shape, dtype=torch.float64, device=x.device)
    start = 0
    for block in blocks.values():
        joined[:, :, start : start + block.shape[2]] = block
        start += block.shape[2]
    return joined.reshape(len(x) * rows_per_sample, -1)


def n_entries(parameters: dict[str, Tensor]) -> int:
    """Number of scalar parameters."""
    return sum(p.numel() for p in parameters.values())


def bytes_per_sample(parameters: dict[str, Tensor], n_mapped: int) -> int:
    """Bytes of the Jacobian of one sample."""
    return n_mapped * sum(p.numel() * p.element_size() for p in parameters.values())


def sample_chunks(
    n_samples: int, bytes_each: int, device: torch.device, *, at_most: int | None = None
) -> list[slice]:
    """Slices of samples whose working copies fit into the memory that is free.

    Args:
        n_samples: Number of samples to cut up.
        bytes_each: Bytes of one sample's Jacobian.
        device: Where the Jacobian will lie.
        at_most: Bytes of Jacobian a chunk should not exceed, where small chunks cost
            nothing: their memory is used again and stays in the cache.

    Returns:
        Slices that cover ``range(n_samples)`` in order.

    Raises:
        MemoryError: If not even one sample fits.
    """
    # Jacobian, its concatenation and a float64 copy exist side by side.
    working = 4 * bytes_each
    _checks.require_memory(
        working,
        device,
        "the Jacobian of a single sample",
        "Pass fewer parameters=[...], or one output block with outputs=(c, d).",
    )
    size = _checks.available_memory(device) // max(1, working)
    if at_most is not None:
        size = min(size, at_most // max(1, bytes_each))
    size = max(1, min(n_samples, size))
    return [slice(i, min(i + size, n_samples)) for i in range(0, n_samples, size)]
