"""A model of your own: sizes, nulls, wrapping."""

import torch
from torch import Tensor, nn

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values, Whole
from entk_lib.kernels import empirical_ntk

_SAMPLES, _OUTPUTS = 60, 10


def _rows(outputs: str = "flatten") -> int:
    model, x = nn.Linear(3, _OUTPUTS), torch.ones(_SAMPLES, 3)
    return len(empirical_ntk(model, x, outputs=outputs))  # pyright: ignore[reportArgumentType]


rows_of_a_kernel = Check(
    Whole(),
    truth=_rows,
    wrong=(
        Wrong(
            "outputs averaged",
            lambda: _rows("average"),
            "One row for each sample is what averaging leaves. Flattened, each output of "
            "each sample is a row.",
        ),
        Wrong(
            "the entries counted",
            lambda: _rows() ** 2,
            "Those are the entries of the kernel. How many rows are there?",
        ),
        Wrong(
            "outputs alone",
            lambda: _OUTPUTS,
            "That is the kernel of a single sample.",
        ),
    ),
    right="Each output of each sample is a row, so memory grows with the square of both.",
    hint="Samples and outputs: what is a row of the Jacobian?",
)


def _strictest(shared: dict[str, float]) -> str:
    return max(shared, key=shared.__getitem__)


null_to_beat = Check(
    Choice(("chance", "untrained", "inputs")),
    truth=_strictest,
    wrong=(
        Wrong(
            "chance is enough",
            lambda *_: "chance",
            "Random directions are easy to beat. Even a network that has learned nothing "
            "does it.",
        ),
        Wrong(
            "only networks count",
            lambda *_: "untrained",
            "An untrained network is a fair null. Is it the one that shares the most?",
        ),
    ),
    right="What the model must beat is the largest of its nulls, not the most convenient.",
    hint="Compare the three numbers.",
)


def _kernel(model: nn.Module, x: Tensor) -> Tensor:
    return empirical_ntk(model, x)


class _Softmax(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).softmax(-1)


kernel_of_a_wrapped_model = Check(
    Values(tolerance=1e-4),
    truth=_kernel,
    wrong=(
        Wrong(
            "probabilities",
            lambda model, x: _kernel(_Softmax(model), x),
            "That is the kernel of the probabilities. The logits are asked for.",
        ),
        Wrong(
            "not divided",
            lambda model, x: _kernel(model, x) * len(model(x[:1])[0]),
            "Too large by the number of outputs: the sum of the kernels of all outputs is "
            "not their average. Use outputs as it comes.",
        ),
    ),
    right="The wrapper changes what the model returns, not its kernel.",
    hint="Return the logits from forward, and hand the wrapper to empirical_ntk.",
)
