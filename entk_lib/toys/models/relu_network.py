"""A fully connected network whose kernel has a limit as it gets wide."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks


class ReLUNetwork(nn.Module):
    r"""ReLU network in NTK parameterisation, without biases.

    Weights are standard normal at the start and each layer divides by
    :math:`\sqrt{\text{fan-in}}`, so that outputs and kernel stay of order one at any
    width; ReLU is scaled by :math:`\sqrt 2`. The kernel at the start tends to
    `entk_lib.analytic.relu_limit_ntk` as the width grows.

    Args:
        n_inputs: Number of inputs.
        width: Units in each hidden layer.
        n_outputs: Number of outputs.
        depth: Number of hidden layers.
        output_scale: Factor on the output. Large values make training lazy (features
            hardly move), small values rich, at any width.
        seed: Seed of the start.
        dtype: Of the parameters, ``torch.float32`` by default.

    Raises:
        ValueError: If a size is below 1.

    References:
        Jacot, Gabriel and Hongler (2018), arXiv:1806.07572; for the output scale
        Chizat, Oyallon and Bach (2019), "On lazy training in differentiable programming".

    Example:
        >>> ReLUNetwork(2, 64, seed=0)(torch.ones(3, 2)).shape
        torch.Size([3, 1])
    """

    def __init__(
        self,
        n_inputs: int,
        width: int,
        n_outputs: int = 1,
        *,
        depth: int = 1,
        output_scale: float = 1.0,
        seed: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        _checks.require_count("n_inputs", n_inputs)
        _checks.require_count("width", width)
        _checks.require_count("n_outputs", n_outputs)
        _checks.require_count("depth", depth)
        generator = torch.Generator().manual_seed(seed)
        sizes = [n_inputs, *[width] * depth, n_outputs]
        self.output_scale = output_scale
        self.layers = nn.ModuleList(
            # Without torch's own start, which would draw from the global random state.
            nn.utils.skip_init(nn.Linear, fan_in, fan_out, bias=False, dtype=dtype)
            for fan_in, fan_out in pairwise(sizes)
        )
        for layer in self.layers:
            nn.init.normal_(layer.weight, generator=generator)  # pyright: ignore

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Outputs for a batch."""
        for i, layer in enumerate(self.layers):
            if i > 0:
                x = math.sqrt(2) * torch.relu(x)
            x = layer(x) / math.sqrt(x.shape[-1])
        return self.output_scale * x
