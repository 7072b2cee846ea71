"""Jacobians of a model's outputs with respect to its parameters."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs
from entk_lib._inputs import Data, Inputs
from entk_lib.kernels.engine import (
    Problem,
    Structure,
    first_that_holds,
    harvest_jacobians,
    make_plan,
    prepare,
    prove_rules,
)

# A Jacobian that is only multiplied is made in pieces of this size: measured, pieces of
# 8 to 32 MB take a third of the time of one of 400 MB.
CACHE_BYTES = 16 * 2**20


def jacobian(
    model: nn.Module,
    x: Data,
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
        model's dtype, float32 for one in half precision, without autograd history.

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
    x = _inputs.gathered(x)
    problem = prepare(model, x, "flatten", None, parameters)
    n, chosen = _inputs.n_samples(x), problem.parameters
    _checks.require_memory(
        2 * n * bytes_per_sample(problem),
        problem.device,
        f"the Jacobian (n={n}, outputs={problem.n_outputs}, {n_entries(chosen)} "
        "parameters)",
        "Use empirical_ntk(...) or ntk_spectrum(...), which work in chunks.",
    )
    blocks = Jacobians(problem, x).blocks(x)
    for name, block in blocks.items():
        _checks.require_finite(f"the Jacobian of {name!r}", block)
    return {
        name: blocks[name].reshape(n, problem.n_outputs, *parameter.shape)
        for name, parameter in chosen.items()
    }


class Jacobians:
    """Jacobians of the mapped outputs on any batch, by rules proven on one of them.

    Args:
        problem: A checked model and what is asked of it.
        x: Samples that rules are proven on.
    """

    def __init__(self, problem: Problem, x: Inputs) -> None:
        self.problem = problem
        self._structure = prove_rules(problem.model, problem.parameters, x)

    @property
    def bytes_per_sample(self) -> int:
        """Memory of a sample's Jacobian, or of a part of what making it takes."""
        plan = make_plan(self.problem, self._structure, 1, 1, jacobians=True)
        return max(bytes_per_sample(self.problem), plan.working_bytes // 4)

    def blocks(self, x: Inputs) -> dict[str, Tensor]:
        """Jacobian by parameter, ``(n, mapped, size)``, columns in its order."""

        def make(structure: Structure) -> dict[str, Tensor]:
            n = _inputs.n_samples(x)
            plan = make_plan(self.problem, structure, n, n, jacobians=True)
            rows = self.problem.maps.left.matrix()
            return harvest_jacobians(self.problem, plan, x, rows)

        return first_that_holds(self._structure, make)

    def matrix(self, x: Inputs) -> Tensor:
        """The Jacobian as a factor A of the kernel A A^T, in float64.

        Returns:
            Shape ``(n * rows_per_sample, mapped / rows_per_sample * n_params)``: rows
            sample-major; mapped outputs that are summed lie side by side in the columns.
        """
        blocks = self.blocks(x)
        n, mapped = _inputs.n_samples(x), self.problem.n_mapped
        shape = (n, mapped, n_entries(self.problem.parameters))
        device = next(iter(blocks.values())).device
        joined = torch.empty(shape, dtype=torch.float64, device=device)
        start = 0
        for name in self.problem.parameters:
            stop = start + blocks[name].shape[2]
            joined[:, :, start:stop] = blocks.pop(name)
            start = stop
        return joined.reshape(n * self.problem.maps.rows_per_sample, -1)


def n_entries(parameters: dict[str, Tensor]) -> int:
    """Number of scalar parameters."""
    return sum(p.numel() for p in parameters.values())


def bytes_per_sample(problem: Problem) -> int:
    """Bytes of the mapped Jacobian of one sample."""
    parameters = problem.parameters.values()
    return problem.n_mapped * sum(p.numel() * p.element_size() for p in parameters)


def sample_chunks(
    n_samples: int, bytes_each: int, budget: int, *, at_most: int | None = None
) -> list[slice]:
    """Slices of samples whose working copies fit into the memory that is free.

    Args:
        n_samples: Number of samples to cut up.
        bytes_each: Bytes of one sample's Jacobian.
        budget: Bytes that may be used.
        at_most: Bytes of Jacobian a chunk should not exceed, where small chunks cost
            nothing: their memory is used again and stays in the cache.

    Returns:
        Slices that cover ``range(n_samples)`` in order.

    Raises:
        MemoryError: If not even one sample fits.
    """
    # Jacobian, its concatenation and a float64 copy exist side by side.
    working = 4 * bytes_each
    if working > budget:
        raise MemoryError(
            f"the Jacobian of a single sample would need {working / 2**30:.2g} GiB, "
            f"expected at most {budget / 2**30:.2g} GiB. Pass fewer parameters=[...], or "
            "one output block with outputs=(c, d)."
        )
    size = budget // max(1, working)
    if at_most is not None:
        size = min(size, at_most // max(1, bytes_each))
    size = max(1, min(n_samples, size))
    return [slice(i, min(i + size, n_samples)) for i in range(0, n_samples, size)]
