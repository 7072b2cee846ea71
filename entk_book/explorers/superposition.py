"""Superposition: sparsity, hidden width and beta against spectrum, cliffs and alignment."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from entk_book.explorers._explorer import Explorer, javascript, quantised
from entk_lib import plotting
from entk_lib._progress import progress
from entk_lib.features import feature_alignment
from entk_lib.kernels import ntk_spectrum
from entk_lib.spectra import Spectrum, find_cliffs
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

Setting = tuple[float, int]  # sparsity and hidden units
N_CLIFFS = 6  # at most as many are shown
EXTRA = 15  # eigenvalues shown beyond one for each feature


class Superposition(Explorer):
    """Spectrum, cliffs and alignment of toy models over sparsity, hidden width and beta.

    Give one network for each pair of sparsity and width, or a single one of your own.

    Args:
        trained: Networks by ``(sparsity, hidden units)``; every sparsity with every width.
        untrained: The same networks before training: what any alignment is compared with.
        samples: The data of each sparsity, shape ``(samples, features)``.
        betas: Output c of the Jacobian is scaled by ``importances[c] ** (beta / 2)``.
        importances: Weight of each feature in the loss, shape ``(features,)``.
        start: Indices of sparsity, width and beta to show first.
        figure_name: The figure in a page of the book that this explorer replaces.

    Raises:
        ValueError: If a network or a data set is missing.
    """

    _esm = javascript("superposition.js")

    def __init__(
        self,
        trained: Mapping[Setting, TiedAutoencoder],
        untrained: Mapping[Setting, TiedAutoencoder],
        samples: Mapping[float, Tensor],
        *,
        betas: Sequence[float],
        importances: Float[Tensor, " features"],
        start: tuple[int, int, int] = (0, 0, 0),
        figure_name: str = "",
    ) -> None:
        super().__init__(figure_name=figure_name)
        self.update(
            trained,
            untrained,
            samples,
            betas=betas,
            importances=importances,
            start=start,
        )

    def update(
        self,
        trained: Mapping[Setting, TiedAutoencoder],
        untrained: Mapping[Setting, TiedAutoencoder],
        samples: Mapping[float, Tensor],
        *,
        betas: Sequence[float],
        importances: Float[Tensor, " features"],
        start: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Compute anew, from other networks; in a live kernel the figure follows.

        Args:
            trained: As for the class.
            untrained: As for the class.
            samples: As for the class.
            betas: As for the class.
            importances: As for the class.
            start: As for the class.

        Raises:
            ValueError: If a network or a data set is missing.
        """
        sparsities = sorted({sparsity for sparsity, _ in trained})
        widths = sorted({width for _, width in trained})
        settings = [(sparsity, width) for sparsity in sparsities for width in widths]
        for name, given, needed in (
            ("trained", trained, settings),
            ("untrained", untrained, settings),
            ("samples", samples, sparsities),
        ):
            missing = [key for key in needed if key not in given]
            if missing or not needed:
                raise ValueError(
                    f"{name} must have every one of {needed or 'at least one setting'}, "
                    f"{missing} missing. Give every sparsity with every width."
                )
        rows: dict[str, list[Tensor]] = {}
        total = len(settings) * len(betas)
        with progress("explorer", total, "spectrum") as bar:
            for setting in settings:
                x = samples[setting[0]]
                for beta in betas:
                    for state, networks in (("trained", trained), ("untrained", untrained)):
                        found = measure(networks[setting], x, importances**beta)
                        for name, value in found.items():
                            rows.setdefault(f"{state} {name}", []).append(value)
                    bar.update()
        grid = (len(sparsities), len(widths), len(betas))
        arrays = {
            name: torch.stack(values).reshape(*grid, *values[0].shape)
            for name, values in rows.items()
        }
        # An explorer's memory is the page's weight: no heatmap of the untrained.
        del arrays["untrained alignment"]
        kept = [float(trained[setting].n_reconstructed()) for setting in settings]
        arrays["reconstructed"] = torch.tensor(kept).reshape(grid[:2])
        self.show(
            arrays,
            dials=[
                {"label": "sparsity S", "texts": [f"{s:g}" for s in sparsities]},
                {"label": "hidden units", "texts": [f"{w}" for w in widths]},
                {
                    "label": "β, importance in the kernel",
                    "texts": [f"{b:g}" for b in betas],
                },
            ],
            start=list(start),
        )
        self._drawn = {name: array[start] for name, array in arrays.items() if " " in name}
        self._title = f"S = {sparsities[start[0]]:g}, {widths[start[1]]} hidden units"

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
        image = plotting.alignment(self._drawn["trained alignment"] / 255, right)
        figure.colorbar(image, ax=right, label="|cosine|")
        plt.close(figure)
        return figure


def measure(
    network: TiedAutoencoder,
    x: Float[Tensor, "samples features"],
    output_weights: Float[Tensor, " features"],
) -> dict[str, Tensor]:
    """What the explorer draws of one network.

    Args:
        network: Trained or not.
        x: Its samples.
        output_weights: Of the flattened kernel, as for `entk_lib.ntk_spectrum`.

    Returns:
        ``eigenvalues``: relative to the largest, filled up with zeros, shape
        ``(features + 15,)``. ``cliffs``: their first six stops, filled up with zeros.
        ``alignment``: absolute cosines of as many eigenvectors as features with the
        features, quantised. ``passing``: how many features some eigenvector among them
        aligns with above 0.5.
    """
    n_features = x.shape[1]
    # A network of few parameters may have fewer eigenpairs than are shown: take them all.
    n_shown = n_features + EXTRA
    n_params = sum(p.numel() for p in network.parameters())
    spectrum = ntk_spectrum(
        network,
        x,
        k=None if n_params < 5 * n_shown else n_shown,
        outputs="flatten",
        output_weights=output_weights,
    )
    aligned = _aligned(spectrum, x)
    values = spectrum.eigenvalues / spectrum.eigenvalues[0]
    stops = [float(c.stop) for c in find_cliffs(spectrum.eigenvalues[:n_shown])]
    return {
        "eigenvalues": _filled(values.float(), n_shown),
        "cliffs": _filled(torch.tensor(stops), N_CLIFFS),
        "alignment": quantised(aligned),
        "passing": (aligned.amax(0) > 0.5).sum().float(),
    }


def _aligned(spectrum: Spectrum, x: Tensor) -> Tensor:
    n_features = x.shape[1]
    features = superposition.feature_indicators(x)
    found = feature_alignment(spectrum.eigenvectors[:, :n_features], features)
    # A network of few parameters has fewer eigenvectors than there are features.
    return torch.cat([found, found.new_zeros(n_features - len(found), n_features)])


def _filled(values: Tensor, length: int) -> Tensor:
    return torch.cat([values[:length], values.new_zeros(max(0, length - len(values)))])
