"""Chapter 8: networks over the size of their data set, from memories to features."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import adamw, closed_forms, train_many
from entk_lib.training.schedules import scheduled, warmup_cosine

N_FEATURES, N_HIDDEN, N_SEEDS, STEPS = 100, 2, 5, 2000
N_PARAMETERS = N_FEATURES * (N_HIDDEN + 1)
SIZES = (3, 5, 8, 15, 20, 30, 40, 60, 120, 200, 600, 3000)
# Small data sets are repeated up to so many rows, and trained in one stack.
_STACK = 120
# Kernels are taken on at most so many samples.
ROWS = 100

Measure = Callable[..., Any]


@dataclass(frozen=True)
class Grid:
    """Networks over the size of their data set, a few seeds for each size.

    Attributes:
        data: Samples by size, one set a seed.
        networks: Trained networks by size, one a seed.
        starts: What they were before training, one a seed.
    """

    data: Mapping[int, Sequence[Float[Tensor, "_ features"]]]
    networks: Mapping[int, Sequence[TiedAutoencoder]]
    starts: Sequence[TiedAutoencoder]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of samples."""
        return tuple(self.data)

    def over(
        self,
        measure: Measure,
        *,
        untrained: bool = False,
        sizes: Sequence[int] | None = None,
        **options: Any,
    ) -> Tensor:
        """A number, or a few, for each seed and size.

        Args:
            measure: From a network and its samples to a number or a list of them.
            untrained: Ask the networks as they were before training.
            sizes: Some of the sizes. ``None``: all.
            **options: For ``measure``.

        Returns:
            One row a seed, one column a size.
        """
        return torch.tensor(
            [
                [
                    measure(
                        start if untrained else self.networks[size][s],
                        self.data[size][s],
                        **options,
                    )
                    for size in sizes or self.sizes
                ]
                for s, start in enumerate(self.starts)
            ]
        )

    def loss_on(
        self, fresh: Float[Tensor, "n features"], sizes: Sequence[int] | None = None
    ) -> Float[Tensor, "seeds sizes"]:
        """Test loss of every network on the same samples.

        Args:
            fresh: Samples that none was trained on.
            sizes: Some of the sizes. ``None``: all.

        Returns:
            One row a seed, one column a size.
        """
        return self.over(lambda network, _: loss(network, fresh), sizes=sizes)


def recipe(steps: int) -> dict[str, Any]:
    """How all networks of the chapter are trained.

    Full batch, AdamW at a learning rate of 0.02 that warms up and falls, weight decay of a
    tenth.

    Args:
        steps: Updates.

    Returns:
        Options of `entk_lib.training.train_many`.
    """
    schedule = warmup_cosine(steps, warmup=steps // 20)
    return {
        "steps": steps,
        "optimizer": scheduled(adamw(0.02, weight_decay=0.1), schedule),
        "gradients": closed_forms.tied_autoencoder(),
        "record_every": steps,
    }


def train_sizes(
    sparsity: float,
    sizes: Sequence[int] = SIZES,
    *,
    n_hidden: int = N_HIDDEN,
    n_seeds: int = N_SEEDS,
    steps: int = STEPS,
) -> Grid:
    """Train networks on data sets of several sizes.

    Squared error, full batch, AdamW at a learning rate of 0.02 that warms up and falls,
    weight decay of a tenth.

    Args:
        sparsity: Probability that a feature is absent from a sample.
        sizes: Numbers of samples.
        n_hidden: Hidden units.
        n_seeds: Networks for each size.
        steps: Updates.

    Returns:
        The networks with their data.

    References:
        Henighan et al. (2023), "Superposition, memorization, and double descent".
    """

    def untrained() -> list[TiedAutoencoder]:
        return [
            TiedAutoencoder(N_FEATURES, n_hidden, seed=100 + seed)
            for seed in range(n_seeds)
        ]

    data = {
        size: [
            superposition.sample(size, N_FEATURES, sparsity, seed=seed)
            for seed in range(n_seeds)
        ]
        for size in sizes
    }
    networks = {size: untrained() for size in sizes}
    options = recipe(steps)
    small = [size for size in sizes if _STACK % size == 0]
    if small:
        x = torch.stack([d.repeat(_STACK // size, 1) for size in small for d in data[size]])
        train_many([n for size in small for n in networks[size]], x, x, **options)
    for size in sizes:
        if size not in small:  # one by one: a stack of large batches leaves the cache
            for network, samples in zip(networks[size], data[size], strict=True):
                train_many([network], samples[None], samples[None], **options)
    return Grid(data, networks, untrained())


@torch.no_grad()
def loss(network: nn.Module, x: Float[Tensor, "n features"]) -> float:
    """Squared error a sample, summed over outputs; 1 for the output zero.

    Args:
        network: An autoencoder.
        x: Samples of length 1.

    Returns:
        The mean over samples.
    """
    return float((network(x) - x).square().sum(1).mean())


def hidden(
    network: TiedAutoencoder, x: Float[Tensor, "n features"]
) -> tuple[Float[Tensor, "hidden features"], Float[Tensor, "hidden n"]]:
    """Features and data points in the space of the hidden units.

    Args:
        network: An autoencoder with weight W.
        x: Samples.

    Returns:
        The columns of W, and the columns of W x.
    """
    weight = network.weight.detach()
    return weight, weight @ x.T


def n_long(vectors: Float[Tensor, "hidden n"]) -> int:
    """How many vectors are at least half as long as the longest.

    Args:
        vectors: In columns.

    Returns:
        The number.
    """
    lengths = vectors.norm(dim=0)
    return int((lengths > lengths.max() / 2).sum())


def top_five(vectors: Float[Tensor, "hidden n"]) -> float:
    """The five largest shares of a dimension that vectors have for themselves, added up.

    Args:
        vectors: In columns.

    Returns:
        At most the number of hidden units.

    References:
        Elhage et al. (2022), arXiv:2209.10652.
    """
    shares = entk.hidden_dimensionality(vectors)
    return float(shares.topk(min(5, len(shares))).values.sum())


def top_fives(network: TiedAutoencoder, x: Float[Tensor, "n features"]) -> list[float]:
    """`top_five` of the features and of the data points of one network.

    Args:
        network: An autoencoder.
        x: Samples.

    Returns:
        Two numbers.
    """
    return [top_five(vectors) for vectors in hidden(network, x)]


def jacobians(
    network: TiedAutoencoder, x: Float[Tensor, "n features"]
) -> dict[str, Float[Tensor, "rows parameters"]]:
    """Jacobians with one row per sample and output: of W, of b, of both.

    Args:
        network: An autoencoder; a copy in float64 is asked.
        x: Samples.

    Returns:
        In float64, as ``"weight"``, ``"bias"`` and ``"whole"``.
    """
    parts = entk.jacobian(copy.deepcopy(network).double(), x.double())
    flat = {name: part.flatten(0, 1).flatten(1) for name, part in parts.items()}
    return {**flat, "whole": torch.cat(list(flat.values()), 1)}


@dataclass(frozen=True, eq=False)
class Leading:
    """A spectrum with all its eigenvalues and a few of its eigenvectors.

    Attributes:
        eigenvalues: Descending.
        eigenvectors: Of the largest ones.
    """

    eigenvalues: Float[Tensor, " k"]
    eigenvectors: Float[Tensor, "rows few"]

    def __len__(self) -> int:
        """Number of eigenvalues."""
        return len(self.eigenvalues)


def leading(
    network: TiedAutoencoder, x: Float[Tensor, "n features"], k: int = 5
) -> Leading:
    """Spectrum of the flattened kernel: all eigenvalues, the first eigenvectors.

    Args:
        network: An autoencoder.
        x: Samples.
        k: Eigenvectors that are kept.

    Returns:
        The spectrum, in float64.
    """
    found = entk.factor_spectrum(jacobians(network, x)["whole"])
    return Leading(found.eigenvalues, found.eigenvectors[:, :k].clone())


def training_spectra(grid: Grid, *, untrained: bool = False) -> dict[int, list[Leading]]:
    """Spectra of each network's kernel on at most 100 of its training samples.

    Args:
        grid: The networks.
        untrained: Ask them as they were before training.

    Returns:
        By size, one a seed.
    """
    return {
        size: [
            leading(network, x[:ROWS])
            for network, x in zip(
                grid.starts if untrained else grid.networks[size],
                grid.data[size],
                strict=True,
            )
        ]
        for size in grid.sizes
    }


def over_spectra(
    spectra: Mapping[int, Sequence[Leading]], measure: Callable[[Leading], float]
) -> Tensor:
    """A number for each seed and size, from the spectra.

    Args:
        spectra: As `training_spectra` gives them.
        measure: From a spectrum to a number.

    Returns:
        One row a seed, one column a size.
    """
    columns = [[measure(spectrum) for spectrum in group] for group in spectra.values()]
    return torch.tensor(columns).T


def has_cliff(spectrum: Leading, low: int = 90, high: int = N_FEATURES) -> bool:
    """Whether there is a cliff between two places.

    Args:
        spectrum: Of a kernel.
        low: Smallest number of eigenvalues above it.
        high: Largest.

    Returns:
        Whether one is found.
    """
    cliffs = entk.find_cliffs(spectrum.eigenvalues)
    return any(low <= cliff.stop <= high for cliff in cliffs)


def runs_of(sizes: Sequence[int], counts: Sequence[Sequence[int]]) -> list[list[str]]:
    """Counts over sizes, neighbours of the same counts as one.

    Args:
        sizes: Numbers of samples.
        counts: At each size, as many a size.

    Returns:
        Rows: the sizes, as one or from the first to the last, and the counts.

    Example:
        >>> runs_of((3, 5, 8), [(0, 2), (1, 2), (1, 2)])
        [['3', '0', '2'], ['5 to 8', '1', '2']]
    """
    runs: list[tuple[list[int], Sequence[int]]] = []
    for size, row in zip(sizes, counts, strict=True):
        if runs and runs[-1][1] == row:
            runs[-1][0].append(size)
        else:
            runs.append(([size], row))
    return [
        [" to ".join(map(str, (some[0], some[-1])[: len(some)])), *map(str, row)]
        for some, row in runs
    ]


@torch.no_grad()
def n_open(network: nn.Module, x: Float[Tensor, "n features"]) -> int:
    """How many outputs are open, over all samples: rows of the Jacobian that are not zero.

    Args:
        network: An autoencoder.
        x: Samples.

    Returns:
        The number.
    """
    return int((network(x) > 0).sum())


def first_size(values: Tensor, level: float, sizes: Sequence[int] = SIZES) -> int:
    """The first size from which on the median over seeds stays at or above a level.

    Args:
        values: One row a seed, one column a size.
        level: The level.
        sizes: Of the columns.

    Returns:
        The size.
    """
    above = (values.double().median(0).values >= level).tolist()
    return next(size for i, size in enumerate(sizes) if all(above[i:]))
