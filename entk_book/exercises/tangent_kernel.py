"""Chapter 1: the tangent kernel."""

import torch
from torch import Tensor, nn

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Values, Whole
from entk_lib.kernels import ntk_spectrum
from entk_lib.linearized import LinearizedPredictor


def _rank() -> int:
    points = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    return len(ntk_spectrum(nn.Linear(5, 3), points, outputs="flatten"))


rank_of_linear_model = Check(
    Whole(),
    truth=_rank,
    wrong=(
        Wrong(
            "the bias is forgotten",
            lambda: 15,
            "That is the weight alone. The bias is a parameter, too.",
        ),
        Wrong(
            "one output",
            lambda: 6,
            "That is right for one output. Each output has rows of its own here.",
        ),
        Wrong(
            "the size of the kernel",
            lambda: 300,
            "That is the number of rows. They are not independent.",
        ),
    ),
    right="A linear model's kernel has a dimension for each parameter, 6 for each output.",
    hint="How many parameters are there? Can each of them be told from the others here?",
)


@torch.no_grad()
def _outputs(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)


euler_identity = Check(
    Values(tolerance=1e-3),
    truth=_outputs,
    wrong=(
        Wrong(
            "not halved",
            lambda model, x: 2 * _outputs(model, x),
            "Twice too large. The outputs are quadratic in the parameters, not linear.",
        ),
        Wrong(
            "one layer only",
            lambda model, x: _outputs(model, x) / 2,
            "Half of it. Does the sum run over all the blocks of the Jacobian?",
        ),
    ),
    right="Scaling all parameters by c scales the outputs by c²: Euler's identity.",
    hint="Multiply each block with its parameter, and sum over all but the first two axes.",
)


def _lazy(
    before: LinearizedPredictor, after: LinearizedPredictor, x: Tensor, outputs: Tensor
) -> list[float]:
    return [before.r_squared(x, outputs), after.r_squared(x, outputs)]


lazy_r_squared = Check(
    Values(tolerance=0.01),
    truth=_lazy,
    wrong=(
        Wrong(
            "the other way round",
            lambda *given: _lazy(*given)[::-1],
            "First the kernel at the start, then the one at the end.",
        ),
        Wrong(
            "without the start's outputs",
            lambda before, after, x, outputs: [
                after.r_squared(x, outputs),
                after.r_squared(x, outputs),
            ],
            "Twice the same: is the first predictor built before the training, around the "
            "model?",
        ),
    ),
    right="Of a large start the network keeps its outputs; the kernel at the end, around "
    "zero, knows nothing of them.",
    hint="Compare both predictors with the trained network's outputs on the fine grid.",
)
