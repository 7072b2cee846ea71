"""Chapter 9, edits in two other networks: a toy model of superposition, a Transformer."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from scipy.stats import spearmanr
from torch import Tensor, nn

import entk_lib as entk
from entk_book.studies.autoencoders import Autoencoder
from entk_book.studies.edited_adders import length_of, take_out
from entk_book.studies.superposition import is_reconstructed

# Beside the mean eigenvalue of the whole kernel: so little that it changes nothing that can
# be done, and enough to leave alone what could be done only by enormous changes.
RIDGE = 0.01
PRODUCTS = 100


@dataclass(frozen=True)
class TakenOut:
    """One feature of an autoencoder, taken out through its own output.

    Attributes:
        feature: Which.
        left: Length of its output afterwards, over before.
        moved: How far the outputs of the other reconstructed features moved, over their
            length.
        cosines: Of the angles that their directions have with the feature's.
    """

    feature: int
    left: float
    moved: list[float]
    cosines: list[float]

    @property
    def agreement(self) -> float:
        """Rank correlation of how far the others moved and how near they are."""
        return float(spearmanr(self.moved, self.cosines)[0])  # pyright: ignore


@torch.no_grad()
def _relative(change: Tensor, outputs: Tensor) -> Tensor:
    return change.norm(dim=0) / outputs.norm(dim=0)


def features_taken_out(one: Autoencoder, n_features: int = 5) -> list[TakenOut]:
    """Take the most important reconstructed features out, one at a time.

    Nothing is asked of the other outputs: what moves there moves by interference.

    Args:
        one: A trained autoencoder.
        n_features: How many.

    Returns:
        One entry a feature.
    """
    network, x = copy.deepcopy(one.network).double(), one.x.double()
    kept = is_reconstructed(network).nonzero()[:, 0].tolist()
    directions = network.weight.detach() / network.weight.detach().norm(dim=0)
    with torch.no_grad():
        outputs = network(x)
    found = []
    for i in kept[:n_features]:
        own = entk.Readout(network, lambda result, i=i: result[:, [i]])
        edit = entk.tangent_edit(own, x, -outputs[:, [i]])
        with torch.no_grad():
            moved = edit.applied(network)(x) - outputs
        others = [j for j in kept if j != i]
        found.append(
            TakenOut(
                i,
                float((outputs[:, i] + moved[:, i]).norm() / outputs[:, i].norm()),
                _relative(moved, outputs)[others].tolist(),
                (directions[:, others].T @ directions[:, i]).abs().tolist(),
            )
        )
    return found


@dataclass(frozen=True)
class ByTensor:
    """A wave taken out of a Transformer through one of its tensors.

    Attributes:
        size: Number of its entries.
        missing: What of the wanted change this tensor cannot do, to first order, relative
            to it.
        length: Of the change of parameters, relative to all parameters of the network.
    """

    size: int
    missing: float
    length: float


def by_tensor(
    model: nn.Module,
    x: Int[Tensor, "pairs 3"],
    frequency: int,
    tensors: Sequence[str],
) -> dict[str, ByTensor]:
    """Take a wave of the sum out of a Transformer, through each of some tensors.

    Args:
        model: In float64.
        x: All pairs, as tokens.
        frequency: Of the wave.
        tensors: Names of its layers.

    Returns:
        What it takes, by tensor.
    """
    ridge = RIDGE * float(entk.empirical_ntk(model, x).diagonal().mean())
    change = take_out(model, x, frequency)
    whole = length_of(dict(model.named_parameters()))
    found = {}
    for name in tensors:
        edit = entk.tangent_edit(
            model, x, change, parameters=name, ridge=ridge, max_products=PRODUCTS
        )
        size = sum(d.numel() for d in edit.delta.values())
        found[name] = ByTensor(size, edit.residual, length_of(edit.delta) / whole)
    return found
