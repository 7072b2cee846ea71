"""Superposition: sparsity, hidden width and beta against spectrum, cliffs and alignment."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from entk_book.explorers._explorer import Explorer, javascript, quantised
from entk_book.studies.superposition_grid import Grid
from entk_lib import plotting
from entk_lib.spectra import find_cliffs

_ALIGNMENT = "trained alignment"


class Superposition(Explorer):
    """Spectrum, cliffs and alignment of toy models over sparsity, hidden width and beta.

    Args:
        grid: What the dials choose from, as `entk_book.studies.superposition_grid` stores
            it, or measures it in networks of your own.
        start: Indices of sparsity, width and beta to show first.
        figure_name: The figure in a page of the book that this explorer replaces.
    """

    _esm = javascript("superposition.js")

    def __init__(
        self,
        grid: Grid,
        *,
        start: tuple[int, int, int] = (0, 0, 0),
        figure_name: str = "",
    ) -> None:
        super().__init__(figure_name=figure_name)
        self.update(grid, start=start)

    def update(self, grid: Grid, *, start: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Show another grid; in a live kernel the figure follows.

        Args:
            grid: As for the class.
            start: As for the class.
        """
        arrays = {**grid.arrays, _ALIGNMENT: quantised(grid.arrays[_ALIGNMENT])}
        self.show(
            arrays,
            dials=[
                {"label": "sparsity S", "texts": [f"{s:g}" for s in grid.sparsities]},
                {"label": "hidden units", "texts": [f"{w}" for w in grid.widths]},
                {
                    "label": "β, importance in the kernel",
                    "texts": [f"{b:g}" for b in grid.betas],
                },
            ],
            start=list(start),
        )
        self._drawn = {
            name: array[start] for name, array in grid.arrays.items() if " " in name
        }
        self._title = (
            f"S = {grid.sparsities[start[0]]:g}, {grid.widths[start[1]]} hidden units"
        )

    def figure(self) -> Figure:
        """The first setting: spectrum and alignment.

        Returns:
            The figure that stands where no JavaScript runs.
        """
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.6))
        for state, color in (
            ("untrained", plotting.ORANGE),
            ("trained", plotting.BLUE),
        ):
            values = self._drawn[f"{state} eigenvalues"]
            values = values[values > 0]
            cliffs = find_cliffs(values) if state == "trained" else ()
            plotting.spectrum(values, left, cliffs=cliffs, label=state, color=color)
        left.set(title=self._title, ylabel="eigenvalue / largest")
        left.legend()
        image = plotting.alignment(self._drawn[_ALIGNMENT], right)
        figure.colorbar(image, ax=right, label="|cosine|")
        plt.close(figure)
        return figure
