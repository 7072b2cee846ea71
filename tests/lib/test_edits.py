"""Edits through the kernel: exact, shortest, in the row space, and nothing else moves."""

import copy
from types import SimpleNamespace

import pytest
import torch
from assertions import assert_close
from cases import for_every_case, inputs
from torch import nn

from entk_lib import Edit, empirical_ntk, jacobian, tangent_edit
from entk_lib.kernels import solve

WAYS = ("decomposed", "iterated")


def mlp(n_outputs=3, width=6):
    torch.manual_seed(0)
    layers = nn.Linear(4, width), nn.Tanh(), nn.Linear(width, n_outputs)
    return nn.Sequential(*layers).double()


def flat_jacobian(model, x):
    parts = jacobian(model, x).values()
    return torch.cat([part.flatten(2).flatten(0, 1) for part in parts], 1).double()


def flat(delta):
    return torch.cat([part.flatten() for part in delta.values()]).double()


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    """The kernel beside the products is worth its time, however busy the machine is."""
    monkeypatch.setattr(solve, "FREE_SECONDS", float("inf"))


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    if request.param == "iterated":
        monkeypatch.setattr(solve, "SMALL_SIDE", 0)
    return request.param


@for_every_case
def test_the_change_is_that_of_the_pseudo_inverse(case, way):
    model, x, _ = case()
    jacobians = flat_jacobian(model, x)
    with torch.no_grad():
        shape = model(x).shape
    wanted = jacobians @ inputs(jacobians.shape[1], seed=3)  # it can be reached
    edit = tangent_edit(model, x, wanted.reshape(shape), tolerance=1e-12)
    expected = torch.linalg.pinv(jacobians, rtol=1e-10) @ wanted
    assert edit.residual < 1e-8
    assert_close(flat(edit.delta), expected, tolerance=1e-6)
    assert_close(edit.predicted.reshape(-1), wanted, tolerance=1e-8)
    assert (edit.way == "decomposed") is (way == "decomposed")


def test_the_change_lies_in_the_row_space_and_no_shorter_one_does_it(way):
    model, x = mlp(), inputs(5, 4)
    jacobians, wanted = flat_jacobian(model, x), inputs(5, 3, seed=2)
    delta = flat(tangent_edit(model, x, wanted).delta)
    rows = torch.linalg.svd(jacobians, full_matrices=False)[2]
    assert_close(rows.mT @ (rows @ delta), delta, tolerance=1e-6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        other = torch.randn(len(delta), generator=generator, dtype=torch.float64)
        other -= rows.mT @ (rows @ other)  # leaves the outputs where they are
        assert_close(jacobians @ (delta + other), wanted.reshape(-1), tolerance=1e-6)
        assert float((delta + other).norm()) > float(delta.norm())


def test_what_cannot_be_done_is_done_in_part_and_said(way):
    model, x = mlp(n_outputs=3), inputs(30, 4)
    wanted = inputs(30, 3, seed=5)
    edit = tangent_edit(model, x, wanted, parameters="2.bias")
    means = wanted.mean(0)
    assert_close(edit.delta["2.bias"], means, tolerance=1e-6)
    missing = float((wanted - means).norm() / wanted.norm())
    assert edit.residual == pytest.approx(missing, rel=1e-6)
    assert f"{missing:.0%} of the change is missing" in str(edit)
    assert edit.way == ("decomposed" if way == "decomposed" else "LSMR")


class Redundant(nn.Module):
    """More parameters than rows, and outputs that are all the same."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 40, dtype=torch.float64)

    def forward(self, x):
        return self.first(x).tanh().sum(1, keepdim=True).expand(-1, 3)


def test_a_singular_kernel_gives_least_squares(way):
    model, x = Redundant(), inputs(6, 4)
    wanted = inputs(6, 3, seed=1)
    edit = tangent_edit(model, x, wanted)
    jacobians = flat_jacobian(model, x)
    expected = torch.linalg.pinv(jacobians, rtol=1e-10) @ wanted.reshape(-1)
    assert_close(flat(edit.delta), expected, tolerance=1e-4)
    common = wanted.mean(1, keepdim=True)
    missing = float((wanted - common).norm() / wanted.norm())
    assert edit.residual == pytest.approx(missing, rel=1e-4)


def test_a_ridge_shortens_the_change(way):
    model, x, wanted = mlp(), inputs(5, 4), inputs(5, 3, seed=2)
    jacobians = flat_jacobian(model, x)
    kernel = jacobians @ jacobians.mT
    ridge = 0.1 * float(kernel.trace()) / len(kernel)
    edit = tangent_edit(model, x, wanted, ridge=ridge)
    weights = torch.linalg.solve(
        kernel + ridge * torch.eye(len(kernel)).double(), wanted.reshape(-1)
    )
    assert_close(flat(edit.delta), jacobians.mT @ weights, tolerance=1e-6)
    assert edit.length < tangent_edit(model, x, wanted).length


def test_the_model_is_not_touched_and_a_copy_is_changed():
    model, x = mlp(), inputs(5, 4)
    before = copy.deepcopy(model.state_dict())
    small = 1e-5 * inputs(5, 3, seed=2)
    edit = tangent_edit(model, x, small)
    changed = edit.applied(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        assert_close(changed.state_dict()[name], value + edit.delta[name])
    assert all(p.grad is None for p in model.parameters())
    with torch.no_grad():
        moved = changed(x) - model(x)
    assert_close(moved, edit.actual, tolerance=1e-6)
    assert_close(edit.predicted, small, tolerance=1e-6)
    assert_close(moved, small, tolerance=1e-2)
    size = float(flat(model.state_dict()).norm())
    assert edit.length == pytest.approx(float(flat(edit.delta).norm()) / size)


def test_a_change_of_zero_is_no_change(way):
    model, x = mlp(), inputs(5, 4)
    edit = tangent_edit(model, x, torch.zeros(5, 3).double())
    assert all(not bool(part.any()) for part in edit.delta.values())
    assert (edit.residual, edit.length) == (0.0, 0.0)


def test_newton_steps_come_closer_to_a_large_change():
    model, x = mlp(width=30), inputs(5, 4)
    wanted = 0.5 * inputs(5, 3, seed=2)
    errors = []
    for steps in (1, 2, 5):
        edit = tangent_edit(model, x, wanted, steps=steps)
        errors.append(float((edit.actual - wanted).norm() / wanted.norm()))
        with torch.no_grad():
            assert_close(edit.applied(model)(x) - model(x), edit.actual, tolerance=1e-6)
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert errors[2] < 1e-6


def test_samples_that_must_not_move_do_not_to_first_order(way):
    model, x, still = mlp(width=20), inputs(4, 4), inputs(3, 4, seed=8)
    wanted = 1e-4 * inputs(4, 3, seed=2)
    free, held = (tangent_edit(model, x, wanted, fixed=f) for f in (None, still))
    assert free.actual_fixed is None
    assert_close(held.predicted, wanted, tolerance=1e-5)
    with torch.no_grad():
        dragged = free.applied(model)(still) - model(still)
        kept = held.applied(model)(still) - model(still)
    assert_close(kept, held.actual_fixed, tolerance=1e-6)
    assert float(kept.norm()) < 0.01 * float(dragged.norm())
    assert held.length > free.length


def test_only_chosen_parameters_change():
    model, x, wanted = mlp(), inputs(5, 4), inputs(5, 3, seed=2)
    edit = tangent_edit(model, x, wanted, parameters=["0", "2.bias"])
    assert list(edit.delta) == ["0.weight", "0.bias", "2.bias"]
    changed = edit.applied(model)
    assert torch.equal(changed[2].weight, model[2].weight)


def test_a_direction_that_no_parameter_moves(way):
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(inputs(4, seed=1))

        def forward(self, x):
            return torch.stack([x @ self.weight, x.sum(1)], 1)

    wanted = torch.zeros(5, 2).double()
    wanted[:, 1] = 1.0
    edit = tangent_edit(Half(), inputs(5, 4), wanted)
    assert edit.residual == pytest.approx(1)
    assert float(edit.delta["weight"].norm()) < 1e-12


def test_dtype_and_forms_of_inputs():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, a, b):
            return self.layer(a) * b

    torch.manual_seed(1)
    model = Pair()
    a, b = torch.randn(5, 4), torch.rand(5, 1)
    edit = tangent_edit(model, (a, b), torch.ones(5, 2), parameters="layer.bias")
    assert edit.delta["layer.bias"].dtype == edit.predicted.dtype == torch.float32
    named = tangent_edit(model, {"a": a, "b": b}, torch.ones(5, 2), parameters="layer.bias")
    assert_close(named.delta["layer.bias"], edit.delta["layer.bias"])
    held = tangent_edit(
        model, {"a": a, "b": b}, torch.ones(5, 2), fixed={"a": a[:2], "b": b[:2]}
    )
    assert held.actual_fixed.shape == (2, 2)


def test_a_single_output_without_an_axis():
    class Scalar(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 1, dtype=torch.float64)

        def forward(self, x):
            return self.layer(x)[:, 0]

    edit = tangent_edit(Scalar(), inputs(3, 4), torch.ones(3).double())
    assert_close(edit.predicted, torch.ones(3).double(), tolerance=1e-6)


def test_conjugate_gradients_take_fewer_products_with_the_averaged_kernel(monkeypatch):
    monkeypatch.setattr(solve, "SMALL_SIDE", 0)
    torch.manual_seed(0)
    layers = nn.Linear(4, 200), nn.Tanh(), nn.Linear(200, 5)
    model, x = nn.Sequential(*layers).double(), inputs(25, 4)
    wanted = inputs(25, 5, seed=2)
    helped = tangent_edit(model, x, wanted)
    assert helped.way == "conjugate gradients"
    assert helped.residual < 1e-7
    monkeypatch.setattr(solve, "MOST_SAMPLES", 0)
    plain = tangent_edit(model, x, wanted, max_products=10**4)
    assert plain.way == "LSMR"
    assert_close(flat(plain.delta), flat(helped.delta), tolerance=1e-4)
    assert helped.products < plain.products / 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"change": torch.ones(4, 3)}, r"shape .* \(5, 3\), got \(4, 3\)"),
        ({"change": torch.full((5, 3), float("nan"))}, "change must be finite, got 15 NaN"),
        ({"ridge": -1.0}, "ridge must be a finite number of at least 0, got -1.0"),
        ({"tolerance": 2.0}, "tolerance must be between 0 and 1, got 2.0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"max_products": 0}, "max_products must be at least 1, got 0"),
        ({"parameters": "nobody"}, "nobody"),
        ({"fixed": (inputs(2, 4),)}, "both batches must have one form"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_bad_input_is_refused(changed, message):
    asked = {"change": torch.ones(5, 3)} | changed
    with pytest.raises(ValueError, match=message):
        tangent_edit(mlp(), inputs(5, 4), asked.pop("change"), **asked)


@pytest.mark.no_shape_checks
def test_a_change_that_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="change must be a tensor, got list"):
        tangent_edit(mlp(), inputs(5, 4), [[1.0] * 3] * 5)


def test_another_model_is_refused():
    edit = tangent_edit(mlp(), inputs(5, 4), torch.ones(5, 3))
    with pytest.raises(
        ValueError, match=r"parameter '0.weight' of shape \(6, 4\), got \(7, 4\)"
    ):
        edit.applied(mlp(width=7))
    with pytest.raises(ValueError, match="got no such parameter"):
        edit.applied(nn.Linear(4, 3))


def test_an_interrupt_leaves_the_model_as_it_was(monkeypatch):
    model, x = mlp(), inputs(5, 4)
    before = copy.deepcopy(model.state_dict())
    monkeypatch.setattr(solve, "SMALL_SIDE", 0)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(solve, "cg", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tangent_edit(model, x, torch.ones(5, 3))
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())


def test_products_are_bounded_and_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(solve, "SMALL_SIDE", 0)
    model, x, wanted = mlp(width=30), inputs(20, 4), inputs(20, 3, seed=2)
    found = [tangent_edit(model, x, wanted, max_products=n) for n in (10, 30, 10**4)]
    ways = [edit.way for edit in found]
    assert ways == ["LSMR", "LSMR", "conjugate gradients"]
    assert found[0].products < found[1].products
    residuals = [edit.residual for edit in found]
    assert residuals[0] > residuals[1] > residuals[2]
    assert found[0].length < found[1].length < found[2].length
    jacobians = flat_jacobian(model, x)
    missing = jacobians @ flat(found[0].delta) - wanted.reshape(-1)
    assert residuals[0] == pytest.approx(float(missing.norm() / wanted.norm()))


def test_memory_decides_for_the_products():
    model, x, wanted = mlp(), inputs(40, 4), 1e-3 * inputs(40, 3, seed=2)
    assert tangent_edit(model, x, wanted, ridge=1.0).way == "decomposed"
    few = tangent_edit(model, x, wanted, ridge=1.0, memory=1.8e-4)
    assert few.way == "conjugate gradients"
    with pytest.raises(MemoryError, match="for one sample"):
        tangent_edit(model, x, wanted, memory=1e-9)


def test_a_kernel_that_takes_longer_than_the_products_is_left_alone(monkeypatch):
    monkeypatch.setattr(solve, "SMALL_SIDE", 0)
    monkeypatch.setattr(solve, "FREE_SECONDS", 1.0)
    model, x, wanted = mlp(), inputs(40, 4), 1e-3 * inputs(40, 3, seed=2)
    calls = []

    def predicted(seconds):
        def explain(*arguments, memory, **options):
            calls.append(memory)
            return SimpleNamespace(seconds=seconds)

        return explain

    found = {}
    for seconds in (0.9, 1e9, None):  # None: it does not fit into memory
        monkeypatch.setattr(solve, "explain_ntk", predicted(seconds))
        edit = tangent_edit(model, x, wanted, ridge=0.1, memory=0.01, tolerance=1e-10)
        found[seconds] = edit.way, edit.predicted
    assert [way for way, _ in found.values()] == ["conjugate gradients", "LSMR", "LSMR"]
    assert_close(found[0.9][1], found[1e9][1], tolerance=1e-6)
    copies = solve.DECOMPOSED_COPIES * 8 * 40**2
    # The other half may be held by the graphs that are kept for the products.
    assert calls == pytest.approx([0.01 / 2 - copies / 2**30] * 3)


def test_the_first_order_prediction_is_the_kernel_s(way):
    """What an edit on some samples does to others is K(others, some) K(some, some)^-1."""
    model, x, others = mlp(width=20), inputs(4, 4), inputs(3, 4, seed=8)
    wanted = 1e-6 * inputs(4, 3, seed=2)
    edit = tangent_edit(model, x, wanted)
    kernel = empirical_ntk(model, x, outputs="flatten")
    cross = empirical_ntk(model, others, x, outputs="flatten")
    expected = cross @ torch.linalg.solve(kernel, wanted.reshape(-1))
    with torch.no_grad():
        moved = edit.applied(model)(others) - model(others)
    assert isinstance(edit, Edit)
    assert_close(moved.reshape(-1), expected, tolerance=1e-3)
