"""Kernel regression against a hand-written solve on the looped Jacobian."""

import pytest
import torch
from assertions import assert_close
from cases import for_every_case, inputs, mlp, scaled, tied, with_dtype
from oracles import jacobian_rows
from torch import nn

from entk_lib import LinearizedPredictor, empirical_ntk


def dual_prediction(model, x, y, x_new, ridge, around, names=None):
    """``f0 + K(x, X) (K + r I)^-1 (y - f0)`` on the looped Jacobian."""
    with torch.no_grad():
        start, start_new = model(x), model(x_new)
    if around == "zero":
        start, start_new = torch.zeros_like(start), torch.zeros_like(start_new)
    rows = jacobian_rows(model, x, names).flatten(0, 1)
    rows_new = jacobian_rows(model, x_new, names).flatten(0, 1)
    kernel = rows @ rows.mT + ridge * torch.eye(len(rows), dtype=rows.dtype)
    weights = torch.linalg.solve(kernel, (y - start).reshape(-1))
    return start_new + (rows_new @ rows.mT @ weights).reshape(start_new.shape)


@pytest.mark.parametrize("around", ["model", "zero"])
@for_every_case
def test_predictions_equal_the_dual_solve(case, around):
    model, x, x_new = case()
    y = inputs(*model(x).shape, seed=7)
    predictor = LinearizedPredictor(model, x, y, ridge=0.1, around=around)
    assert_close(predictor(x_new), dual_prediction(model, x, y, x_new, 0.1, around))


@pytest.mark.parametrize("around", ["model", "zero"])
@pytest.mark.parametrize("n_samples", [3, 40], ids=["dual is smaller", "primal is smaller"])
def test_both_systems_give_the_dual_solution(n_samples, around):
    model = mlp()[0]
    x, y, x_new = inputs(n_samples, 4), inputs(n_samples, 3, seed=3), inputs(2, 4, seed=4)
    predictor = LinearizedPredictor(model, x, y, ridge=0.3, around=around)
    assert_close(predictor(x_new), dual_prediction(model, x, y, x_new, 0.3, around))


def test_a_parameter_without_axes_takes_part():
    model, x, x_new = scaled()
    y = inputs(5, 2, seed=3)
    predictor = LinearizedPredictor(model, x, y, ridge=0.1)
    assert_close(predictor(x_new), dual_prediction(model, x, y, x_new, 0.1, "model"))


def test_around_the_model_is_the_default():
    model, x, x_new = mlp()
    y = inputs(5, 3, seed=3)
    assert_close(
        LinearizedPredictor(model, x, y, ridge=0.1)(x_new),
        LinearizedPredictor(model, x, y, ridge=0.1, around="model")(x_new),
    )


def test_chosen_parameters_alone_are_moved():
    model, x, x_new = mlp()
    y = inputs(5, 3, seed=3)
    predictor = LinearizedPredictor(model, x, y, ridge=0.2, parameters="2")
    names = ["2.weight", "2.bias"]
    expected = dual_prediction(model, x, y, x_new, 0.2, "model", names)
    assert_close(predictor(x_new), expected)


@pytest.mark.parametrize("around", ["model", "zero"])
@pytest.mark.parametrize("n_samples", [3, 9])
def test_a_linear_target_is_learned_exactly_by_a_model_linear_in_its_parameters(
    n_samples, around
):
    x, x_new = inputs(n_samples, 2), inputs(20, 2, seed=2)

    def target(x):
        return x @ inputs(2, 2, seed=3) + 0.5

    model = nn.Linear(2, 2, dtype=torch.float64)
    predictor = LinearizedPredictor(model, x, target(x), ridge=1e-11, around=around)
    assert_close(predictor(x_new), target(x_new), tolerance=1e-6)


@pytest.mark.parametrize("around", ["model", "zero"])
def test_a_huge_ridge_leaves_the_starting_function_and_a_first_order_step(around):
    model, x, x_new = mlp()
    y, ridge = inputs(5, 3, seed=3), 1e8
    with torch.no_grad():
        start, start_new = model(x), model(x_new)
    if around == "zero":
        start, start_new = torch.zeros_like(start), torch.zeros_like(start_new)
    prediction = LinearizedPredictor(model, x, y, ridge=ridge, around=around)(x_new)
    assert float((prediction - start_new).abs().max()) < 1e-5
    step = empirical_ntk(model, x_new, x, outputs="flatten") @ (y - start).reshape(-1)
    assert_close(ridge * (prediction - start_new), step.reshape(3, 3), tolerance=1e-5)


def test_zero_ridge_interpolates_where_the_kernel_is_invertible():
    model, x, _ = mlp()
    y = inputs(5, 3, seed=3)
    assert_close(LinearizedPredictor(model, x, y, ridge=0.0)(x), y, tolerance=1e-7)


@pytest.mark.parametrize(
    "n_samples", [4, 40], ids=["repeated", "more rows than parameters"]
)
def test_zero_ridge_on_a_singular_kernel_is_refused(n_samples):
    model = nn.Linear(3, 2, dtype=torch.float64)
    x = inputs(n_samples, 3)
    x[-1] = x[0]
    y = inputs(n_samples, 2, seed=2)
    with pytest.raises(
        ValueError, match=r"ridge must make .* invertible, got 0.*Try ridge="
    ):
        LinearizedPredictor(model, x, y, ridge=0.0)


def test_the_ridge_that_the_refusal_suggests_works():
    model, x = nn.Linear(3, 2, dtype=torch.float64), inputs(2, 3).repeat(2, 1)
    y = inputs(2, 2, seed=2).repeat(2, 1)
    with pytest.raises(ValueError, match="Try ridge=") as refusal:
        LinearizedPredictor(model, x, y, ridge=0.0)
    ridge = float(str(refusal.value).rpartition("ridge=")[2].rstrip("."))
    assert_close(LinearizedPredictor(model, x, y, ridge=ridge)(x), y, tolerance=1e-4)


def test_later_training_of_the_model_changes_no_prediction():
    model, x, x_new = mlp()
    y = inputs(5, 3, seed=3)
    predictor = LinearizedPredictor(model, x, y, ridge=0.1)
    before = predictor(x_new)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    assert torch.equal(predictor(x_new), before)


def test_later_changes_of_the_data_change_no_prediction():
    model, x, x_new = mlp()
    y = inputs(5, 3, seed=3)
    predictor = LinearizedPredictor(model, x, y, ridge=0.1)
    before = predictor(x_new)
    x.zero_()
    y.zero_()
    assert torch.equal(predictor(x_new), before)


def test_float32_models_predict_in_float32():
    model, x, x_new = tied()
    y = inputs(5, 5, seed=3)
    exact = LinearizedPredictor(model, x, y, ridge=0.5)(x_new)
    model, x, x_new = with_dtype((model, x, x_new), torch.float32)
    single = LinearizedPredictor(model, x, y.float(), ridge=0.5)(x_new)
    assert_close(single, exact.float(), tolerance=1e-3)


def test_r_squared_is_the_explained_share_of_variance():
    model, x, x_new = mlp()
    predictor = LinearizedPredictor(model, x, inputs(5, 3, seed=3), ridge=0.1)
    target = inputs(3, 3, seed=4)
    error = (predictor(x_new) - target).square().sum()
    variance = (target - target.mean()).square().sum()
    assert predictor.r_squared(x_new, target) == pytest.approx(float(1 - error / variance))
    assert predictor.r_squared(x_new, predictor(x_new)) == pytest.approx(1)


def test_r_squared_is_zero_for_the_mean():
    model, x = nn.Linear(3, 1, bias=False, dtype=torch.float64), inputs(4, 3)
    predictor = LinearizedPredictor(model, x, model(x).detach(), ridge=1e12, around="zero")
    target = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]], dtype=torch.float64)
    assert predictor.r_squared(x, target) == pytest.approx(0, abs=1e-6)


def test_r_squared_compares_with_the_model_by_default():
    model, x, x_new = mlp()
    predictor = LinearizedPredictor(
        model, x, inputs(5, 3, seed=3), ridge=0.1, around="zero"
    )
    expected = predictor.r_squared(x_new, model(x_new).detach())
    assert predictor.r_squared(x_new) == pytest.approx(expected)
    assert expected < 1


@pytest.mark.parametrize("around", ["model", "zero"])
def test_the_averaged_kernel_regresses_each_output_alone(around):
    model, x, x_new = mlp()
    y = inputs(*model(x).shape, seed=7)
    predictor = LinearizedPredictor(
        model, x, y, ridge=0.1, around=around, outputs="average"
    )
    rows, rows_new = jacobian_rows(model, x), jacobian_rows(model, x_new)
    n_outputs = rows.shape[1]
    kernel = torch.einsum("ncp,mcp->nm", rows, rows) / n_outputs
    cross = torch.einsum("ncp,mcp->nm", rows_new, rows) / n_outputs
    with torch.no_grad():
        start, start_new = model(x), model(x_new)
    if around == "zero":
        start, start_new = torch.zeros_like(start), torch.zeros_like(start_new)
    system = kernel + 0.1 * torch.eye(len(x)).double()
    expected = start_new + cross @ torch.linalg.solve(system, y - start)
    x += 1  # a copy of the data is kept
    assert_close(predictor(x_new), expected)
    assert predictor.r_squared(x_new, expected) == pytest.approx(1)


def test_many_classes_are_regressed_in_little_memory(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 30), nn.Tanh(), nn.Linear(30, 100))
    x, y = inputs(60, 5).float(), inputs(60, 100).float()
    # The flattened kernel alone has 0.27 GiB.
    monkeypatch.setattr("entk_lib._checks.available_memory", lambda device: 2**26)
    with pytest.raises(MemoryError):
        LinearizedPredictor(model, x, y, ridge=0.1)
    predictor = LinearizedPredictor(model, x, y, ridge=1e-3, outputs="average")
    assert predictor(x).dtype == torch.float32
    assert predictor.r_squared(x, y) > 0.9


def test_an_averaged_kernel_that_is_singular_is_refused():
    model, x, _ = mlp()
    twice = torch.cat([x, x])
    y = inputs(*model(twice).shape, seed=7)
    with pytest.raises(ValueError, match=r"ridge must make the .* invertible"):
        LinearizedPredictor(model, twice, y, ridge=0.0, outputs="average")


@pytest.mark.no_shape_checks
def test_other_outputs_are_refused():
    model, x, _ = mlp()
    with pytest.raises(ValueError, match=r"must be .flatten. or .average., got 'full'"):
        LinearizedPredictor(model, x, model(x).detach(), ridge=0.1, outputs="full")
