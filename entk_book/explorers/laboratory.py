"""A network that trains where it is shown: its features, its spectrum, and its cliffs."""

from dataclasses import asdict
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from entk_book.explorers._explorer import Explorer, javascript, stylesheet
from entk_book.studies import laboratory as study
from entk_lib import (
    Spectrum,
    feature_alignment,
    find_cliffs,
    ntk_spectrum,
    plotting,
)
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

#: What the still picture is trained for.
STEPS = 2000
_PARTS = (
    "laboratory_core.js",
    "laboratory_view.js",
    "laboratory_words.js",
    "laboratory.js",
)
STYLE = stylesheet("laboratory.css")


def page_script() -> str:
    """For a page without a kernel: a classic script, which browsers also run from a file.

    Returns:
        JavaScript that puts the laboratory in the place of the picture of the figure
        ``fig-laboratory``, and leaves no name behind.
    """
    return (
        f'(() => {{\n"use strict";\n{javascript(*_PARTS, "laboratory_page.js")}\n}})();\n'
    )


class Laboratory(Explorer):
    """Train a small network that stores more features than it has units, and look on.

    Unlike the other explorers it holds no numbers: it computes them in the browser, the
    training as well as the kernel, its spectrum and what its eigenvectors find. The book's
    front page runs the same files.

    Args:
        **settings: Any of those of `entk_book.studies.laboratory.Settings`.

    Raises:
        ValueError: If a dial has no such value.

    Example:
        >>> Laboratory(features=6, hidden=3).settings.hidden
        3
    """

    _esm = javascript(*_PARTS) + "\nexport default { render };\n"
    _css = STYLE

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = study.Settings(**settings)
        self.show({}, settings=asdict(self.settings))

    def figure(self) -> Figure:
        """The network after 2,000 steps: its features and its spectrum.

        Returns:
            The figure that stands where no JavaScript runs.
        """
        x = study.data(self.settings)
        before = ntk_spectrum(study.network(self.settings), x, outputs="flatten")
        network = study.trained(self.settings, STEPS)
        after = ntk_spectrum(network, x, outputs="flatten")
        found = _found(after, self.settings)
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.3))
        _directions(network, set(found.values()), left)
        _spectrum(before, after, found, right)
        plt.close(figure)
        return figure

    def __repr__(self) -> str:
        return f"Laboratory({self.settings.address().replace('&', ', ')})"


def _found(spectrum: Spectrum, settings: study.Settings) -> dict[int, int]:
    """Features that an eigenvector finds and shuffled samples do not, by its rank."""
    x = study.data(settings)
    cliffs = find_cliffs(spectrum.eigenvalues)
    leading = max(settings.features, cliffs[-1].stop if cliffs else 0)
    vectors = spectrum.eigenvectors[:, :leading]
    own, null = (
        feature_alignment(vectors, superposition.feature_indicators(values))
        for values in (x, study.shuffled(x, settings))
    )
    passes = (own.amax(0) > 0.5) & (null.amax(0) <= 0.5)
    return {int(own[:, i].argmax()): i for i in range(len(passes)) if passes[i]}


def _directions(network: TiedAutoencoder, found: set[int], ax: Axes) -> None:
    columns = network.weight.detach().numpy()[:2].T
    ax.add_patch(Circle((0, 0), 1, fill=False, linestyle=":", color="0.6"))
    for i, (x, y) in enumerate(columns):
        color = plotting.BLUE if i in found else "0.4"
        ax.plot([0, x], [0, y], color=color)
        ax.plot(x, y, "o", markersize=15, color=color)
        ax.annotate(str(i + 1), (x, y), color="white", ha="center", va="center")
    reach = 1.25 * max(1.0, float(np.abs(columns).max()))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.axis("off")
    ax.set_title("Features, as directions")


def _spectrum(before: Spectrum, after: Spectrum, found: dict[int, int], ax: Axes) -> None:
    for spectrum, color, label in (
        (before, plotting.ORANGE, "before training"),
        (after, plotting.BLUE, "after"),
    ):
        values = spectrum.eigenvalues / spectrum.eigenvalues[0]
        cliffs = find_cliffs(values) if label == "after" else ()
        plotting.spectrum(values, ax, cliffs=cliffs, label=label, color=color)
    for rank, feature in found.items():
        height = float(after.eigenvalues[rank] / after.eigenvalues[0])
        ax.annotate(
            str(feature + 1),
            (rank + 1, height),
            (0, 6),
            textcoords="offset points",
            ha="center",
        )
    ax.set(ylabel="eigenvalue / largest", ylim=(1e-3, 2))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title("Spectrum of its tangent kernel")
    ax.legend(loc="lower left")
