"""Training loops that record what happens, and what is read off their snapshots."""

from entk_lib.training import dynamics, epochs, schedules
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
    "DivergedError",
    "Loss",
    "MakeOptimizer",
    "State",
    "TrainingResult",
    "adam",
    "adamw",
    "dynamics",
    "epochs",
    "mean_squared_error",
    "schedules",
    "train",
    "train_many",
    "weighted_squared_error",
]
