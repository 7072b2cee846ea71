"""Gradients of a convolution's input where the library's own way is slow.

On CPUs, torch takes the gradient of the input of a convolution over one axis several times
slower than it multiplies matrices, where a wide kernel leads from many channels to few, as
in networks that hear. There the gradient is one product with windows of the result's.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

_BACKWARD = torch.ops.aten.convolution_backward.default
# From here on the product takes less time, measured for 16 to 128 channels.
_WIDE = 16
_FEWER = 4


def is_narrowing(weight: Tensor) -> bool:
    """Whether a wide kernel leads from many channels to few, over one axis, on a CPU."""
    if weight.ndim != 3 or weight.device.type != "cpu":
        return False
    n_out, n_in, width = weight.shape
    return width >= _WIDE and n_in >= _FEWER * n_out


class InputGradients(TorchDispatchMode):
    """While it is entered, backward passes take narrowing convolutions as products."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Every operation as it is, but for the gradients of those inputs."""
        if func is _BACKWARD:
            found = _input_gradient(*args)
            if found is not None:
                return found, None, None
        return func(*args, **(kwargs or {}))


def _input_gradient(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> Tensor | None:
    """Gradient of the input alone; None where something else is asked for."""
    plain = list(stride) == [1] and list(dilation) == [1] and groups == 1
    if list(wanted) != [True, False, False] or transposed or not plain:
        return None
    width = weight.shape[2]
    margin = width - 1 - padding[0]
    if margin < 0 or not is_narrowing(weight):
        return None
    windows = F.pad(gradient, (margin, margin)).unfold(2, width, 1)
    rows = windows.transpose(2, 3).reshape(len(gradient), -1, x.shape[2])
    return weight.flip(2).transpose(0, 1).flatten(1) @ rows
