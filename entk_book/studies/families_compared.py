"""Chapter 7, other ways to the families: rotations, graphs, spans without a kernel."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

import entk_lib as entk
from entk_book.studies.adders import MODULUS, Adder, eigenspaces
from entk_book.studies.rotated_waves import graphs
from entk_book.studies.side_by_side import side_by_side
from entk_book.studies.without_the_group import (
    SPACES,
    Judged,
    Spaces,
    energies,
    neurons,
    true_waves,
)
from entk_lib.toys.models import QuadraticMLP


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
        does = neurons(adder.network, adder.x)
        beside = side_by_side([adder.x, does["second"]], [1.0, 1.0])
        no_derivative = eigenspaces(entk.kernel_spectrum(beside, k=4 * MODULUS - 3))
        for name, columns in does.items():
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
            found["find_families"] = results["trained", name][i].verdict.mean
            spans = {
                "no kernel": free_of_kernel if name == "first" else interactions(columns),
                "inputs and activations": no_derivative[name],
            }
            for way, free in spans.items():
                bare = entk.find_families(free, columns, n_surrogates=1).bases
                found[way] = float(entk.match_families(bare, planes).mean())
            for way, shared in found.items():
                ways.setdefault(way, {space: [] for space in SPACES})[name].append(shared)
    return ways, min(sharing)
