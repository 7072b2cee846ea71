"""Figures: every function draws data on given axes and returns them.

Colours are from the Okabe-Ito palette, which colour-blind readers can tell apart.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.rcsetup import cycler
from torch import Tensor

from entk_lib.spectra import Cliff

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, BLACK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#000000",
)
# Of words, and of what frames the data: as in the book's pages.
INK, GREY = "#1d2125", "#56606b"


def style() -> dict[str, object]:
    """Settings of the book's figures, for ``plt.rcParams.update``.

    Returns:
        Matplotlib settings: readable sizes, colours in the palette's order, axes and grid
        in a grey that stays behind the data, no frame above and at the right.
    """
    return {
        "figure.dpi": 110,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.labelsize": 10,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "legend.fontsize": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.edgecolor": GREY,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.linewidth": 0.8,
        "xtick.major.width": 0.8,
        "ytick.major.width": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": GREY,
        "grid.linewidth": 0.6,
        "grid.alpha": 0.25,
        "axes.prop_cycle": cycler(
            color=[BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK]
        ),
        "lines.linewidth": 1.6,
        "legend.frameon": False,
        "svg.hashsalt": "entk",
        "image.interpolation": "nearest",
    }


def spectrum(
    eigenvalues: Float[Tensor, " k"],
    ax: Axes,
    *,
    cliffs: Sequence[Cliff] = (),
    label: str | None = None,
    color: str = BLUE,
    relative: bool = False,
) -> Axes:
    """Eigenvalues on a logarithmic scale, each cliff a vertical line with its index.

    Args:
        eigenvalues: In descending order, positive.
        ax: Where to draw.
        cliffs: As `entk_lib.find_cliffs` returns them.
        label: For the legend.
        color: Of the markers.
        relative: Divide by the largest eigenvalue.

    Returns:
        The axes.
    """
    values = _array(eigenvalues)
    values = values / values[0] if relative else values
    rank = np.arange(1, len(values) + 1)
    ax.semilogy(rank, values, ".", markersize=4, color=color, label=label)
    for cliff in cliffs:
        ax.axvline(cliff.stop + 0.5, color=VERMILION, linewidth=1, linestyle="--")
        ax.annotate(
            f"{cliff.stop}",
            (cliff.stop + 0.5, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -3),
            textcoords="offset points",
            va="top",
            color=VERMILION,
        )
    ax.set_xlabel("rank of eigenvalue")
    ax.set_ylabel("eigenvalue / largest" if relative else "eigenvalue")
    return ax


def alignment(values: Float[Tensor, "k f"], ax: Axes) -> AxesImage:
    """Heatmap of alignments between eigenvectors (down) and features (across), 0 to 1.

    Args:
        values: As `entk_lib.feature_alignment` returns them, shape ``(k, f)``.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    image = ax.imshow(_array(values), vmin=0, vmax=1, cmap="viridis", aspect="auto")
    ax.set_xlabel("feature")
    ax.set_ylabel("eigenvector")
    ax.grid(visible=False)
    return image


def gram(matrix: Float[Tensor, "f f"], ax: Axes) -> AxesImage:
    """Signed square matrix such as ``W^T W`` on a diverging scale that centres on 0.

    Args:
        matrix: Shape ``(f, f)``.
        ax: Where to draw.

    Returns:
        The image, for a colour bar.
    """
    image = ax.imshow(_array(matrix), vmin=-1.2, vmax=1.2, cmap="RdBu_r")
    ax.set_xlabel("feature")
    ax.set_ylabel("feature")
    ax.grid(visible=False)
    return image


def band(
    x: Sequence[int | float],
    series: Float[Tensor, "seeds points"],
    ax: Axes,
    *,
    label: str,
    color: str = BLUE,
) -> Axes:
    """Median over seeds as a line, the range over seeds as a band.

    Args:
        x: Positions of the points.
        series: One row a seed, shape ``(seeds, points)``.
        ax: Where to draw.
        label: For the legend.
        color: Of line and band.

    Returns:
        The axes.
    """
    values = _array(series)
    ax.fill_between(x, values.min(0), values.max(0), color=color, alpha=0.2, linewidth=0)
    ax.plot(x, np.median(values, axis=0), color=color, label=label)
    return ax


def chance_line(value: int | float, ax: Axes, *, label: str = "chance") -> Axes:
    """Horizontal line at what chance gives.

    Args:
        value: Height of the line.
        ax: Where to draw.
        label: For the legend.

    Returns:
        The axes.
    """
    ax.axhline(value, color=BLACK, linewidth=1, linestyle=":", label=label)
    return ax


def _array(values: Tensor) -> np.ndarray:
    return torch.as_tensor(values).detach().cpu().numpy()
