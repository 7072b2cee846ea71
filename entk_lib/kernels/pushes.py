"""J times a vector, by the first way that a model's operations allow.

Forward mode is the cheapest. Some operations have none; then the derivative of a backward
pass, which some have not either; then the Jacobian itself, which every model has.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.func import jvp

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib._outputs import output_map
from entk_lib.kernels.engine import Problem
from entk_lib.kernels.jacobians import Jacobians, sample_chunks
from entk_lib.kernels.remembered import Remembered, plain_operations

Push: TypeAlias = Callable[[Problem, Inputs, Tensor, int], Tensor]


class Pushes:
    """Tangents of the outputs for a vector over all parameters.

    Args:
        problem: The model and its chosen parameters.
        budget: Bytes that may be used.
    """

    def __init__(self, problem: Problem, budget: int) -> None:
        self._problem, self._budget = problem, budget
        self._ways: list[Push] = [_forward_mode, _twice_backward, _by_jacobian]

    def __call__(self, x: Inputs, direction: Tensor) -> Tensor:
        """``J u`` on some samples, ``(n, C)``; what fails once is not tried again."""
        while True:
            try:
                return self._ways[0](self._problem, x, direction, self._budget)
            except (NotImplementedError, RuntimeError):
                if len(self._ways) == 1:
                    raise
                self._ways = self._ways[1:]


def _forward_mode(problem: Problem, x: Inputs, direction: Tensor, _: int) -> Tensor:
    parameters = {name: p.clone() for name, p in problem.parameters.items()}
    sizes = [p.numel() for p in parameters.values()]
    tangents = {
        name: part.reshape(p.shape).to(p.dtype)
        for (name, p), part in zip(parameters.items(), direction.split(sizes), strict=True)
    }
    frozen = _inputs.frozen_of(problem.model, parameters)

    def outputs(state: dict[str, Tensor]) -> Tensor:
        found = _inputs.call_model(problem.model, {**frozen, **state}, x)
        return found.reshape(_inputs.n_samples(x), -1)

    with plain_operations():
        return jvp(outputs, (parameters,), (tangents,))[1].detach()


def _twice_backward(problem: Problem, x: Inputs, direction: Tensor, _: int) -> Tensor:
    leaves = {n: p.clone().requires_grad_() for n, p in problem.parameters.items()}
    return Remembered(problem, leaves, x).push(direction)


def _by_jacobian(problem: Problem, x: Inputs, direction: Tensor, budget: int) -> Tensor:
    maps = output_map("flatten", None, problem.n_outputs, problem.dtype, problem.device)
    jacobians = Jacobians(replace(problem, maps=maps), x)
    sizes = [p.numel() for p in problem.parameters.values()]
    along = dict(zip(problem.parameters, direction.split(sizes), strict=True))
    found = []
    for chunk in sample_chunks(_inputs.n_samples(x), jacobians.bytes_per_sample, budget):
        blocks = jacobians.blocks(_inputs.take(x, chunk))
        total = torch.zeros((), dtype=torch.float64, device=direction.device)
        for name, block in blocks.items():
            total = total + (block @ along[name].to(block.dtype)).double()
        found.append(total.to(direction.dtype))
    return torch.cat(found)
