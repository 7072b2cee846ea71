"""Trained networks and tables that take too long for a chapter, and how they were made."""

from entk_book.stored.language_transformers import (
    LANGUAGE_SEEDS,
    language_transformer,
)
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
    "LANGUAGE_SEEDS",
    "MODULUS",
    "SEEDS",
    "TRAIN_FRACTION",
    "language_transformer",
    "train_transformers",
    "transformer",
    "transformer_snapshots",
    "transformer_split",
]
