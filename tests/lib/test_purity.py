"""Nothing that the caller holds is changed."""

import copy

import pytest
import torch
from assertions import assert_unchanged
from cases import ALL, batch_norm, for_every_case, inputs, mlp
from torch import nn

from entk_lib import (
    LinearizedPredictor,
    empirical_ntk,
    factor_spectrum,
    feature_alignment,
    find_cliffs,
    jacobian,
    kernel_spectrum,
    ntk_spectrum,
    subspace_overlap,
)


def _targets(model, x):
    with torch.no_grad():
        return torch.ones_like(copy.deepcopy(model)(x.clone()))


CALLS = {
    "kernel": lambda model, x1, x2: empirical_ntk(model, x1, x2),
    "spectrum": lambda model, x1, x2: ntk_spectrum(model, x1).eigenvectors,
    "jacobian": lambda model, x1, x2: next(iter(jacobian(model, x1).values())),
    "regression": lambda model, x1, x2: LinearizedPredictor(
        model, x1, _targets(model, x1), ridge=0.1
    )(x2),
}
for_every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


class CallCounter(nn.Module):
    """Counts its calls in a buffer, in any mode."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2, dtype=torch.float64)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls.add_(1)
        return self.linear(x)


def _same(before, after):
    return before.keys() == after.keys() and all(
        torch.equal(before[name], after[name]) for name in before
    )


@for_every_call
@for_every_case
def test_state_gradients_inputs_and_random_state_stay(call, case):
    model, x1, x2 = case()
    model.train(case is not ALL["batch_norm"])
    state = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    trainable = [p.requires_grad for p in model.parameters()]
    kept = x1.clone(), x2.clone()
    for p in model.parameters():
        p.grad = torch.full_like(p, 3.0)
    random = torch.get_rng_state()
    result = call(model, x1, x2)
    assert not result.requires_grad
    assert torch.equal(random, torch.get_rng_state())
    assert _same(state, model.state_dict())
    assert modes == [m.training for m in model.modules()]
    assert trainable == [p.requires_grad for p in model.parameters()]
    assert all(torch.equal(p.grad, torch.full_like(p, 3)) for p in model.parameters())
    assert torch.equal(kept[0], x1)
    assert torch.equal(kept[1], x2)


@for_every_call
def test_buffers_that_count_calls_stay(call):
    model = CallCounter()
    call(model, inputs(4, 3), inputs(2, 3))
    assert model.calls == 0


def test_running_statistics_stay_when_a_model_in_training_mode_is_refused():
    model, x, _ = batch_norm()
    model.train()
    state = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="BatchNorm"):
        empirical_ntk(model, x)
    assert _same(state, model.state_dict())
    assert model.training


def test_random_state_stays_when_a_stochastic_model_is_refused():
    model = nn.Sequential(nn.Linear(3, 4, dtype=torch.float64), nn.Dropout())
    random = torch.get_rng_state()
    with pytest.raises(ValueError, match="deterministic"):
        empirical_ntk(model, inputs(4, 3))
    assert torch.equal(random, torch.get_rng_state())


@for_every_call
def test_inputs_stay_when_the_model_writes_into_them(call):
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 2)).double()
    x1, x2 = inputs(5, 3), inputs(4, 3, seed=2)
    call(model, x1, x2)
    assert torch.equal(x1, inputs(5, 3))
    assert torch.equal(x2, inputs(4, 3, seed=2))


def test_inputs_that_require_grad_leave_no_history():
    model, x1, x2 = mlp()
    kernel = empirical_ntk(model, x1.requires_grad_(), x2.requires_grad_())
    assert not kernel.requires_grad
    assert x1.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_kernels_do_not_depend_on_the_surrounding_gradient_mode(mode):
    model, x1, x2 = mlp()
    outside = empirical_ntk(model, x1, x2)
    with mode():
        inside = empirical_ntk(model, x1, x2)
    assert torch.equal(outside, inside)


def test_later_changes_of_the_model_leave_kernels_alone():
    model, x, _ = mlp()
    kernel, block = empirical_ntk(model, x), jacobian(model, x)["2.weight"]
    kept = kernel.clone(), block.clone()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    assert torch.equal(kernel, kept[0])
    assert torch.equal(block, kept[1])


@pytest.mark.parametrize(
    "call",
    [
        kernel_spectrum,
        factor_spectrum,
        lambda kernel: find_cliffs(kernel.diagonal()),
        lambda kernel: subspace_overlap(kernel, kernel),
        lambda kernel: feature_alignment(kernel, kernel),
    ],
    ids=["kernel_spectrum", "factor_spectrum", "find_cliffs", "overlap", "alignment"],
)
def test_spectra_and_alignments_leave_their_arguments_alone(call):
    assert_unchanged(call, torch.diag(torch.tensor([9.0, 8.0, 2.0, 1.0])))
