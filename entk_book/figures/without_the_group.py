"""Chapter 7's figures."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from torch import Tensor

from entk_book.studies.families_elsewhere import Voted
from entk_lib import Families, plotting


def frequency_axis(title: str, ax: Axes) -> Axes:
    """Fourteen frequencies across.

    Args:
        title: Of the axes.
        ax: Which axes.

    Returns:
        The axes.
    """
    ax.set(title=title, xlabel="frequency")
    ax.set_xticks([0, 6, 13], ["1", "7", "14"])
    return ax


def affinities(trained: Families, untrained: Families, title: str, ax: Axes) -> Axes:
    """Eigenvalues of the affinities, with the number of families that was found.

    Args:
        trained: What was found.
        untrained: What was found before training.
        title: Of the axes.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for label, found, color, marker in (
        ("untrained", untrained, plotting.ORANGE, "x"),
        ("trained", trained, plotting.BLUE, "."),
    ):
        values = found.eigenvalues[1:30]
        ax.plot(range(2, 2 + len(values)), values, marker, color=color, label=label)
    ax.set(xlabel="rank", title=title)
    place = len(trained.bases) + 0.5
    ax.axvline(place, color=plotting.VERMILION, linestyle="--", linewidth=1)
    return ax


def families(shared: Float[Tensor, "families frequencies"], ax: Axes) -> AxesImage:
    """Dimensions that each family shares with each frequency, in order of its own.

    Args:
        shared: From 0 to 4.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    order = shared.argmax(1).argsort()
    image = ax.imshow(shared[order].numpy(), vmin=0, vmax=4, cmap="viridis")
    ax.grid(visible=False)
    ax.set_yticks([])
    return image


def ways(shared: Mapping[str, Mapping[str, Sequence[float]]], ax: Axes) -> Axes:
    """Mean shared dimensions of every seed by each way, the best way on top.

    Args:
        shared: By way and eigenspace, one number a seed.
        ax: Where to draw.

    Returns:
        The axes.
    """
    order = sorted(shared, key=lambda way: sum(shared[way]["first"]))
    for name, color, marker, lift in (
        ("first", plotting.BLUE, "o", 0.12),
        ("second", plotting.ORANGE, "^", -0.12),
    ):
        for row, way in enumerate(order):
            values = shared[way][name]
            ax.plot(
                values,
                [row + lift] * len(values),
                marker,
                color=color,
                markersize=5,
                alpha=0.7,
                label=f"{name} eigenspace" if row == 0 else None,
            )
    ax.set(xlabel="mean shared dimensions, of 4", xlim=(0, 4.1))
    ax.set_yticks(range(len(order)), order)
    return ax


def scores(transformers: Sequence[Voted], ax: Axes) -> Axes:
    """Scores of Transformers over their accuracy on the pairs left out.

    Args:
        transformers: What was found, one a seed.
        ax: Where to draw.

    Returns:
        The axes.
    """
    accuracy = [one.accuracy for one in transformers]
    for span, color, marker, label in (
        ("untrained", plotting.ORANGE, "x", "components, untrained"),
        ("modes", plotting.GREEN, "^", "kernel's modes"),
        ("components", plotting.BLUE, "o", "components"),
    ):
        heights = [getattr(one, span).score for one in transformers]
        ax.plot(accuracy, heights, marker, color=color, label=label)
    ax.axhline(2.5, color=plotting.BLACK, linewidth=1, linestyle="--")
    ax.set(
        xlabel="accuracy of the trained network on the pairs left out",
        ylabel="score",
        ylim=(0, None),
    )
    ax.legend(loc="upper left")
    return ax
