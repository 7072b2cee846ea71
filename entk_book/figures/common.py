"""Figures that several chapters draw."""

from collections.abc import Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_lib import Cliff, plotting


def trained_and_untrained(
    trained: Float[Tensor, " k"],
    untrained: Float[Tensor, " m"],
    ax: Axes,
    *,
    cliffs: Sequence[Cliff] = (),
    relative: bool = True,
) -> Axes:
    """Two spectra in one figure: untrained in orange, trained in blue before it.

    Args:
        trained: Eigenvalues, descending.
        untrained: Eigenvalues, descending.
        ax: Where to draw.
        cliffs: Of the trained spectrum, to be marked.
        relative: Whether each spectrum is divided by its largest eigenvalue.

    Returns:
        The axes.
    """
    plotting.spectrum(
        untrained, ax, label="untrained", color=plotting.ORANGE, relative=relative
    )
    return plotting.spectrum(
        trained, ax, cliffs=cliffs, label="trained", color=plotting.BLUE, relative=relative
    )


def on_the_grid(vector: Float[Tensor, " pairs"], ax: Axes) -> Axes:
    """A vector on all pairs as a picture: a across, b up, zero in white.

    Args:
        vector: On all pairs, a major.
        ax: Where to draw.

    Returns:
        The axes.
    """
    modulus = round(len(vector) ** 0.5)
    limit = float(vector.abs().max())
    grid = vector.reshape(modulus, modulus).T.numpy()
    ax.imshow(grid, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    return ax
