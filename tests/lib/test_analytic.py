"""Closed forms, autodiff and loops agree with each other."""

import math

import pytest
import torch
from assertions import assert_close, relative_error
from cases import inputs, linear, quadratic, tied
from oracles import loop_kernel
from torch import nn

from entk_lib import analytic, empirical_ntk
from entk_lib.toys.models import ReLUNetwork


@pytest.mark.parametrize("bias", [True, False])
def test_linear_closed_form(bias):
    _, x1, x2 = linear()
    model = nn.Linear(4, 3, bias=bias, dtype=torch.float64)
    expected = analytic.linear_ntk(x1, x2, 3, bias=bias)
    assert_close(empirical_ntk(model, x1, x2, outputs="full"), expected)
    assert_close(loop_kernel(model, x1, x2), expected)


def test_linear_has_a_bias_by_default():
    _, x1, x2 = linear()
    assert_close(analytic.linear_ntk(x1, x2, 2), analytic.linear_ntk(x1, x2, 2, bias=True))


def test_quadratic_closed_form():
    model, x1, x2 = quadratic()
    first, second = model.first.detach(), model.second.detach()
    scales = {"first_scale": model.first_scale, "second_scale": model.second_scale}
    expected = analytic.quadratic_ntk(first, second, x1, x2, **scales)
    assert_close(empirical_ntk(model, x1, x2, outputs="full"), expected)
    assert_close(loop_kernel(model, x1, x2), expected)


def test_tied_relu_closed_form():
    model, x1, x2 = tied()
    weight, bias = model.weight.detach(), model.bias.detach()
    expected = analytic.tied_relu_ntk(weight, bias, x1, x2)
    assert 0 < (expected == 0).double().mean() < 1  # some outputs are off, some on
    assert_close(empirical_ntk(model, x1, x2, outputs="full"), expected)
    assert_close(loop_kernel(model, x1, x2), expected)


def test_relu_limit_by_hand_at_right_angles_and_for_one_input():
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
    diagonal = 2 * x.square().sum(1) / 2
    limit = analytic.relu_limit_ntk(x, x)
    assert_close(limit.diagonal(), diagonal, tolerance=1e-7)
    assert limit[0, 1].item() == pytest.approx((1 * 2 / 2) / math.pi, rel=1e-12)


def test_relu_limit_by_hand_for_two_hidden_layers_and_one_input():
    x = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    # Each layer keeps the variance and adds it once more to the kernel.
    expected = torch.tensor([[3 * 6 / 3]], dtype=torch.float64)
    assert_close(analytic.relu_limit_ntk(x, x, depth=2), expected, tolerance=1e-6)


def quadrature_limit(x, other, depth):
    """The limit for two inputs, its Gaussian means taken by summing over directions."""
    turn = torch.arange(200_000, dtype=torch.float64) * (2 * math.pi / 200_000)
    directions = torch.stack([turn.cos(), turn.sin()])
    pair = torch.stack([x, other])
    covariance = pair @ pair.mT / len(x)
    kernel = covariance[0, 1]
    for _ in range(depth):
        signals = torch.linalg.cholesky(covariance) @ directions
        active = (signals > 0).double()
        # ReLU carries sqrt(2); the squared length of a normal vector in the plane is 2.
        covariance = 2 * 2 * (torch.relu(signals) @ torch.relu(signals).mT) / len(turn)
        kernel = covariance[0, 1] + kernel * 2 * (active[0] * active[1]).mean()
    return kernel


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_relu_limit_agrees_with_quadrature(depth):
    x1, x2 = inputs(3, 4), inputs(2, 4, seed=2)
    expected = torch.stack(
        [torch.stack([quadrature_limit(a, b, depth) for b in x2]) for a in x1]
    )
    assert_close(analytic.relu_limit_ntk(x1, x2, depth=depth), expected, tolerance=1e-4)


def test_relu_limit_grows_with_the_square_of_the_inputs():
    x1, x2 = inputs(3, 4), inputs(2, 4, seed=2)
    limit = analytic.relu_limit_ntk(x1, x2, depth=3)
    assert_close(analytic.relu_limit_ntk(2 * x1, 3 * x2, depth=3), 6 * limit)


def test_relu_limit_of_a_zero_input_is_zero():
    limit = analytic.relu_limit_ntk(torch.zeros(1, 3), torch.ones(2, 3))
    assert torch.equal(limit, torch.zeros(1, 2))


@pytest.mark.parametrize("depth", [1, 2])
def test_wide_relu_networks_approach_the_limit_as_one_over_root_width(depth):
    x = inputs(4, 3)
    limit = analytic.relu_limit_ntk(x, x, depth=depth)

    def mean_error(width):
        errors = []
        for seed in range(12):
            model = ReLUNetwork(3, width, depth=depth, seed=seed, dtype=torch.float64)
            errors.append(relative_error(empirical_ntk(model, x), limit))
        return sum(errors) / len(errors)

    narrow, wide = mean_error(16), mean_error(256)
    assert narrow < 1.5
    # Sixteen times the width: a quarter of the error, up to what twelve seeds leave open.
    assert 2.5 < narrow / wide < 6.5


def test_outputs_of_a_wide_network_decouple():
    x = inputs(3, 3)
    kernels = [
        empirical_ntk(
            ReLUNetwork(3, 256, 2, seed=seed, dtype=torch.float64), x, outputs="full"
        )
        for seed in range(20)
    ]
    mean = torch.stack(kernels).mean(0)
    limit = analytic.relu_limit_ntk(x, x)
    assert relative_error(mean[:, :, 1, 1], limit) < 0.15
    assert float(mean[:, :, 0, 1].abs().max() / limit.max()) < 0.1
