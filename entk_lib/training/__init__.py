"""Training loops that record what happens, and what is read off their snapshots."""

from entk_lib.training import closed_forms, dynamics, epochs, schedules
from entk_lib.training.closed_forms import ClosedForm
from entk_lib.training.descent import train, train_many
from entk_lib.training.losses import mean_squared_error, weighted_squared_error
from entk_lib.training.optimizers import adam, adamw
from entk_lib.training.results import (
    DivergedError,
    Loss,
    MakeOptimizer,
    State,
    TrainingResult,
)

__all__ = [
    "ClosedForm",
    "DivergedError",
    "Loss",
    "MakeOptimizer",
    "State",
    "TrainingResult",
    "adam",
    "adamw",
    "closed_forms",
    "dynamics",
    "epochs",
    "mean_squared_error",
    "schedules",
    "train",
    "train_many",
    "weighted_squared_error",
]
