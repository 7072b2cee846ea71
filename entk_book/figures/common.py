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
