"""How long a kernel takes, told from a few of its samples before the work starts.

What is done to each sample, a pass through the model and the factors made of it, is timed
on a few; what is done to each pair of samples is counted, and takes as long as so much of
a matrix product that is timed on the spot.
"""

import functools
import time
from collections.abc import Callable

import torch

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib._progress import announce, told
from entk_lib.kernels.engine.contract import Blocks
from entk_lib.kernels.engine.harvest import harvest, recorded

# A few samples are enough when they take so long; overhead is then small beside them.
_SECONDS_TIMED = 0.15
_SQUARE = 512
# What is sure to take less than ten minutes is not timed: so many multiply-adds, which
# any machine does in that time, and what the calls of a batch count for beside them.
SURELY_SHORT = 10**12
_BATCH_COST = 10**8


def predicted_seconds(blocks: Blocks) -> float:
    """Seconds that all parts of a kernel take, its checks and proofs not counted.

    Raises:
        ChangedError: As in `harvest`.
    """
    problem, plan = blocks.problem, blocks.plan
    maps, again = problem.maps.left.matrix(), blocks.parts * blocks.times

    def whole(few: Inputs) -> object:
        return harvest(problem, plan, few, maps)

    each = again * seconds_each(whole, blocks.x1, blocks.batch)
    if blocks.keeps_recordings and blocks.plan.structure.uses:
        # The model is run once: its share is taken off the other times.
        run = seconds_each(
            lambda few: recorded(problem, plan, few), blocks.x1, blocks.batch
        )
        each -= min(run * (again - 1), each / 2)
    speed = multiply_adds_per_second(problem.dtype, blocks.device)
    products = blocks.parts * plan.contraction / speed
    return each * blocks.samples + products


def announce_if_long(blocks: Blocks) -> None:
    """Warn of a kernel that is predicted to take longer than ten minutes."""
    batches = blocks.parts * blocks.times * blocks.samples / blocks.batch
    if blocks.operations + batches * _BATCH_COST < SURELY_SHORT:
        return
    seconds = predicted_seconds(blocks)
    largest = max(blocks.plan.rows, key=lambda row: row.operations)
    n_outputs = blocks.whole.n_mapped
    advice = [
        "NTKOperator(...) for products alone",
        "ntk_spectrum(..., k=...) for leading eigenpairs",
        f"parameters=[...] of some layers ({largest.parameter!r} takes most)",
    ]
    if n_outputs > 1:
        one = told(seconds / n_outputs)
        advice.insert(0, f"outputs=(c, c) for one of the {n_outputs} outputs, about {one}")
    announce("the kernel", seconds, "Cheaper: " + "; ".join(advice) + ".")


def seconds_each(call: Callable[[Inputs], object], x: Inputs, at_most: int) -> float:
    """Seconds for each sample, from as few samples as can be timed."""
    limit = max(1, min(at_most, _inputs.n_samples(x)))
    size = 1
    while True:
        few = _inputs.take(x, slice(0, size))
        seconds = _seconds(call, few)
        if seconds < _SECONDS_TIMED and size == limit:
            # Once more: a first call takes longer than those that follow.
            seconds = min(seconds, _seconds(call, few))
        if seconds >= _SECONDS_TIMED or size == limit:
            return seconds / size
        size = min(4 * size, limit)


def multiply_adds_per_second(dtype: torch.dtype, device: torch.device) -> float:
    """What a product of two square matrices reaches here and now."""
    return _speed(dtype, device, torch.get_num_threads())


@functools.cache
def _speed(dtype: torch.dtype, device: torch.device, n_threads: int) -> float:
    matrix = torch.ones(_SQUARE, _SQUARE, dtype=dtype, device=device)
    return _SQUARE**3 / min(_seconds(torch.mm, matrix, matrix) for _ in range(4))


def _seconds(call: Callable[..., object], x: Inputs, *others: Inputs) -> float:
    """Seconds that a call takes on the device where x lies."""
    device = _inputs.device_of(x)

    def finish() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    finish()
    start = time.perf_counter()
    call(x, *others)
    finish()
    return time.perf_counter() - start
