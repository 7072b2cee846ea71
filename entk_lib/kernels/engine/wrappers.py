"""Modules around a model that hold its parameters by their own names.

Models in half precision are run in single precision: a sum in half precision stops growing
early, at 256 in bfloat16 for ones. So their parameters stay what they are, and all
arithmetic with them, and all results, are in float32.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

_HALF = (torch.float16, torch.bfloat16)


class SameNames(nn.Module):
    """A module that holds another one's parameters and buffers, by the same names."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._parameters, self._buffers = model._parameters, model._buffers
        self._modules = model._modules


class Wide(SameNames):
    """A model run with float32 copies of what is in half precision, inputs included."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        # Beside them, where no name of the model's own can be in the way.
        self.__dict__["_wide"] = model

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model."""
        model = self.__dict__["_wide"]
        own = (*model.named_parameters(), *model.named_buffers())
        state = {name: _widened(tensor) for name, tensor in own}
        named = {name: _widened(value) for name, value in kwargs.items()}
        return functional_call(model, state, tuple(map(_widened, args)), named)


def widened(
    model: nn.Module, parameters: dict[str, Tensor]
) -> tuple[nn.Module, dict[str, Tensor]]:
    """The same, in float32 where something is in half precision.

    Args:
        model: The model.
        parameters: The chosen ones, detached; those in half precision are copied.
    """
    every = (*model.parameters(), *model.buffers())
    if not any(tensor.dtype in _HALF for tensor in every):
        return model, parameters
    return Wide(model), {name: _widened(p) for name, p in parameters.items()}


def _widened(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in _HALF
    return value.float() if half else value
