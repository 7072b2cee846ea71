"""Chapter 7, planted families and other ways: how much noise it stands, who else can."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

import entk_lib as entk
from entk_book.studies.adders import MODULUS, Adder
from entk_book.studies.rotated_waves import graphs
from entk_book.studies.without_the_group import (
    N_FREQUENCIES,
    SPACES,
    Judged,
    Spaces,
    energies,
    judge,
    neurons,
    true_waves,
)
from entk_lib.toys.models import QuadraticMLP

SIGNALS = (0.2, 0.3, 0.45, 0.7, 0.85)


def independent_components(samples: Float[Tensor, "n k"]) -> Float[Tensor, "k k"]:
    """Rotation that makes the columns of white samples least Gaussian.

    Args:
        samples: White: uncorrelated columns of unit variance.

    Returns:
        Orthonormal columns.

    Raises:
        ModuleNotFoundError: If scikit-learn is missing.

    References:
        Hyvärinen and Oja (2000), "Independent component analysis", Neural Networks 13.
    """
    try:
        from sklearn.decomposition import FastICA
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "independent components over pairs need scikit-learn, which is not installed "
            "with the packages. Run pip install scikit-learn."
        ) from error
    model = FastICA(whiten=False, fun="cube", max_iter=300, random_state=0)  # pyright: ignore
    model.fit(samples.numpy())
    return torch.from_numpy(model.components_).T


def ica_over_pairs(basis: Float[Tensor, "pairs k"]) -> Float[Tensor, "pairs k"]:
    """A span's vectors, rotated until their entries are least Gaussian.

    Args:
        basis: Orthonormal columns.

    Returns:
        Orthonormal columns of the same span.
    """
    return basis @ independent_components(basis * len(basis) ** 0.5)


def ica_over_units(
    basis: Float[Tensor, "pairs k"], directions: Float[Tensor, "pairs units"]
) -> Float[Tensor, "pairs k"]:
    """A span's vectors, rotated until the units' coordinates are least Gaussian.

    Args:
        basis: Orthonormal columns.
        directions: What the units do.

    Returns:
        Orthonormal columns of the same span.
    """
    inside = basis.T @ directions
    inside = inside / inside.norm(dim=0)
    values, axes = torch.linalg.eigh(inside @ inside.T / inside.shape[1])
    white = inside.T @ (axes * values.rsqrt()) @ axes.T
    return basis @ independent_components(white)


def indicators(*columns: Int[Tensor, " pairs"]) -> Float[Tensor, "pairs values"]:
    """For each value of each column, where it is; centred, of length one.

    Args:
        *columns: Whole numbers from 0 on.

    Returns:
        Unit columns.
    """
    one_hots = [F.one_hot(column).double() for column in columns]
    centred = torch.cat([h - h.mean(0) for h in one_hots], 1)
    return centred / centred.norm(dim=0)


def planted(
    signal: float, n_units: int, seed: int, chosen: Int[Tensor, " units"] | None = None
) -> Float[Tensor, "pairs units"]:
    """Units of known frequencies with noise, all inside the space of functions of a and b.

    Each is one wave of a plus one of b of the same frequency, with random phases.

    Args:
        signal: Share of a unit's energy that is planted.
        n_units: Number of units.
        seed: Of phases and noise.
        chosen: Index of each unit's frequency. ``None``: all in turn.

    Returns:
        What the units do.
    """
    planes = true_waves()["first"]
    generator = torch.Generator().manual_seed(seed)
    phases = 2 * math.pi * torch.rand(2, n_units, generator=generator).double()
    weights = torch.stack([f(phase) for phase in phases for f in (torch.cos, torch.sin)])
    if chosen is None:
        chosen = torch.arange(n_units) % N_FREQUENCIES
    wave = torch.einsum("nmd,dm->nm", planes[:, chosen], weights / 2**0.5)
    size = 4 * N_FREQUENCIES
    noise = torch.randn(size, n_units, generator=generator).double() / size**0.5
    return signal**0.5 * wave + (1 - signal) ** 0.5 * planes.flatten(1) @ noise


@dataclass(frozen=True)
class Recovery:
    """How planted families are recovered, over the signal.

    Attributes:
        signals: Share of a unit's energy that is planted.
        judged: By signal, one a draw.
    """

    signals: Sequence[float]
    judged: Sequence[Sequence[Judged]]

    @property
    def means(self) -> Float[Tensor, "draws signals"]:
        """Mean shared dimensions."""
        return torch.tensor([[one.mean for one in row] for row in self.judged]).T

    @property
    def never(self) -> float:
        """The largest signal at which families were found in no draw."""
        return max(s for s, n in self._counts() if n == 0)

    @property
    def always(self) -> float:
        """The smallest signal at which families were found in every draw."""
        return min(s for s, n in self._counts() if n == len(self.judged[0]))

    def _counts(self) -> list[tuple[float, int]]:
        numbers = [sum(one.found.found for one in row) for row in self.judged]
        return list(zip(self.signals, numbers, strict=True))


def recovery(
    n_units: int, signals: Sequence[float] = SIGNALS, n_draws: int = 3
) -> Recovery:
    """Look for planted families at several signals.

    Args:
        n_units: Number of units.
        signals: Share of a unit's energy that is planted.
        n_draws: Draws at each.

    Returns:
        What was found.
    """
    planes = true_waves()["first"]
    return Recovery(
        signals,
        [
            [
                judge(planes.flatten(1), planted(signal, n_units, seed), planes)
                for seed in range(n_draws)
            ]
            for signal in tqdm(signals, desc="noise", delay=2, leave=False)
        ],
    )


def uneven_recovery(signal: float = 0.6, n_draws: int = 3) -> list[Judged]:
    """Look for planted families of which every other one is twice as large.

    Args:
        signal: Share of a unit's energy that is planted.
        n_draws: Number of draws.

    Returns:
        What was found, one a draw.
    """
    planes = true_waves()["first"]
    twice = torch.arange(N_FREQUENCIES) % 2 + 1
    chosen = torch.arange(N_FREQUENCIES).repeat_interleave(24 * twice)
    return [
        judge(planes.flatten(1), planted(signal, len(chosen), seed, chosen), planes)
        for seed in range(n_draws)
    ]


def strongest_shares(adders: Sequence[Adder], spaces: Sequence[Spaces]) -> list[float]:
    """How much of a unit's part in the first eigenspace is one frequency, on average.

    Args:
        adders: Trained networks.
        spaces: Their eigenspaces.

    Returns:
        From 0 to 1, one a seed.
    """
    planes, found = true_waves()["first"], []
    for adder, space in zip(adders, spaces, strict=True):
        basis = space["first"]
        inside = basis.T @ neurons(adder.network, adder.x)["first"]
        inside = inside / inside.norm(dim=0)
        found.append(float(energies(basis @ inside, planes).amax(1).mean()))
    return found


def found_with_half(adders: Sequence[Adder], spaces: Sequence[Spaces]) -> list[bool]:
    """Whether half of the units are enough to find the first eigenspace's families.

    Args:
        adders: Trained networks.
        spaces: Their eigenspaces.

    Returns:
        One answer a seed.
    """
    found = []
    for adder, space in zip(adders, spaces, strict=True):
        columns = neurons(adder.network, adder.x)["first"]
        half = columns[:, : columns.shape[1] // 2]
        found.append(entk.find_families(space["first"], half, n_surrogates=3).found)
    return found


def helped(
    vectors: Float[Tensor, "pairs k"], planes: Float[Tensor, "pairs frequencies 4"]
) -> float:
    """Shared dimensions if the waves themselves give out the vectors, four to each.

    Args:
        vectors: Orthonormal columns.
        planes: Orthonormal waves of each frequency.

    Returns:
        Mean over frequencies, of four.
    """
    held = energies(vectors, planes).repeat_interleave(4, 1)
    rows, columns = linear_sum_assignment(-held.numpy())
    return float(held[rows, columns].sum() / planes.shape[1])


def random_rotation(basis: Float[Tensor, "pairs k"]) -> Float[Tensor, "pairs k"]:
    """A span's vectors, rotated at random.

    Args:
        basis: Orthonormal columns.

    Returns:
        Orthonormal columns of the same span.
    """
    generator = torch.Generator().manual_seed(0)
    size = basis.shape[1]
    turn = torch.randn(size, size, generator=generator, dtype=basis.dtype)
    return basis @ torch.linalg.qr(turn).Q


def own_graph(
    network: QuadraticMLP, x: Float[Tensor, "pairs inputs"], neighbours: int = 28
) -> Float[Tensor, "pairs pairs"]:
    """Laplacian of the graph that joins each pair with its nearest in the kernel.

    Args:
        network: Whose kernel, scaled to a unit diagonal.
        x: All pairs.
        neighbours: How many each pair is joined with.

    Returns:
        Degrees on the diagonal, -1 for an edge.
    """
    kernel = entk.empirical_ntk(network, x).double()
    scale = kernel.diagonal().rsqrt()
    near = (scale[:, None] * kernel * scale).fill_diagonal_(-torch.inf)
    joined = torch.zeros_like(kernel)
    joined.scatter_(1, near.topk(neighbours).indices, 1.0)
    joined = torch.maximum(joined, joined.T)
    return joined.sum(0).diag() - joined


def input_space(x: Float[Tensor, "pairs inputs"]) -> Float[Tensor, "pairs k"]:
    """Eigenvectors of the inputs' Gram matrix, without the constant.

    Args:
        x: All pairs, one-hot.

    Returns:
        Orthonormal columns, all functions of a or of b.
    """
    gram = (x @ x.T).double()
    return torch.linalg.eigh(gram).eigenvectors.flip(1)[:, 1 : 2 * MODULUS - 1]


def interactions(squares: Float[Tensor, "pairs units"]) -> Float[Tensor, "pairs k"]:
    """Principal components of what no token does alone.

    Args:
        squares: What the units do.

    Returns:
        Orthonormal columns, 56 of them, of what is left after all main effects.
    """
    grid = squares.reshape(MODULUS, MODULUS, -1)
    rest = grid - grid.mean(0) - grid.mean(1, keepdim=True) + grid.mean((0, 1))
    vectors = torch.linalg.svd(rest.flatten(0, 1), full_matrices=False)[0]
    return vectors[:, : 2 * MODULUS - 2]


def all_ways(
    adders: Sequence[Adder],
    spaces: Sequence[Spaces],
    results: Mapping[tuple[str, str], Sequence[Judged]],
) -> tuple[dict[str, dict[str, list[float]]], float]:
    """Mean shared dimensions by ours and by other ways, in both eigenspaces.

    Ways that return vectors are helped: the waves themselves give them out.

    Args:
        adders: Trained networks.
        spaces: Their eigenspaces.
        results: Our families, as `entk_book.studies.without_the_group.over_seeds` gives
            them.

    Returns:
        By way and eigenspace, one number a seed; and the smallest share of the kernel's
        own neighbours that have a or b in common.
    """
    truth, free_of_kernel = true_waves(), input_space(adders[0].x)
    gram = adders[0].x @ adders[0].x.T
    ways: dict[str, dict[str, list[float]]] = {}
    sharing = []
    for i, adder in enumerate(tqdm(adders, desc="seeds", delay=2, leave=False)):
        graph = own_graph(adder.network, adder.x)
        sharing.append(float(((graph < 0) & (gram == 1)).sum() / (graph < 0).sum()))
        for name, columns in neurons(adder.network, adder.x).items():
            basis, planes = spaces[i][name], truth[name]
            vectors = {
                "eigenvectors": basis,
                "random rotation": random_rotation(basis),
                "ICA over pairs": ica_over_pairs(basis),
                "eNTK's own graph": entk.smoothness_rotation(basis, [graph]),
                "ICA over units": ica_over_units(basis, columns),
                "given translations": entk.smoothness_rotation(basis, graphs()),
            }
            found = {way: helped(v, planes) for way, v in vectors.items()}
            found["find_families"] = results["trained", name][i].mean
            free = free_of_kernel if name == "first" else interactions(columns)
            bare = entk.find_families(free, columns, n_surrogates=1).bases
            found["no kernel"] = float(entk.match_families(bare, planes).mean())
            for way, shared in found.items():
                ways.setdefault(way, {space: [] for space in SPACES})[name].append(shared)
    return ways, min(sharing)
