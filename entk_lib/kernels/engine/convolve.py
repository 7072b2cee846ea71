"""Gradients of a convolution's input where the library's own way is slow.

On CPUs, torch takes the gradient of the input of a convolution over one axis, where the
kernel is wide, several times slower than it multiplies matrices. There the gradient is
taken in the frequency domain, as in networks that hear.
"""

from collections.abc import Sequence
from typing import Any

import scipy.fft
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_BACKWARD = torch.ops.aten.convolution_backward.default
# From here on it takes less time, measured for 16 to 128 channels.
_WIDE = 16
_LONG = 32


def is_wide(weight: Tensor) -> bool:
    """Whether this may be a wide kernel over one axis, on a CPU."""
    return (
        weight.ndim == 3
        and weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.float64)
        and weight.shape[2] >= _WIDE
    )


class InputGradients(TorchDispatchMode):
    """While it is entered, backward passes take wide convolutions by frequency."""

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
    if not is_wide(weight) or gradient.shape[2] < _LONG:
        return None
    # Entry p of the padded input sums gradient[p - k] weight[k]: nothing wraps around.
    length = x.shape[2] + 2 * padding[0]
    size = scipy.fft.next_fast_len(length, real=True)
    of_gradient = torch.fft.rfft(gradient, size).permute(2, 1, 0)
    of_weight = torch.fft.rfft(weight, size).permute(2, 1, 0)
    found = torch.fft.irfft((of_weight @ of_gradient).permute(2, 1, 0), size)
    return found[..., padding[0] : length - padding[0]].contiguous()
