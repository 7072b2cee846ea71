"""Kernels too large for memory, written into an array that is given."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine import Problem, kernel_matrices

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@runtime_checkable
class Writable(Protocol):
    """An array that slices can be written to: of numpy, zarr or h5py."""

    shape: Any
    dtype: Any

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Write a part."""


def write_kernel(
    problem: Problem, x1: Inputs, x2: Inputs | None, budget: int, out: Writable
) -> None:
    """Write a kernel that is a matrix into an array, a block at a time.

    Args:
        problem: The model and what is asked of it.
        x1: Samples of the rows.
        x2: Samples of the columns; None for x1 again.
        budget: Memory that may be used; the array is not counted.
        out: Where to write, of the kernel's shape, in float32 or float64.

    Raises:
        TypeError: If ``out`` cannot be written to, or holds other numbers.
        ValueError: If its shape is not the kernel's.
        MemoryError: If not even a row of it fits.
    """
    each, n1 = problem.maps.rows_per_sample, _inputs.n_samples(x1)
    n2 = n1 if x2 is None else _inputs.n_samples(x2)
    dtype = _check(out, (n1 * each, n2 * each))
    if isinstance(out, np.ndarray) and problem.device.type == "cpu":
        tensor = torch.from_numpy(out.view(np.ndarray))
        kernel_matrices(problem, x1, x2, budget, dtype, {"": tensor})
        return
    for rows in _strips(n1, n2 * each**2 * dtype.itemsize, budget):
        strip = _inputs.take(x1, rows)
        found = kernel_matrices(problem, strip, x1 if x2 is None else x2, budget, dtype)
        out[rows.start * each : rows.stop * each] = found[""].cpu().numpy()


def _check(out: Writable, shape: tuple[int, int]) -> torch.dtype:
    if isinstance(out, Tensor) or not all(
        hasattr(out, name) for name in ("shape", "dtype", "__setitem__")
    ):
        raise TypeError(
            f"out must be an array to write to, got {type(out).__name__}. Pass a "
            "numpy.memmap, or an array of zarr or h5py."
        )
    dtype = _DTYPES.get(np.dtype(out.dtype).name)
    if dtype is None:
        raise TypeError(
            f"out must hold float32 or float64, got {out.dtype}. Make it with "
            'dtype="float32".'
        )
    if tuple(out.shape) != shape:
        raise ValueError(f"out must have the kernel's shape {shape}, got {out.shape}.")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise TypeError(
            'out must be writable, got an array that is not. Open it with "r+".'
        )
    return dtype


def _strips(n: int, bytes_each: int, budget: int) -> Iterator[slice]:
    size = max(1, budget // 4 // bytes_each)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))
