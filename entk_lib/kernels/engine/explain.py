"""What a kernel would cost and by which ways, told without computing it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from entk_lib._inputs import Inputs
from entk_lib._progress import told
from entk_lib.kernels.engine.assemble import Task, largest_part
from entk_lib.kernels.engine.head import Head, find_head
from entk_lib.kernels.engine.head_rows import spread_operations
from entk_lib.kernels.engine.plan import ParameterPlan, make_plan
from entk_lib.kernels.engine.predict import (
    multiply_adds_per_second,
    predicted_seconds,
    seconds_each,
)
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import Structure, first_that_holds, prove_rules
from entk_lib.kernels.engine.record import ChangedError


@dataclass(frozen=True, repr=False)
class KernelPlan(Sequence[ParameterPlan]):
    """How a kernel would be computed: a sequence of one line for each parameter.

    Attributes:
        parameters: The lines.
        seconds: How long it would take, predicted from a few of its samples; ``None``
            where it does not fit into memory. Two plans are equal whatever it is.
    """

    parameters: tuple[ParameterPlan, ...]
    seconds: float | None = field(compare=False)

    @overload
    def __getitem__(self, index: int) -> ParameterPlan: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ParameterPlan]: ...
    def __getitem__(self, index: int | slice) -> ParameterPlan | Sequence[ParameterPlan]:
        """One line, or some."""
        return self.parameters[index]

    def __iter__(self) -> Iterator[ParameterPlan]:
        """The lines in the order of the parameters."""
        return iter(self.parameters)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    def __repr__(self) -> str:
        """A table."""
        width = max(len(line.parameter) for line in self)
        lines = [
            f"{line.parameter:{width}}  {line.way:9} {line.operations:8.1e} multiply-adds, "
            f"{line.bytes / 2**20:8.3g} MiB  {', '.join(line.uses)}".rstrip()
            for line in self
        ]
        last = "does not fit into memory"
        if self.seconds is not None:
            last = f"about {told(self.seconds)}"
        return "\n".join([*lines, last])


def explain_plan(
    problem: Problem, x1: Inputs, x2: Inputs | None, budget: int, checks: float = 0.0
) -> KernelPlan:
    """The way that `kernel_matrices` would take for each parameter, in their order.

    Args:
        problem: The model and what is asked of it.
        x1: Samples of the rows.
        x2: Samples of the columns; None for x1 again.
        budget: Memory that may be used.
        checks: Seconds that the checks before took, which count too.
    """
    task, start = Task(x1, x2, budget), time.perf_counter()
    head = find_head(problem, x1, x2, rows=True)
    below = problem if head is None else head.below
    found: dict[str, ParameterPlan] = {}
    seconds: float | None = checks
    if below is not None:
        structure = prove_rules(below.model, below.parameters, x1)
        seconds += time.perf_counter() - start
        rows, work = first_that_holds(structure, lambda known: _told(below, known, task))
        found = {row.parameter: row for row in rows}
        seconds = None if work is None else seconds + work
    if head is not None:
        for own in _own(head, task):
            found[own.parameter] = _joined(found.get(own.parameter), own)
        if seconds is not None:
            seconds += _own_seconds(head, task)
    return KernelPlan(tuple(found[name] for name in problem.parameters), seconds)


def _told(
    problem: Problem, structure: Structure, task: Task
) -> tuple[list[ParameterPlan], float | None]:
    """Lines of the parameters, and seconds, for what has no head."""
    try:
        _, blocks = largest_part(problem, structure, task)
    except MemoryError:  # nothing is computed: it may be asked for
        symmetric = task.x2 is None and problem.maps.symmetric
        return make_plan(
            problem, structure, task.n1, task.n2, symmetric=symmetric
        ).rows, None
    rows = [
        replace(row, operations=row.operations * blocks.parts) for row in blocks.plan.rows
    ]
    return rows, predicted_seconds(blocks)


def _own(head: Head, task: Task) -> Iterator[ParameterPlan]:
    """Lines of the last linear map's own parameters."""
    n1, n2 = task.n1, task.n2
    for name in filter(None, head.names):
        size = head.weight.shape[1] if name == head.names[0] else 1
        yield ParameterPlan(name, "head", [head.use], n1 * n2 * size, (n1 + n2) * 8 * size)


def _joined(below: ParameterPlan | None, own: ParameterPlan) -> ParameterPlan:
    """The line of a weight that is used as the last map, and below it, too."""
    if below is None:
        return own
    return replace(
        own,
        way=f"head, {below.way}",
        uses=[*below.uses, *own.uses],
        operations=own.operations + below.operations,
        bytes=own.bytes + below.bytes,
    )


def _own_seconds(head: Head, task: Task) -> float:
    """Seconds of the map's own part, on all samples."""
    if head.problem.maps.layout == "rows":
        speed = multiply_adds_per_second(head.problem.dtype, head.problem.device)
        return spread_operations(head, task.n1, task.n2) / speed
    try:
        each = seconds_each(head.own_factors, task.x1, task.n1)
    except ChangedError:
        return 0.0
    return each * (task.n1 if task.x2 is None else task.n1 + task.n2)
