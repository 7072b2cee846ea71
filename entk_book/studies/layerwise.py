"""Chapter 5: which layer's kernel holds which features, and which layer is needed."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.studies.adders import Adder, family_overlaps, train_adders
from entk_book.studies.autoencoders import Autoencoder
from entk_book.studies.spans import in_most, span
from entk_lib import Spectrum

LAYERS = ("first", "second", "whole")
PARTS = ("weight", "bias", "whole")
BLOCKS = {"modes 1 to 56": (1, 57), "modes 57 to 112": (57, 113)}


def layer_kernels(
    network: nn.Module, x: Float[Tensor, "n d"]
) -> dict[str, Float[Tensor, "n n"]]:
    """Kernels of each layer, and of the whole network.

    Args:
        network: With layers ``first`` and ``second``.
        x: Inputs.

    Returns:
        Class-averaged kernels by layer; ``"whole"`` is that of all parameters.
    """
    parts = entk.empirical_ntk(network, x, by_layer=True)
    return {**parts, "whole": entk.empirical_ntk(network, x)}


def overlaps_of_modes(
    spectra: Sequence[Spectrum], start: int, stop: int, families: Mapping[str, Tensor]
) -> Float[Tensor, "seeds families"]:
    """Dimensions that some modes share with each family, seed by seed.

    Args:
        spectra: One a seed.
        start: First mode, counted from 0.
        stop: One past the last.
        families: Waves by the family's name.

    Returns:
        Shared dimensions.
    """
    return torch.tensor(
        [
            list(family_overlaps(s.eigenvectors[:, start:stop].double(), families).values())
            for s in spectra
        ]
    )


def family_energies(
    kernels: Mapping[str, Float[Tensor, "n n"]], waves: Mapping[str, Tensor]
) -> Float[Tensor, "layers families"]:
    r"""Share of the whole kernel's trace in each family, layer by layer.

    The energy of a family with orthonormal waves F in a kernel K is
    :math:`\operatorname{tr}(F^\top K F)`, which is linear in K: it adds up over layers.

    Args:
        kernels: As `layer_kernels` gives them.
        waves: Orthonormal columns by the family's name.

    Returns:
        Shares in the order of ``LAYERS`` and of the families; the last column is the rest.
    """
    parts = {layer: kernel.double() for layer, kernel in kernels.items()}
    total = parts["whole"].trace()
    rows = []
    for layer in LAYERS:
        kernel = parts[layer]
        held = [float((f * (kernel @ f)).sum() / total) for f in waves.values()]
        rows.append([*held, float(kernel.trace() / total) - sum(held)])
    return torch.tensor(rows)


def adds_up(shares: Float[Tensor, "seeds layers families"]) -> bool:
    """Whether the shares of both layers are those of the whole, in every seed and family.

    Args:
        shares: One seed's `family_energies` after the other.

    Returns:
        Whether they agree to five decimals.
    """
    difference = shares[:, 0] + shares[:, 1] - shares[:, 2]
    return bool(difference.abs().max() < 1e-5)


@dataclass(frozen=True)
class Outcome:
    """What is left of networks of which one layer was frozen or set back.

    Attributes:
        known: Accuracy on the pairs trained on, one a seed.
        others: Accuracy on the other pairs, one a seed.
        shared: Dimensions that the whole kernel's modes 57 to 112 share with each family,
            seed by seed.
        own: The same of the second layer's own modes 1 to 56.
        ratio: Trace of the first layer's kernel over that of the second, one a seed.
    """

    known: list[float]
    others: list[float]
    shared: Float[Tensor, "seeds families"]
    own: Float[Tensor, "seeds families"]
    ratio: list[float]


def frozen(
    layer: str, families: Mapping[str, Tensor], seeds: Sequence[int] = range(5)
) -> Outcome:
    """Train networks of which one layer stays at its start.

    Args:
        layer: ``"first"`` or ``"second"``.
        families: Waves by the family's name.
        seeds: One a network.

    Returns:
        What they know, and what their kernels hold.
    """
    return _outcome(train_adders(seeds, frozen=layer), families)


def reset(layer: str, adders: Sequence[Adder], families: Mapping[str, Tensor]) -> Outcome:
    """Set one layer of trained networks back to its start.

    Args:
        layer: ``"first"`` or ``"second"``.
        adders: The networks; copies are changed.
        families: Waves by the family's name.

    Returns:
        What they still know, and what their kernels hold.
    """
    changed = copy.deepcopy(list(adders))
    for adder in changed:
        start = adder.start.get_submodule(layer).state_dict()
        adder.network.get_submodule(layer).load_state_dict(start)
    return _outcome(changed, families)


def _outcome(adders: Sequence[Adder], families: Mapping[str, Tensor]) -> Outcome:
    accuracies = [adder.accuracy() for adder in adders]
    whole, first, second = (
        [
            entk.ntk_spectrum(adder.network, adder.x, k=200, parameters=layer)
            for adder in adders
        ]
        for layer in (None, "first", "second")
    )
    return Outcome(
        [accuracy["train"] for accuracy in accuracies],
        [accuracy["test"] for accuracy in accuracies],
        overlaps_of_modes(whole, *BLOCKS["modes 57 to 112"], families),
        overlaps_of_modes(second, *BLOCKS["modes 1 to 56"], families),
        [one.trace / two.trace for one, two in zip(first, second, strict=True)],
    )


def part_spectrum(model: nn.Module, x: Float[Tensor, "n f"], part: str) -> Spectrum:
    """Spectrum of the flattened kernel of one part of an autoencoder.

    Args:
        model: With parameters ``weight`` and ``bias``.
        x: Samples.
        part: One of ``PARTS``.

    Returns:
        The 80 largest eigenpairs, of the bias 50, which is its rank.
    """
    names = None if part == "whole" else [part]
    rank = 50 if part == "bias" else 80
    return entk.ntk_spectrum(model, x, k=rank, outputs="flatten", parameters=names)


def part_spectra(
    autoencoders: Sequence[Autoencoder],
) -> dict[tuple[str, str], list[Spectrum]]:
    """Spectra of each part of autoencoders, trained and untrained.

    Args:
        autoencoders: One a seed.

    Returns:
        By state, ``"trained"`` or ``"untrained"``, and part; one a seed.
    """
    return {
        (state, part): [
            part_spectrum(one.network if state == "trained" else one.start, one.x, part)
            for one in autoencoders
        ]
        for state in ("trained", "untrained")
        for part in PARTS
    }


def claims(
    cliffs: Mapping[str, Mapping[int, int]],
    second: Sequence[float],
    later: Sequence[float],
    chance: float,
    n_seeds: int = 10,
) -> list[Claim]:
    """What was published of the layerwise kernel, beside ours.

    Args:
        cliffs: In how many seeds the first and the second layer have a cliff, by its place.
        second: Sums and differences in the second layer's modes 1 to 56, one a seed.
        later: Sums and differences in the first layer's modes 57 to 112, one a seed.
        chance: Dimensions that 56 modes share with one family by chance.
        n_seeds: Number of seeds.

    Returns:
        The ledger's rows.
    """
    one, two = cliffs["first"][57], cliffs["second"][57]
    return [
        Claim(
            "the first layer alone shows the first cliff",
            "after 57",
            f"first layer {one}, second layer {two} of {n_seeds} seeds",
            in_most(one, n_seeds) and in_most(n_seeds - two, n_seeds),
            "Lin 2025",
            "in most seeds there, in most not",
        ),
        Claim(
            "sums and differences come with the second layer",
            "in the second layer",
            f"{span(second)} of 56 dimensions in its modes 1 to 56",
            min(second) > 28,
            "Lin 2025",
            "every seed above 28",
        ),
        Claim(
            "they are not in the first layer",
            "in the second layer",
            f"{span(later)} of 56 dimensions in its modes 57 to 112",
            max(later) < 3 * 2 * chance,
            "Lin 2025",
            "every seed below 3 x chance",
        ),
    ]
