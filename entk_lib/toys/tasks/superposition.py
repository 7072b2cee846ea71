"""Sparse features to be squeezed through a bottleneck: toy models of superposition."""

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks


def sample(
    n_samples: int,
    n_features: int,
    sparsity: float,
    *,
    seed: int,
    normalize: bool = True,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "samples features"]:
    """Samples whose features are zero with probability ``sparsity``, else uniform.

    Args:
        n_samples: Number of samples.
        n_features: Number of features.
        sparsity: Probability that a feature is absent from a sample, in [0, 1).
        seed: Seed of the draw: one seed, one data set.
        normalize: Scale each sample to length 1 (a sample without any feature stays 0).
        dtype: Of the samples, ``torch.float32`` by default.

    Returns:
        Non-negative samples, shape ``(n_samples, n_features)``.

    Raises:
        ValueError: If ``sparsity`` lies outside [0, 1), or a size is below 1.

    References:
        Henighan et al. (2023), "Superposition, memorization, and double descent", for
        the normalised, fixed data set.

    Example:
        >>> sample(3, 50, sparsity=0.9, seed=0).norm(dim=1)
        tensor([1., 1., 1.])
    """
    _checks.require_count("n_samples", n_samples)
    _checks.require_count("n_features", n_features)
    if not 0 <= sparsity < 1:
        raise ValueError(
            f"sparsity must lie in [0, 1), got {sparsity}. It is the probability that a "
            "feature is absent: 0.9 leaves one in ten."
        )
    generator = torch.Generator().manual_seed(seed)
    size = (n_samples, n_features)
    # Drawn in float64 whatever the dtype: float32 and float64 data are then the same.
    magnitudes = torch.rand(size, generator=generator, dtype=torch.float64)
    present = torch.rand(size, generator=generator, dtype=torch.float64) >= sparsity
    x = magnitudes * present
    if normalize:
        lengths = x.norm(dim=1, keepdim=True)
        x = x / torch.where(lengths > 0, lengths, 1.0)
    return x.to(dtype)


def importances(
    n_features: int, *, decay: float = 0.8, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " features"]:
    """Weights ``decay ** i`` of the features in the loss, the first the largest.

    Args:
        n_features: Number of features.
        decay: Ratio of one importance to the one before, above 0.
        dtype: Of the result, ``torch.float32`` by default.

    Returns:
        Importances, shape ``(n_features,)``.

    Raises:
        ValueError: If ``decay`` is not positive, or ``n_features`` is below 1.

    Example:
        >>> importances(3)
        tensor([1.0000, 0.8000, 0.6400])
    """
    _checks.require_count("n_features", n_features)
    if not decay > 0:
        raise ValueError(f"decay must be positive, got {decay}. 1 weighs all alike.")
    return decay ** torch.arange(n_features, dtype=dtype)


def feature_indicators(
    x: Float[Tensor, "samples features"],
) -> Float[Tensor, "rows features"]:
    """The ground truth as vectors on the rows of a flattened kernel.

    Row ``(n, c)`` of the flattened kernel is sample n seen at output c. Feature i shows
    there where it is present, at its own output: the indicator has ``x[n, i]`` in row
    ``(n, i)`` and 0 elsewhere, normalised.

    Args:
        x: Samples, shape ``(n_samples, n_features)``.

    Returns:
        One unit column per feature, shape ``(n_samples * n_features, n_features)``, rows
        sample-major; zero for a feature that no sample has.

    Raises:
        ValueError: If ``x`` is not a finite matrix.

    Example:
        >>> feature_indicators(torch.tensor([[3.0, 0.0], [4.0, 1.0]])).T
        tensor([[0.6000, 0.0000, 0.8000, 0.0000],
                [0.0000, 0.0000, 0.0000, 1.0000]])
    """
    _checks.require_matrix("x", x)
    lengths = x.norm(dim=0)
    columns = x / torch.where(lengths > 0, lengths, 1.0)
    return torch.diag_embed(columns).flatten(0, 1)


def sample_indicators(
    x: Float[Tensor, "samples features"],
) -> Float[Tensor, "rows samples"]:
    """Single data points as vectors on the rows of a flattened kernel.

    The counterpart of `feature_indicators`: that of sample n has ``x[n, i]`` in row
    ``(n, i)`` and 0 on all other samples, normalised. A kernel whose eigenvectors are
    these moves the outputs on one sample without touching those on another.

    Args:
        x: Samples, shape ``(n_samples, n_features)``.

    Returns:
        One unit column per sample, shape ``(n_samples * n_features, n_samples)``, rows
        sample-major; zero for a sample without any feature. The columns are orthogonal.

    Raises:
        ValueError: If ``x`` is not a finite matrix.

    Example:
        >>> sample_indicators(torch.tensor([[3.0, 4.0], [0.0, 1.0]])).T
        tensor([[0.6000, 0.8000, 0.0000, 0.0000],
                [0.0000, 0.0000, 0.0000, 1.0000]])
    """
    _checks.require_matrix("x", x)
    lengths = x.norm(dim=1, keepdim=True)
    rows = x / torch.where(lengths > 0, lengths, 1.0)
    return torch.diag_embed(rows.mT).permute(1, 0, 2).flatten(0, 1)
