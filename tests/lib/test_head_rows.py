"""The last linear map where every mapped output is a row: one kernel below, spread."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel
from torch import nn

from entk_lib import empirical_ntk, explain_ntk
from entk_lib.kernels.engine import assemble

pytestmark = [pytest.mark.no_shape_checks, pytest.mark.sweep]

N_OUTPUTS, WIDTH = 9, 4


def perceptron(width=WIDTH, *, bias=True):
    torch.manual_seed(0)
    layers = [nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, N_OUTPUTS, bias=bias)).double()


def root_of(kind):
    """Weights as they are given, and the matrix that maps the outputs."""
    draws = inputs(N_OUTPUTS, N_OUTPUTS, seed=3)
    if kind == "none":
        return None, torch.eye(N_OUTPUTS, dtype=torch.float64)
    if kind == "each":
        return draws[0].abs(), draws[0].abs().sqrt().diag()
    two, values = torch.linalg.qr(draws[:, :2])[0], torch.tensor([2.0, 1.0]).double()
    return (two * values**2) @ two.mT, (two * values) @ two.mT


@pytest.mark.parametrize("kind", ["none", "each", "matrix"])
@pytest.mark.parametrize("n_other", [None, 3], ids=["symmetric", "cross"])
def test_every_output_s_kernel_is_the_definition_s(kind, n_other, mapped):
    model, x1 = perceptron(), inputs(5, 3)
    x2 = None if n_other is None else inputs(n_other, 3, seed=2)
    weights, root = root_of(kind)
    kernels = empirical_ntk(
        model, x1, x2, outputs="full", output_weights=weights, by_layer=True
    )
    assert set(mapped) == {WIDTH}
    for layer, kernel in kernels.items():
        own = [f"{layer}.weight", f"{layer}.bias"]
        expected = loop_kernel(model, x1, x1 if x2 is None else x2, own)
        assert_close(kernel, root @ expected @ root)
    flat = empirical_ntk(model, x1, x2, outputs="flatten", output_weights=weights)
    whole = sum(kernels.values()).permute(0, 2, 1, 3)
    assert_close(flat, whole.reshape(flat.shape))
    assert x2 is not None or torch.equal(flat, flat.mT)


@pytest.mark.parametrize("chosen", ["4.weight", "4.bias", "0.weight", "2"])
@pytest.mark.parametrize("bias", [True, False])
def test_some_of_the_parameters(chosen, bias):
    if chosen == "4.bias" and not bias:
        return
    model, x = perceptron(bias=bias), inputs(5, 3)
    names = [n for n, _ in model.named_parameters() if n.startswith(chosen)]
    found = empirical_ntk(model, x, outputs="full", parameters=names)
    assert_close(found, loop_kernel(model, x, x, names))


def test_a_wide_last_layer_and_a_tied_one_are_left_as_they_are(mapped):
    x = inputs(5, 3)
    wide = perceptron(width=5)
    assert_close(empirical_ntk(wide, x, outputs="full"), loop_kernel(wide, x, x))
    assert set(mapped) == {N_OUTPUTS}
    mapped.clear()

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(inputs(N_OUTPUTS, WIDTH))

        def forward(self, tokens):
            return torch.tanh(self.table[tokens]) @ self.table.mT

    tokens = torch.arange(5)
    tied = Tied()
    assert_close(
        empirical_ntk(tied, tokens, outputs="full"), loop_kernel(tied, tokens, tokens)
    )
    assert set(mapped) == {N_OUTPUTS}


def test_what_is_told_and_what_is_kept_within_the_memory(mapped):
    model, x = perceptron(), inputs(5, 3)
    told = explain_ntk(model, x, outputs="flatten")
    assert [line.way for line in told][-2:] == ["head", "head"]
    assert told.seconds is not None
    expected = empirical_ntk(model, x, outputs="flatten")
    assert set(mapped) == {WIDTH}
    # Both kernels do not fit at once: the outputs' alone does.
    mapped.clear()
    originals = assemble._kernels_of

    def refusing(problem, task):
        if problem.n_mapped == WIDTH:
            raise MemoryError
        return originals(problem, task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assemble, "_kernels_of", refusing)
        assert_close(empirical_ntk(model, x, outputs="flatten"), expected)
    assert set(mapped) == {N_OUTPUTS}
    with pytest.raises(MemoryError, match="ntk_spectrum"):
        empirical_ntk(model, x, outputs="flatten", memory=1e-5)


def test_single_precision_agrees_with_double(mapped):
    model, x = perceptron(), inputs(5, 3)
    exact = empirical_ntk(model, x, outputs="full")
    found = empirical_ntk(model.float(), x.float(), outputs="full")
    assert found.dtype == torch.float32
    assert set(mapped) == {WIDTH}
    assert_close(found.double(), exact, tolerance=1e-5)
