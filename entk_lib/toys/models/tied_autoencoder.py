"""The autoencoder of toy models of superposition."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks


class TiedAutoencoder(nn.Module):
    r"""``f(x) = relu(W^T W x + b)``: one weight encodes and decodes.

    With fewer hidden units than features, the columns of W cannot all be orthogonal: the
    network drops features or puts them into superposition.

    Args:
        n_features: Number of inputs and outputs.
        n_hidden: Number of hidden units.
        seed: Seed of the Xavier-normal start of ``weight``; ``bias`` starts at zero.
        dtype: Of the parameters, ``torch.float32`` by default.

    Raises:
        ValueError: If a size is below 1.

    References:
        Elhage et al. (2022), "Toy models of superposition".

    Example:
        >>> model = TiedAutoencoder(n_features=5, n_hidden=2, seed=0)
        >>> model(torch.rand(3, 5)).shape
        torch.Size([3, 5])
    """

    def __init__(
        self,
        n_features: int,
        n_hidden: int,
        *,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        _checks.require_count("n_features", n_features)
        _checks.require_count("n_hidden", n_hidden)
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.empty(n_hidden, n_features, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(n_features, dtype=dtype))
        nn.init.xavier_normal_(self.weight, generator=generator)

    def forward(
        self, x: Float[Tensor, "*batch features"]
    ) -> Float[Tensor, "*batch features"]:
        """Reconstruct a batch."""
        return torch.relu(x @ self.weight.mT @ self.weight + self.bias)

    def feature_gram(self) -> Float[Tensor, "features features"]:
        """``W^T W``, detached: the diagonal says how much of a feature comes through."""
        weight = self.weight.detach()
        return weight.mT @ weight

    def n_reconstructed(self, threshold: float = 0.75) -> int:
        """Number of features whose ``(W^T W)_ii`` reaches the threshold."""
        return int((self.feature_gram().diagonal() >= threshold).sum())
