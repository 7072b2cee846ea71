"""empirical_ntk against loops, laws that kernels obey, and first-order training."""

import copy

import pytest
import torch
from assertions import assert_close, assert_positive_semidefinite
from cases import (
    all_outputs,
    for_every_case,
    for_smooth_cases,
    mlp,
    relu,
    scaled,
    shared,
    with_dtype,
)
from oracles import loop_kernel, reduce_outputs
from torch import nn

from entk_lib import empirical_ntk, jacobian


@for_every_case
def test_every_output_word_agrees_with_loops_on_one_set(case):
    model, x, _ = case()
    oracle = loop_kernel(model, x, x)
    for outputs in all_outputs(oracle.shape[2]):
        assert_close(
            empirical_ntk(model, x, outputs=outputs), reduce_outputs(oracle, outputs)
        )


@for_every_case
def test_every_output_word_agrees_with_loops_on_two_sets(case):
    model, x1, x2 = case()
    oracle = loop_kernel(model, x1, x2)
    for outputs in all_outputs(oracle.shape[2]):
        kernel = empirical_ntk(model, x1, x2, outputs=outputs)
        assert_close(kernel, reduce_outputs(oracle, outputs))


def test_average_is_the_default():
    model, x1, x2 = mlp()
    assert_close(
        empirical_ntk(model, x1, x2), reduce_outputs(loop_kernel(model, x1, x2), "average")
    )


@pytest.mark.parametrize("outputs", all_outputs(3), ids=str)
def test_output_weights_scale_outputs_by_their_roots(outputs):
    model, x1, x2 = mlp()
    weights = torch.tensor([0.5, 0.0, 3.0], dtype=torch.float64)
    oracle = loop_kernel(model, x1, x2, weights=weights)
    kernel = empirical_ntk(model, x1, x2, outputs=outputs, output_weights=weights)
    assert_close(kernel, reduce_outputs(oracle, outputs))


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("0.weight", ["0.weight"]),
        ("0", ["0.weight", "0.bias"]),
        (["2.bias", "0"], ["0.weight", "0.bias", "2.bias"]),
        (["0", "0.weight"], ["0.weight", "0.bias"]),
        (iter(["2"]), ["2.weight", "2.bias"]),
    ],
    ids=["name", "submodule", "both", "overlapping", "iterator"],
)
def test_parameters_are_chosen_by_name_or_submodule(parameters, names):
    model, x1, x2 = mlp()
    kernel = empirical_ntk(model, x1, x2, outputs="full", parameters=parameters)
    assert_close(kernel, loop_kernel(model, x1, x2, names))


def test_a_submodule_name_is_no_string_prefix():
    class TwoNames(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 2, dtype=torch.float64)
            self.ab = nn.Linear(3, 2, dtype=torch.float64)

        def forward(self, x):
            return self.a(x) * self.ab(x)

    model, x = TwoNames(), torch.randn(4, 3, dtype=torch.float64)
    oracle = loop_kernel(model, x, x, ["a.weight", "a.bias"])
    assert_close(empirical_ntk(model, x, outputs="full", parameters="a"), oracle)


def test_a_frozen_parameter_counts_only_when_named():
    model, x, _ = mlp()
    model[0].requires_grad_(False)
    assert_close(
        empirical_ntk(model, x, outputs="full"),
        loop_kernel(model, x, x, ["2.weight", "2.bias"]),
    )
    named = empirical_ntk(model, x, outputs="full", parameters="0")
    assert_close(named, loop_kernel(model, x, x, ["0.weight", "0.bias"]))


def test_a_parameter_without_axes_counts():
    model, x1, x2 = scaled()
    kernel = empirical_ntk(model, x1, x2, outputs="full")
    assert_close(kernel, loop_kernel(model, x1, x2))


@pytest.mark.parametrize("outputs", all_outputs(3), ids=str)
def test_layers_are_keyed_by_owner_and_hold_their_own_parameters(outputs):
    model, x1, x2 = mlp()
    layers = empirical_ntk(model, x1, x2, outputs=outputs, by_layer=True)
    assert list(layers) == ["0", "2"]
    for owner, kernel in layers.items():
        oracle = loop_kernel(model, x1, x2, [f"{owner}.weight", f"{owner}.bias"])
        assert_close(kernel, reduce_outputs(oracle, outputs))


@for_every_case
def test_layers_add_up_to_the_whole(case):
    model, x, _ = case()
    layers = empirical_ntk(model, x, outputs="flatten", by_layer=True)
    assert_close(sum(layers.values()), empirical_ntk(model, x, outputs="flatten"))


def test_a_parameter_of_the_model_itself_is_a_layer():
    model, x, _ = scaled()
    model.factor = nn.Parameter(model.factor.detach().reshape(1))
    assert list(empirical_ntk(model, x, by_layer=True)) == ["factor", "linear"]


def test_a_shared_layer_keeps_the_product_of_its_two_roles():
    model, x, _ = shared()
    kernel = empirical_ntk(model, x, outputs="full", parameters="twice")
    assert_close(kernel, loop_kernel(model, x, x, ["twice.weight", "twice.bias"]))


def test_one_tensor_under_two_names_counts_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    model[2].weight = model[0].weight
    x = torch.randn(4, 3, dtype=torch.float64)
    assert_close(empirical_ntk(model, x, outputs="full"), loop_kernel(model, x, x))


@for_every_case
def test_flattened_kernel_is_positive_semidefinite(case):
    model, x, _ = case()
    assert_positive_semidefinite(empirical_ntk(model, x, outputs="flatten"))


@for_every_case
def test_swapping_the_two_sets_transposes_samples_and_outputs(case):
    model, x1, x2 = case()
    there = empirical_ntk(model, x1, x2, outputs="full")
    back = empirical_ntk(model, x2, x1, outputs="full")
    assert_close(there, back.permute(1, 0, 3, 2))


def test_passing_x1_twice_equals_leaving_x2_out():
    model, x, _ = mlp()
    for outputs in all_outputs(3):
        alone = empirical_ntk(model, x, outputs=outputs)
        assert_close(empirical_ntk(model, x, x.clone(), outputs=outputs), alone)


def test_permuted_samples_permute_the_kernel():
    model, x1, x2 = mlp()
    order = torch.tensor([3, 0, 4, 1, 2])
    kernel = empirical_ntk(model, x1, x2, outputs="full")
    assert_close(empirical_ntk(model, x1[order], x2, outputs="full"), kernel[order])


def test_flattened_rows_are_sample_major():
    model, x1, x2 = mlp()
    flat = empirical_ntk(model, x1, x2, outputs="flatten")
    full = empirical_ntk(model, x1, x2, outputs="full")
    assert_close(flat[1 * 3 + 2, 2 * 3 + 0], full[1, 2, 2, 0])
    assert_close(flat.reshape(5, 3, 3, 3).permute(0, 2, 1, 3), full)


def test_trace_of_the_flattened_kernel_is_outputs_times_that_of_the_average():
    model, x, _ = mlp()
    flat = empirical_ntk(model, x, outputs="flatten").trace()
    assert_close(flat, 3 * empirical_ntk(model, x, outputs="average").trace())


def test_mean_output_is_the_kernel_of_the_averaged_model():
    class Mean(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x).mean(1)

    model, x1, x2 = mlp()
    expected = empirical_ntk(Mean(model), x1, x2)
    assert_close(empirical_ntk(model, x1, x2, outputs="mean_output"), expected)


def test_negative_output_indices_count_from_the_end():
    model, x1, x2 = mlp()
    expected = empirical_ntk(model, x1, x2, outputs=(2, 1))
    assert_close(empirical_ntk(model, x1, x2, outputs=(-1, -2)), expected)


def test_moving_scale_between_relu_layers_moves_their_kernels_inversely():
    model, x, _ = relu()
    before = empirical_ntk(model, x, outputs="full", by_layer=True)
    with torch.no_grad():
        model[0].weight.mul_(2.0)
        model[2].weight.div_(2.0)
    after = empirical_ntk(model, x, outputs="full", by_layer=True)
    assert_close(after["0"], before["0"] / 4)
    assert_close(after["2"], before["2"] * 4)


@for_every_case
def test_float32_stays_float32_and_close_to_float64(case):
    exact = empirical_ntk(*case(), outputs="full")
    single = empirical_ntk(*with_dtype(case(), torch.float32), outputs="full")
    assert_close(single, exact.float())


@for_every_case
def test_one_gradient_step_changes_outputs_by_kernel_times_residual(case):
    model, x, x_other = case()
    y = torch.randn(model(x).shape, dtype=torch.float64)
    rate = 1e-7
    residual = (model(x) - y).detach()
    n_outputs = residual.reshape(len(x), -1).shape[1]
    kernel = empirical_ntk(model, x_other, x, outputs="flatten")
    stepped = copy.deepcopy(model)
    optimizer = torch.optim.SGD(
        [p for p in stepped.parameters() if p.requires_grad], lr=rate
    )
    (0.5 * (stepped(x) - y).square().sum()).backward()
    optimizer.step()
    change = (stepped(x_other) - model(x_other)).detach().reshape(-1)
    assert len(change) == len(x_other) * n_outputs
    assert_close(change / rate, -kernel @ residual.reshape(-1), tolerance=1e-4)


@for_smooth_cases
def test_remainder_after_the_jacobian_shrinks_quadratically(case):
    model, x, _ = case()
    directions = {name: torch.randn_like(p) for name, p in model.named_parameters()}
    blocks = jacobian(model, x)
    slope = sum(
        (blocks[name].flatten(2) @ directions[name].flatten()) for name in directions
    ).reshape(model(x).shape)

    def remainder(size):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name, p in moved.named_parameters():
                p.add_(size * directions[name])
        return float((moved(x) - model(x) - size * slope).detach().norm())

    assert remainder(1e-3) / remainder(1e-4) == pytest.approx(100, rel=0.1)
