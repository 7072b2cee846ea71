"""Chapter 2: toy models of superposition."""

import functools

import torch
from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Wholes
from entk_book.studies.autoencoders import train_autoencoders
from entk_lib.features import feature_alignment, subspace_overlap
from entk_lib.kernels import ntk_spectrum
from entk_lib.spectra import find_cliffs
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

_FEATURES, _HIDDEN, _SAMPLES = 50, 10, 500


@functools.cache
def _sparser() -> str:
    """Trains two networks that differ in their data alone."""
    dense, sparse = (
        train_autoencoders([0], n_hidden=_HIDDEN, sparsity=s, steps=2000)[
            0
        ].network.n_reconstructed()
        for s in (0.9, 0.97)
    )
    if dense == sparse:
        return "as many"
    return "more" if sparse > dense else "fewer"


sparser_data = Check(
    Choice(("more", "as many", "fewer")),
    truth=_sparser,
    wrong=(
        Wrong(
            "hidden units as a limit",
            lambda: "as many",
            "Ten hidden units are ten dimensions, but more than ten directions fit into "
            "them. What does it cost to let two directions share?",
        ),
        Wrong(
            "less signal",
            lambda: "fewer",
            "Each feature is seen less often, but so is each pair of them at once. Which "
            "of the two limits the network?",
        ),
    ),
    right="Sparser features collide less often, so more of them fit.",
    hint="Which is the price of storing two features in one direction?",
)


def _cliffs(parameters: list[str] | None) -> list[int]:
    model = TiedAutoencoder(_FEATURES, _HIDDEN, seed=100)
    x = superposition.sample(_SAMPLES, _FEATURES, 0.9, seed=0)
    spectrum = ntk_spectrum(model, x, k=65, outputs="flatten", parameters=parameters)
    return [cliff.stop for cliff in find_cliffs(spectrum.eigenvalues)]


cliffs_without_bias = Check(
    Wholes(),
    truth=lambda: _cliffs(["weight"]),
    wrong=(
        Wrong(
            "the bias counts for nothing",
            lambda: _cliffs(None),
            "These are the cliffs with the bias. Which part of the kernel has only 50 "
            "dimensions at most?",
        ),
        Wrong(
            "a cliff at the hidden units",
            lambda: [_HIDDEN],
            "There are ten hidden units, but the kernel of their weights has many more "
            "dimensions, and before training none of them stands out.",
        ),
    ),
    right="The cliff after 50 was the biases' part of the kernel, one dimension an output.",
    hint="Compute both spectra with find_cliffs and compare.",
)


def _what_turns(basis: Tensor, features: Tensor) -> str:
    size = basis.shape[1]
    random = torch.randn(
        size, size, generator=torch.Generator().manual_seed(0), dtype=basis.dtype
    )
    turned = basis @ torch.linalg.qr(random).Q

    def n_found(vectors: Tensor) -> int:
        return int((feature_alignment(vectors, features).amax(0) > 0.5).sum())

    count = n_found(turned) != n_found(basis)
    shared = [subspace_overlap(vectors, features) for vectors in (basis, turned)]
    moved = abs(shared[0] - shared[1]) > 1e-2
    return {
        (True, False): "the count",
        (False, True): "the shared dimensions",
        (True, True): "both",
        (False, False): "neither",
    }[count, moved]


what_a_rotation_changes = Check(
    Choice(("the count", "the shared dimensions", "both", "neither")),
    truth=_what_turns,
    wrong=(
        Wrong(
            "span and basis mixed up",
            lambda *_: "the shared dimensions",
            "Shared dimensions belong to a span, and a rotation within it leaves the span.",
        ),
        Wrong(
            "all is relative",
            lambda *_: "both",
            "One of the two is computed from the span alone.",
        ),
        Wrong(
            "all is the span's",
            lambda *_: "neither",
            "One of the two asks each vector by itself.",
        ),
    ),
    right="The count asks single vectors; the shared dimensions ask the span alone.",
    hint="Rotate, and compute both again.",
)
