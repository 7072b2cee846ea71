"""Chapter 5's evidence over seeds: what the layers hold, as it is stored."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies import layerwise
from entk_book.studies.adders import MODULUS, Adder, ratio_after, train_adders
from entk_book.studies.autoencoders import train_autoencoders
from entk_book.studies.layerwise import BLOCKS, LAYERS, PARTS
from entk_book.studies.modular_addition import N_ONE, N_TWO
from entk_book.studies.side_by_side import rivals
from entk_lib.toys.tasks import modular_addition, superposition

SEEDS, CHANGED, CODERS = range(10), range(5), range(3)
STATES = ("untrained", "trained")
# What was done to which layer, in the order of the chapter.
CHANGES = {
    f"{layer} layer {done}": (layer, done)
    for done in ("frozen", "reset")
    for layer in ("first", "second")
}
RIVALS = {"kernel": "kernel", "inputs and activations, 1": "inputs and activations"}
N_EIGENPAIRS = 200


def families() -> dict[str, Float[Tensor, "pairs waves"]]:
    """The four families of waves on all pairs, each as one matrix.

    Returns:
        Orthonormal columns by name: a, b, sum, difference.
    """
    found = modular_addition.fourier_families(MODULUS)
    return {name: waves.flatten(1) for name, waves in found.items()}


def waves_and_constant() -> dict[str, Tensor]:
    """The same, and the constant before them.

    Returns:
        Orthonormal columns by name.
    """
    n = MODULUS**2
    return {"constant": torch.full((n, 1), n**-0.5, dtype=torch.float64), **families()}


def of_one(adder: Adder) -> dict[str, Any]:
    """What each layer's kernel of one network holds, untrained and trained.

    Args:
        adder: The network.

    Returns:
        Test accuracy, and by state: energies and whether those of the layers add up, and
        by layer the cliffs that are found, the ratio after 57, and dimensions shared with
        each family, by block of modes.
    """
    looked: dict[str, Any] = {"accuracy": adder.accuracy()["test"]}
    for state, network in zip(STATES, (adder.start, adder.network), strict=True):
        kernels = layerwise.layer_kernels(network, adder.x)
        energies = layerwise.family_energies(kernels, waves_and_constant())
        added = layerwise.adds_up(energies.unsqueeze(0))
        looked[state] = {"energies": energies.tolist(), "adds_up": added}
        for layer in LAYERS:
            spectrum = entk.kernel_spectrum(kernels[layer], k=N_EIGENPAIRS)
            stops = [cliff.stop for cliff in entk.find_cliffs(spectrum.eigenvalues)]
            shared = {
                block: layerwise.overlaps_of_modes([spectrum], *modes, families())[0]
                for block, modes in BLOCKS.items()
            }
            looked[state][layer] = {
                "cliffs": [stop for stop in stops if stop in (N_ONE, N_TWO)],
                "ratio": ratio_after(spectrum, N_ONE),
                "shared": {block: values.tolist() for block, values in shared.items()},
            }
    return looked


def changed(what: str, adders: Sequence[Adder]) -> list[dict[str, Any]]:
    """What is left where a layer is frozen during training, or set back after it.

    Args:
        what: A name of ``CHANGES``.
        adders: Trained networks; copies are changed, or others with their seeds trained.

    Returns:
        For each seed, accuracies, shared dimensions and the ratio of the traces, as in
        `entk_book.studies.layerwise.Outcome`.
    """
    layer, done = CHANGES[what]
    if done == "frozen":
        found = layerwise.frozen(layer, families(), [adder.seed for adder in adders])
    else:
        found = layerwise.reset(layer, adders, families())
    return [
        {
            "known": found.known[i],
            "others": found.others[i],
            "shared": found.shared[i].tolist(),
            "own": found.own[i].tolist(),
            "ratio": found.ratio[i],
        }
        for i in range(len(adders))
    ]


def of_parts(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """How the parts of sparse autoencoders align with their features.

    Args:
        seeds: One a network.

    Returns:
        For each seed, the number of reconstructed features, and by state and part the
        share of the trace and how many of them align above one half.
    """
    coders = train_autoencoders(seeds, n_hidden=10, sparsity=0.9)
    spectra = layerwise.part_spectra(coders)
    found = []
    for i, one in enumerate(coders):
        is_kept = one.network.feature_gram().diagonal() >= 0.75
        features = superposition.feature_indicators(one.x)
        looked: dict[str, Any] = {"kept": int(is_kept.sum())}
        for state in STATES:
            looked[state] = {}
            for part in PARTS:
                spectrum = spectra[state, part][i]
                best = entk.feature_alignment(spectrum.eigenvectors, features).amax(0)
                looked[state][part] = {
                    "share": spectrum.trace / spectra[state, "whole"][i].trace,
                    "aligned": int(((best > 0.5) & is_kept).sum()),
                }
        found.append(looked)
    return found


def record(
    seeds: Sequence[int] = SEEDS,
    changed_seeds: Sequence[int] = CHANGED,
    coder_seeds: Sequence[int] = CODERS,
) -> dict[str, Any]:
    """All of the chapter's evidence over seeds, as it is stored.

    Args:
        seeds: Of networks that add.
        changed_seeds: Of those, among them, whose layers are changed; also of the rivals.
        coder_seeds: Of autoencoders.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    adders = train_adders(seeds)
    few = [adder for adder in adders if adder.seed in changed_seeds]
    beside = {}
    for name, text in RIVALS.items():
        found = rivals(few)[name]
        beside[text] = {
            "both": found.has_both,
            "ratio": [ratio_after(spectrum, N_TWO) for spectrum in found.spectra],
            "shared": found.shared["second"].tolist(),
        }
    return records.rounded(
        {
            "networks": [of_one(adder) for adder in adders],
            "changed": {what: changed(what, few) for what in CHANGES},
            "rivals": beside,
            "parts": of_parts(coder_seeds),
        }
    )
