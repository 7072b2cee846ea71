"""The two-layer network with squared activations that learns modular addition."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks


class QuadraticMLP(nn.Module):
    r"""``f(x) = W_2 (W_1 x / sqrt(n_inputs))^2 / width``, without biases.

    The square of a sum of two waves holds waves of the sum and of the difference of
    their phases: all that modular addition needs.

    Args:
        n_inputs: Number of inputs, ``2 * modulus`` for a pair of one-hot residues.
        n_outputs: Number of outputs, the modulus.
        width: Number of hidden units.
        seed: Seed of the standard-normal start of ``first.weight``, shape
            ``(width, n_inputs)``, and ``second.weight``, shape ``(n_outputs, width)``.
        dtype: Of the parameters, ``torch.float32`` by default.

    Raises:
        ValueError: If a size is below 1.

    References:
        Gromov (2023), "Grokking modular arithmetic".

    Example:
        >>> model = QuadraticMLP(10, 5, width=8, seed=0)
        >>> model(torch.rand(3, 10)).shape
        torch.Size([3, 5])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        width: int,
        *,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        for name, size in (
            ("n_inputs", n_inputs),
            ("n_outputs", n_outputs),
            ("width", width),
        ):
            _checks.require_count(name, size)
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Linear(n_inputs, width, bias=False, dtype=dtype)
        self.second = nn.Linear(width, n_outputs, bias=False, dtype=dtype)
        for layer in (self.first, self.second):
            nn.init.normal_(layer.weight, generator=generator)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Logits of a batch."""
        hidden = (self.first(x) / math.sqrt(self.first.in_features)).square()
        return self.second(hidden) / self.second.in_features
