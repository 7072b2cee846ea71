"""Chapter 8's figures."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.axes import Axes
from torch import Tensor

from entk_book.studies.peaks import Peak
from entk_lib import plotting


def over_sizes(
    sizes: Sequence[int],
    series: Mapping[str, tuple[Float[Tensor, "seeds sizes"], str]],
    ax: Axes,
    *,
    scale: str = "linear",
    live: Mapping[str, Float[Tensor, " sizes"]] | None = None,
) -> Axes:
    """Bands over the number of samples, on a logarithmic axis.

    Args:
        sizes: Numbers of samples.
        series: Values, one row a seed, and a colour, by label.
        ax: Where to draw.
        scale: Of the vertical axis.
        live: Values of a network that was trained just now, as crosses; by label.

    Returns:
        The axes.
    """
    for label, (values, color) in series.items():
        plotting.band(sizes, values, ax, label=label, color=color)
    for i, (label, values) in enumerate((live or {}).items()):
        told = None if i else "live"
        ax.plot(sizes, values, "x", color=series[label][1], markersize=5, label=told)
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


def peaks(some: Sequence[Peak], ax: Axes) -> Axes:
    """Test loss over the number of samples for three sparsities, each peak as expected.

    Args:
        some: One a sparsity.
        ax: Where to draw.

    Returns:
        The axes.
    """
    colors = (plotting.ORANGE, plotting.BLUE, plotting.GREEN)
    for peak, color in zip(some, colors, strict=True):
        label = f"S = {peak.setting.sparsity}"
        plotting.band(list(peak.sizes), peak.losses, ax, label=label, color=color)
        ax.axvline(peak.setting.expected, color=color, linestyle="--", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="samples T", ylabel="test loss")
    ax.set_xticks([4, 16, 64, 256], ["4", "16", "64", "256"])
    ax.set_yticks([0.8, 1, 2, 4], ["0.8", "1", "2", "4"])
    ax.minorticks_off()
    ax.legend()
    return ax


def places(some: Sequence[Peak], ax: Axes) -> Axes:
    """Where the test loss peaks, over where the rule expects it, one point a setting.

    Args:
        some: Peaks.
        ax: Where to draw.

    Returns:
        The axes.
    """
    ax.plot([10, 200], [10, 200], color=plotting.BLACK, linewidth=1)
    looks = {
        50: (plotting.ORANGE, "s"),
        100: (plotting.BLUE, "o"),
        200: (plotting.GREEN, "^"),
        400: (plotting.VERMILION, "D"),
    }
    for n, (color, marker) in looks.items():
        group = [peak for peak in some if peak.setting.n_features == n]
        expected = [peak.setting.expected for peak in group]
        found = [peak.found for peak in group]
        ax.plot(expected, found, marker, color=color, label=f"n = {n}", alpha=0.8)
    ax.set(xscale="log", yscale="log", xlabel="expected (samples)", ylabel="found")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks([10, 20, 50, 100, 200], ["10", "20", "50", "100", "200"])
    ax.minorticks_off()
    ax.legend()
    return ax


def rows_and_modes(
    sizes: Sequence[int],
    counts: Mapping[str, Float[Tensor, "seeds sizes"]],
    spread: Mapping[str, Float[Tensor, "seeds sizes"]],
    n_parameters: int,
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """Rows that count, and over how many modes the kernel spreads.

    Args:
        sizes: Numbers of samples.
        counts: Open rows, present features and ranks, by name.
        spread: Participation ratios, trained and untrained.
        n_parameters: Of the network.
        axes: Two, side by side.

    Returns:
        The axes.
    """
    left, right = axes
    colors = (plotting.BLUE, plotting.GREEN, plotting.ORANGE)
    series = {k: (v, c) for (k, v), c in zip(counts.items(), colors, strict=True)}
    over_sizes(sizes, series, left, scale="log")
    plotting.chance_line(n_parameters, left, label="parameters")
    left.set_ylim(20, 2e3)
    colors = (plotting.BLUE, plotting.ORANGE)
    series = {k: (v, c) for (k, v), c in zip(spread.items(), colors, strict=True)}
    over_sizes(sizes, series, right)
    right.set_ylabel("participation ratio")
    for ax in axes:
        ax.legend(loc="lower right")
    return axes


def points_and_features(
    sizes: Sequence[int],
    points: Mapping[str, Float[Tensor, "seeds sizes"]],
    held: Float[Tensor, "seeds sizes 2"],
    held_start: Float[Tensor, "seeds 2"],
    chances: tuple[float, float],
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """Data points in five modes, and five features in reach of kernels and in their modes.

    Args:
        sizes: Numbers of samples.
        points: Shares of data points, trained and untrained.
        held: Shares of features within reach, and in ten modes of W.
        held_start: The same of untrained networks.
        chances: Of data points, and of features within reach.
        axes: Two, side by side.

    Returns:
        The axes.
    """
    left, right = axes
    colors = (plotting.ORANGE, plotting.SKY)
    series = {k: (v, c) for (k, v), c in zip(points.items(), colors, strict=True)}
    over_sizes(sizes, series, left)
    plotting.chance_line(chances[0], left)
    left.set(ylabel="share", title="of five modes, in data points")
    left.legend()
    names = {"within reach": plotting.BLUE, "in ten modes of W": plotting.GREEN}
    for i, (name, color) in enumerate(names.items()):
        over_sizes(sizes, {name: (held[:, :, i], color)}, right)
        median = float(held_start[:, i].median())
        right.axhline(median, color=color, ls="--", linewidth=1)
    plotting.chance_line(chances[1], right, label="chance, within reach")
    right.set_title("of five features, in kernels")
    right.legend(loc="upper left")
    return axes


def regressions(
    sizes: Sequence[int],
    losses: Mapping[str, Float[Tensor, "seeds sizes"]],
    agreement: Mapping[str, Float[Tensor, "seeds sizes"]],
    axes: Sequence[Axes],
) -> Sequence[Axes]:
    """Test losses of a network and of regressions, and how well these describe it.

    Args:
        sizes: Numbers of samples.
        losses: Of the network, of its kernel, of the untrained kernel.
        agreement: R² with the network, around the model and around zero, the latter with
            two ridges.
        axes: Two, side by side.

    Returns:
        The axes.
    """
    left, right = axes
    colors = (plotting.BLUE, plotting.GREEN, plotting.ORANGE)
    series = {k: (v, c) for (k, v), c in zip(losses.items(), colors, strict=True)}
    over_sizes(sizes, series, left, scale="log")
    left.set(ylabel="test loss", ylim=(0.7, 60))
    left.legend()
    colors = (plotting.SKY, plotting.GREEN, plotting.PURPLE)
    series = {k: (v, c) for (k, v), c in zip(agreement.items(), colors, strict=True)}
    over_sizes(sizes, series, right)
    plotting.chance_line(0, right, label="nothing explained")
    right.set(ylabel="R² with the network", ylim=(-2, 1.1))
    right.legend(loc="lower right")
    return axes
