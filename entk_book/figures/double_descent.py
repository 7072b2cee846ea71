"""Chapter 8's figures."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_lib import plotting


def over_sizes(
    sizes: Sequence[int],
    series: Mapping[str, tuple[Float[Tensor, "seeds sizes"], str]],
    ax: Axes,
    *,
    scale: str = "linear",
) -> Axes:
    """Bands over the number of samples, on a logarithmic axis.

    Args:
        sizes: Numbers of samples.
        series: Values, one row a seed, and a colour, by label.
        ax: Where to draw.
        scale: Of the vertical axis.

    Returns:
        The axes.
    """
    for label, (values, color) in series.items():
        plotting.band(sizes, values, ax, label=label, color=color)
    ax.set(xscale="log", yscale=scale, xlabel="samples T")
    return ax


def plane(vectors: Float[Tensor, "2 n"], color: str, ax: Axes, *, most: int = 300) -> Axes:
    """Vectors in the hidden plane, as points, with rays from the middle if there are few.

    Args:
        vectors: In columns.
        color: Of points and rays.
        ax: Where to draw.
        most: So many are drawn.

    Returns:
        The axes.
    """
    some = vectors[:, :most]
    for across, up in some.T.tolist() if some.shape[1] <= 120 else ():
        ax.plot([0, across], [0, up], color=color, linewidth=0.7, alpha=0.6)
    ax.plot(*some, "o", color=color, markersize=3)
    reach = 1.15 * float(some.norm(dim=0).max())
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.set(xticks=[], yticks=[])
    return ax


def peaks(
    sizes: Sequence[int],
    curves: Mapping[float, Float[Tensor, "seeds sizes"]],
    expected: Mapping[float, float],
    ax: Axes,
) -> Axes:
    """Test loss over the number of samples for three sparsities, each peak as expected.

    Args:
        sizes: Numbers of samples.
        curves: Test losses by sparsity, one row a seed.
        expected: Place of the peak by sparsity.
        ax: Where to draw.

    Returns:
        The axes.
    """
    colors = (plotting.ORANGE, plotting.BLUE, plotting.GREEN)
    for (sparsity, curve), color in zip(curves.items(), colors, strict=True):
        plotting.band(sizes, curve, ax, label=f"S = {sparsity}", color=color)
        ax.axvline(expected[sparsity], color=color, linestyle="--", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="samples T", ylabel="test loss")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_yticks([0.8, 1, 2, 4], ["0.8", "1", "2", "4"])
    ax.minorticks_off()
    ax.legend()
    return ax
