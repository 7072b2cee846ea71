"""Networks that learn to add: trained side by side, one a seed, each with its own data."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

import entk_lib as entk
from entk_lib import Spectrum
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import State, adamw, closed_forms, train_many

MODULUS, WIDTH = 29, 512


# Tensors have no truth value: two of these are equal if they are the same object.
@dataclass(frozen=True, eq=False)
class Adder:
    """A network that was trained to add, with what it was trained on.

    Attributes:
        seed: Of its start and of its split.
        modulus: What it adds by.
        start: The network before training.
        network: The network after training.
        x: All pairs, one-hot, shape ``(modulus ** 2, 2 * modulus)``.
        y: Their targets, one-hot, shape ``(modulus ** 2, modulus)``.
        known: Rows that it was trained on.
        others: The other rows.
        snapshots: State dicts by step.
    """

    seed: int
    modulus: int
    start: QuadraticMLP
    network: QuadraticMLP
    x: Float[Tensor, "pairs inputs"]
    y: Float[Tensor, "pairs outputs"]
    known: Int[Tensor, " known"]
    others: Int[Tensor, " others"]
    snapshots: Mapping[int, State]

    @torch.no_grad()
    def accuracy(self, network: nn.Module | None = None) -> dict[str, float]:
        """Share of right answers on its training pairs and on the others.

        Args:
            network: Another network to ask. ``None``: the trained one.

        Returns:
            Accuracies, from 0 to 1, as ``"train"`` and ``"test"``.
        """
        outputs = (network or self.network)(self.x)
        return {
            name: modular_addition.accuracy(outputs[rows], self.y[rows])
            for name, rows in (("train", self.known), ("test", self.others))
        }


def train_adders(
    seeds: Sequence[int],
    *,
    modulus: int = MODULUS,
    width: int = WIDTH,
    fraction: float = 0.7,
    shuffled: bool = False,
    frozen: str | None = None,
    steps: int = 500,
    snapshot_every: int | None = None,
) -> list[Adder]:
    """Train networks with squared units to add, all of them side by side.

    Squared error, full batch, AdamW at a learning rate of 0.05.

    Args:
        seeds: One a network: of its start and of its split.
        modulus: What they add by; odd.
        width: Hidden units.
        fraction: Share of the pairs that is trained on.
        shuffled: Whether the labels of all pairs are permuted, in an order of each seed.
        frozen: Name of a layer whose weights stay as they start, ``"first"`` or
            ``"second"``.
        steps: Updates.
        snapshot_every: As in `entk_lib.training.train`.

    Returns:
        One adder a seed.

    Raises:
        ValueError: As in `entk_lib.training.train_many`.

    References:
        Gromov (2023), arXiv:2301.02679, for the network; Lin (2025), arXiv:2510.00468,
        for the recipe.

    Example:
        >>> (adder,) = train_adders([0], modulus=5, width=8, steps=1)
        >>> adder.x.shape, len(adder.known), sorted(adder.snapshots)
        (torch.Size([25, 10]), 17, [0, 1])
    """
    pairs = modular_addition.all_pairs(modulus)
    x = modular_addition.one_hot(pairs, modulus)
    splits = [modular_addition.split(len(x), fraction, seed=seed) for seed in seeds]
    targets = []
    for seed in seeds:
        y = modular_addition.targets(pairs, modulus)
        if shuffled:
            order = torch.Generator().manual_seed(1000 + seed)
            y = y[torch.randperm(len(x), generator=order)]
        targets.append(y)
    starts = [QuadraticMLP(2 * modulus, modulus, width, seed=seed) for seed in seeds]
    networks = copy.deepcopy(starts)
    if frozen is not None:
        for network in networks:
            network.get_submodule(frozen).requires_grad_(False)
    results = train_many(
        networks,
        torch.stack([x[known] for known, _ in splits]),
        torch.stack([y[known] for y, (known, _) in zip(targets, splits, strict=True)]),
        steps=steps,
        optimizer=adamw(0.05),
        gradients=closed_forms.quadratic_mlp(),
        snapshot_every=snapshot_every,
    )
    for network in networks:
        network.requires_grad_(True)  # the kernel is that of all parameters
    return [
        Adder(seed, modulus, start, network, x, y, known, others, result.snapshots)
        for seed, start, network, y, (known, others), result in zip(
            seeds, starts, networks, targets, splits, results, strict=True
        )
    ]


def eigenspaces(
    spectrum: Spectrum, modulus: int = MODULUS
) -> dict[str, Float[Tensor, "pairs k"]]:
    """The two eigenspaces between the places where the kernel of an adder has its cliffs.

    Args:
        spectrum: Of the kernel on all pairs, at least ``4 * modulus - 3`` pairs long.
        modulus: What the network adds by.

    Returns:
        Orthonormal columns in float64: the ``"first"``, ``2 * modulus - 2`` modes after
        the constant one, and the ``"second"``, as many behind it.

    Raises:
        ValueError: If the spectrum is too short.
    """
    first, second = 2 * modulus - 1, 4 * modulus - 3
    if len(spectrum) < second:
        raise ValueError(
            f"spectrum must hold {second} eigenpairs at modulus {modulus}, got "
            f"{len(spectrum)}. Ask for k={second} or more."
        )
    vectors = spectrum.eigenvectors.double()
    return {"first": vectors[:, 1:first], "second": vectors[:, first:second]}


def family_overlaps(
    basis: Float[Tensor, "pairs k"], families: Mapping[str, Tensor]
) -> dict[str, float]:
    """Dimensions that a span shares with each family of waves.

    Args:
        basis: Columns on all pairs.
        families: Waves by the family's name, as
            `entk_lib.toys.tasks.modular_addition.fourier_families` gives them.

    Returns:
        Shared dimensions by the family's name.
    """
    return {
        name: entk.subspace_overlap(basis, waves.flatten(1))
        for name, waves in families.items()
    }


def ratio_after(spectrum: Spectrum, stop: int) -> float:
    """Ratio of the eigenvalues on either side of a place, cliff or not.

    Args:
        spectrum: Of a kernel.
        stop: Number of eigenvalues above the place.

    Returns:
        The ratio, at least 1.
    """
    return float(spectrum.eigenvalues[stop - 1] / spectrum.eigenvalues[stop])
