"""How long the unavoidable matrix products of a kernel take at the speed of one product.

Unavoidable are one forward pass, the backward passes to every layer but the first for
the cotangents that are needed, and, for one half of the symmetric kernel, the inner
products of the plan that the library makes. The machine's speed is that of one large
product, measured right before.
"""

import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from entk_lib.kernels.engine.plan import make_plan
from entk_lib.kernels.engine.problem import prepare
from entk_lib.kernels.engine.prove import prove_rules
from entk_lib.kernels.engine.record import record

SIZE = 2048


def gemm_speed(repeats: int = 10) -> float:
    """Floating-point operations a second of a float32 product of square matrices."""
    a, b = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        _ = a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best


def unavoidable_operations(model: nn.Module, x: Tensor) -> int:
    """Floating-point operations of the matrix products of the class-averaged kernel."""
    problem = prepare(model, x, "average", None, None)
    structure = prove_rules(model, problem.parameters, x)
    plan = make_plan(problem, structure, len(x), len(x), symmetric=True)
    with FlopCounterMode(display=False) as forward:
        recording = record(model, problem.parameters, x, structure.path)
    total = forward.get_total_flops() + 2 * sum(row.operations for row in plan.rows)
    cotangent = torch.ones_like(recording.outputs)
    for uses, passes in (
        (plan.every_output, problem.n_mapped),
        (sorted(plan.separable), 2),
    ):
        if uses:
            with FlopCounterMode(display=False) as backward:
                recording.gradients(uses, cotangent)
            total += passes * backward.get_total_flops()
    return total
