"""What a training is made of, and what it leaves behind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
State = dict[str, Tensor]
MakeOptimizer = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


@dataclass
class TrainingResult:
    """What a training leaves behind.

    Attributes:
        model: The trained model, the one that was passed in.
        history: Recorded series by name, ``"step"`` and ``"loss"`` among them; all of
            one length. The entry of step s was taken before update s.
        snapshots: State dicts by step, step 0 being the start.
        steps: Updates that were made.
        interrupted: Whether a keyboard interrupt ended the training early.
    """

    model: nn.Module
    history: dict[str, list[float]] = field(default_factory=dict)
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    steps: int = 0
    interrupted: bool = False


class DivergedError(RuntimeError):
    """Raised when a loss is no longer finite.

    Attributes:
        results: What the training had until then, one result for each model.
    """

    def __init__(self, message: str, results: list[TrainingResult]) -> None:
        super().__init__(message)
        self.results = results
