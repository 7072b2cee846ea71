"""The book's trained Transformers: their recipe, and snapshots stored with the library.

Twenty-five one-layer Transformers on addition modulo 29 take a quarter of an hour to
train on one core. ``book/make_snapshots.py`` trains them by `train_transformers` and
stores what a chapter needs; the functions here give it back.
"""

from collections.abc import Iterable, Sequence
from importlib import resources

import safetensors.torch
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import State, TrainingResult
from entk_lib.training.epochs import train_epochs

MODULUS = 29
SEEDS = range(15)
# Networks that no choice was made on; their ends alone are stored.
FRESH_SEEDS = range(15, 25)
EPOCHS = 4000
TRAIN_FRACTION = 0.5


def transformer_split(seed: int) -> tuple[Int[Tensor, " train"], Int[Tensor, " test"]]:
    """Rows of all pairs that a network of the recipe trains on, and the others.

    Args:
        seed: Of the network.

    Returns:
        As `entk_lib.toys.tasks.modular_addition.split`: 420 and 421 rows.

    Example:
        >>> [len(rows) for rows in transformer_split(0)]
        [420, 421]
    """
    return modular_addition.split(MODULUS**2, TRAIN_FRACTION, seed=seed)


def train_transformers(
    seeds: Sequence[int],
    *,
    epochs: int = EPOCHS,
    snapshot_epochs: Iterable[int] = (),
    progress: bool = True,
) -> list[TrainingResult]:
    """Train one-layer Transformers on addition modulo 29 by the published recipe.

    Cross-entropy over the 29 sums, half of the pairs, AdamW at a learning rate of 3e-4
    with a weight decay of 1 and torch's other defaults, batches of 64. One seed stands for
    start, split and order of batches.

    Args:
        seeds: One a network.
        epochs: Passes through the training pairs; 7 updates each.
        snapshot_epochs: As in `entk_lib.training.epochs.train_epochs`.
        progress: As in `entk_lib.training.epochs.train_epochs`.

    Returns:
        One result a seed; snapshots are by epoch.

    Raises:
        ValueError: As in `entk_lib.training.epochs.train_epochs`.
        DivergedError: As in `entk_lib.training.epochs.train_epochs`.

    References:
        Lin (2025), arXiv:2510.00468, and Nanda et al. (2023), arXiv:2301.05217, for the
        recipe.

    Example:
        >>> (result,) = train_transformers([0], epochs=1)
        >>> result.steps, sorted(result.snapshots)
        (7, [0, 1])
    """
    pairs = modular_addition.all_pairs(MODULUS)
    tokens = modular_addition.tokens(pairs, MODULUS)
    sums = pairs.sum(1) % MODULUS
    known = [transformer_split(seed)[0] for seed in seeds]
    return train_epochs(
        [ModularTransformer(MODULUS, seed=seed) for seed in seeds],
        torch.stack([tokens[rows] for rows in known]),
        torch.stack([sums[rows] for rows in known]),
        epochs=epochs,
        batch_size=64,
        seeds=seeds,
        loss=F.cross_entropy,
        optimizer=_adamw,
        snapshot_epochs=snapshot_epochs,
        progress=progress,
    )


def transformer_snapshots(seed: int) -> dict[int, State]:
    """The stored states of one network's training, by epoch.

    They are stored with half precision (11 significant bits) and come back in float32:
    weights are off by at most one part in 2,000, overlaps at
    the end of training by at most 0.0003, and two of 15 x 841 answers differ.

    Args:
        seed: Of the network, 0 to 24. Seed 0 has snapshots close together, seeds from 15
            on have the end alone.

    Returns:
        State dicts for `entk_lib.toys.models.ModularTransformer`, in ascending order of
        epochs. The end, epoch 4000, is among them, and for seed 0 the start, epoch 0;
        ``ModularTransformer(29, seed=seed)`` is any seed's start.

    Raises:
        ValueError: If no snapshots of this seed are stored.

    Example:
        >>> states = transformer_snapshots(0)
        >>> min(states), max(states)
        (0, 4000)
    """
    _check_seed(seed)
    found: dict[int, State] = {}
    folder = resources.files("entk_book.stored").joinpath("data")
    for file in folder.iterdir():
        if not file.name.startswith(f"transformer_seed{seed}_"):
            continue
        for key, value in safetensors.torch.load(file.read_bytes()).items():
            epoch, _, name = key.partition("/")
            found.setdefault(int(epoch), {})[name] = value.float()
    if not found:
        raise ValueError(
            f"no snapshots of seed {seed} are in {folder}. Install the library anew; in a "
            "clone, make snapshots trains the networks and stores them."
        )
    return dict(sorted(found.items()))


def transformer(seed: int, epoch: int = EPOCHS) -> ModularTransformer:
    """A stored network.

    Args:
        seed: Of the network, 0 to 24.
        epoch: One of those that are stored.

    Returns:
        The network as it was after that epoch, up to the precision of
        `transformer_snapshots`.

    Raises:
        ValueError: If there is no such snapshot.

    Example:
        >>> model = transformer(0)
        >>> model(torch.tensor([[3, 4, 29]])).argmax().item()
        7
    """
    states = transformer_snapshots(seed)
    if epoch not in states:
        raise ValueError(
            f"epoch must be one of {', '.join(map(str, states))} for seed {seed}, got "
            f"{epoch}. train_transformers([{seed}], snapshot_epochs=[{epoch}]) makes it."
        )
    model = ModularTransformer(MODULUS, seed=seed)
    model.load_state_dict(states[epoch])
    return model


def _adamw(parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    # Fused: a tenth less time, and the stored networks were trained with it.
    return torch.optim.AdamW(list(parameters), lr=3e-4, weight_decay=1.0, fused=True)


def _check_seed(seed: int) -> None:
    if seed not in SEEDS and seed not in FRESH_SEEDS:
        raise ValueError(
            f"seed must be from 0 to {FRESH_SEEDS[-1]}, of which snapshots are stored, got "
            f"{seed!r}. train_transformers([{seed!r}]) trains another."
        )
