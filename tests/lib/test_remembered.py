"""Products that keep their graph: one forward pass, the same numbers."""

import pytest
import torch
from assertions import assert_close
from cases import for_every_case, inputs
from torch import nn

from entk_lib import NTKOperator, empirical_ntk
from entk_lib.kernels import tangents


class Counted(nn.Module):
    """Counts how often it runs."""

    def __init__(self, n_outputs=2):
        super().__init__()
        self.first, self.second = nn.Linear(3, 6), nn.Linear(6, n_outputs)
        self.calls = []

    def forward(self, x):
        self.calls.append(len(x))
        return self.second(torch.tanh(self.first(x)))


@for_every_case
@pytest.mark.parametrize("outputs", ["flatten", "average"])
def test_products_with_and_without_memory_are_the_same(case, outputs, monkeypatch):
    model, x, _ = case()
    kept = NTKOperator(model, x, outputs=outputs)
    vectors = inputs(kept.shape[0], 2, seed=5)
    expected = empirical_ntk(model, x, outputs=outputs) @ vectors
    assert_close(kept @ vectors, expected)
    monkeypatch.setattr(tangents, "GRAPH_COPIES", 10**12)
    anew = NTKOperator(model, x, outputs=outputs)
    assert_close(anew @ vectors, expected)
    assert anew._tangents._graphs is None


def test_the_model_runs_once_for_all_products():
    model, x = Counted().double(), inputs(5, 3)
    operator = NTKOperator(model, x, outputs="flatten")
    model.calls.clear()
    operator @ inputs(10, 4, seed=2)
    operator @ inputs(10, seed=3)
    assert model.calls == [5]


def test_only_what_lies_above_the_first_chosen_parameter_is_kept():
    model, x = Counted().double(), inputs(5, 3)
    operator = NTKOperator(model, x, outputs="flatten", parameters="second")
    kernel = empirical_ntk(model, x, outputs="flatten", parameters="second")
    vector = inputs(10, seed=3)
    assert_close(operator @ vector, kernel @ vector)
    (graph,) = operator._tangents._graphs
    saved, nodes = set(), [graph._outputs.grad_fn]
    while nodes:
        node = nodes.pop()
        saved.add(type(node).__name__)
        nodes += [parent for parent, _ in node.next_functions if parent is not None]
    assert "TanhBackward0" not in saved


@pytest.mark.parametrize("n_outputs", [2, 9], ids=["few outputs", "many"])
@pytest.mark.parametrize("how", ["in place", "by a step", "replaced"])
def test_a_parameter_that_changes_between_products_is_seen(how, n_outputs):
    model, x, vector = Counted(n_outputs).double(), inputs(5, 3), inputs(5, seed=3)
    operator = NTKOperator(model, x)
    before = operator @ vector
    if how == "in place":
        with torch.no_grad():
            model.first.weight.mul_(1.5)
    elif how == "by a step":
        model(x).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    else:
        model.load_state_dict({k: 1.5 * v for k, v in model.state_dict().items()})
    after = empirical_ntk(model, x) @ vector
    assert_close(operator @ vector, after)
    assert not torch.allclose(before, after)


class Square(torch.autograd.Function):
    """A square with a right tangent; how it differentiates twice is a test's business."""

    @staticmethod
    def forward(x):
        return x.square()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * ctx.saved_tensors[0] * tangent


class Once(Square):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Wrong(Square):
    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * (2 * gradient - gradient.detach())


@pytest.mark.parametrize("square", [Once, Wrong])
def test_where_no_right_second_derivative_is_the_model_runs_anew(square):
    class Model(Counted):
        def forward(self, x):
            return self.second(square.apply(self.first(x)))

    model, x, vector = Model().double(), inputs(5, 3), inputs(5, seed=3)
    operator = NTKOperator(model, x)
    assert_close(operator @ vector, empirical_ntk(model, x) @ vector)
    assert operator._tangents._graphs is None
