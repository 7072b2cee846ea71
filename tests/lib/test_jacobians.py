"""Jacobians against loops, keyed and shaped as their parameters."""

import torch
from assertions import assert_close
from cases import for_every_case, mlp, scaled, with_dtype
from oracles import loop_jacobian

from entk_lib import jacobian


@for_every_case
def test_every_parameter_agrees_with_loops(case):
    model, x, _ = case()
    oracle = loop_jacobian(model, x)
    blocks = jacobian(model, x)
    assert list(blocks) == list(oracle)
    for name, block in blocks.items():
        assert_close(block, oracle[name])


def test_a_parameter_without_axes_has_a_jacobian():
    model, x, _ = scaled()
    oracle = loop_jacobian(model, x)
    for name, block in jacobian(model, x).items():
        assert_close(block, oracle[name])


def test_chosen_parameters_come_in_the_order_of_the_model():
    model, x, _ = mlp()
    assert list(jacobian(model, x, parameters=["2", "0.bias"])) == [
        "0.bias",
        "2.weight",
        "2.bias",
    ]


def test_float32_stays_float32():
    exact = jacobian(*mlp()[:2])
    single = jacobian(*with_dtype(mlp(), torch.float32)[:2])
    for name, block in single.items():
        assert_close(block, exact[name].float())
