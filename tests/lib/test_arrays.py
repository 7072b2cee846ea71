"""Kernels that are written into arrays on disk."""

import numpy as np
import pytest
import torch
from assertions import assert_close
from cases import inputs, mlp
from torch import nn

from entk_lib import empirical_ntk


class Slices:
    """An array that is written to by slices, as zarr's and h5py's are."""

    def __init__(self, shape, dtype="float64") -> None:
        self.values = np.full(shape, np.nan, dtype)
        self.writes = []

    @property
    def shape(self):
        return self.values.shape

    @property
    def dtype(self):
        return self.values.dtype

    def __setitem__(self, key, value) -> None:
        self.writes.append(key)
        self.values[key] = value


@pytest.fixture
def on_disk(tmp_path):
    """A file that holds an array."""

    def make(shape, dtype="float64"):
        return np.memmap(tmp_path / "kernel.bin", dtype, "w+", shape=shape)

    return make


@pytest.mark.sweep
@pytest.mark.parametrize("outputs", ["average", "flatten", "mean_output", (0, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_other", [None, 5], ids=["symmetric", "cross"])
def test_what_is_written_is_the_kernel(outputs, dtype, n_other, on_disk):
    model, x, _ = mlp()
    x2 = None if n_other is None else inputs(n_other, 4, seed=9)
    expected = empirical_ntk(model, x, x2, outputs=outputs)
    file, slices = on_disk(expected.shape, dtype), Slices(expected.shape, dtype)
    file[:] = np.nan
    for out in (file, slices):
        assert empirical_ntk(model, x, x2, outputs=outputs, out=out) is out
        found = np.asarray(out if out is file else slices.values)
        assert found.dtype == dtype
        assert_close(torch.tensor(found).double(), expected, tolerance=1e-6)
    again = np.memmap(file.filename, dtype, "r", shape=file.shape)
    assert np.array_equal(again, file)


@pytest.mark.sweep
@pytest.mark.no_shape_checks
@pytest.mark.parametrize("last", [nn.Identity, nn.Tanh], ids=["head", "no head"])
def test_a_kernel_larger_than_the_memory_is_written_in_blocks(last, on_disk):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 9), last()).double()
    x, memory = inputs(300, 4), 3e-4  # the kernel alone has 7e-4 GiB
    expected = empirical_ntk(model, x)
    with pytest.raises(MemoryError, match="the kernel"):
        empirical_ntk(model, x, memory=memory)
    file = on_disk((300, 300))
    empirical_ntk(model, x, memory=memory, out=file)
    assert_close(torch.tensor(file), expected)
    slices = Slices((300, 300))
    empirical_ntk(model, x, memory=memory, out=slices)
    assert_close(torch.tensor(slices.values), expected)
    assert len(slices.writes) > 2


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("out", "options", "error", "message"),
    [
        (torch.zeros(6, 6), {}, TypeError, r"array to write to, got Tensor.*memmap"),
        ([[0.0]], {}, TypeError, r"array to write to, got list"),
        (np.zeros((6, 6), int), {}, TypeError, r"float32 or float64, got int64"),
        (np.zeros((6, 5)), {}, ValueError, r"shape \(6, 6\), got \(6, 5\)"),
        (np.zeros((6, 6)), {"by_layer": True}, ValueError, "one matrix, got by_layer=True"),
        (np.zeros((6, 6)), {"outputs": "full"}, ValueError, "one matrix, got"),
        (np.broadcast_to(np.zeros(6), (6, 6)), {}, TypeError, r"writable.*r\+"),
    ],
)
def test_arrays_that_cannot_hold_it_are_refused(out, options, error, message):
    model, x = mlp()[0], inputs(6, 4)
    with pytest.raises(error, match=message):
        empirical_ntk(model, x, out=out, **options)
