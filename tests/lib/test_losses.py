"""The losses of training: values, and the shapes that they refuse."""

import pytest
import torch

from entk_lib.training import mean_squared_error, weighted_squared_error

LOSSES = [mean_squared_error, weighted_squared_error(torch.ones(3))]


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_that_would_be_broadcast_are_refused(loss):
    with pytest.raises(ValueError, match=r"model's output, \(4, 3\), got \(3,\)"):
        loss(torch.zeros(4, 3), torch.zeros(3))


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_weights_give_the_mean_over_samples_and_outputs(loss):
    output, target = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 2.0]])
    assert float(loss(output, target)) == pytest.approx(18 / 6)
