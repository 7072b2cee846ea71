"""Products with the Jacobian and with its transpose, one vector a time; nothing stored.

``J^T w`` is a backward pass that adds up one vector of parameter length over all samples,
``J u`` a pass that brings it back to the outputs.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine import WORKING_BYTES, Problem, prove_rules
from entk_lib.kernels.pushes import Pushes
from entk_lib.kernels.remembered import GRAPH_COPIES, Remembered


@dataclass(frozen=True)
class Chunks:
    """Slices of samples whose passes fit.

    Attributes:
        slices: One after another, all samples once.
        remembered: Whether the graphs of all of them fit as well.
    """

    slices: list[slice]
    remembered: bool


class Tangents:
    """A model's Jacobian on some samples, to multiply with from either side.

    Where memory allows, the model runs once only and its graph is kept, from the first
    chosen parameter on; elsewhere each product runs it anew.

    Args:
        problem: The model and its chosen parameters, which may not change.
        x: The samples.
        budget: Bytes that may be used.
        chunks: As `chunks_of` gives them.
    """

    def __init__(self, problem: Problem, x: Inputs, budget: int, chunks: Chunks) -> None:
        self._problem, self._x, self._chunks = problem, x, chunks
        self._pushes = Pushes(problem, budget)
        self._graphs: list[Remembered] | None = None
        if not chunks.remembered:
            return
        leaves = {n: p.clone().requires_grad_() for n, p in problem.parameters.items()}
        with contextlib.suppress(RuntimeError, NotImplementedError):
            # Where it cannot be differentiated twice, other ways are tried.
            self._graphs = [Remembered(problem, leaves, x) for _, x in self._batches()]

    def pull(self, cotangents: Tensor) -> Tensor:
        """``J^T w`` for output cotangents ``(n, C)``, as one vector over all parameters."""
        if self._graphs is not None:
            pairs = zip(self._graphs, self._chunks.slices, strict=True)
            pulled = [graph.pull(cotangents[chunk]) for graph, chunk in pairs]
            return torch.stack(pulled).sum(0) if len(pulled) > 1 else pulled[0]
        parameters = self._problem.parameters
        total = torch.zeros(
            sum(p.numel() for p in parameters.values()),
            dtype=self._problem.dtype,
            device=self._problem.device,
        )
        with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
            leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
            for chunk, x in self._batches():
                outputs = self._outputs(leaves, x)
                if not outputs.requires_grad:
                    continue
                found = torch.autograd.grad(
                    outputs,
                    list(leaves.values()),
                    cotangents[chunk].to(outputs.dtype),
                    allow_unused=True,
                    materialize_grads=True,
                )
                # The gradient of a sparse table is sparse.
                total += torch.cat([g.to_dense().flatten() for g in found])
        return total

    def push(self, direction: Tensor) -> Tensor:
        """``J u`` for a vector over all parameters: tangents of the outputs, ``(n, C)``."""
        if self._graphs is not None:
            parts = [graph.push(direction) for graph in self._graphs]
        else:
            parts = [self._pushes(x, direction) for _, x in self._batches()]
        return torch.cat(parts).to(self._problem.dtype)

    def _batches(self) -> Iterator[tuple[slice, Inputs]]:
        for chunk in self._chunks.slices:
            yield chunk, _inputs.take(self._x, chunk)

    def _outputs(self, state: dict[str, Tensor], x: Inputs) -> Tensor:
        frozen = _inputs.frozen_of(self._problem.model, state)
        found = _inputs.call_model(self._problem.model, {**frozen, **state}, x)
        return found.reshape(_inputs.n_samples(x), -1)


def chunks_of(problem: Problem, x: Inputs, budget: int) -> Chunks:
    """How many samples go through a pass at once.

    Args:
        problem: The model and its chosen parameters.
        x: The samples.
        budget: Bytes that may be used.

    Returns:
        Slices, and whether all graphs fit at once.

    Raises:
        MemoryError: If not even one sample fits.
    """
    saved = prove_rules(problem.model, problem.parameters, x).saved_bytes
    # Forward mode holds a tangent beside each value.
    each = max(1, 4 * saved)
    held = 4 * sum(p.numel() * p.element_size() for p in problem.parameters.values())
    if held + each > budget:
        raise MemoryError(
            f"products with the kernel would need {(held + each) / 2**30:.2g} GiB for one "
            f"sample, expected at most {budget / 2**30:.2g} GiB. Pass fewer "
            "parameters=[...]."
        )
    size = max(1, min(budget - held, WORKING_BYTES) // each)
    n = _inputs.n_samples(x)
    chunks = [slice(i, min(i + size, n)) for i in range(0, n, size)]
    return Chunks(chunks, held + GRAPH_COPIES * saved * n <= budget // 2)
