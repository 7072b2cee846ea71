"""A model with what is asked of it, checked."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from entk_lib import _checks, _inputs, _models
from entk_lib._inputs import Inputs
from entk_lib._outputs import OutputMap, Outputs, output_map
from entk_lib.kernels.engine.wrappers import widened


@dataclass(frozen=True)
class Problem:
    """A checked model, its chosen parameters, and what is done with its outputs."""

    model: nn.Module
    parameters: dict[str, Tensor]
    maps: OutputMap
    n_outputs: int
    layers: dict[str, str]

    @property
    def n_mapped(self) -> int:
        """Number of outputs that cotangents are propagated for."""
        return len(self.maps.left)

    @property
    def dtype(self) -> torch.dtype:
        """Holds every chosen parameter's; of the kernel and the cotangents."""
        return _common_dtype(self.parameters)

    @property
    def device(self) -> torch.device:
        """Where the parameters lie."""
        return next(iter(self.parameters.values())).device

    @property
    def by_row(self) -> bool:
        """Whether each mapped output is a row of the kernel."""
        return self.maps.rows_per_sample > 1

    def part(self, rows: slice) -> "Problem":
        """The same for some of the mapped outputs, summed."""
        return replace(self, maps=self.maps.part(rows))


def prepare(
    model: nn.Module,
    x: Inputs,
    outputs: Outputs,
    output_weights: Tensor | None,
    parameters: Iterable[str] | str | None,
    *,
    by_layer: bool = False,
) -> Problem:
    """Check a model and what is asked of it; the errors are those of `empirical_ntk`.

    A model in half precision is run in float32 from here on.
    """
    chosen = _checks.select_parameters(model, parameters)
    _models.refuse_modes(model)
    model, chosen = widened(model, chosen)
    n_outputs = _models.check_model(
        model, x, parameters=chosen, complete=parameters is None
    )
    first = next(iter(chosen.values()))
    maps = output_map(
        outputs, output_weights, n_outputs, _common_dtype(chosen), first.device
    )
    # A parameter that the model itself owns is a layer of its own.
    owners = {name: name.rpartition(".")[0] or name for name in chosen}
    layers = owners if by_layer else dict.fromkeys(chosen, "")
    return Problem(model, chosen, maps, n_outputs, layers)


def _common_dtype(parameters: dict[str, Tensor]) -> torch.dtype:
    return functools.reduce(torch.promote_types, (p.dtype for p in parameters.values()))


def check_second(problem: Problem, x2: Inputs) -> int:
    """Refuse samples for the columns that do not fit those of the rows; their number."""
    n_outputs = _models.check_model(problem.model, x2, "x2")
    if n_outputs != problem.n_outputs:
        raise ValueError(
            f"model must return as many outputs on x2 as on x1, {problem.n_outputs}, got "
            f"{n_outputs}. Give both the same shape beyond the first axis."
        )
    return _inputs.n_samples(x2)


def require_symmetric(problem: Problem, outputs: Outputs) -> None:
    """Raise ValueError where a word of ``outputs`` gives no symmetric matrix."""
    if outputs in ("full", "diagonal") or not problem.maps.symmetric:
        raise ValueError(
            f'outputs must give a symmetric matrix, got {outputs!r}. Use "flatten", '
            '"average", "mean_output" or a block (c, c).'
        )
