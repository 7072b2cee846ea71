"""Chapter 2, what makes the cliffs: open gates; the kernel's regression; the ledger."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.autoencoders import N_FEATURES, Autoencoder, train_autoencoders
from entk_book.studies.spans import in_most, predicted, span
from entk_book.studies.superposition import (
    OverSeeds,
    flattened_spectrum,
    is_reconstructed,
    top_vectors,
)
from entk_lib.toys.tasks import superposition

STATES = ("trained", "untrained")


def gates(
    network: nn.Module, x: Float[Tensor, "samples features"]
) -> Float[Tensor, "rows features"]:
    """One column for each output: on which samples its ReLU is open.

    Args:
        network: An autoencoder.
        x: Samples.

    Returns:
        Columns on the rows of the flattened kernel, 1 at open outputs.
    """
    with torch.no_grad():
        return superposition.feature_indicators((network(x) > 0).float())


def shared_with_gates(
    autoencoders: Sequence[Autoencoder], state: str, *, dealt_anew: bool = False
) -> list[float]:
    """Dimensions that the 50 leading eigenvectors share with the gates.

    Args:
        autoencoders: Of one regime.
        state: ``"trained"`` or ``"untrained"``.
        dealt_anew: Deal each output's open gates out over the samples anew: as many are
            open, on other samples.

    Returns:
        One number a seed.
    """
    found = []
    for one in autoencoders:
        open_gates = gates(one.network if state == "trained" else one.start, one.x)
        if dealt_anew:
            open_gates = _dealt_anew(open_gates, len(one.x), one.seed)
        vectors = top_vectors(flattened_spectrum(one, state))
        found.append(entk.subspace_overlap(vectors, open_gates))
    return found


def _dealt_anew(columns: Tensor, n_samples: int, seed: int) -> Tensor:
    """The columns with the samples of each output in an order of its own."""
    by_output = columns.sum(1).reshape(n_samples, -1)  # one column an output, no overlap
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(by_output.shape, generator=generator).argsort(0)
    return superposition.feature_indicators(by_output.gather(0, order))


def open_shares(one: Autoencoder) -> Float[Tensor, " features"]:
    """On which share of the samples each output of a trained network is open.

    Args:
        one: The network.

    Returns:
        From 0 to 1.
    """
    return (gates(one.network, one.x) > 0).sum(0) / len(one.x)


def n_often_open(network: nn.Module, x: Float[Tensor, "samples features"]) -> int:
    """Outputs of a network that are open on more than half of its samples.

    Args:
        network: An autoencoder.
        x: Samples.

    Returns:
        Their number.
    """
    return int(((gates(network, x) > 0).sum(dim=0) > len(x) / 2).sum())


def cliffs_near_gates(
    autoencoders: Sequence[Autoencoder], cliffs: Sequence[Sequence[int]]
) -> int:
    """In how many seeds a cliff counts the outputs that are open on most samples.

    Args:
        autoencoders: Of one regime.
        cliffs: Where their spectra have cliffs.

    Returns:
        Seeds with a cliff within one of that number.
    """
    return sum(
        any(abs(stop - n_often_open(one.network, one.x)) <= 1 for stop in found)
        for one, found in zip(autoencoders, cliffs, strict=True)
    )


def block_shares(
    autoencoders: Sequence[Autoencoder], n_untrained: int = 3
) -> dict[tuple[str, str, str], float]:
    """What two blocks of modes hold of the span of kept and of dropped features.

    The first block has as many modes as the network drops features, the second the rest
    of the leading fifty.

    Args:
        autoencoders: Of the sparse regime.
        n_untrained: So many of them are asked untrained as well.

    Returns:
        Means over seeds by state, block and kind of features; from 0 to 1.
    """
    found: dict[tuple[str, str, str], list[float]] = {}
    for i, one in enumerate(autoencoders):
        is_kept = is_reconstructed(one.network)
        features = superposition.feature_indicators(one.x)
        stop = len(is_kept) - int(is_kept.sum())
        for state in STATES if i < n_untrained else STATES[:1]:
            vectors = flattened_spectrum(one, state).eigenvectors
            blocks = {"first": vectors[:, :stop], "second": vectors[:, stop:N_FEATURES]}
            kinds = {"reconstructed": is_kept, "dropped": ~is_kept}
            for name, block in blocks.items():
                for kind, mask in kinds.items():
                    shared = entk.subspace_overlap(block, features[:, mask])
                    share = shared / int(mask.sum())
                    found.setdefault((state, name, kind), []).append(share)
    return {key: sum(values) / len(values) for key, values in found.items()}


def _candidates(one: Autoencoder, state: str) -> Iterator[tuple[str, Tensor]]:
    """Up to fifty vectors each, in four ways."""
    yield "whole kernel", top_vectors(flattened_spectrum(one, state))
    network = one.network if state == "trained" else one.start
    with torch.no_grad():
        outputs = superposition.feature_indicators(network(one.x))
    yield "gates, no kernel", _alive(gates(network, one.x))
    yield "outputs, no kernel", _alive(outputs)
    yield "weights alone", top_vectors(flattened_spectrum(one, state, 0.0, "weight"))


def _alive(columns: Tensor) -> Tensor:
    return columns[:, columns.norm(dim=0) > 0]


@dataclass(frozen=True)
class Found:
    """What one way finds of the features, over seeds.

    Attributes:
        best: Best alignment of any vector with each feature, shape ``(seeds, features)``.
        shared: Dimensions that the vectors share with the features' span, one a seed.
    """

    best: Float[Tensor, "seeds features"]
    shared: list[float]

    def passing(self, threshold: float) -> list[int]:
        """Features whose best alignment passes a threshold, one number a seed."""
        return (self.best > threshold).sum(1).tolist()

    @property
    def cells(self) -> tuple[str, ...]:
        """Features found above 0.5, 0.7 and 0.9, and shared dimensions, as text."""
        return (*(span(self.passing(t)) for t in (0.5, 0.7, 0.9)), span(self.shared))


def with_and_without_gates(
    autoencoders: Sequence[Autoencoder], n_untrained: int = 3
) -> dict[tuple[str, str], Found]:
    """What the whole kernel, gates, outputs and the weights' kernel find of the features.

    Args:
        autoencoders: Of the sparse regime.
        n_untrained: So many of them are asked untrained as well.

    Returns:
        What was found, by state and way.
    """
    best: dict[tuple[str, str], list[Tensor]] = {}
    shared: dict[tuple[str, str], list[float]] = {}
    for state in STATES:
        group = autoencoders if state == "trained" else autoencoders[:n_untrained]
        for one in group:
            features = superposition.feature_indicators(one.x)
            for way, vectors in _candidates(one, state):
                aligned = entk.feature_alignment(vectors, features)
                best.setdefault((state, way), []).append(aligned.amax(0))
                overlap = entk.subspace_overlap(vectors, features)
                shared.setdefault((state, way), []).append(overlap)
    return {key: Found(torch.stack(rows), shared[key]) for key, rows in best.items()}


def r_squared(
    one: Autoencoder,
    fresh: Float[Tensor, "m features"],
    around: str,
    ridge: float = 5e-4,
) -> list[float]:
    """R² of a kernel regression as a description of a trained network.

    Args:
        one: The network with its samples.
        fresh: Other samples.
        around: ``"model"`` or ``"zero"``; ``"zero, untrained kernel"`` takes the kernel of
            the untrained network.
        ridge: As in `entk_lib.LinearizedPredictor`.

    Returns:
        On the training samples and on the fresh ones.
    """
    kernel_of = one.start if "untrained" in around else one.network
    place = "model" if around == "model" else "zero"
    predictor = entk.LinearizedPredictor(kernel_of, one.x, one.x, ridge=ridge, around=place)
    with torch.no_grad():
        return [predictor.r_squared(x, one.network(x)) for x in (one.x, fresh)]


def small_networks_described(
    seeds: Sequence[int], arounds: Sequence[str]
) -> dict[str, Float[Tensor, "seeds 2"]]:
    """The published check: 10 features, 5 hidden units, 100 samples.

    Args:
        seeds: One a network.
        arounds: As in `r_squared`.

    Returns:
        R² on training and on fresh samples, one row a seed, by what the predictor
        is around.
    """
    group = train_autoencoders(
        seeds, n_hidden=5, sparsity=0.9, n_features=10, n_samples=100
    )
    fresh = [superposition.sample(500, 10, 0.9, seed=1000 + seed) for seed in seeds]
    return {
        around: torch.tensor(
            [r_squared(one, x, around) for one, x in zip(group, fresh, strict=True)]
        )
        for around in arounds
    }


def claims(
    reconstructed: Sequence[int],
    correlations: Sequence[float],
    seeds: Mapping[tuple[str, str], OverSeeds],
    described: Mapping[str, Float[Tensor, "seeds 2"]],
) -> list[Claim]:
    """What was published of superposition, beside ours.

    Args:
        reconstructed: Features that each sparse network reconstructs.
        correlations: Of the eigenvectors' order with importance, dense by data; one a
            seed.
        seeds: By regime and state.
        described: R² of the small networks, by what the predictor is around.

    Returns:
        The ledger's rows.
    """
    n_seeds = len(reconstructed)

    def cliff(regime: str, low: int, high: int, statement: str, published: str) -> Claim:
        over = seeds[regime, "trained"]
        found = [s for stops in over.cliffs for s in stops if low <= s <= high]
        hits, here = over.with_cliff(low, high), "not found"
        if found:
            here = f"{min(found)} to {max(found)}, in {hits} of {n_seeds} seeds"
        return Claim(
            f"{regime}: {statement}",
            published,
            here,
            in_most(hits, n_seeds),
            "Lin 2025",
            f"from {low} to {high} in most seeds",
        )

    n_reversed = sum(correlation < -0.35 for correlation in correlations)
    # Both expansions agree on training samples. R² is bounded: what it leaves counts.
    left = [
        math.log10(1 - value)
        for value in (described["model"][:, 0] + described["zero"][:, 0]).div(2).tolist()
    ]
    low, high = (1 - 10**end for end in predicted(left)[::-1])
    return [
        cliff("dense by data", 49, 51, "a cliff after 50", "50"),
        cliff("sparse", 26, 32, "a first cliff", "about 29"),
        cliff("sparse", 49, 51, "a second cliff", "50"),
        cliff("dense by width", 49, 51, "a cliff after 50", "50"),
        Claim(
            "superposition: more features reconstructed than hidden units",
            "more than 10",
            f"{min(reconstructed)} to {max(reconstructed)}",
            min(reconstructed) > 10,
            "Elhage et al. 2022",
            "every seed above 10",
        ),
        Claim(
            "dense by data: without rescaling, eigenvectors in reverse order of importance",
            "reversed",
            f"reversed in {n_reversed} of {n_seeds} seeds",
            in_most(n_reversed, n_seeds),
            "Lin 2025 (for the dense regime)",
            "a rank correlation below -0.35 in most seeds",
        ),
        Claim(
            "linearised predictor, R² on training samples, around either",
            "0.9938 and 0.9996",
            f"{1 - 10 ** max(left):.3f} to {1 - 10 ** min(left):.4f}, one more in "
            f"{low:.3f} to {high:.5f}",
            all(low <= value <= high for value in (0.9938, 0.9996)),
            "Lin 2025, public code",
            "both in the 95 % prediction interval",
        ),
    ]
