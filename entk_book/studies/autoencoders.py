"""Toy models of superposition: trained side by side, one a seed, each on its own data."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import closed_forms, train_many, weighted_squared_error

N_FEATURES = 50


# Tensors have no truth value: two of these are equal if they are the same object.
@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A toy model of superposition, with what it was trained on.

    Attributes:
        seed: Of its data; its start has the seed ``100 + seed``.
        start: The network before training.
        network: The network after training.
        x: Its samples, shape ``(samples, features)``.
        losses: Recorded while it trained, the last one at the end.
    """

    seed: int
    start: TiedAutoencoder
    network: TiedAutoencoder
    x: Float[Tensor, "samples features"]
    losses: list[float]


def train_autoencoders(
    seeds: Sequence[int],
    *,
    n_hidden: int,
    sparsity: float,
    n_features: int = N_FEATURES,
    n_samples: int = 500,
    bias: bool = True,
    steps: int = 5000,
    record_every: int = 500,
) -> list[Autoencoder]:
    """Train tied autoencoders on sparse features, all of them side by side.

    The loss weighs a feature by its importance; full batch, Adam at a learning rate of
    0.001.

    Args:
        seeds: One a network.
        n_hidden: Hidden units.
        sparsity: Probability that a feature is absent from a sample.
        n_features: Features, and so outputs.
        n_samples: Samples of each network.
        bias: Train the bias. Else it stays at its start, zero.
        steps: Updates.
        record_every: Steps between the losses that are kept.

    Returns:
        One autoencoder a seed.

    Raises:
        ValueError: As in `entk_lib.training.train_many` and
            `entk_lib.toys.tasks.superposition.sample`.

    References:
        Elhage et al. (2022), "Toy models of superposition", arXiv:2209.10652, for the
        network; Lin (2025), arXiv:2510.00468, for the recipe.

    Example:
        >>> (one,) = train_autoencoders([0], n_hidden=2, sparsity=0.5, steps=1)
        >>> one.x.shape, len(one.losses)
        (torch.Size([500, 50]), 2)
    """
    x = torch.stack(
        [superposition.sample(n_samples, n_features, sparsity, seed=s) for s in seeds]
    )
    starts = [TiedAutoencoder(n_features, n_hidden, seed=100 + s) for s in seeds]
    networks = copy.deepcopy(starts)
    for network in networks:
        network.bias.requires_grad_(bias)
    weights = superposition.importances(n_features)
    results = train_many(
        networks,
        x,
        x,
        steps=steps,
        loss=weighted_squared_error(weights),
        gradients=closed_forms.tied_autoencoder(weights),
        record_every=record_every,
    )
    for network in networks:
        network.requires_grad_(True)  # the kernel is that of all parameters
    return [
        Autoencoder(seed, start, network, samples, result.history["loss"])
        for seed, start, network, samples, result in zip(
            seeds, starts, networks, x, results, strict=True
        )
    ]
