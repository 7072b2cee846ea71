"""Jacobians by automatic differentiation alone, for parameters that no rule covers."""

import warnings

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from entk_lib import _inputs
from entk_lib._inputs import Inputs


def jacobian_blocks(
    model: nn.Module, x: Inputs, parameters: dict[str, Tensor], output_map: Tensor
) -> dict[str, Tensor]:
    """Jacobian of the mapped outputs by parameter, ``(n, mapped, size)``; no checks."""
    frozen = {
        name: p.detach() for name, p in model.named_parameters() if name not in parameters
    }
    written = _inputs.renormalised(model)
    with torch.random.fork_rng(), torch.inference_mode(False):
        if not written:
            try:
                return _vectorised(model, x, parameters, frozen, output_map)
            except (RuntimeError, ValueError, NotImplementedError):
                pass  # recurrent layers, boolean masks, custom functions: one by one
        frozen = {name: p for name, p in frozen.items() if name not in written}
        return _one_by_one(model, x, parameters, frozen, output_map)


def _vectorised(
    model: nn.Module,
    x: Inputs,
    parameters: dict[str, Tensor],
    frozen: dict[str, Tensor],
    output_map: Tensor,
) -> dict[str, Tensor]:
    def mapped_outputs(selected: dict[str, Tensor], sample: Inputs) -> Tensor:
        alone = _inputs.unsqueeze(sample)
        outputs = _inputs.call_model(model, {**frozen, **selected}, alone)
        return output_map.to(outputs.dtype) @ outputs.reshape(-1)

    # Fused attention cannot be vectorised. What torch takes one by one costs no more than
    # a loop here would.
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        blocks = vmap(jacrev(mapped_outputs), in_dims=(None, 0))(parameters, x)
    shape = (_inputs.n_samples(x), len(output_map))
    return {
        name: blocks[name].detach().reshape(*shape, parameter.numel())
        for name, parameter in parameters.items()
    }


def _one_by_one(
    model: nn.Module,
    x: Inputs,
    parameters: dict[str, Tensor],
    frozen: dict[str, Tensor],
    output_map: Tensor,
) -> dict[str, Tensor]:
    """The same by a loop over samples and outputs, for what cannot be vectorised."""
    n = _inputs.n_samples(x)
    blocks = {
        name: p.new_zeros(n, len(output_map), p.numel()) for name, p in parameters.items()
    }
    with torch.enable_grad():
        for i in range(n):
            leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
            sample = _inputs.take(x, slice(i, i + 1))
            outputs = _inputs.call_model(model, {**frozen, **leaves}, sample).reshape(-1)
            if not outputs.requires_grad:
                continue
            for c, row in enumerate(output_map):
                found = torch.autograd.grad(
                    outputs,
                    list(leaves.values()),
                    row.to(outputs.dtype),
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                for block, gradient in zip(blocks.values(), found, strict=True):
                    block[i, c] = gradient.to_dense().flatten()
    return blocks
