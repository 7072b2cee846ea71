"""Chapter 3's figures."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from entk_book.studies.modular_addition import LearningCurves
from entk_lib import Spectrum, plotting
from entk_lib.toys.models import QuadraticMLP

_PALETTE = (plotting.BLUE, plotting.ORANGE, plotting.GREEN, plotting.PURPLE)


def learning(curves: LearningCurves, chance: float, ax: Axes, *, last: int = 250) -> Axes:
    """Accuracies over training: medians, and the range over seeds as a band.

    Args:
        curves: Of several networks.
        chance: Accuracy of a guess.
        ax: Where to draw.
        last: Last step that is shown.

    Returns:
        The axes.
    """
    for name, color in (("train", plotting.ORANGE), ("test", plotting.BLUE)):
        series = getattr(curves, name)
        plotting.band(curves.steps, series, ax, label=f"{name} pairs", color=color)
    plotting.chance_line(chance, ax)
    ax.set(xlabel="step", ylabel="accuracy", xlim=(0, last))
    ax.legend()
    return ax


def unit_weights(model: QuadraticMLP, unit: int, ax: Axes) -> Axes:
    """What one hidden unit sees of a and of b.

    Args:
        model: On one-hot pairs.
        unit: Index of the unit.
        ax: Where to draw.

    Returns:
        The axes.
    """
    halves = model.first.weight.detach()[unit].chunk(2)
    styles = (("a", plotting.BLUE, "o"), ("b", plotting.ORANGE, "s"))
    for weights, (part, color, marker) in zip(halves, styles, strict=True):
        label = f"weights of {part}"
        ax.plot(weights, f"{marker}-", color=color, markersize=3, label=label)
    ax.set(xlabel="residue", ylabel="weight", title=f"hidden unit {unit}")
    ax.set_ylim(top=1.5 * ax.get_ylim()[1])
    ax.legend(ncols=2, loc="upper center")
    return ax


def shares(values: Mapping[str, Float[Tensor, " units"]], ax: Axes) -> Axes:
    """Histograms of the share of the strongest frequency, trained and untrained.

    Args:
        values: Shares by ``"trained"`` and ``"untrained"``.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for name, color in (("trained", plotting.BLUE), ("untrained", plotting.ORANGE)):
        ax.hist(values[name], bins=30, range=(0, 1), color=color, alpha=0.6, label=name)
    ax.set(xlabel="share of the strongest frequency", ylabel="hidden units")
    ax.legend()
    return ax


def rival_spectra(
    spectra: Mapping[str, Spectrum],
    places: tuple[int, int],
    axes: Sequence[Axes],
    *,
    last: int = 150,
) -> None:
    """Spectra of several matrices side by side, in the colours of their eigenspaces.

    Args:
        spectra: By the matrix's name.
        places: Numbers of eigenvalues above both places where the kernel has its cliffs.
        axes: One a matrix.
        last: Number of eigenvalues that are shown.
    """
    blocks = ((0, places[0]), places, (places[1], last))
    for ax, (name, spectrum) in zip(axes, spectra.items(), strict=True):
        values = spectrum.eigenvalues / spectrum.eigenvalues[0]
        for (start, stop), color in zip(blocks, _PALETTE, strict=False):
            ax.plot(range(start, stop), values[start:stop], ".", ms=3, color=color)
        for place in places:
            ax.axvline(place - 0.5, color=plotting.VERMILION, lw=1, ls="--")
        ax.set(yscale="log", xlabel="index", title=name)
    axes[0].set_ylabel("eigenvalue / largest")


def waves(alignment: Float[Tensor, "k f"], cliffs: Sequence[int], ax: Axes) -> AxesImage:
    """Alignment of eigenvectors, without the constant, with the waves of four families.

    Args:
        alignment: Eigenvectors down, waves of a, b, sum and difference across.
        cliffs: Numbers of eigenvalues above each.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    image = plotting.alignment(alignment, ax)
    for stop in cliffs:
        ax.axhline(stop - 1.5, color="white", linewidth=1, linestyle="--")
    n = alignment.shape[1] / 4
    middles = [n * (i + 0.5) - 0.5 for i in range(4)]
    ax.set_xticks(middles, ["a", "b", "a + b", "a − b"])  # ruff: ignore[ambiguous-unicode-character-string]
    ax.set_xlabel(f"family, {n:.0f} frequencies each")
    ax.set_ylabel("eigenvector, without the constant")
    return image
