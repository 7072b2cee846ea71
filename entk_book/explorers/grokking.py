"""Grokking: scrub through a training; accuracy, spectrum and overlaps move together."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from entk_book.explorers._explorer import Explorer, javascript
from entk_book.studies.grokking_story import course
from entk_lib import plotting
from entk_lib.features import chance_overlap
from entk_lib.toys.tasks import modular_addition

__all__ = ["Grokking", "course"]


class Grokking(Explorer):
    """Trainings on modular addition, step by step.

    Args:
        courses: By the name of the run, each as `entk_book.explorers.grokking.course`
            returns it; all with the same steps.
        modulus: The p of the task.
        start: Which step to show first, an index.
        figure_name: The figure in a page of the book that this explorer replaces.

    Raises:
        ValueError: If there is no run, or steps differ from run to run.
    """

    _esm = javascript("grokking.js")

    def __init__(
        self,
        courses: Mapping[str, Mapping[str, Tensor]],
        *,
        modulus: int,
        start: int = 0,
        figure_name: str = "",
    ) -> None:
        super().__init__(figure_name=figure_name)
        self.update(courses, modulus=modulus, start=start)

    def update(
        self,
        courses: Mapping[str, Mapping[str, Tensor]],
        *,
        modulus: int,
        start: int = 0,
    ) -> None:
        """Show other trainings; in a live kernel the figure follows.

        Args:
            courses: As for the class.
            modulus: As for the class.
            start: As for the class.

        Raises:
            ValueError: If there is no run, or steps differ from run to run.
        """
        every = [run["step"].tolist() for run in courses.values()]
        if not every or any(steps != every[0] for steps in every):
            raise ValueError(
                f"courses must be at least one run, all with the same steps, got {every}. "
                "Take snapshots at the same steps of each."
            )
        arrays = {
            name: torch.stack([run[name] for run in courses.values()])
            for name in next(iter(courses.values()))
        }
        self.show(
            arrays,
            runs=list(courses),
            first=2 * modulus - 1,
            second=4 * modulus - 3,
            families=list(modular_addition.fourier_families(modulus)),
            size=modulus - 1,
            chance={
                "accuracy": 1 / modulus,
                "overlaps": chance_overlap(2 * modulus - 2, modulus - 1, modulus**2),
            },
            start=start,
        )
        self._drawn = dict(next(iter(courses.values())))
        self._families, self._start = list(self.spec["families"]), start

    def figure(self) -> Figure:
        """The first run: accuracies, overlaps, and the spectrum at the first step shown.

        Returns:
            The figure that stands where no JavaScript runs.
        """
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.5, 3.2))
        steps, at = self._drawn["step"], self._start
        for name, color, column in (
            ("train", plotting.ORANGE, 0),
            ("test", plotting.BLUE, 1),
        ):
            left.plot(steps, self._drawn["accuracies"][:, column], color=color, label=name)
        palette = (plotting.ORANGE, plotting.PURPLE, plotting.BLUE, plotting.GREEN)
        styles = ("-.", ":", "-", "--")
        for column, name in enumerate(self._families):
            overlap = self._drawn["overlaps"][:, column]
            middle.plot(steps, overlap, styles[column], color=palette[column], label=name)
        for ax, what in ((left, "accuracy"), (middle, "overlap (dimensions)")):
            ax.axvline(float(steps[at]), color=plotting.BLACK, linewidth=1)
            ax.set(xlabel="step", ylabel=what)
            ax.legend()
        plotting.spectrum(self._drawn["eigenvalues"][at], right)
        right.set(title=f"step {int(steps[at])}", ylabel="eigenvalue / largest")
        plt.close(figure)
        return figure
