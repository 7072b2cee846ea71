"""Modular addition: eigenvectors and atoms on the torus, with their Fourier power."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from entk_book.explorers._explorer import Explorer, javascript, quantised
from entk_lib.features import feature_alignment, smoothness_rotation, torus_laplacian
from entk_lib.plotting import BLUE, GREEN, ORANGE, PURPLE
from entk_lib.toys.tasks import modular_addition

_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
STATES = ("eigenvectors", "rotated atoms")


class Waves(Explorer):
    """Eigenvectors of a span, and its atoms after the joint rotation, one at a time.

    Args:
        spans: Orthonormal bases by name, each of shape ``(modulus ** 2, k)`` with the
            same k: eigenvectors as they come.
        modulus: The p of the task.
        start: Indices of span, state (0 eigenvectors, 1 rotated) and vector shown first.
        figure_name: The figure in a page of the book that this explorer replaces.

    Raises:
        ValueError: If there is no span, or one has another shape than the first.
    """

    _esm = javascript("waves.js")

    def __init__(
        self,
        spans: Mapping[str, Float[Tensor, "n k"]],
        *,
        modulus: int,
        start: tuple[int, int, int] = (0, 0, 0),
        figure_name: str = "",
    ) -> None:
        super().__init__(figure_name=figure_name)
        self.update(spans, modulus=modulus, start=start)

    def update(
        self,
        spans: Mapping[str, Float[Tensor, "n k"]],
        *,
        modulus: int,
        start: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Show other spans; in a live kernel the figure follows.

        Args:
            spans: As for the class.
            modulus: As for the class.
            start: As for the class.

        Raises:
            ValueError: If there is no span, or one has another shape than the first.
        """
        shapes = [tuple(basis.shape) for basis in spans.values()]
        if not shapes or any(s != shapes[0] or s[0] != modulus**2 for s in shapes):
            raise ValueError(
                f"spans must be bases of one shape, ({modulus**2}, k), got {shapes}. Take "
                "the same number of eigenvectors for each."
            )
        vectors, powers = [], []
        for basis in spans.values():
            for state in (basis.double(), rotated(basis.double(), modulus)):
                scaled = state.T / state.abs().amax(0).unsqueeze(1)
                vectors.append(quantised(scaled, signed=True))
                powers.append(quantised(fourier_power(state, modulus)))
        grid = (len(spans), 2)
        arrays = {
            "vectors": torch.stack(vectors).unflatten(0, grid),
            "powers": torch.stack(powers).unflatten(0, grid),
        }
        families = modular_addition.fourier_families(modulus)
        self.show(
            arrays,
            spans=list(spans),
            states=list(STATES),
            families=list(families),
            modulus=modulus,
            start=list(start),
        )
        self._drawn = {name: array[start] for name, array in arrays.items()}
        self._modulus, self._title = modulus, f"{list(spans)[start[0]]}: {STATES[start[1]]}"

    def figure(self) -> Figure:
        """The first vector shown: on the torus, and its power by family and frequency.

        Returns:
            The figure that stands where no JavaScript runs.
        """
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.4))
        grid = self._drawn["vectors"].float().reshape(self._modulus, -1) / 127
        left.imshow(grid.T.numpy(), origin="lower", cmap="RdBu_r", vmin=-1, vmax=1)
        left.set(xlabel="a", ylabel="b", title=self._title)
        left.grid(visible=False)
        power = self._drawn["powers"].float() / 255
        names = list(modular_addition.fourier_families(self._modulus))
        per_family = len(power) // len(names)
        for i, (name, color) in enumerate(
            zip(names, (ORANGE, PURPLE, BLUE, GREEN), strict=True)
        ):
            places = range(i * per_family, (i + 1) * per_family)
            right.bar(
                places,
                power[i * per_family :][:per_family].tolist(),
                color=color,
                label=name,
            )
        right.set(xlabel="wave: family by family, frequency by frequency", ylabel="power")
        right.set_ylim(0, 1)
        right.legend()
        plt.close(figure)
        return figure


def rotated(basis: Float[Tensor, "n k"], modulus: int) -> Float[Tensor, "n k"]:
    """Atoms of a span: the joint rotation over eight translation graphs, purest first.

    Args:
        basis: Orthonormal columns, shape ``(modulus ** 2, k)``.
        modulus: The p of the task.

    Returns:
        A basis of the same span.
    """
    graphs = [
        torus_laplacian(modulus, (size * u, size * v))
        for size in (1, 2)
        for u, v in _DIRECTIONS
    ]
    atoms = smoothness_rotation(basis, graphs)
    purity = fourier_power(atoms, modulus).amax(1)
    return atoms[:, purity.argsort(descending=True, stable=True)]


def fourier_power(vectors: Float[Tensor, "n k"], modulus: int) -> Float[Tensor, "k waves"]:
    """Squared projections of vectors on the plane of each wave.

    Args:
        vectors: Columns of length one, shape ``(modulus ** 2, k)``.
        modulus: The p of the task.

    Returns:
        From 0 to 1, families one after the other (a, b, sum, difference), frequencies
        from 1 to ``(modulus - 1) / 2`` in each.
    """
    families = modular_addition.fourier_families(modulus).values()
    planes = torch.cat(list(families), dim=1).to(vectors.dtype)
    return feature_alignment(vectors, planes).square()
