"""Chapter 4's figures."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from entk_book.studies.grokking import Courses
from entk_book.studies.grokking_rungs import Ladder
from entk_lib import plotting

COLORS = {
    "learns": plotting.BLUE,
    "shuffled labels": plotting.ORANGE,
    "little data": plotting.GREEN,
}
_FAMILIES = {
    "a": (plotting.ORANGE, "-."),
    "b": (plotting.PURPLE, ":"),
    "sum": (plotting.BLUE, "-"),
    "difference": (plotting.GREEN, "--"),
}


def course(
    series: Mapping[str, Sequence[int | float]],
    axes: Sequence[Axes],
    *,
    accuracy_by_chance: float,
    overlap_by_chance: float,
) -> Sequence[Axes]:
    """One training in three panels: accuracies, overlaps with four families, two ratios.

    Args:
        series: By name, ``"step"`` among them.
        axes: Three.
        accuracy_by_chance: Of a guess.
        overlap_by_chance: Of two random spans.

    Returns:
        The axes.
    """
    steps, (left, middle, right) = series["step"], axes
    for name, color in (("train", plotting.ORANGE), ("test", plotting.BLUE)):
        left.plot(steps, series[name], color=color, label=f"{name} pairs")
    plotting.chance_line(accuracy_by_chance, left)
    left.set_ylabel("accuracy")
    for name, (color, line) in _FAMILIES.items():
        middle.plot(steps, series[name], line, color=color, label=name)
    plotting.chance_line(overlap_by_chance, middle)
    middle.set_ylabel("overlap of modes 57–112 (of 28)")  # ruff: ignore[ambiguous-unicode-character-string]
    for place, color in ((57, plotting.ORANGE), (113, plotting.BLUE)):
        right.plot(steps, series[f"ratio at {place}"], color=color, label=f"at {place}")
    right.axhline(1, color=plotting.BLACK, linewidth=1, linestyle=":")
    right.set_ylabel("ratio of neighbouring eigenvalues")
    for ax in axes:
        ax.set_xlabel("step")
        ax.legend()
    return axes


def by_kind(courses: Courses, name: str, ax: Axes) -> Axes:
    """One quantity over training, a band for each kind of run.

    Args:
        courses: Of all runs.
        name: Of the quantity.
        ax: Where to draw.

    Returns:
        The axes.
    """
    for kind, color in COLORS.items():
        plotting.band(courses.times, courses.of(kind, name), ax, label=kind, color=color)
    return ax


def rates(courses: Courses, ax: Axes) -> Axes:
    """How fast the sum overlap and the test accuracy grow in networks that learn.

    Args:
        courses: Of all runs.
        ax: Where to draw.

    Returns:
        The axes.
    """
    middles, overlap = courses.rates("sum overlap")
    plotting.band(middles, overlap, ax, label="sum overlap, per step")
    _, tests = courses.rates("test accuracy")
    label = "10 × test accuracy, per step"  # ruff: ignore[ambiguous-unicode-character-string]
    plotting.band(middles, 10 * tests, ax, label=label, color=plotting.VERMILION)
    ax.set(xlabel="step", ylabel="rate of change", ylim=(-0.05, 0.75))
    ax.legend(loc="upper right")
    return ax


def against_threshold(
    courses: Courses, name: str, threshold: float, left_chance: int | float, ax: Axes
) -> Axes:
    """One quantity over training, its threshold, and the time after test accuracy rises.

    Args:
        courses: Of all runs.
        name: Of the quantity.
        threshold: The fixed one.
        left_chance: The first step at which a test accuracy leaves chance.
        ax: Where to draw.

    Returns:
        The axes.
    """
    by_kind(courses, name, ax)
    ax.axhline(
        threshold,
        color=plotting.BLACK,
        linewidth=1,
        linestyle="--",
        label="fixed threshold",
    )
    ax.axvspan(
        left_chance,
        courses.times[-1],
        color=plotting.BLACK,
        alpha=0.06,
        linewidth=0,
        label="test accuracy above 10 %",
    )
    ax.set_title(name)
    return ax


def ladder(
    found: Ladder, modulus: int, fractions: Sequence[float], names: Sequence[str], ax: Axes
) -> Axes:
    """When each sign sets in, over the share of the pairs trained on; a point a network.

    Args:
        found: All runs.
        modulus: What the networks add by.
        fractions: Shares of the pairs.
        names: Quantities; the test accuracy is drawn where it passes 10 %.
        ax: Where to draw.

    Returns:
        The axes.
    """
    looks = ((plotting.GREEN, "^"), (plotting.BLUE, "o"), (plotting.SKY, "s"))
    colors = dict(zip(names, looks, strict=False)) | {
        "test accuracy": (plotting.VERMILION, "x")
    }
    for i, (name, (color, marker)) in enumerate(colors.items()):
        points = []
        for fraction in fractions:
            runs = found.of(modulus, "learns", fraction)
            onsets = (
                found.left_chance(runs)
                if name == "test accuracy"
                else found.onsets(name, runs, modulus)
            )
            across = 100 * fraction + 0.7 * (i - (len(colors) - 1) / 2)
            points += [(across, at) for at in onsets if at is not None]
        x, y = zip(*points, strict=True) if points else ((), ())
        ax.plot(x, y, marker, color=color, linestyle="none", label=name, alpha=0.8)
    ax.set(yscale="log", xlabel="pairs trained on (%)", title=f"modulus {modulus}")
    ax.set_yticks([30, 100, 300, 1000], ["30", "100", "300", "1,000"])
    ax.set(ylim=(25, 1300), xlim=(100 * min(fractions) - 3, 100 * max(fractions) + 3))
    ax.minorticks_off()
    return ax
