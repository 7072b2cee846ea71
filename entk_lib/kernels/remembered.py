"""Products that remember: one forward pass, kept from the first chosen parameter on."""

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine import Problem

# Graph of the outputs, graph of their gradient, and what both passes hold meanwhile.
GRAPH_COPIES = 5
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}


class Remembered:
    """The graph of some samples: ``J^T w`` and ``J u`` without another forward pass.

    ``J^T w`` is a backward pass. It is linear in w, so that its own graph, made once,
    gives ``J u`` as its derivative along u: a backward pass through the backward pass.

    Args:
        problem: The model and its chosen parameters; what else it holds takes no part in
            the graph, so only what lies above the first of them is kept.
        leaves: Copies of the parameters that require grad, one set for all samples.
        x: The samples.

    Raises:
        RuntimeError: If the model has an operation that cannot be differentiated twice,
            or the two products are not each other's transpose.
    """

    def __init__(self, problem: Problem, leaves: dict[str, Tensor], x: Inputs) -> None:
        frozen = _inputs.frozen_of(problem.model, leaves)
        with plain_operations(), torch.enable_grad():
            self._leaves = list(leaves.values())
            outputs = _inputs.call_model(problem.model, {**frozen, **leaves}, x)
            self._outputs = outputs.reshape(_inputs.n_samples(x), -1)
            self._cotangents = torch.zeros_like(self._outputs).requires_grad_()
            self._pulled: Sequence[Tensor | None] = [None] * len(self._leaves)
            if self._outputs.requires_grad:
                self._pulled = torch.autograd.grad(
                    self._outputs,
                    self._leaves,
                    self._cotangents,
                    create_graph=True,
                    allow_unused=True,
                )
        self._check()

    def pull(self, cotangents: Tensor) -> Tensor:
        """``J^T w`` for output cotangents ``(n, C)``, over all parameters in a row."""
        found: Sequence[Tensor | None] = [None] * len(self._leaves)
        if self._outputs.requires_grad:
            found = torch.autograd.grad(
                self._outputs,
                self._leaves,
                cotangents.to(self._outputs.dtype),
                retain_graph=True,
                allow_unused=True,
            )
        return torch.cat(
            [
                (leaf.new_zeros(leaf.shape) if g is None else g.to_dense()).flatten()
                for leaf, g in zip(self._leaves, found, strict=True)
            ]
        )

    def push(self, direction: Tensor) -> Tensor:
        """``J u`` for a vector over all parameters: tangents of the outputs, ``(n, C)``."""
        parts = direction.split([leaf.numel() for leaf in self._leaves])
        used = [
            (pulled, part.reshape(pulled.shape).to(pulled.dtype))
            for pulled, part in zip(self._pulled, parts, strict=True)
            if pulled is not None and pulled.requires_grad
        ]
        if not used:
            return torch.zeros_like(self._outputs)
        (found,) = torch.autograd.grad(
            [pulled for pulled, _ in used],
            [self._cotangents],
            [part for _, part in used],
            retain_graph=True,
        )
        return found

    def _check(self) -> None:
        generator = torch.Generator().manual_seed(0)

        def normal(shape: Sequence[int]) -> Tensor:
            drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
            return drawn.to(self._outputs)

        w, u = (
            normal(self._outputs.shape),
            normal([sum(leaf.numel() for leaf in self._leaves)]),
        )
        pulled, pushed = self.pull(w), self.push(u)
        one, two = float(pulled.double() @ u.double()), float((pushed * w).double().sum())
        size = float(pulled.double().norm()) * float(u.double().norm())
        if not abs(one - two) <= _TOLERANCE.get(w.dtype, 0.0) * size:
            raise RuntimeError("the products with J and its transpose do not agree")


@contextmanager
def plain_operations() -> Generator[None, None, None]:
    """Attention and encoder layers without their fused forms, which differentiate once.

    Forward mode and a second backward pass have no fused attention; torch's own formulas
    are compiled with a function that it deprecates.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    with (
        torch.inference_mode(False),
        torch.random.fork_rng(),
        sdpa_kernel(SDPBackend.MATH),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated")
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
