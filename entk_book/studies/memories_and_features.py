"""Chapter 8, the kernel's side: data points and features in its modes, and the ledger."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.double_descent import (
    N_SEEDS,
    ROWS,
    SIZES,
    Grid,
    Leading,
    is_near,
    jacobians,
)
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
    """Share of the five leading modes that is single data points, for each network.

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
    parts, indicators = jacobians(network, probe), superposition.feature_indicators(probe)
    longest = network.feature_gram().diagonal().topk(5).indices
    reach = entk.factor_spectrum(parts["whole"]).eigenvectors
    ten = entk.factor_spectrum(parts["weight"], k=10).eigenvectors
    return [
        float((vectors.T @ indicators).square().sum(0)[longest].mean())
        for vectors in (reach, ten)
    ]


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


def claims(
    *,
    train_loss: Tensor,
    test_loss: Tensor,
    mean: float,
    shares: Mapping[str, Tensor],
    peaks: Mapping[float, tuple[int | float, int | float]],
    points: Mapping[str, Tensor],
    reach: Tensor,
    reach_untrained: Tensor,
    tracks: Mapping[float, Tensor],
    track_sizes: Sequence[int],
) -> list[Claim]:
    """What was published of double descent in this model, and what is new, beside ours.

    Args:
        train_loss: One row a seed, one column a size, as all that follows.
        test_loss: On fresh samples.
        mean: Loss of the samples' mean as output.
        shares: The five largest shares of a dimension, of features and of data points.
        peaks: Expected and found, by sparsity.
        points: Share of data points in five modes, trained and untrained.
        reach: Share of the longest features within reach of the kernel.
        reach_untrained: The same before training, one number a seed.
        tracks: R² of the regression around zero with the network, by its ridge.
        track_sizes: Sizes of its columns.

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
    near = sum(is_near(expected, peak) for expected, peak in peaks.values())
    memory = count(at(points["trained"], 5) > 3 * at(points["untrained"], 5).max())
    lost = count(at(points["trained"], 120) < 0.05)
    gained = count(at(reach, 120) > reach_untrained.max())
    breaks = {r: count(at(t, 30, track_sizes) < 0.5) for r, t in tracks.items()}
    holds = {r: count(at(t, 120, track_sizes) > 0.9) for r, t in tracks.items()}
    published, new = "Henighan et al. 2023", "new here"
    return [
        Claim(
            "double descent over the number of samples",
            "test loss peaks in between",
            f"{double} of {N_SEEDS} seeds",
            double >= 4,
            published,
            "at 30 samples above 1.1 and above 5 samples, at 3,000 below the "
            "mean; 4 of 5 seeds",
        ),
        Claim(
            "few samples are learned by heart",
            "training loss near 0",
            f"below 0.1 in {by_heart} of {N_SEEDS} seeds with 3 samples",
            by_heart >= 4,
            published,
            "4 of 5 seeds",
        ),
        Claim(
            "hidden vectors of few data points form a polygon",
            "regular polygon",
            f"five shares add up to 1.8 of 2 in {polygon} of {N_SEEDS} seeds",
            polygon >= 4,
            published,
            "4 of 5 seeds with 5 samples",
        ),
        Claim(
            "features of many samples form a polygon",
            "regular polygon",
            f"five shares add up to 1.7 of 2 in {pentagon} of {N_SEEDS} seeds",
            pentagon >= 4,
            published,
            "4 of 5 seeds with 3,000 samples",
        ),
        Claim(
            "data points give way to features around the peak",
            "where the test loss peaks",
            f"between 8 and 60 samples in {crossing} of {N_SEEDS} seeds",
            crossing >= 4,
            published,
            "4 of 5 seeds",
        ),
        Claim(
            "present features are as many as parameters at the peak",
            "not claimed",
            f"{near} of {len(peaks)} sparsities",
            near == len(peaks),
            new,
            "within a factor of two, all three; by chance one time in five",
        ),
        Claim(
            "leading modes of few samples are single data points",
            "not claimed",
            f"above 3 x untrained in {memory} of {N_SEEDS} seeds at 5 samples, "
            f"below 0.05 in {lost} at 120",
            memory >= 4 and lost >= 4,
            new,
            "4 of 5 seeds each",
        ),
        Claim(
            "features come into reach of the kernel behind the peak",
            "not claimed",
            f"above all untrained ones in {gained} of {N_SEEDS} seeds at 120",
            gained >= 4,
            new,
            "4 of 5 seeds",
        ),
        Claim(
            "regression with the kernel fails at the peak",
            "not claimed",
            f"R² with the network at 30 samples below 0.5 in {_by_ridge(breaks)}",
            min(breaks.values()) >= 4,
            new,
            "around zero, 4 of 5 seeds with every ridge",
        ),
        Claim(
            "regression with the kernel holds behind the peak",
            "not claimed",
            f"R² with the network at 120 samples above 0.9 in {_by_ridge(holds)}",
            min(holds.values()) >= 4,
            new,
            "around zero, 4 of 5 seeds with every ridge",
        ),
    ]


def _by_ridge(counts: Mapping[float, int]) -> str:
    parts = [f"{n} of {N_SEEDS} seeds with ridge {ridge:g}" for ridge, n in counts.items()]
    return ", in ".join(parts)
