"""Chapter 8, the kernel's side: data points and features in its modes, and the ledger."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies import peaks as rule
from entk_book.studies.double_descent import (
    N_SEEDS,
    ROWS,
    SIZES,
    Grid,
    Leading,
    jacobians,
)
from entk_book.studies.spans import in_most, span
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition


def in_data_points(spectrum: Leading, x: Float[Tensor, "n features"], k: int = 5) -> float:
    """Share of the leading modes that lies in the span of the single samples.

    Args:
        spectrum: Of the flattened kernel on these samples.
        x: The samples.
        k: Modes that are asked; fewer where there are fewer samples.

    Returns:
        From 0 to 1.
    """
    k = min(k, len(x), len(spectrum))
    columns = superposition.sample_indicators(x.double())
    top = spectrum.eigenvectors[:, :k]
    return float((top.T @ columns).square().sum()) / k


def data_point_shares(
    grid: Grid, spectra: Mapping[int, Sequence[Leading]]
) -> Float[Tensor, "seeds sizes"]:
    """Share of the five leading modes in the span of single samples, for each network.

    Args:
        grid: The networks with their data.
        spectra: Of their kernels on the first training samples.

    Returns:
        One row a seed, one column a size.
    """
    return torch.tensor(
        [
            [in_data_points(spectra[t][s], grid.data[t][s][:ROWS]) for t in grid.sizes]
            for s in range(len(grid.starts))
        ]
    )


def feature_shares(
    network: TiedAutoencoder, probe: Float[Tensor, "n features"]
) -> list[float]:
    """Share of the five longest features in the Jacobian's span, and in ten modes of W.

    Args:
        network: An autoencoder.
        probe: Samples that the features are asked on, float64.

    Returns:
        Two numbers from 0 to 1: within reach, and in the leading modes.
    """
    parts = jacobians(network, probe)
    reach = entk.factor_spectrum(parts["whole"]).eigenvectors
    ten = entk.factor_spectrum(parts["weight"], k=10).eigenvectors
    return [_share_of_longest(network, probe, vectors) for vectors in (reach, ten)]


def in_whole_kernel(
    network: TiedAutoencoder, probe: Float[Tensor, "n features"], counts: Sequence[int]
) -> list[float]:
    """Share of the five longest features in the leading modes of the whole kernel.

    Args:
        network: An autoencoder.
        probe: Samples that the features are asked on, float64.
        counts: Numbers of leading modes.

    Returns:
        From 0 to 1, one for each number of modes.
    """
    whole = entk.factor_spectrum(jacobians(network, probe)["whole"], k=max(counts))
    return [
        _share_of_longest(network, probe, whole.eigenvectors[:, :count]) for count in counts
    ]


def _share_of_longest(
    network: TiedAutoencoder,
    probe: Float[Tensor, "n features"],
    vectors: Float[Tensor, "rows k"],
) -> float:
    indicators = superposition.feature_indicators(probe)
    longest = network.feature_gram().diagonal().topk(5).indices
    return float((vectors.T @ indicators).square().sum(0)[longest].mean())


def regression(
    network: TiedAutoencoder,
    x: Float[Tensor, "n features"],
    fresh: Float[Tensor, "m features"],
    *,
    ridge: float,
    around: Literal["model", "zero"],
) -> list[float]:
    """Regress a network's training data with its own kernel, and ask it fresh samples.

    Args:
        network: An autoencoder.
        x: Its training samples.
        fresh: Other samples.
        ridge: As in `entk_lib.LinearizedPredictor`.
        around: As in `entk_lib.LinearizedPredictor`.

    Returns:
        Its test loss, and the R² of its outputs with the network's.
    """
    predictor = entk.LinearizedPredictor(network, x, x, ridge=ridge, around=around)
    error = (predictor(fresh) - fresh).square().sum(1).mean()
    return [float(error), predictor.r_squared(fresh)]


def scan_ridges(
    grid: Grid,
    ridges: Sequence[float],
    *,
    fresh: Float[Tensor, "m features"],
    size: int,
) -> Float[Tensor, "seeds ridges"]:
    """R² of the regression around zero with the network, over ridges, at one size.

    Args:
        grid: The networks with their data.
        ridges: As in `entk_lib.LinearizedPredictor`.
        fresh: Samples that none was trained on.
        size: Number of samples.

    Returns:
        One row a seed, one column a ridge.
    """
    columns = [
        grid.over(regression, sizes=[size], fresh=fresh, ridge=ridge, around="zero")
        for ridge in ridges
    ]
    return torch.cat([column[:, :, 1] for column in columns], 1)


def claims(
    *,
    train_loss: Tensor,
    test_loss: Tensor,
    mean: float,
    shares: Mapping[str, Tensor],
    peaks: Sequence[rule.Peak],
    n_settings: int,
    points: Mapping[str, Tensor],
    reach: Tensor,
    reach_untrained: Tensor,
    tracks: Mapping[float, Tensor],
    track_sizes: Sequence[int],
    best_ridge: Tensor,
) -> list[Claim]:
    """What was published of double descent in this model, and what is new, beside ours.

    Args:
        train_loss: One row a seed, one column a size, as all that follows.
        test_loss: On fresh samples.
        mean: Loss of the samples' mean as output.
        shares: The five largest shares of a dimension, of features and of data points.
        peaks: Of the settings that have one.
        n_settings: How many were trained.
        points: Share of data points in five modes, trained and untrained.
        reach: Share of the longest features within reach of the kernel.
        reach_untrained: The same before training, one number a seed.
        tracks: R² of the regression around zero with the network, by its ridge.
        track_sizes: Sizes of its columns.
        best_ridge: R² at the peak with the best ridge, one a seed.

    Returns:
        The ledger's rows.
    """

    def at(values: Tensor, size: int, sizes: Sequence[int] = SIZES) -> Tensor:
        return values[:, list(sizes).index(size)]

    def count(which: Tensor) -> int:
        return int(which.sum())

    low, top, high = (at(test_loss, size) for size in (5, 30, 3000))
    features, data = shares["features"], shares["data points"]
    double = count((top > low) & (top > 1.1) & (high < mean))
    by_heart = count(at(train_loss, 3) < 0.1)
    polygon = count(at(data, 5) > 1.8)
    pentagon = count(at(features, 3000) > 1.7)
    crossing = count((at(features, 8) < at(data, 8)) & (at(features, 60) > at(data, 60)))
    powers = rule.fitted(peaks)
    by_size = powers["m + 1"], powers["1 / (1 - S)"]
    memory = count(at(points["trained"], 5) > 3 * at(points["untrained"], 5).max())
    lost = count(at(points["trained"], 120) < 0.05)
    gained = count(at(reach, 120) > reach_untrained.max())
    lost_there = count(best_ridge < 0.9)
    holds = {r: count(at(t, 120, track_sizes) > 0.9) for r, t in tracks.items()}
    published, new = "Henighan et al. 2023", "new here"
    return [
        Claim(
            "double descent over the number of samples",
            "test loss peaks in between",
            f"{double} of {N_SEEDS} seeds",
            in_most(double, N_SEEDS),
            published,
            "at 30 samples above 1.1 and above 5 samples, at 3,000 below the "
            "mean; most seeds",
        ),
        Claim(
            "few samples are learned by heart",
            "training loss near 0",
            f"below 0.1 in {by_heart} of {N_SEEDS} seeds with 3 samples",
            in_most(by_heart, N_SEEDS),
            published,
            "most seeds",
        ),
        Claim(
            "hidden vectors of few data points form a polygon",
            "regular polygon",
            f"five shares add up to 1.8 of 2 in {polygon} of {N_SEEDS} seeds",
            in_most(polygon, N_SEEDS),
            published,
            "most seeds, with 5 samples",
        ),
        Claim(
            "features of many samples form a polygon",
            "regular polygon",
            f"five shares add up to 1.7 of 2 in {pentagon} of {N_SEEDS} seeds",
            in_most(pentagon, N_SEEDS),
            published,
            "most seeds, with 3,000 samples",
        ),
        Claim(
            "data points give way to features around the peak",
            "where the test loss peaks",
            f"between 8 and 60 samples in {crossing} of {N_SEEDS} seeds",
            in_most(crossing, N_SEEDS),
            published,
            "most seeds",
        ),
        Claim(
            "the place of the peak goes with hidden units and with one over the density",
            "not claimed",
            f"power of m + 1 {by_size[0]}, of 1 / (1 - S) {by_size[1]}; "
            f"{len(peaks)} of {n_settings} settings have a peak",
            all(power.allows(1) and not power.allows(0) for power in by_size),
            new,
            "1 in both 95 % intervals, 0 in neither",
        ),
        Claim(
            "there, present features are as many as parameters, however many there are",
            "not claimed",
            f"power of n {powers['n']}",
            powers["n"].allows(0),
            new,
            "0 in the 95 % interval",
        ),
        Claim(
            "leading modes of few samples lie in the span of data points",
            "not claimed",
            f"above 3 x untrained in {memory} of {N_SEEDS} seeds at 5 samples, "
            f"below 0.05 in {lost} at 120",
            in_most(memory, N_SEEDS) and in_most(lost, N_SEEDS),
            new,
            "most seeds, each",
        ),
        Claim(
            "features come into reach of the kernel behind the peak",
            "not claimed",
            f"above all untrained ones in {gained} of {N_SEEDS} seeds at 120",
            in_most(gained, N_SEEDS),
            new,
            "most seeds",
        ),
        Claim(
            "regression with the kernel is not the network at the peak",
            "not claimed",
            f"best R² over five ridges {span(best_ridge.tolist(), 2)} at 30 samples",
            in_most(lost_there, N_SEEDS),
            new,
            "below 0.9 with the best ridge, in most seeds",
        ),
        Claim(
            "regression with the kernel holds behind the peak",
            "not claimed",
            f"R² with the network at 120 samples above 0.9 in {_by_ridge(holds)}",
            in_most(min(holds.values()), N_SEEDS),
            new,
            "around zero, most seeds with either ridge",
        ),
    ]


def _by_ridge(counts: Mapping[float, int]) -> str:
    parts = [f"{n} of {N_SEEDS} seeds with ridge {ridge:g}" for ridge, n in counts.items()]
    return ", in ".join(parts)
