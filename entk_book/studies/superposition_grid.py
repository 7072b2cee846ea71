"""Toy models over sparsity, hidden width and beta: what an explorer shows of them."""

import base64
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from entk_book.stored import records
from entk_lib import Spectrum, feature_alignment, find_cliffs, ntk_spectrum
from entk_lib._progress import progress
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition
from entk_lib.training import closed_forms, train_many, weighted_squared_error

Setting = tuple[float, int]  # sparsity and hidden units
N_FEATURES, N_SAMPLES = 50, 500
SPARSITIES = (0.3, 0.6, 0.9, 0.97)
WIDTHS = (5, 10, 20, 40)
BETAS = (0.0, 0.3, 1.0)
N_CLIFFS = 6  # at most as many are shown
EXTRA = 15  # eigenvalues shown beyond one for each feature
_ALIGNMENT = "trained alignment"


@dataclass(frozen=True, eq=False)
class Grid:
    """Spectrum, cliffs and alignment of a network at each setting.

    Attributes:
        sparsities: Ascending.
        widths: Hidden units, ascending.
        betas: Output c of the Jacobian is scaled by its importance to the power beta / 2.
        arrays: By ``"trained "`` or ``"untrained "`` and what `measure` names it, shape
            ``(sparsities, widths, betas, ...)``; the alignment of trained networks alone;
            and ``"reconstructed"``, shape ``(sparsities, widths)``. All float32.
    """

    sparsities: tuple[float, ...]
    widths: tuple[int, ...]
    betas: tuple[float, ...]
    arrays: dict[str, Tensor]

    def cliffs(
        self, sparsity: float, width: int, beta: float, state: str = "trained"
    ) -> list[int]:
        """Where the spectrum has cliffs at one setting.

        Args:
            sparsity: One of those in the grid.
            width: Hidden units.
            beta: Importance in the kernel.
            state: ``"trained"`` or ``"untrained"``.

        Returns:
            Numbers of eigenvalues above each cliff, at most six.
        """
        place = (
            self.sparsities.index(sparsity),
            self.widths.index(width),
            self.betas.index(beta),
        )
        return [int(stop) for stop in self.arrays[f"{state} cliffs"][place] if stop > 0]


def measured(
    trained: Mapping[Setting, TiedAutoencoder],
    untrained: Mapping[Setting, TiedAutoencoder],
    samples: Mapping[float, Tensor],
    *,
    betas: Sequence[float] = BETAS,
    importances: Float[Tensor, " features"],
) -> Grid:
    """Ask the kernels of networks at all settings.

    Args:
        trained: Networks by ``(sparsity, hidden units)``; every sparsity with every width,
            or a single network of your own.
        untrained: The same before training: what any alignment is compared with.
        samples: The data of each sparsity, shape ``(samples, features)``.
        betas: Output c of the Jacobian is scaled by ``importances[c] ** (beta / 2)``.
        importances: Weight of each feature in the loss, shape ``(features,)``.

    Returns:
        What an explorer shows.

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
    with progress("explorer", len(settings) * len(betas), "spectrum") as bar:
        for setting in settings:
            for beta in betas:
                for state, networks in (("trained", trained), ("untrained", untrained)):
                    found = measure(
                        networks[setting], samples[setting[0]], importances**beta
                    )
                    for name, value in found.items():
                        rows.setdefault(f"{state} {name}", []).append(value)
                bar.update()
    shape = (len(sparsities), len(widths), len(betas))
    arrays = {
        name: torch.stack(values).reshape(*shape, *values[0].shape)
        for name, values in rows.items()
    }
    # An explorer's memory is the page's weight: no heatmap of the untrained.
    del arrays["untrained alignment"]
    kept = [float(trained[setting].n_reconstructed()) for setting in settings]
    arrays["reconstructed"] = torch.tensor(kept).reshape(shape[:2])
    return Grid(tuple(sparsities), tuple(widths), tuple(betas), arrays)


def measure(
    network: TiedAutoencoder,
    x: Float[Tensor, "samples features"],
    output_weights: Float[Tensor, " features"],
) -> dict[str, Tensor]:
    """What an explorer draws of one network.

    Args:
        network: Trained or not.
        x: Its samples.
        output_weights: Of the flattened kernel, as for `entk_lib.ntk_spectrum`.

    Returns:
        ``eigenvalues``: relative to the largest, filled up with zeros, shape
        ``(features + 15,)``. ``cliffs``: their first six stops, filled up with zeros.
        ``alignment``: absolute cosines of as many eigenvectors as features with the
        features. ``passing``: how many features some eigenvector among them aligns with
        above 0.5.
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
        "alignment": aligned.float(),
        "passing": (aligned.amax(0) > 0.5).sum().float(),
    }


def networks(
    settings: Sequence[Setting],
) -> tuple[dict[Setting, TiedAutoencoder], dict[Setting, TiedAutoencoder]]:
    """Train the explorer's networks: chapter 2's recipe, seed 0, at other settings.

    Args:
        settings: Sparsities and hidden units.

    Returns:
        The networks after training and before.
    """
    importances = superposition.importances(N_FEATURES)
    untrained = {s: TiedAutoencoder(N_FEATURES, s[1], seed=100) for s in settings}
    trained = copy.deepcopy(untrained)
    for width in sorted({width for _, width in settings}):
        group = [setting for setting in settings if setting[1] == width]
        x = torch.stack([samples(sparsity) for sparsity, _ in group])
        train_many(
            [trained[setting] for setting in group],
            x,
            x,
            steps=5000,
            loss=weighted_squared_error(importances),
            gradients=closed_forms.tied_autoencoder(importances),
        )
    return trained, untrained


def samples(sparsity: float) -> Float[Tensor, "samples features"]:
    """The data of one sparsity, seed 0.

    Args:
        sparsity: Probability that a feature is absent from a sample.

    Returns:
        500 samples.
    """
    return superposition.sample(N_SAMPLES, N_FEATURES, sparsity, seed=0)


def record() -> dict[str, Any]:
    """The explorer's sixteen networks at three values of beta: two minutes of one core.

    Returns:
        What `stored_grid` reads: eigenvalues in float32, alignments in steps of 1/255.
    """
    settings = [(sparsity, width) for sparsity in SPARSITIES for width in WIDTHS]
    grid = measured(
        *networks(settings),
        {sparsity: samples(sparsity) for sparsity in SPARSITIES},
        importances=superposition.importances(N_FEATURES),
    )
    return packed(grid)


def packed(grid: Grid) -> dict[str, Any]:
    """A grid as JSON knows it: its arrays as base64.

    Args:
        grid: Of any size.

    Returns:
        Numbers of the dials, and of each array its dtype, shape and bytes.
    """

    def pack(name: str, array: Tensor) -> dict[str, Any]:
        if name == _ALIGNMENT:
            array = (array.clamp(0, 1) * 255).round().to(torch.uint8)
        values = array.numpy()
        return {
            "dtype": values.dtype.newbyteorder("<").str,
            "shape": list(values.shape),
            "base64": base64.b64encode(values.tobytes()).decode(),
        }

    return {
        "sparsities": list(grid.sparsities),
        "widths": list(grid.widths),
        "betas": list(grid.betas),
        "arrays": {name: pack(name, array) for name, array in grid.arrays.items()},
    }


def stored_grid() -> Grid:
    """The grid that is stored with the library.

    Returns:
        Sixteen networks at three values of beta; alignments are off by at most 1/510.
    """
    table = records.read("explorer_superposition")

    def unpack(name: str, one: Mapping[str, Any]) -> Tensor:
        stored = np.frombuffer(base64.b64decode(one["base64"]), one["dtype"])
        array = torch.from_numpy(stored.reshape(one["shape"]).astype("float32"))
        return array / 255 if name == _ALIGNMENT else array

    return Grid(
        tuple(table["sparsities"]),
        tuple(table["widths"]),
        tuple(table["betas"]),
        {name: unpack(name, one) for name, one in table["arrays"].items()},
    )


def _aligned(spectrum: Spectrum, x: Tensor) -> Tensor:
    n_features = x.shape[1]
    features = superposition.feature_indicators(x)
    found = feature_alignment(spectrum.eigenvectors[:, :n_features], features)
    # A network of few parameters has fewer eigenvectors than there are features.
    return torch.cat([found, found.new_zeros(n_features - len(found), n_features)])


def _filled(values: Tensor, length: int) -> Tensor:
    return torch.cat([values[:length], values.new_zeros(max(0, length - len(values)))])
