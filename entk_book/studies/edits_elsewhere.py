"""Chapter 9, edits in a toy model of superposition."""

import copy
from dataclasses import dataclass

import torch
from scipy.stats import spearmanr
from torch import Tensor

import entk_lib as entk
from entk_book.studies.autoencoders import Autoencoder
from entk_book.studies.superposition import is_reconstructed


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
