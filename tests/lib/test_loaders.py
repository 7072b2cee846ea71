"""A DataLoader instead of one batch."""

import pytest
import torch
from assertions import assert_close
from cases import inputs, mlp
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from entk_lib import NTKOperator, empirical_ntk, explain_ntk, jacobian, ntk_spectrum
from entk_lib.kernels import spectrum_cost

X, Y = inputs(7, 4), inputs(7, 3, seed=2)


class Stream(IterableDataset):
    """Samples without an index."""

    def __iter__(self):
        return iter(X)


LOADERS = {
    "tensors": lambda: DataLoader(X, 3),
    "inputs": lambda: DataLoader(TensorDataset(X), 3),
    "pairs": lambda: DataLoader(TensorDataset(X, Y), 2),
    "stream": lambda: DataLoader(Stream(), 3),
    "of all": lambda: DataLoader(X, 100),
}


@pytest.mark.no_shape_checks
@pytest.mark.parametrize("make", LOADERS.values(), ids=LOADERS.keys())
def test_every_function_takes_a_loader(make):
    model, loader = mlp()[0], make()
    kernel = empirical_ntk(model, X)
    assert_close(empirical_ntk(model, loader), kernel)
    assert_close(empirical_ntk(model, X[:2], loader), kernel[:2])
    assert_close(NTKOperator(model, loader) @ torch.eye(7).double(), kernel)
    found, exact = ntk_spectrum(model, loader, 3), ntk_spectrum(model, X, 3)
    assert_close(found.eigenvalues, exact.eigenvalues)
    for name, block in jacobian(model, loader).items():
        assert_close(block, jacobian(model, X)[name])
    assert explain_ntk(model, loader) == explain_ntk(model, X)
    assert spectrum_cost(model, loader).rows == 7


class Masked(nn.Module):
    """Takes named tensors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3).double()

    def forward(self, values, mask):
        return self.layer(values) * mask


@pytest.mark.no_shape_checks
def test_batches_may_be_dicts():
    data = [{"values": row, "mask": row[:1] > 0} for row in X]
    whole = {"values": X, "mask": X[:, :1] > 0}
    found = empirical_ntk(Masked(), DataLoader(data, 3))
    assert_close(found, empirical_ntk(Masked(), whole))


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DataLoader(X, 3, shuffle=True), ValueError, r"order.*shuffle=False"),
        (lambda: DataLoader(X[:2], 3, drop_last=True), ValueError, "at least one batch"),
        (
            lambda: DataLoader(TensorDataset(X, X, Y), 3),
            TypeError,
            r"pairs of inputs and targets, got a list of 3",
        ),
        (lambda: DataLoader(["a", "b"]), TypeError, r"tensors or dicts of them, got"),
    ],
)
def test_loaders_that_give_no_samples_in_order_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        empirical_ntk(mlp()[0], make())
