"""Edits: take a wave out of a network by some strength, and see what it says then."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from entk_book.explorers._explorer import Explorer, javascript
from entk_lib import plotting

PARTS = ("left", "accuracies", "length")


class Edits(Explorer):
    """Changes of a network on modular addition, by frequency and strength.

    Args:
        changes: By what is done, each as `entk_book.studies.edit_strengths.as_tensors`
            gives it; all of the same shapes.
        strengths: Multiples of the change that to first order does all that is wanted, in
            ascending order, 0 among them.
        start: Indices of change, frequency and strength shown first.
        figure_name: The figure in a page of the book that this explorer replaces.

    Raises:
        ValueError: If there is no change, shapes differ, or a strength is missing.
    """

    _esm = javascript("edits.js")

    def __init__(
        self,
        changes: Mapping[str, Mapping[str, Tensor]],
        *,
        strengths: Sequence[int | float],
        start: tuple[int, int, int] = (0, 0, 0),
        figure_name: str = "",
    ) -> None:
        super().__init__(figure_name=figure_name)
        self.update(changes, strengths=strengths, start=start)

    def update(
        self,
        changes: Mapping[str, Mapping[str, Tensor]],
        *,
        strengths: Sequence[int | float],
        start: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Show another network; in a live kernel the figure follows.

        Args:
            changes: As for the class.
            strengths: As for the class.
            start: As for the class.

        Raises:
            ValueError: If there is no change, shapes differ, or a strength is missing.
        """
        shapes = [[tuple(one[part].shape) for part in PARTS] for one in changes.values()]
        n = len(strengths)
        alike = bool(shapes) and all(found == shapes[0] for found in shapes)
        if not alike or shapes[0][0][1] != n:
            raise ValueError(
                f"changes must be at least one, each of the same shapes and with {n} "
                f"strengths, got {shapes}. Take them from one record."
            )
        steps = list(strengths)
        if steps != sorted(steps) or 0 not in steps:
            raise ValueError(
                f"strengths must ascend and hold 0, which is the network as it was, got "
                f"{steps}."
            )
        arrays = {
            part: torch.stack([one[part] for one in changes.values()]).float()
            for part in PARTS
        }
        self.show(
            arrays, changes=list(changes), strengths=[float(s) for s in steps], start=start
        )
        self._drawn = {part: values[start[0], start[1]] for part, values in arrays.items()}
        self._strengths, self._at = steps, start
        self._title = f"{list(changes)[start[0]]}, frequency {start[1] + 1}"

    def figure(self) -> Figure:
        """The first change: what is left of each wave, and the accuracies.

        Returns:
            The figure that stands where no JavaScript runs.
        """
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
        at, waves = self._at[2], self._drawn["left"]
        left.plot(range(1, waves.shape[1] + 1), waves[at], "o", color=plotting.BLUE)
        left.axhline(1, color=plotting.BLACK, linewidth=1)
        left.set(xlabel="frequency of the sum", ylabel="left of each wave", ylim=(-3, 3))
        for column, (name, color, style) in enumerate(
            (("train", plotting.ORANGE, "--"), ("test", plotting.BLUE, "-"))
        ):
            values = self._drawn["accuracies"][:, column]
            right.plot(self._strengths, values, style, color=color, label=name)
        right.axvline(self._strengths[at], color=plotting.BLACK, linewidth=1)
        right.set(xlabel="strength", ylabel="accuracy", ylim=(-0.02, 1.05))
        right.legend()
        left.set_title(f"{self._title}, strength {self._strengths[at]:g}", loc="left")
        plt.close(figure)
        return figure
