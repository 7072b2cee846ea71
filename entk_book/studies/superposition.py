"""Chapter 2: toy models in three regimes, their spectra, features against three nulls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Bool, Float
from scipy.stats import spearmanr
from torch import Tensor

import entk_lib as entk
from entk_book.studies.autoencoders import N_FEATURES, Autoencoder, train_autoencoders
from entk_book.studies.spans import span
from entk_lib import Spectrum
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

# Hidden units and sparsity.
REGIMES = {
    "dense by data": (10, 0.3),
    "sparse": (10, 0.9),
    "dense by width": (40, 0.9),
}
# How much of the loss's importance goes into the kernel.
BETA = {"dense by data": 0.3, "sparse": 0.0, "dense by width": 0.0}
_RECONSTRUCTED = 0.75
_N_MODES = 65


def train_regimes(seeds: Sequence[int], **options: Any) -> dict[str, list[Autoencoder]]:
    """Train networks in all three regimes.

    Args:
        seeds: One a network, in each regime.
        **options: As `entk_book.studies.autoencoders.train_autoencoders` takes them.

    Returns:
        Networks by regime.
    """
    return {
        regime: train_autoencoders(seeds, n_hidden=n_hidden, sparsity=sparsity, **options)
        for regime, (n_hidden, sparsity) in REGIMES.items()
    }


def is_settled(one: Autoencoder) -> bool:
    """Whether the last tenth of the training lowered the loss by less than 5 %.

    Args:
        one: Trained, its loss recorded ten times.

    Returns:
        Whether it did.
    """
    return one.losses[-1] > 0.95 * one.losses[-2]


def is_reconstructed(network: TiedAutoencoder) -> Bool[Tensor, " features"]:
    """Which features pass through a network.

    Args:
        network: An autoencoder with weight W.

    Returns:
        Whether the diagonal entry of W^T W reaches three quarters.
    """
    return network.feature_gram().diagonal() >= _RECONSTRUCTED


def flattened_spectrum(
    one: Autoencoder,
    state: str = "trained",
    beta: float = 0.0,
    parameters: str | None = None,
) -> Spectrum:
    """The 65 largest eigenpairs of the flattened kernel of one network on its samples.

    Args:
        one: The network.
        state: ``"trained"`` or ``"untrained"``.
        beta: Output c is scaled by its importance to the power of beta / 2.
        parameters: Name of the parameter whose kernel is asked. ``None``: all.

    Returns:
        The spectrum, which is kept for the next time it is asked.
    """
    return _flattened_spectrum(one, state, beta, parameters)


@cache
def _flattened_spectrum(
    one: Autoencoder, state: str, beta: float, parameters: str | None
) -> Spectrum:
    return entk.ntk_spectrum(
        one.network if state == "trained" else one.start,
        one.x,
        k=_N_MODES,
        outputs="flatten",
        output_weights=superposition.importances(one.x.shape[1]) ** beta,
        parameters=parameters,
    )


def stops(spectrum: Spectrum) -> list[int]:
    """Where a spectrum has cliffs.

    Args:
        spectrum: Of a kernel.

    Returns:
        Numbers of eigenvalues above each cliff.
    """
    return [cliff.stop for cliff in entk.find_cliffs(spectrum.eigenvalues)]


def listed(numbers: Sequence[int]) -> str:
    """Numbers as a table has them.

    Args:
        numbers: Such as `stops` gives.

    Returns:
        Text, ``"none"`` if there are none.

    Example:
        >>> listed([27, 50]), listed([])
        ('27, 50', 'none')
    """
    return ", ".join(map(str, numbers)) or "none"


def cliffs_line(spectrum: Spectrum) -> str:
    """Where a spectrum has cliffs and how high they are, as a table has it.

    Args:
        spectrum: Of a kernel.

    Returns:
        Numbers of eigenvalues above each cliff, with the ratios beside it in brackets.
    """
    cliffs = entk.find_cliffs(spectrum.eigenvalues)
    return ", ".join(f"{one.stop} ({one.ratio:.1f})" for one in cliffs) or "none"


def top_vectors(spectrum: Spectrum) -> Float[Tensor, "rows features"]:
    """As many leading eigenvectors as there are features.

    Args:
        spectrum: Of a flattened kernel.

    Returns:
        Orthonormal columns.
    """
    return spectrum.eigenvectors[:, :N_FEATURES]


def alignments(
    spectrum: Spectrum, x: Float[Tensor, "samples features"]
) -> Float[Tensor, "modes features"]:
    """Alignment of the leading eigenvectors with each feature.

    Args:
        spectrum: Of a flattened kernel.
        x: Its samples.

    Returns:
        Absolute cosines.
    """
    features = superposition.feature_indicators(x)
    return entk.feature_alignment(top_vectors(spectrum), features)


def best_alignments(
    spectrum: Spectrum, x: Float[Tensor, "samples features"]
) -> Float[Tensor, " features"]:
    """Of each feature, its alignment with the eigenvector that fits it best.

    Args:
        spectrum: Of a flattened kernel.
        x: Its samples.

    Returns:
        Absolute cosines.
    """
    return alignments(spectrum, x).max(dim=0).values


def n_found(aligned: Float[Tensor, "modes features"]) -> int:
    """Features whose best alignment passes one half.

    Args:
        aligned: Absolute cosines.

    Returns:
        Their number.
    """
    return int((aligned.max(dim=0).values > 0.5).sum())


def rank_correlation(aligned: Float[Tensor, "modes features"]) -> float:
    """How the order of the eigenvectors follows that of the features they fit best.

    Args:
        aligned: Absolute cosines.

    Returns:
        Spearman's correlation, from -1 to 1.
    """
    best = aligned.argmax(dim=0)
    return float(spearmanr(range(len(best)), best)[0])  # pyright: ignore


def importance_order(aligned: Float[Tensor, "modes features"]) -> str:
    """The rank correlation in words, with a margin around zero.

    Args:
        aligned: Absolute cosines.

    Returns:
        ``"in order"``, ``"reversed"`` or ``"in no clear order"``.
    """
    correlation = rank_correlation(aligned)
    if abs(correlation) < 0.35:
        return "in no clear order"
    return "in order" if correlation > 0 else "reversed"


@dataclass(frozen=True)
class Nulls:
    """Best alignments of each feature in one network, beside what would arise anyway.

    Attributes:
        best: By ``"trained"``, ``"untrained"`` and ``"shuffled samples"``.
        chance: Mean best alignment of random orthonormal vectors.
        gains: Best alignment of the trained network less that with shuffled samples, in
            another draw.
        kept: Which features the network reconstructs.
    """

    best: Mapping[str, Float[Tensor, " features"]]
    chance: float
    gains: Float[Tensor, " features"]
    kept: Bool[Tensor, " features"]

    def passing(self, state: str) -> int:
        """How many features pass one half.

        Args:
            state: As in ``best``.

        Returns:
            Their number.
        """
        return int((self.best[state] > 0.5).sum())

    def gain(self, kind: str) -> str:
        """What training adds beyond shuffled samples, on average.

        Args:
            kind: Of features: ``"reconstructed"`` or ``"dropped"``.

        Returns:
            Text.
        """
        some = self.kept if kind == "reconstructed" else ~self.kept
        gain = float(self.gains[some].mean())
        return f"{gain:+.1f}" if abs(gain) >= 0.05 else "0.0"


def against_nulls(
    autoencoders: Mapping[str, Autoencoder], seed: int = 0
) -> dict[str, Nulls]:
    """Best alignments of one network in each regime, with three nulls.

    Args:
        autoencoders: One a regime.
        seed: Of random vectors and shuffles.

    Returns:
        By regime.
    """
    generator = torch.Generator().manual_seed(seed)
    n_rows = len(next(iter(autoencoders.values())).x) * N_FEATURES
    random_basis = torch.linalg.qr(torch.randn(n_rows, N_FEATURES, generator=generator)).Q

    def with_shuffled_samples(one: Autoencoder, spectrum: Spectrum) -> Tensor:
        orders = [torch.randperm(len(one.x), generator=generator) for _ in one.x.T]
        columns = zip(one.x.T, orders, strict=True)
        shuffled = torch.stack([column[order] for column, order in columns], dim=1)
        return best_alignments(spectrum, shuffled)

    best, chances = {}, {}
    for regime, one in autoencoders.items():
        trained = flattened_spectrum(one, "trained", BETA[regime])
        untrained = flattened_spectrum(one, "untrained", BETA[regime])
        features = superposition.feature_indicators(one.x)
        by_chance = entk.feature_alignment(random_basis, features).max(dim=0).values
        chances[regime] = float(by_chance.mean())
        best[regime] = {
            "trained": best_alignments(trained, one.x),
            "untrained": best_alignments(untrained, one.x),
            "shuffled samples": with_shuffled_samples(one, trained),
        }
    found = {}
    for regime, one in autoencoders.items():
        trained = flattened_spectrum(one, "trained", BETA[regime])
        gains = best[regime]["trained"] - with_shuffled_samples(one, trained)
        kept = is_reconstructed(one.network)
        found[regime] = Nulls(best[regime], chances[regime], gains, kept)
    return found


@dataclass(frozen=True)
class OverSeeds:
    """One regime and state over seeds.

    Attributes:
        best: Best alignment of each feature.
        shared: Dimensions that the leading eigenvectors share with all features' span.
        cliffs: Where the spectra have cliffs, without importance.
        kept: Which features each trained network reconstructs.
    """

    best: Float[Tensor, "seeds features"]
    shared: Float[Tensor, " seeds"]
    cliffs: list[list[int]]
    kept: Bool[Tensor, "seeds features"]

    def __len__(self) -> int:
        """Number of seeds."""
        return len(self.best)

    def with_cliff(self, low: int, high: int) -> int:
        """In how many seeds there is a cliff between two places.

        Args:
            low: Smallest number of eigenvalues above it.
            high: Largest.

        Returns:
            The number of seeds.
        """
        return sum(any(low <= stop <= high for stop in found) for found in self.cliffs)

    @property
    def counts(self) -> tuple[str, str]:
        """How many features pass, and how many dimensions the span shares, as text."""
        return span((self.best > 0.5).sum(dim=1)), span(self.shared)

    @property
    def of_the_kept(self) -> tuple[str, str]:
        """How many per cent of the reconstructed features pass, and how many dropped."""
        passing = self.best > 0.5
        percent = 100 * (passing & self.kept).sum(1) / self.kept.sum(1)
        return f"{span(percent)}%", span((passing & ~self.kept).sum(1))


def over_seeds(autoencoders: Sequence[Autoencoder], state: str, beta: float) -> OverSeeds:
    """Best alignments, shared dimensions and cliffs for each seed.

    Args:
        autoencoders: Of one regime.
        state: ``"trained"`` or ``"untrained"``.
        beta: As in `flattened_spectrum`; cliffs are those at zero.

    Returns:
        What was found.
    """
    spectra = [flattened_spectrum(one, state, beta) for one in autoencoders]
    pairs = list(zip(spectra, autoencoders, strict=True))
    return OverSeeds(
        torch.stack([best_alignments(spectrum, one.x) for spectrum, one in pairs]),
        torch.tensor(
            [
                entk.subspace_overlap(
                    top_vectors(spectrum), superposition.feature_indicators(one.x)
                )
                for spectrum, one in pairs
            ]
        ),
        [stops(flattened_spectrum(one, state)) for one in autoencoders],
        torch.stack([is_reconstructed(one.network) for one in autoencoders]),
    )
