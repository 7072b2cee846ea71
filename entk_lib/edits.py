"""The shortest change of a model's parameters that changes its outputs as wanted."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs
from entk_lib._inputs import Data, Inputs
from entk_lib.kernels import chunks_of, prepare, solve_tangent


@dataclass(frozen=True, eq=False)
class Edit:
    """A change of parameters, and what it does to the outputs.

    Attributes:
        delta: To be added to the parameters, by their names; in their dtype.
        length: Of the change, relative to that of the parameters that were chosen.
        predicted: Change of the outputs on the samples to first order, of their shape.
        actual: Change of the outputs of the model with the change applied.
        actual_fixed: The same on the samples that must not move; ``None`` without any.
        residual: What is missing of the wanted change in ``predicted``, samples that must
            not move included, relative to the wanted change; 0 for a change of zero.
        way: How it was found: ``"decomposed"``, ``"conjugate gradients"`` or ``"LSMR"``,
            of the last step.
        products: Products with the Jacobian or its transpose that it took, over all steps.
    """

    delta: Mapping[str, Tensor]
    length: float
    predicted: Tensor
    actual: Tensor
    actual_fixed: Tensor | None
    residual: float
    way: str
    products: int

    def applied(self, model: nn.Module) -> nn.Module:
        """A copy of a model with the change added to its parameters.

        Args:
            model: The model that was edited, or one with parameters of the same names and
                shapes. Not changed.

        Returns:
            The copy.

        Raises:
            ValueError: If it lacks one of the parameters, or one has another shape.
        """
        changed = copy.deepcopy(model)
        _add(changed, self.delta)
        return changed

    def __str__(self) -> str:
        """What it costs and what it does, in a line."""
        done = f"residual {self.residual:.1e}"
        if self.residual > 0.01:
            done = f"{self.residual:.0%} of the change is missing"
        return (
            f"a change of {100 * self.length:.2g} % of the parameters' length, {done} "
            f"({self.way}, {self.products} products)"
        )


def tangent_edit(
    model: nn.Module,
    x: Data,
    change: Float[Tensor, " n *outputs"],
    *,
    parameters: Iterable[str] | str | None = None,
    ridge: float = 0.0,
    steps: int = 1,
    fixed: Inputs | None = None,
    tolerance: float = 1e-8,
    max_products: int = 400,
    memory: float | None = None,
) -> Edit:
    r"""The shortest change of parameters that, to first order, changes the outputs so.

    With the Jacobian J of all outputs on the samples, and the wanted change c,

    .. math:: \delta = \arg\min |\delta| \quad \text{with} \quad J \delta = c ,
              \qquad \delta = J^\top (J J^\top)^{+} c .

    Where c cannot be reached by these parameters, the part of it that can is done, in the
    sense of least squares, and ``residual`` says how much is missing. The model is not
    touched.

    Small Jacobians are decomposed. For others nothing of the size of the kernel is stored:
    conjugate gradients on it, preconditioned by the class-averaged kernel, or LSMR. Either
    starts at zero and stays in the row space of J.

    Args:
        model: As in `empirical_ntk`; in float64 for a small residual.
        x: Samples along the first axis, as in `empirical_ntk`.
        change: Wanted change of the outputs, of their shape on ``x``.
        parameters: What may change, as in `empirical_ntk`.
        ridge: r of :math:`|J \delta - c|^2 + r |\delta|^2`, added to the flattened
            kernel's diagonal as it is. Without one a small Jacobian is inverted down to
            rounding: what can be done by an enormous change only is done.
        steps: Newton steps: after the first, the Jacobian is taken anew and what the
            outputs still lack is asked for.
        fixed: Samples on which the outputs must not move, of the form of ``x``.
        tolerance: Residual relative to the change at which the iterations stop.
        max_products: They stop after so many products in a step as well. Where the change
            needs directions in which the kernel is next to zero, each further part of it
            costs a longer change of parameters: what is reached by then is given, and
            ``residual`` says what is missing.
        memory: GiB that may be used. ``None``: half of what is free.

    Returns:
        The change and what it does.

    Raises:
        ValueError: As in `empirical_ntk`; also if the change has another shape than the
            outputs or is not finite, the ridge is negative, or ``steps`` is below 1.
        TypeError: As in `empirical_ntk`.
        MemoryError: If not even one sample fits.

    Example:
        >>> line = nn.Linear(1, 1, dtype=torch.float64)
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> edit = tangent_edit(line, x, torch.ones(2, 1).double(), parameters="bias")
        >>> edit.delta["bias"].round(decimals=6), round(edit.residual, 6)
        (tensor([1.], dtype=torch.float64), 0.0)
    """
    if not 0 <= ridge < float("inf"):
        raise ValueError(
            f"ridge must be a finite number of at least 0, got {ridge}. It is added to the "
            "kernel's diagonal."
        )
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1, got {tolerance}. Try 1e-8.")
    _checks.require_count("steps", steps)
    _checks.require_count("max_products", max_products)
    batch = _inputs.gathered(x)
    changed = copy.deepcopy(model)
    chosen = _checks.select_parameters(changed, parameters)
    budget = _checks.memory_budget(next(iter(chosen.values())).device, memory)
    n = _inputs.n_samples(batch)
    everything = batch if fixed is None else _inputs.joined(batch, fixed)
    problem = prepare(changed, everything, "flatten", None, list(chosen))
    chunks = chunks_of(problem, everything, budget)
    before = _outputs(changed, everything, chunks.slices)
    wanted = _wanted(change, before, n)
    start = {name: p.detach().clone() for name, p in chosen.items()}
    delta = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in start.items()}
    sizes = [p.numel() for p in start.values()]
    predicted, actual, products = torch.zeros_like(wanted), torch.zeros_like(before), 0
    for step in range(steps):
        if step > 0:
            problem = prepare(changed, everything, "flatten", None, list(chosen))
        found = solve_tangent(
            problem,
            everything,
            chunks,
            wanted - actual.double().reshape(wanted.shape),
            ridge=ridge,
            tolerance=tolerance,
            max_products=max_products,
            budget=budget,
        )
        products, predicted = products + found.products, predicted + found.predicted
        parts = found.delta.split(sizes)
        for total, part in zip(delta.values(), parts, strict=True):
            total += part.reshape(total.shape)
        _set(changed, {name: start[name].double() + d for name, d in delta.items()})
        actual = _outputs(changed, everything, chunks.slices) - before
    length = _length(start)
    missed = float((predicted - wanted).norm())
    return Edit(
        {name: d.to(start[name].dtype) for name, d in delta.items()},
        _length(delta) / length if length else float("inf"),
        predicted[:n].to(before.dtype).reshape(before[:n].shape),
        actual[:n],
        None if fixed is None else actual[n:],
        missed / float(wanted.norm()) if bool(wanted.any()) else 0.0,
        found.way,
        products,
    )


def _wanted(change: Tensor, before: Tensor, n: int) -> Tensor:
    """The change on all samples, zero on those that must not move; float64, ``(n, C)``."""
    if not isinstance(change, Tensor):
        raise TypeError(
            f"change must be a tensor, got {type(change).__name__}. Use torch.as_tensor."
        )
    expected = (n, *before.shape[1:])
    if tuple(change.shape) != expected:
        raise ValueError(
            f"change must have the shape of the model's output on x, {expected}, got "
            f"{tuple(change.shape)}. It says for each output by how much it is to change."
        )
    _checks.require_finite("change", change)
    wanted = torch.zeros_like(before, dtype=torch.float64)
    wanted[:n] = change.detach().to(wanted)
    return wanted.reshape(len(before), -1)


@torch.no_grad()
def _outputs(model: nn.Module, x: Inputs, chunks: Sequence[slice]) -> Tensor:
    parts = [_inputs.call_model(model, {}, _inputs.take(x, chunk)) for chunk in chunks]
    return torch.cat(parts)


@torch.no_grad()
def _set(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    own = dict(model.named_parameters())
    for name, value in values.items():
        own[name].copy_(value)


@torch.no_grad()
def _add(model: nn.Module, delta: Mapping[str, Tensor]) -> None:
    own = dict(model.named_parameters())
    for name, part in delta.items():
        if name not in own or own[name].shape != part.shape:
            got = tuple(own[name].shape) if name in own else "no such parameter"
            raise ValueError(
                f"the model must have a parameter {name!r} of shape {tuple(part.shape)}, "
                f"got {got}. Pass the model that was edited."
            )
        own[name].add_(part.to(own[name]))


def _length(parts: Mapping[str, Tensor]) -> float:
    squares = [float(part.double().square().sum()) for part in parts.values()]
    return sum(squares) ** 0.5
