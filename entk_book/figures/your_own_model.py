"""The figures of "Bring your own model"."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

import entk_lib as entk
from entk_lib import Spectrum, plotting

_COLORS = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.PURPLE)
_MARKS = (("o", plotting.BLUE), ("^", plotting.VERMILION))


def leading(spectra: Mapping[str, Spectrum], n_expected: int, ax: Axes) -> Axes:
    """The 30 largest eigenvalues of some kernels, each divided by its largest.

    Args:
        spectra: By name, at most four.
        n_expected: After so many one might expect a cliff; marked.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for (name, spectrum), color in zip(spectra.items(), _COLORS, strict=False):
        values = spectrum.eigenvalues[:30]
        plotting.spectrum(values, ax, label=name, color=color, relative=True)
    ax.axvline(n_expected + 0.5, color=plotting.BLACK, linewidth=0.8, linestyle=":")
    ax.legend()
    return ax


def shared_dimensions(
    found: Mapping[str, Mapping[str, Sequence[float]]],
    chance: float,
    n_dimensions: int,
    ax: Axes,
) -> Axes:
    """Dimensions shared with a feature: a row for each kind of networks, a mark for each.

    Args:
        found: By kind, and by the samples that they were asked on, one a network.
        chance: What a random subspace shares.
        n_dimensions: The most that can be shared.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for row, by_samples in enumerate(found.values()):
        for i, (name, values) in enumerate(by_samples.items()):
            marker, color = _MARKS[i]
            place = [row - 0.15 + 0.3 * i] * len(values)
            label = f"{name} samples" if row == 0 else None
            ax.plot(values, place, marker, color=color, label=label)
    line = {"color": plotting.BLACK, "linewidth": 1, "linestyle": ":"}
    ax.axvline(chance, label="chance", **line)
    ax.set(yticks=range(len(found)), yticklabels=list(found), xlim=(0, n_dimensions))
    ax.set_xlabel(f"dimensions shared with the {n_dimensions} classes")
    ax.invert_yaxis()
    ax.legend(loc="upper left", bbox_to_anchor=(0.05, 1))
    return ax


def alignments(
    bases: Mapping[str, Float[Tensor, "n vectors"]],
    features: Float[Tensor, "n features"],
    axes: Sequence[Axes],
) -> AxesImage:
    """Vectors against features, one panel a basis, in the order of the best feature.

    Args:
        bases: Orthonormal columns by name.
        features: One in each column.
        axes: Where to draw, one a basis.

    Returns:
        The last image, for a colour bar.

    Raises:
        ValueError: If there are not as many axes as bases, or none.
    """
    if not bases or len(bases) != len(axes):
        raise ValueError(
            f"axes must be as many as bases, at least one, got {len(axes)} and "
            f"{len(bases)}."
        )
    images = []
    for ax, (name, basis) in zip(axes, bases.items(), strict=True):
        aligned = entk.feature_alignment(basis, features)
        by_feature = aligned[torch.argsort(aligned.argmax(1), stable=True)]
        images.append(plotting.alignment(by_feature, ax))
        ax.set(title=name, xlabel="class", xticks=range(0, features.shape[1], 3))
        ax.label_outer()
    return images[-1]
