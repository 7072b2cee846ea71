"""Chapter 1's figures."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.tangent_kernel import ANGLES, FINE, Predicted, on_circle, target
from entk_lib import Spectrum, plotting


def on_the_circle(one: Predicted, ax: Axes) -> Axes:
    """A trained network, what its kernel at the start predicted, and the training data.

    Args:
        one: Network and prediction.
        ax: Where to draw.

    Returns:
        The axes.
    """
    points = on_circle(FINE)
    with torch.no_grad():
        trained = one.network(points)
    ax.plot(FINE, trained, color=plotting.BLUE, label="trained network")
    predicted, label = one.before(points), "kernel at the start"
    ax.plot(FINE, predicted, "--", color=plotting.VERMILION, label=label)
    ax.plot(ANGLES, target(ANGLES), "o", color=plotting.BLACK, label="training data")
    ax.set_xlabel("angle on the circle (rad)")
    return ax


def predictions(
    trained: Float[Tensor, "m 1"],
    start: Float[Tensor, "m 1"],
    end: Float[Tensor, "m 1"],
    ax: Axes,
) -> Axes:
    """What the kernels at the start and at the end predict, over the trained network.

    Args:
        trained: Outputs of the network.
        start: Predicted by its kernel at the start.
        end: Predicted by its kernel at the end.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for values, label, color in (
        (start, "kernel at the start", plotting.ORANGE),
        (end, "kernel at the end", plotting.BLUE),
    ):
        ax.plot(trained, values, ".", color=color, markersize=4, label=label)
    ax.axline((0, 0), slope=1, color=plotting.BLACK, linewidth=1)
    ax.set(xlabel="trained network", ylabel="prediction")
    ax.legend()
    return ax


def on_the_way(
    steps: Sequence[int], curves: Mapping[str, Float[Tensor, "seeds steps"]], ax: Axes
) -> Axes:
    """What the kernel of each snapshot describes: bands over seeds.

    Args:
        steps: Of the snapshots.
        curves: R² by regression, one row a seed.
        ax: Where to draw.

    Returns:
        The axes.
    """
    colors = (plotting.BLUE, plotting.GREEN, plotting.PURPLE)
    for (label, curve), color in zip(curves.items(), colors, strict=True):
        plotting.band(steps, curve.clamp_min(-0.5), ax, label=label, color=color)
    plotting.chance_line(0, ax, label="predicting the mean")
    ax.set(xlabel="training step", ylabel="R² on fresh inputs")
    ax.legend(loc="lower right", fontsize=8)
    return ax


def distances(
    widths: Sequence[int], errors: Mapping[int, Float[Tensor, "seeds widths"]], ax: Axes
) -> Axes:
    """Distance to the limit over the width, beside a slope of minus one half.

    Args:
        widths: Hidden units.
        errors: By number of hidden layers, one row a seed.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for (depth, values), color in zip(
        errors.items(), (plotting.BLUE, plotting.ORANGE), strict=True
    ):
        low, high = values.min(0).values, values.max(0).values
        ax.fill_between(widths, low, high, color=color, alpha=0.2)
        rms = values.square().mean(0).sqrt()
        label = f"{depth} hidden layer{'s' * (depth > 1)}"
        ax.loglog(widths, rms, "o-", color=color, label=label)
    line = 1.2 * torch.tensor(widths) ** -0.5
    label = "slope −1/2"  # ruff: ignore[ambiguous-unicode-character-string]
    ax.loglog(widths, line, "--", color=plotting.BLACK, linewidth=1, label=label)
    ax.set(xlabel="width", ylabel="relative error")
    ax.legend()
    return ax


def second_eigenvectors(
    positions: Float[Tensor, " n"], copies: Sequence[Spectrum], ax: Axes
) -> Axes:
    """The second eigenvector of three copies of one kernel.

    Args:
        positions: Of the points, in rad.
        copies: Spectra.
        ax: Where to draw.

    Returns:
        The axes.
    """
    colors = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)
    for copy, color in zip(copies, colors, strict=True):
        ax.plot(positions, copy.eigenvectors[:, 1], color=color)
    ax.set(xlabel="position on the ring (rad)", ylabel="entry of eigenvector 2")
    return ax
