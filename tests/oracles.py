"""The kernel by its definition: plain loops over torch.autograd.grad."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def loop_jacobian(
    model: nn.Module, x: Tensor, names: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """Derivatives of each output of each sample, ``(n, C, *shape)`` by parameter."""
    model = copy.deepcopy(model)
    if names is None:
        names = [name for name, p in model.named_parameters() if p.requires_grad]
    chosen = {name: p for name, p in model.named_parameters() if name in names}
    for parameter in chosen.values():
        parameter.requires_grad_()
    rows: dict[str, list[Tensor]] = {name: [] for name in chosen}
    for n in range(len(x)):
        outputs = model(x[n : n + 1].clone()).reshape(-1)
        for output in outputs:
            gradients = torch.autograd.grad(
                output, list(chosen.values()), retain_graph=True, allow_unused=True
            )
            for (name, p), g in zip(chosen.items(), gradients, strict=True):
                rows[name].append(torch.zeros_like(p) if g is None else g.detach())
    return {
        name: torch.stack(grads).reshape(len(x), len(outputs), *chosen[name].shape)
        for name, grads in rows.items()
    }


def jacobian_rows(
    model: nn.Module, x: Tensor, names: Sequence[str] | None = None
) -> Tensor:
    """The same with all parameters side by side, ``(n, C, n_params)``."""
    jacobians = loop_jacobian(model, x, names).values()
    return torch.cat([j.reshape(*j.shape[:2], -1) for j in jacobians], dim=2)


def loop_kernel(
    model: nn.Module,
    x1: Tensor,
    x2: Tensor,
    names: Sequence[str] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """``K[n, m, c, d]``, one inner product at a time."""
    rows1, rows2 = jacobian_rows(model, x1, names), jacobian_rows(model, x2, names)
    n_outputs = rows1.shape[1]
    kernel = rows1.new_empty(len(x1), len(x2), n_outputs, n_outputs)
    for n in range(len(x1)):
        for m in range(len(x2)):
            for c in range(n_outputs):
                for d in range(n_outputs):
                    kernel[n, m, c, d] = rows1[n, c] @ rows2[m, d]
                    if weights is not None:
                        kernel[n, m, c, d] *= (weights[c] * weights[d]).sqrt()
    return kernel


def reduce_outputs(kernel: Tensor, outputs: str | tuple[int, int]) -> Tensor:
    """What a word of ``outputs`` makes of ``K[n, m, c, d]``, by its definition."""
    n1, n2, n_outputs, _ = kernel.shape
    if outputs == "full":
        return kernel
    if outputs == "average":
        return sum(kernel[:, :, c, c] for c in range(n_outputs)) / n_outputs
    if outputs == "mean_output":
        every = [kernel[:, :, c, d] for c in range(n_outputs) for d in range(n_outputs)]
        return sum(every) / n_outputs**2
    if outputs == "flatten":
        flat = kernel.new_empty(n1 * n_outputs, n2 * n_outputs)
        for n in range(n1):
            for m in range(n2):
                for c in range(n_outputs):
                    for d in range(n_outputs):
                        flat[n * n_outputs + c, m * n_outputs + d] = kernel[n, m, c, d]
        return flat
    c, d = outputs
    return kernel[:, :, c, d]
