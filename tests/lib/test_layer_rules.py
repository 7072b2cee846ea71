"""Kernels of random architectures are those of the loop oracle, and rules make them."""

import copy
import warnings

import pytest
import torch
from architectures import (
    FAMILIES,
    N1,
    OTHER_PRODUCTS,
    PRODUCTS,
    UNCOVERED,
    Drawn,
    Functional,
    one_product,
    weights,
)
from assertions import assert_close, relative_error
from cases import inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import loop_kernel, reduce_outputs
from torch import nn
from torch.nn import functional as F

from entk_lib import empirical_ntk, explain_ntk

pytestmark = [pytest.mark.sweep, pytest.mark.no_shape_checks]

quick = settings(max_examples=25, suppress_health_check=list(HealthCheck))
for_every_family = pytest.mark.parametrize("family", FAMILIES)
words = st.one_of(
    st.sampled_from(["full", "flatten", "average", "mean_output"]), st.just("block")
)


def oracle(drawn: Drawn, x2, names=None):
    return loop_kernel(drawn.model, drawn.x1, drawn.x1 if x2 is None else x2, names)


def resolve(word, n_outputs):
    return (0, n_outputs - 1) if word == "block" else word


@for_every_family
@quick
@given(data=st.data())
def test_kernels_of_random_architectures_agree_with_the_loop_oracle(family, data):
    drawn = data.draw(FAMILIES[family])
    x2 = data.draw(st.sampled_from([None, drawn.x2]))
    expected = oracle(drawn, x2)
    outputs = resolve(data.draw(words), expected.shape[-1])
    kernel = empirical_ntk(drawn.model, drawn.x1, x2, outputs=outputs)
    assert_close(kernel, reduce_outputs(expected, outputs), tolerance=1e-12)


@for_every_family
@settings(quick, max_examples=12)
@given(data=st.data())
def test_rules_cover_what_they_should_and_nothing_else(family, data):
    drawn = data.draw(FAMILIES[family])
    word = resolve(data.draw(words), 1)
    lines = explain_ntk(drawn.model, drawn.x1, outputs=word)
    by_autodiff = {line.parameter for line in lines if line.way == "autodiff"}
    assert by_autodiff == set(drawn.by_autodiff)


@for_every_family
@settings(quick, max_examples=10)
@given(data=st.data())
def test_kernels_by_layer_are_those_of_each_layer_alone(family, data):
    drawn = data.draw(FAMILIES[family])
    word = data.draw(st.sampled_from(["full", "average"]))
    kernels = empirical_ntk(drawn.model, drawn.x1, drawn.x2, outputs=word, by_layer=True)
    trainable = [n for n, p in drawn.model.named_parameters() if p.requires_grad]
    for layer, kernel in kernels.items():
        names = [n for n in trainable if (n.rpartition(".")[0] or n) == layer]
        expected = reduce_outputs(oracle(drawn, drawn.x2, names), word)
        assert_close(kernel, expected, tolerance=1e-12)
    assert {n.rpartition(".")[0] or n for n in trainable} == set(kernels)


@for_every_family
@settings(quick, max_examples=12)
@given(data=st.data())
def test_single_precision_keeps_what_it_can_of_double_precision(family, data):
    drawn = data.draw(FAMILIES[family])
    word = resolve(data.draw(words), 1)
    single = copy.deepcopy(drawn.model).float()
    double = copy.deepcopy(single).double()
    x = drawn.x1.float() if drawn.x1.is_floating_point() else drawn.x1
    same = x.double() if x.is_floating_point() else x
    expected = reduce_outputs(loop_kernel(double, same, same), word)
    kernel = empirical_ntk(single, x, outputs=word)
    assert kernel.dtype == torch.float32
    # Where terms cancel, the plain loop loses as much in single precision.
    loop = reduce_outputs(loop_kernel(copy.deepcopy(single), x, x), word)
    lost = relative_error(loop.double(), expected)
    bound = max(1e-6 if drawn.smooth else 1e-4, 3 * lost)
    assert relative_error(kernel.double(), expected) <= bound


@pytest.mark.parametrize("outputs", ["full", "average"])
@pytest.mark.parametrize("spelling", [*PRODUCTS, *OTHER_PRODUCTS])
def test_every_spelling_of_a_product_has_a_rule_and_the_right_kernel(spelling, outputs):
    drawn = one_product(spelling, seed=3)
    lines = explain_ntk(drawn.model, drawn.x1, outputs=outputs)
    kernel = empirical_ntk(drawn.model, drawn.x1, outputs=outputs)
    assert_close(kernel, reduce_outputs(oracle(drawn, None), outputs), tolerance=1e-12)
    assert "autodiff" not in {line.way for line in lines}


@pytest.mark.parametrize("kernel", [1, 2, 4])
@pytest.mark.parametrize("dilation", [1, 3])
def test_the_same_size_is_padded_as_torch_does_it(kernel, dilation):
    layer = nn.Conv1d(2, 3, kernel, padding="same", dilation=dilation)
    model = nn.Sequential(layer, nn.Tanh(), nn.Flatten()).double()
    x = inputs(N1, 2, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torch, on kernels of even size
        lines = explain_ntk(model, x)
        result = empirical_ntk(model, x, outputs="full")
        expected = loop_kernel(model, x, x)
    assert "autodiff" not in {line.way for line in lines}
    assert_close(result, expected, tolerance=1e-12)


def test_entries_that_a_large_weight_repeats_are_one_parameter():
    model = Functional(
        lambda self, x: torch.tanh(F.linear(x, self.weight.expand(30, 30))).cumsum(1)[
            :, :3
        ],
        weight=weights(1, 30),
    )
    x = inputs(3, 30)
    for word in ("full", "average", "mean_output"):
        expected = reduce_outputs(loop_kernel(model, x, x), word)
        assert_close(empirical_ntk(model, x, outputs=word), expected, tolerance=1e-12)


@pytest.mark.parametrize("spelling", UNCOVERED)
def test_spellings_without_a_rule_have_the_right_kernel_all_the_same(spelling):
    drawn = one_product(spelling, seed=3)
    ways = {line.parameter: line.way for line in explain_ntk(drawn.model, drawn.x1)}
    assert ways["weight"] == "autodiff"
    if spelling != "constant":  # what no output depends on cannot be compared
        assert ways["first.weight"] != "autodiff"
    kernel = empirical_ntk(drawn.model, drawn.x1, outputs="full")
    assert_close(kernel, oracle(drawn, None), tolerance=1e-12)
