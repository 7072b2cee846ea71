"""The whole kernel: its last linear map apart, and outputs a part at a time."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from entk_lib import _checks, _inputs
from entk_lib._inputs import Inputs
from entk_lib._outputs import OutputMap
from entk_lib._progress import progress
from entk_lib.kernels.engine.contract import WORKING_BYTES, Blocks
from entk_lib.kernels.engine.factors import Gradient
from entk_lib.kernels.engine.harvest import harvest
from entk_lib.kernels.engine.head import Head, find_head
from entk_lib.kernels.engine.head_rows import spread_over_outputs
from entk_lib.kernels.engine.plan import make_plan
from entk_lib.kernels.engine.predict import announce_if_long
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import Structure, first_that_holds, prove_rules
from entk_lib.kernels.engine.record import ChangedError

# The calls of a part of the outputs take as long as so many multiply-adds.
_PART_COST = 10**8
# Beyond this, memory must save time: less of it may cost so many times as much.
_ENOUGH_BYTES = 2**30
_MARGIN = 1.1


@dataclass(frozen=True)
class Task:
    """Between which samples, within how many bytes, and where the kernels go."""

    x1: Inputs
    x2: Inputs | None
    budget: int
    dtype: torch.dtype | None = None
    into: dict[str, Tensor] | None = None

    @property
    def n1(self) -> int:
        """Samples of the rows."""
        return _inputs.n_samples(self.x1)

    @property
    def n2(self) -> int:
        """Samples of the columns."""
        return _inputs.n_samples(self.x1 if self.x2 is None else self.x2)


def kernel_matrices(
    problem: Problem,
    x1: Inputs,
    x2: Inputs | None,
    budget: int,
    dtype: torch.dtype | None = None,
    into: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Kernel of each of the problem's layers, exact, within a budget of bytes.

    Args:
        problem: The model and what is asked of it.
        x1: Samples of the rows.
        x2: Samples of the columns; None for x1 again.
        budget: Memory that may be used, results included.
        dtype: Of the kernel and its sums; None for the parameters'.
        into: Where to write the kernels, not counted in the budget; None for new tensors.

    Raises:
        MemoryError: If the kernel, or one sample's part of it, does not fit.
        ValueError: If the kernel is not finite.
    """
    task = Task(x1, x2, budget, dtype, into)
    try:
        kernels = _with_head(problem, task)
    except ChangedError:  # a batch took another path than the few of the proof
        kernels = _kernels_of(problem, task)
    for layer, kernel in kernels.items():
        what = f"the kernel of layer {layer!r}" if layer else "the kernel"
        _checks.require_finite(what, kernel)
    return kernels


def _with_head(problem: Problem, task: Task) -> dict[str, Tensor]:
    """The last linear map apart, where there is one."""
    head = find_head(problem, task.x1, task.x2, rows=True)
    if head is None:
        return _kernels_of(problem, task)
    if problem.maps.layout == "rows":
        return _with_rows(head, task)
    kernels = {layer: kernel.zero_() for layer, kernel in (task.into or {}).items()}
    if head.below is not None:
        kernels |= _kernels_of(head.below, task)
    return head.add_own(kernels, task.x1, task.x2, task.dtype)


def _with_rows(head: Head, task: Task) -> dict[str, Tensor]:
    """The same where every mapped output is a row: the kernel below is spread over them."""
    problem, dtype = head.problem, task.dtype or head.problem.dtype
    shape = (task.n1 * problem.n_mapped, task.n2 * problem.n_mapped)
    layers, hidden = dict.fromkeys(problem.layers.values()), {}
    given = task.into is not None
    needed = 0 if given else len(layers) * shape[0] * shape[1] * dtype.itemsize
    needed += 3 * 8 * problem.n_mapped * shape[1]  # a sample's rows at work
    if head.below is not None:
        try:
            few = replace(task, budget=task.budget - needed, into=None)
            hidden = _kernels_of(head.below, few)
        except MemoryError:  # both do not fit at once
            return _kernels_of(problem, task)
    kernels = task.into or {
        layer: torch.empty(shape, dtype=dtype, device=problem.device) for layer in layers
    }
    return spread_over_outputs(head, hidden, task.x1, task.x2, kernels)


def _kernels_of(problem: Problem, task: Task) -> dict[str, Tensor]:
    """The same without the last linear map, in parts of the outputs where it pays."""
    layers = list(dict.fromkeys(problem.layers.values()))
    each = problem.maps.rows_per_sample
    extra = (problem.n_mapped,) if problem.maps.layout == "each" else ()

    def compute(structure: Structure) -> dict[str, Tensor]:
        size, blocks = largest_part(problem, structure, task)
        announce_if_long(blocks)
        shape = (*extra, task.n1 * each, task.n2 * each)
        kernels = {
            layer: torch.zeros(shape, dtype=blocks.dtype, device=problem.device)
            if task.into is None
            else task.into[layer].zero_()
            for layer in layers
        }
        with progress("kernel", blocks.operations) as bar:
            for start in range(0, problem.n_mapped, size):
                if problem.maps.layout != "rows":
                    blocks.problem = problem.part(slice(start, start + size))
                here = {layer: k[start] if extra else k for layer, k in kernels.items()}
                blocks.add_to(here, bar)
        return {layer: k.movedim(0, -1) if extra else k for layer, k in kernels.items()}

    structure = prove_rules(problem.model, problem.parameters, task.x1)
    return first_that_holds(structure, compute)


def largest_part(problem: Problem, structure: Structure, task: Task) -> tuple[int, Blocks]:
    """How many mapped outputs are taken at a time: all, or fewer where that is cheaper.

    All of them keep so much of each sample that few samples fit at a time, and each
    block of samples is harvested again for every other one. Fewer outputs leave room for
    all samples, but what does not depend on the outputs is done once for each part.
    More memory than `_ENOUGH_BYTES` is taken only where it saves time.
    """

    def blocks_of(size: int) -> Blocks:
        whole = problem.maps.layout == "rows"
        part = problem if whole else problem.part(slice(0, size))
        given = task.into is not None
        return Blocks(
            part, structure, task.x1, task.x2, task.budget, task.dtype, problem, given=given
        )

    if problem.maps.layout == "rows":
        return problem.n_mapped, blocks_of(problem.n_mapped)
    if problem.maps.layout == "each":
        return 1, blocks_of(1)
    size, best = problem.n_mapped, None
    while True:
        try:
            blocks = blocks_of(size)
        except MemoryError:
            if size == 1 and best is None:
                raise
        else:
            cost = blocks.operations + blocks.parts * _PART_COST
            margin = 1.0 if best is None or best[2].kept <= _ENOUGH_BYTES else _MARGIN
            if best is None or cost < margin * best[0]:
                best = cost, size, blocks
            if blocks.keeps_all and blocks.kept <= _ENOUGH_BYTES:
                break
        if size == 1:
            break
        size = -(-size // 2)
    assert best is not None
    return best[1], best[2]


def kernel_trace(problem: Problem, x: Inputs, budget: int) -> float:
    """Sum of the diagonal of a symmetric kernel, without the kernel."""
    side, n = problem.maps.left, _inputs.n_samples(x)
    summed = replace(problem, maps=OutputMap(side, side, "sum"))
    head = find_head(summed, x)
    try:
        own = 0.0 if head is None else head.trace(x)
    except ChangedError:
        head, own = None, 0.0
    below, trace = (summed if head is None else head.below), own
    if below is not None:
        structure = prove_rules(below.model, below.parameters, x)
        trace += first_that_holds(
            structure, lambda known: _trace_of(below, known, x, n, budget)
        )
    _checks.require_finite("the kernel", torch.tensor(trace))
    return trace


def _trace_of(
    problem: Problem, structure: Structure, x: Inputs, n: int, budget: int
) -> float:
    room, size = min(budget // 2, WORKING_BYTES), problem.n_mapped
    while True:  # so many outputs at a time that a few samples fit
        plan = make_plan(problem.part(slice(0, size)), structure, 1, 1)
        bytes_each = max(1, 2 * plan.sample_bytes + plan.working_bytes)
        written = size * problem.n_outputs * problem.dtype.itemsize
        if size == 1 or written + 8 * bytes_each <= room:
            break
        size = -(-size // 2)
    batch, total = max(1, room // bytes_each), 0.0
    parts = range(0, problem.n_mapped, size)
    with progress("trace", n * len(parts)) as bar:
        for start in parts:
            part = problem.part(slice(start, start + size))
            rows = part.maps.left.matrix()
            for i in range(0, n, batch):
                few = _inputs.take(x, slice(i, i + batch))
                pairs, jacobians = harvest(part, plan, few, rows)
                total += sum(f.trace() for f in pairs)
                total += sum(Gradient("", j).trace() for j in jacobians.values())
                bar.update(_inputs.n_samples(few))
    return total
