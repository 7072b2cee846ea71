"""Many outputs: a model is run once for all their parts, in no more memory than pays."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel, reduce_outputs
from torch import nn

from entk_lib import empirical_ntk
from entk_lib.kernels.engine import assemble, contract, convolve

pytestmark = pytest.mark.sweep


def test_what_a_wide_convolution_sends_back_is_autograd_s():
    torch.manual_seed(0)
    for padding, bias in ((0, True), (5, False), (15, True), (17, True)):
        layer = nn.Conv1d(8, 2, 16, padding=padding, bias=bias).double()
        x = inputs(3, 8, 50).requires_grad_()
        out = layer(x)
        cotangent = torch.randn_like(out)
        expected = torch.autograd.grad(out, x, cotangent, retain_graph=True)[0]
        taken = []
        with pytest.MonkeyPatch.context() as patch:
            original = convolve._input_gradient

            def spied(*args, taken=taken, original=original):
                taken.append(original(*args))
                return taken[-1]

            patch.setattr(convolve, "_input_gradient", spied)
            with convolve.InputGradients():
                found = torch.autograd.grad(out, x, cotangent)[0]
        assert taken[0] is not None
        assert_close(found, expected)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(8, 2, 16, stride=2),
        nn.Conv1d(8, 2, 4, dilation=2),
        nn.Conv1d(8, 2, 15),
        nn.Conv1d(8, 2, 30),
        nn.Conv1d(8, 2, 16, groups=2),
        nn.ConvTranspose1d(8, 2, 16),
        nn.Conv2d(8, 2, (16, 1)),
    ],
    ids=str,
)
def test_other_convolutions_are_left_to_torch(layer):
    layer = layer.double().requires_grad_(False)
    x = inputs(3, 8, 50, *[2] * (layer.weight.ndim - 3)).requires_grad_()
    out = layer(x)
    expected = torch.autograd.grad(out, x, torch.ones_like(out), retain_graph=True)[0]
    with convolve.InputGradients():
        found = torch.autograd.grad(out, x, torch.ones_like(out))[0]
    assert torch.equal(found, expected)


def test_a_wide_convolution_in_the_dark_sends_back_zeros():
    layer = nn.Conv1d(8, 2, 16)
    x = torch.randn(2, 8, 50, requires_grad=True)
    cotangent = torch.randn(2, 2, 35) * torch.tensor([1.0, 0.0])[:, None, None]
    with convolve.InputGradients():
        found = torch.autograd.grad(layer(x), x, cotangent)[0]
    assert found[0].any()
    assert not found[1].any()  # what samples get of one another is compared with zero


def hearing(n_outputs: int) -> nn.Module:
    """A small relative of a pitch tracker."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv1d(1, 8, 5),
        nn.ReLU(),
        nn.Conv1d(8, 2, 16),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(2 * 41, n_outputs),
        nn.Sigmoid(),
    ).double()


class Counted(nn.Module):
    """A model that counts its calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls = model, 0

    def forward(self, x):
        self.calls += 1
        return self.model(x)


@pytest.mark.parametrize("n_other", [None, 4], ids=["symmetric", "cross"])
def test_a_model_is_run_once_for_all_parts_of_its_outputs(n_other, monkeypatch):
    x1 = inputs(6, 1, 60)
    x2 = None if n_other is None else inputs(n_other, 1, 60, seed=2)
    model = Counted(hearing(24))
    whole = empirical_ntk(model, x1, x2)
    assert_close(
        whole, loop_kernel(model, x1, x1 if x2 is None else x2).diagonal(0, 2, 3).mean(2)
    )
    once, model.calls = model.calls, 0
    monkeypatch.setattr(assemble, "_ENOUGH_BYTES", 1)  # so one output at a time
    monkeypatch.setattr(assemble, "_MARGIN", 1e9)
    assert_close(empirical_ntk(model, x1, x2), whole)
    assert model.calls <= once
    monkeypatch.setattr(contract, "_GRAPH_BYTES", 0)
    model.calls = 0
    assert_close(empirical_ntk(model, x1, x2), whole)
    assert model.calls >= 24 * (1 if x2 is None else 2)


def test_memory_beyond_enough_is_taken_only_where_it_saves_time(monkeypatch):
    x, chosen = inputs(6, 1, 60), []
    original = assemble.largest_part

    def spied(*args, **options):
        chosen.append(original(*args, **options))
        return chosen[-1]

    monkeypatch.setattr(assemble, "largest_part", spied)
    model = hearing(24)
    monkeypatch.setattr(assemble, "_PART_COST", 0)
    empirical_ntk(model, x)
    monkeypatch.setattr(assemble, "_ENOUGH_BYTES", 50_000)
    empirical_ntk(model, x)
    monkeypatch.setattr(assemble, "_PART_COST", 10**12)
    empirical_ntk(model, x)
    (all_at_once, large), (few, small), (dear, _) = chosen
    assert all_at_once == dear == 24
    assert few < 24
    assert small.kept <= 50_000 < large.kept


@pytest.mark.parametrize("outputs", ["average", "flatten", "diagonal"])
@pytest.mark.parametrize("by_layer", [False, True])
def test_a_pitch_tracker_s_kernel_is_the_definition_s(outputs, by_layer):
    model, x = hearing(7), inputs(5, 1, 60)
    found = empirical_ntk(model, x, outputs=outputs, by_layer=by_layer)
    found = sum(found.values()) if by_layer else found
    expected = loop_kernel(model, x, x)
    if outputs == "diagonal":
        expected = expected.diagonal(0, 2, 3)
    else:
        expected = reduce_outputs(expected, outputs)
    assert_close(found, expected)


@pytest.mark.parametrize("last", [nn.Identity, nn.Sigmoid], ids=["linear", "sigmoid"])
def test_the_error_of_single_precision_does_not_grow_with_the_outputs(last):
    errors = []
    for n_outputs in (100, 1000):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, n_outputs), last())
        x = inputs(6, 5)
        found = empirical_ntk(model, x.float()).double()
        expected = empirical_ntk(model.double(), x)
        errors.append(float((found - expected).abs().max() / expected.abs().max()))
    assert max(errors) < 1e-6


def test_a_common_factor_is_told_only_where_that_saves_something(monkeypatch):
    plans = []
    original = assemble.largest_part

    def spied(*args):
        found = original(*args)
        plans.append(found[1].plan)
        return found

    monkeypatch.setattr(assemble, "largest_part", spied)
    torch.manual_seed(0)
    plain = nn.Sequential(
        nn.Linear(6, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 8)
    )
    # Below, at many places, gradients of every output are made anyway.
    layers = [nn.Conv1d(1, 16, 9), nn.Tanh(), nn.MaxPool1d(15), nn.Flatten()]
    layers += [nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 8), nn.Sigmoid()]
    heavy = nn.Sequential(*layers)
    empirical_ntk(plain.double(), inputs(400, 6))
    x = inputs(4, 1, 68)
    found = empirical_ntk(heavy.double(), x)
    assert_close(found, loop_kernel(heavy, x, x).diagonal(0, 2, 3).mean(2))
    separated, whole = plans
    assert separated.separable
    assert not whole.separable
    assert whole.pairs.keys() | {0} == {0, *whole.structure.uses}
