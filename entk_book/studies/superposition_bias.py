"""Chapter 2, what hangs on the bias: its part of the kernel scaled, and no bias at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.autoencoders import N_FEATURES, Autoencoder, train_autoencoders
from entk_book.studies.spans import in_most, span
from entk_book.studies.superposition import (
    alignments,
    flattened_spectrum,
    is_reconstructed,
    n_found,
    rank_correlation,
    stops,
    top_vectors,
)
from entk_lib.toys.tasks import superposition

SCALES = (0.3, 1.0, 3.0)


def scaled_jacobian(
    one: Autoencoder, state: str, scale: float
) -> Float[Tensor, "rows parameters"]:
    """The flattened Jacobian with the columns of the bias multiplied by a number.

    It is the Jacobian of the same function, with the bias written as that number times
    another parameter.

    Args:
        one: The network.
        state: ``"trained"`` or ``"untrained"``.
        scale: The number.

    Returns:
        One row per sample and output.
    """
    network = one.network if state == "trained" else one.start
    parts = entk.jacobian(network, one.x)
    weight, bias = (parts[name].flatten(0, 1).flatten(1) for name in ("weight", "bias"))
    return torch.cat([weight, scale * bias], 1)


@dataclass(frozen=True)
class Scaled:
    """The spectrum at one scale of the bias, over seeds.

    Attributes:
        cliffs: Numbers of eigenvalues above each cliff, one list a seed.
        ratios: Of the eigenvalues on either side of the place after 50.
        shared: Dimensions that the top 50 eigenvectors share with the features.
    """

    cliffs: list[list[int]]
    ratios: list[float]
    shared: list[float]

    @property
    def n_with_cliff(self) -> int:
        """Seeds with a cliff after 50, or one beside it."""
        return sum(any(49 <= stop <= 51 for stop in found) for found in self.cliffs)

    @property
    def cells(self) -> tuple[str, ...]:
        """Seeds with that cliff and without any, ratios, shared dimensions, as text."""
        n = len(self.cliffs)
        none = sum(not found for found in self.cliffs)
        counts = (f"{self.n_with_cliff} of {n}", f"{none} of {n}")
        return (*counts, span(self.ratios, 1), span(self.shared))


def _shared(
    spectra: Sequence[entk.Spectrum], autoencoders: Sequence[Autoencoder]
) -> list[float]:
    """Dimensions that the top 50 eigenvectors share with all features, one a seed."""
    return [
        entk.subspace_overlap(
            top_vectors(spectrum), superposition.feature_indicators(one.x)
        )
        for spectrum, one in zip(spectra, autoencoders, strict=True)
    ]


def scaled_bias(
    autoencoders: Sequence[Autoencoder],
    state: str,
    scales: Sequence[float] = SCALES,
) -> dict[float, Scaled]:
    """What becomes of the cliffs when the bias counts less or more in the kernel.

    Args:
        autoencoders: Of one regime.
        state: ``"trained"`` or ``"untrained"``.
        scales: Numbers that the bias's part of the Jacobian is multiplied by.

    Returns:
        By scale.
    """
    found = {}
    for scale in scales:
        spectra = [
            entk.factor_spectrum(scaled_jacobian(one, state, scale), k=65)
            for one in autoencoders
        ]
        found[scale] = Scaled(
            [stops(spectrum) for spectrum in spectra],
            [
                float(s.eigenvalues[N_FEATURES - 1] / s.eigenvalues[N_FEATURES])
                for s in spectra
            ],
            _shared(spectra, autoencoders),
        )
    return found


@dataclass(frozen=True)
class Unbiased:
    """Networks that were trained without a bias, over seeds.

    Attributes:
        reconstructed: Features that each passes.
        cliffs: Of the weights' kernel, one list a seed.
        found: Features whose best alignment with an eigenvector is above one half.
        shared: Dimensions that the top 50 eigenvectors share with the features.
        shared_untrained: The same before training.
    """

    reconstructed: list[int]
    cliffs: list[list[int]]
    found: list[int]
    shared: list[float]
    shared_untrained: list[float]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What was counted and its range over seeds, as text."""
        none = sum(not found for found in self.cliffs)
        return [
            ("features reconstructed", span(self.reconstructed)),
            ("seeds without a cliff", f"{none} of {len(self.cliffs)}"),
            ("features above 0.5", span(self.found)),
            ("shared dimensions", span(self.shared)),
            ("shared dimensions, untrained", span(self.shared_untrained)),
        ]


def without_bias(
    seeds: Sequence[int], *, n_hidden: int = 10, sparsity: float = 0.9, steps: int = 5000
) -> Unbiased:
    """Train networks whose bias stays zero, and ask the kernel of their weights.

    Args:
        seeds: One a network.
        n_hidden: Hidden units.
        sparsity: Probability that a feature is absent from a sample.
        steps: Updates.

    Returns:
        What was found.
    """
    group = train_autoencoders(
        seeds, n_hidden=n_hidden, sparsity=sparsity, bias=False, steps=steps
    )
    spectra = [flattened_spectrum(one, "trained", 0.0, "weight") for one in group]
    before = [flattened_spectrum(one, "untrained", 0.0, "weight") for one in group]
    return Unbiased(
        [one.network.n_reconstructed() for one in group],
        [stops(spectrum) for spectrum in spectra],
        [n_found(alignments(s, one.x)) for s, one in zip(spectra, group, strict=True)],
        _shared(spectra, group),
        _shared(before, group),
    )


def orders(autoencoders: Sequence[Autoencoder]) -> dict[str, list[float]]:
    """Whether eigenvectors follow importance: over all features, and within two blocks.

    Args:
        autoencoders: Of one regime.

    Returns:
        Rank correlations, one a seed, by which features are asked.
    """
    found: dict[str, list[float]] = {"all": [], "reconstructed": [], "dropped": []}
    for one in autoencoders:
        aligned = alignments(flattened_spectrum(one), one.x)
        kept = is_reconstructed(one.network)
        found["all"].append(rank_correlation(aligned))
        for name, mask in (("reconstructed", kept), ("dropped", ~kept)):
            if mask.sum() > 2:
                found[name].append(rank_correlation(aligned[:, mask]))
    return found


def claims(scaled: Mapping[float, Scaled], unbiased: Unbiased) -> list[Claim]:
    """What the bias does for the chapter's claims; both rows are new.

    Args:
        scaled: Trained networks by the scale of the bias.
        unbiased: Networks without one.

    Returns:
        Rows of the ledger.
    """
    least = min(scaled)
    n_seeds = len(scaled[least].cliffs)
    hits = scaled[least].n_with_cliff
    found = [
        n / many for n, many in zip(unbiased.found, unbiased.reconstructed, strict=True)
    ]
    n_half = sum(share >= 0.5 for share in found)
    return [
        Claim(
            "sparse: the cliff after 50 is there however the bias is written",
            "not published",
            f"with {least:g} times the bias's Jacobian in {hits} of {n_seeds} seeds",
            in_most(hits, n_seeds),
            "new here",
            "from 49 to 51 in most seeds",
        ),
        Claim(
            "sparse, trained without a bias: single eigenvectors are features",
            "not published",
            f"{span(unbiased.found)} of {span(unbiased.reconstructed)} reconstructed ones",
            in_most(n_half, len(found)),
            "new here",
            "half of them above 0.5 in most seeds",
        ),
    ]
