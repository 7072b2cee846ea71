"""Losses and gradients of the toy models, written out: no graph, few passes over memory.

A closed form takes the parameters of several models, stacked along the first axis, with
inputs and targets of each, and gives the models' losses and the gradients of their sum.
`entk_lib.training.train_many` takes one with ``gradients=`` and compares it with autograd
before it uses it.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib.training.results import State

ClosedForm = Callable[[State, Tensor, Tensor], tuple[Tensor, State]]


def tied_autoencoder(weights: Float[Tensor, " outputs"] | None = None) -> ClosedForm:
    r"""The closed form of `entk_lib.toys.models.TiedAutoencoder` under a squared error.

    With :math:`z = W x`, :math:`f = \mathrm{relu}(W^\top z + b)` and :math:`e` the
    gradient of the loss where f is open, :math:`\nabla_W = z e^\top + (W e) x^\top` and
    :math:`\nabla_b = e`, summed over samples.

    Args:
        weights: One weight an output, as for
            `entk_lib.training.weighted_squared_error`. ``None``: ones, as for
            `entk_lib.training.mean_squared_error`.

    Returns:
        For `entk_lib.training.train_many`.
    """
    memory = _Memory()

    def losses_and_gradients(state: State, x: Tensor, y: Tensor) -> tuple[Tensor, State]:
        weight, bias = state["weight"], state["bias"]
        # Samples last where the sum runs over features: that product is three times as
        # fast as with features last.
        hidden = weight @ memory.turned(x)
        output = memory.like("output", y)
        torch.baddbmm(bias.unsqueeze(1), hidden.mT, weight, out=output)
        error = memory.like("error", y)
        torch.sub(output.relu_(), y, out=error)
        scale = 2 / (y.shape[1] * y.shape[2])
        slope = memory.like("slope", y)
        torch.mul(error, scale if weights is None else scale * weights, out=slope)
        losses = torch.linalg.vecdot(error.flatten(1), slope.flatten(1)) / 2
        slope = torch.ops.aten.threshold_backward(slope, output, 0)  # where f is open
        gradient = torch.baddbmm(hidden @ slope, weight @ slope.mT, x)
        return losses, {"weight": gradient, "bias": slope.sum(1)}

    return losses_and_gradients


def quadratic_mlp() -> ClosedForm:
    r"""The closed form of `entk_lib.toys.models.QuadraticMLP` under the mean squared error.

    With :math:`z = W_1 x / \sqrt{n}`, :math:`f = W_2 z^2 / w` and :math:`e` the gradient
    of the loss, :math:`\nabla_{W_2} = e (z^2)^\top / w` and :math:`\nabla_{W_1} =
    (2 z \odot W_2^\top e) x^\top / (w \sqrt n)`, summed over samples. One model after the
    other: the hidden layer of one fits into the cache, that of all does not.

    Returns:
        For `entk_lib.training.train_many`.
    """
    memory = _Memory()

    def losses_and_gradients(state: State, x: Tensor, y: Tensor) -> tuple[Tensor, State]:
        firsts, seconds = state["first.weight"], state["second.weight"]
        width, root = firsts.shape[1], firsts.shape[2] ** 0.5
        losses = []
        gradients = {name: torch.empty_like(w) for name, w in state.items()}
        for i, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
            shape = x[i, :, :1].expand(-1, width)
            hidden = torch.mm(x[i], first.mT, out=memory.like("hidden", shape))
            hidden.div_(root)
            square = torch.mul(hidden, hidden, out=memory.like("square", shape))
            error = (square @ second.mT).div_(width).sub_(y[i])
            losses.append(error.square().mean())
            slope = error.mul_(2 / (error.numel() * width))
            torch.mm(slope.mT, square, out=gradients["second.weight"][i])
            back = torch.mm(slope, second, out=square)
            back.mul_(hidden).mul_(2 / root)
            torch.mm(back.mT, x[i], out=gradients["first.weight"][i])
        return torch.stack(losses), gradients

    return losses_and_gradients


def relu_network(output_scale: float = 1.0) -> ClosedForm:
    r"""The closed form of `entk_lib.toys.models.ReLUNetwork` under the mean squared error.

    Backpropagation by hand, all models in one product a layer: with :math:`e` the gradient
    at a layer's result, its weight has :math:`e a^\top / \sqrt n`, a the layer's n inputs.

    Args:
        output_scale: Of the networks.

    Returns:
        For `entk_lib.training.train_many`.
    """

    def losses_and_gradients(state: State, x: Tensor, y: Tensor) -> tuple[Tensor, State]:
        names = [f"layers.{i}.weight" for i in range(len(state))]
        layers = [state[name] for name in names]
        roots = [layer.shape[2] ** 0.5 for layer in layers]
        inputs = [x]
        for layer, root in zip(layers[:-1], roots[:-1], strict=True):
            inputs.append((inputs[-1] @ layer.mT).mul_(2**0.5 / root).relu_())
        output = inputs[-1] @ layers[-1].mT
        error = output.mul_(output_scale / roots[-1]).sub_(y)
        losses = error.square().mean((1, 2))
        slope = error.mul_(2 * output_scale / (error.shape[1] * error.shape[2]))
        gradients: State = {}
        for i in reversed(range(len(layers))):
            slope = slope / roots[i]
            gradients[names[i]] = slope.mT @ inputs[i]
            if i > 0:
                back = (slope @ layers[i]).mul_(2**0.5)
                slope = torch.ops.aten.threshold_backward(back, inputs[i], 0)
        return losses, gradients

    return losses_and_gradients


class _Memory:
    """Buffers by name that are used again at every step."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}
        self._turned = torch.empty(0), torch.empty(0)

    def turned(self, tensor: Tensor) -> Tensor:
        """A copy with the last two axes exchanged, made once for the same tensor."""
        source, copy = self._turned
        if source is not tensor:
            copy = tensor.mT.contiguous()
            self._turned = tensor, copy
        return copy

    def like(self, name: str, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """A buffer of a tensor's shape; what it holds is left over."""
        dtype = dtype or tensor.dtype
        found = self._buffers.get(name)
        if found is None or found.shape != tensor.shape or found.dtype != dtype:
            found = torch.empty(tensor.shape, dtype=dtype, device=tensor.device)
            self._buffers[name] = found
        return found
