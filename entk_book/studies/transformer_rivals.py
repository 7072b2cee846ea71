"""Chapter 6: the whole kernel beside what takes no derivative, with as many modes."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

import entk_lib as entk
from entk_book.studies.transformer import network, what_it_reads
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks.frequencies import waves_at

FAMILIES = ("sum", "symmetric")


def matrices(
    model: ModularTransformer, x: Int[Tensor, "pairs 3"]
) -> dict[str, Float[Tensor, "pairs pairs"]]:
    """Two kernels of all parameters, and inputs and activations side by side.

    Args:
        model: A network.
        x: All pairs, as tokens.

    Returns:
        By way; activations are those of the MLP and the residual stream at the end.
    """
    reads = what_it_reads(model, x, ["mlp_out", "unembedding"])
    grams = [tokens_gram(x), *reads.values()]
    return {
        "kernel of the mean logit": entk.empirical_ntk(model, x, outputs="mean_output"),
        "class-averaged kernel": entk.empirical_ntk(model, x, outputs="average"),
        "inputs and activations": sum((g / g.trace() for g in grams), torch.zeros(())),
    }


def tokens_gram(x: Int[Tensor, "pairs 3"]) -> Float[Tensor, "pairs pairs"]:
    """Gram matrix of the one-hot tokens: at how many positions two pairs agree.

    Args:
        x: All pairs, as tokens.

    Returns:
        In float64.
    """
    return (x.unsqueeze(1) == x.unsqueeze(0)).sum(2).double()


def shares(
    seeds: Sequence[int],
    keys: Mapping[int, Sequence[int]],
    x: Int[Tensor, "pairs 3"],
    *,
    untrained: bool = False,
) -> dict[str, dict[str, list[float]]]:
    """What the leading modes of each way hold of the waves at the key frequencies.

    With F key frequencies, ``4 F + 1`` modes are taken: as many as there are waves of the
    sum, symmetric waves and a constant.

    Args:
        seeds: Of the networks.
        keys: Key frequencies by seed.
        x: All pairs, as tokens.
        untrained: Ask the networks as they start.

    Returns:
        Shares of each family, one a seed, by way and family.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        model = network(seed, 0) if untrained else network(seed)
        n, waves = 2 * len(keys[seed]), waves_at(model.modulus, keys[seed])
        for way, matrix in matrices(model, x).items():
            modes = entk.kernel_spectrum(matrix, k=2 * n + 1).eigenvectors
            rows = found.setdefault(way, {family: [] for family in FAMILIES})
            for family in FAMILIES:
                rows[family].append(entk.subspace_overlap(modes, waves[family]) / n)
    return found
