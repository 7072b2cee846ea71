"""Seeds, history, snapshots, interruption and divergence of training."""

import copy

import pytest
import torch
from assertions import assert_close
from cases import batch_norm, inputs
from torch import nn

from entk_lib import _progress, training
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.training import DivergedError, adam, train, train_many

X = inputs(9, 3, dtype=torch.float32)
Y = inputs(9, 2, seed=2, dtype=torch.float32)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def sgd(rate):
    return lambda parameters: torch.optim.SGD(parameters, lr=rate)


def raise_at(call, error=KeyboardInterrupt):
    """A function that returns its number of calls, and raises at this one."""
    calls = []

    def function(*_):
        calls.append(1)
        if len(calls) == call:
            raise error
        return float(len(calls))

    return function


def interrupted_loss(call):
    count = raise_at(call)

    def loss(output, target):
        count()
        return training.mean_squared_error(output, target)

    return loss


def caught(function, *args, **options):
    """The result; an interrupt that comes through fails one test, not the whole run."""
    try:
        return function(*args, **options)
    except KeyboardInterrupt:
        pytest.fail("the interrupt came through")


def same_state(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def test_full_batch_training_is_the_plain_loop():
    model, by_hand = network(), network()
    train(model, X, Y, steps=7, optimizer=sgd(0.1))
    for _ in range(7):
        by_hand.zero_grad()
        ((by_hand(X) - Y) ** 2).mean().backward()
        with torch.no_grad():
            for p in by_hand.parameters():
                p.sub_(0.1 * p.grad)
    for trained, expected in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert_close(trained.detach(), expected.detach())


def test_loss_falls():
    history = train(network(), X, Y, steps=200, optimizer=adam(1e-2)).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def test_adam_is_the_default_optimizer():
    first, second = network(), network()
    train(first, X, Y, steps=5)
    train(second, X, Y, steps=5, optimizer=adam(1e-3))
    assert same_state(first.state_dict(), second.state_dict())


def test_same_seed_gives_the_same_batches_and_another_seed_others():
    runs = [
        train(network(), X, Y, steps=20, batch_size=4, seed=seed).snapshots[20]
        for seed in (0, 0, 1)
    ]
    assert same_state(runs[0], runs[1])
    assert not same_state(runs[0], runs[2])


def test_batches_leave_the_global_random_state_alone():
    model = network()
    random = torch.get_rng_state()
    train(model, X, Y, steps=5, batch_size=4, seed=0)
    assert torch.equal(random, torch.get_rng_state())


def test_batches_hold_distinct_samples_with_their_own_targets():
    seen = []

    def loss(output, target):
        seen.append(target[:, 0].tolist())
        return training.mean_squared_error(output, target)

    x = torch.arange(9.0).reshape(9, 1)

    class Echo(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x + self.shift

    result = train(Echo(), x, x, steps=12, loss=loss, batch_size=4, seed=0, record_every=1)
    assert all(len(batch) == len(set(batch)) == 4 for batch in seen)
    assert {value for batch in seen for value in batch} == set(range(9))
    assert result.history["loss"] == [0.0] * 13


def test_history_is_recorded_before_the_update_of_its_step():
    model = network()
    start = training.mean_squared_error(model(X), Y).item()
    result = train(model, X, Y, steps=7, record_every=3)
    assert result.history["step"] == [0, 3, 6, 7]
    assert result.history["loss"][0] == pytest.approx(start)
    end = training.mean_squared_error(model(X), Y).item()
    assert result.history["loss"][-1] == pytest.approx(end)
    again = train(network(), X, Y, steps=3)
    assert result.history["loss"][1] == pytest.approx(again.history["loss"][-1])


def test_a_recorded_last_step_is_not_repeated():
    assert train(network(), X, Y, steps=6, record_every=3).history["step"] == [0, 3, 6]


def test_metrics_are_recorded_without_gradients():
    grad_modes = []

    def norm(model):
        grad_modes.append(torch.is_grad_enabled())
        return model[0].weight.norm()

    model = network()
    start = float(norm(model).detach())
    grad_modes.clear()
    result = train(model, X, Y, steps=4, record_every=2, metrics={"norm": norm})
    assert grad_modes == [False] * 3
    assert result.history["norm"][0] == pytest.approx(start)
    assert result.history["norm"][-1] == pytest.approx(
        float(model[0].weight.detach().norm())
    )


def test_snapshots_reload_and_stay():
    model = network()
    start = copy.deepcopy(model.state_dict())
    result = train(model, X, Y, steps=7, snapshot_every=3, record_every=3)
    assert sorted(result.snapshots) == [0, 3, 6, 7]
    assert same_state(result.snapshots[0], start)
    assert same_state(result.snapshots[7], model.state_dict())
    model.load_state_dict(result.snapshots[3])
    loss = training.mean_squared_error(model(X), Y).item()
    assert loss == pytest.approx(result.history["loss"][1])


def test_start_and_end_are_snapshots_by_default():
    assert sorted(train(network(), X, Y, steps=4).snapshots) == [0, 4]


def test_the_last_snapshot_is_the_model_even_with_running_statistics():
    model, x, _ = batch_norm()
    result = train(model.train(), x, inputs(5, 2, seed=3), steps=3)
    assert same_state(result.snapshots[3], model.state_dict())


def test_result_counts_steps_and_leaves_no_gradients():
    model = network()
    result = train(model, X, Y, steps=3)
    assert (result.model is model, result.steps, result.interrupted) == (True, 3, False)
    assert all(p.grad is None for p in model.parameters())


def test_frozen_parameters_stay():
    model = network()
    model[0].requires_grad_(False)
    start = copy.deepcopy(model.state_dict())
    end = train(model, X, Y, steps=3).snapshots[3]
    assert torch.equal(start["0.weight"], end["0.weight"])
    assert not torch.equal(start["2.weight"], end["2.weight"])


def test_weighted_error_weighs_outputs():
    output, target = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.zeros(2, 2)
    loss = training.weighted_squared_error(torch.tensor([2.0, 0.5]))
    assert loss(output, target).item() == pytest.approx((2 + 2 + 18 + 12.5) / 4)


@pytest.mark.parametrize("call", [1, 4, 5])
def test_an_interrupted_loss_returns_what_there_is(call):
    model = network()
    result = caught(
        train, model, X, Y, steps=20, loss=interrupted_loss(call), record_every=2
    )
    assert result.interrupted
    assert result.steps == call - 1
    assert result.history["step"][-1] == call - 1
    assert same_state(result.snapshots[call - 1], model.state_dict())
    uninterrupted = network()
    if call > 1:
        train(uninterrupted, X, Y, steps=call - 1)
    assert same_state(model.state_dict(), uninterrupted.state_dict())


def interrupted_by_metric(call):
    metrics = {"m": raise_at(call)}
    return caught(train, network(), X, Y, steps=20, record_every=2, metrics=metrics)


@pytest.mark.parametrize("call", [1, 3])
def test_an_interrupted_metric_leaves_series_of_one_length(call):
    result = interrupted_by_metric(call)
    assert result.interrupted
    assert result.steps == 2 * (call - 1)
    assert len({len(series) for series in result.history.values()}) == 1


@pytest.mark.parametrize("call", [1, 3])
def test_an_interrupted_metric_records_no_step_twice(call):
    steps = interrupted_by_metric(call).history["step"]
    assert steps == sorted(set(steps))


def test_an_interruption_at_the_very_end_returns_what_there_is():
    result = caught(train, network(), X, Y, steps=2, metrics={"m": raise_at(2)})
    assert result.steps == 2
    assert sorted(result.snapshots) == [0, 2]
    assert len({len(series) for series in result.history.values()}) == 1


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError):
        train(network(), X, Y, steps=3, metrics={"m": raise_at(1, ZeroDivisionError)})


def test_divergence_carries_what_was_recorded():
    with pytest.raises(DivergedError, match=r"finite, got \[(inf|nan)\] at step") as error:
        train(network(), X, Y, steps=60, record_every=1, optimizer=sgd(1e6))
    (result,) = error.value.results
    assert result.steps == len(result.history["loss"]) > 0
    assert torch.tensor(result.history["loss"]).isfinite().all()
    assert {0, result.steps} <= set(result.snapshots)


def test_divergence_at_the_last_update_is_no_success():
    with pytest.raises(DivergedError, match="finite"):
        train(nn.Linear(3, 2), X, Y, steps=1, optimizer=sgd(1e30))


@pytest.mark.parametrize("progress", [True, False])
def test_short_runs_show_no_bar(progress, capsys):
    train(network(), X, Y, steps=3, progress=progress)
    train_many([network()], X[None], Y[None], steps=3, progress=progress)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


def test_long_runs_show_a_bar_unless_told_not_to(capsys, monkeypatch):
    monkeypatch.setattr(_progress, "SECONDS_BEFORE_BAR", 0)
    train(network(), X, Y, steps=3, progress=False)
    assert not capsys.readouterr().err
    train(network(), X, Y, steps=3)
    assert "training" in capsys.readouterr().err


MANY = {
    "network": lambda seed: network(seed),
    "tied": lambda seed: TiedAutoencoder(3, 2, seed=seed),
}


@pytest.mark.parametrize("make_optimizer", [None, sgd(0.1)], ids=["adam", "sgd"])
@pytest.mark.parametrize("make", MANY.values(), ids=MANY.keys())
def test_training_side_by_side_equals_one_by_one(make, make_optimizer):
    x = inputs(4, 7, 3, seed=5, dtype=torch.float32)
    y = make(0)(x).detach().roll(1, 0)
    options = {
        "steps": 30,
        "optimizer": make_optimizer,
        "record_every": 8,
        "snapshot_every": 10,
    }
    together = train_many([make(seed) for seed in range(4)], x, y, **options)
    for seed, result in enumerate(together):
        alone = train(make(seed), x[seed], y[seed], **options)
        assert result.history["step"] == alone.history["step"]
        assert result.history["loss"] == pytest.approx(alone.history["loss"], rel=1e-4)
        assert sorted(result.snapshots) == sorted(alone.snapshots)
        assert (result.steps, result.interrupted) == (30, False)
        for step, state in alone.snapshots.items():
            for name, expected in state.items():
                assert_close(result.snapshots[step][name], expected, tolerance=1e-3)
        assert same_state(result.model.state_dict(), result.snapshots[30])


def test_an_interruption_side_by_side_leaves_models_at_their_last_update():
    models = [network(0), network(1)]
    results = caught(
        train_many,
        models,
        X.expand(2, -1, -1),
        Y.expand(2, -1, -1),
        steps=9,
        loss=interrupted_loss(4),
    )
    for model, result in zip(models, results, strict=True):
        assert (result.model is model, result.interrupted, result.steps) == (True, True, 3)
        assert same_state(model.state_dict(), result.snapshots[3])


def test_divergence_side_by_side_carries_all_results():
    x, y = torch.stack([X, X]), torch.stack([Y, 1e30 * Y])
    with pytest.raises(DivergedError) as error:
        train_many([network(0), network(1)], x, y, steps=9)
    assert len(error.value.results) == 2
