"""Trained networks that take too long to train in a chapter, and how they were trained."""

from entk_book.stored.transformers import (
    EPOCHS,
    FRESH_SEEDS,
    MODULUS,
    SEEDS,
    TRAIN_FRACTION,
    train_transformers,
    transformer,
    transformer_snapshots,
    transformer_split,
)

__all__ = [
    "EPOCHS",
    "FRESH_SEEDS",
    "MODULUS",
    "SEEDS",
    "TRAIN_FRACTION",
    "train_transformers",
    "transformer",
    "transformer_snapshots",
    "transformer_split",
]
