"""Training in epochs: every sample once, models independent of each other, bad input."""

import copy

import pytest
import torch
from assertions import assert_close
from cases import inputs
from torch import nn
from torch.nn import functional as F

from entk_lib import _progress
from entk_lib.training import DivergedError, adamw, mean_squared_error
from entk_lib.training.epochs import train_epochs

X = torch.stack([inputs(9, 3, seed=seed, dtype=torch.float32) for seed in range(2)])
Y = torch.stack([inputs(9, 2, seed=9 + seed, dtype=torch.float32) for seed in range(2)])


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def by_hand(model, x, y, epochs, batch_size, seed, make_optimizer):
    """The plain loop over one model."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = make_optimizer(list(model.parameters()))
    means = []
    for _ in range(epochs):
        losses = []
        for batch in torch.randperm(len(x), generator=generator).split(batch_size):
            optimizer.zero_grad()
            loss = ((model(x[batch]) - y[batch]) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means


@pytest.mark.parametrize("make_optimizer", [sgd, adamw(0.01, weight_decay=1.0)])
@pytest.mark.parametrize("batch_size", [3, 4, 9])
def test_training_side_by_side_is_the_plain_loop_one_by_one(make_optimizer, batch_size):
    models = [network(0), network(1)]
    expected = copy.deepcopy(models)
    results = train_epochs(
        models,
        X,
        Y,
        epochs=5,
        batch_size=batch_size,
        seeds=[3, 4],
        optimizer=make_optimizer,
        snapshot_epochs=[2],
    )
    for i, (result, alone) in enumerate(zip(results, expected, strict=True)):
        means = by_hand(alone, X[i], Y[i], 5, batch_size, 3 + i, make_optimizer)
        assert_close(torch.tensor(result.history["loss"]), torch.tensor(means))
        for name, value in alone.state_dict().items():
            assert_close(models[i].state_dict()[name], value)
            assert_close(result.snapshots[5][name], value)
        assert result.model is models[i]
        assert list(result.snapshots) == [0, 2, 5]
        assert result.history["epoch"] == [1, 2, 3, 4, 5]
        assert result.steps == 5 * -(-9 // batch_size)
        assert not result.interrupted


def test_snapshots_are_the_states_after_their_epochs():
    (long,) = run([network(0)], epochs=4, snapshot_epochs=[1, 3])
    (short,) = run([network(0)], epochs=3)
    for name, value in short.snapshots[3].items():
        assert torch.equal(long.snapshots[3][name], value)
        assert not torch.equal(long.snapshots[4][name], value)
    for name, value in network(0).state_dict().items():
        assert torch.equal(long.snapshots[0][name], value)


def run(models, **options):
    n = len(models)
    given = {"epochs": 2, "batch_size": 4, "seeds": list(range(n)), **options}
    return train_epochs(models, X[:n], Y[:n], **given)


def test_another_seed_is_another_order():
    (one,) = run([network(0)], seeds=[0])
    (two,) = run([network(0)], seeds=[1])
    assert one.history["loss"] != two.history["loss"]


def test_classes_may_be_numbers():
    x, y = X[:1], torch.arange(9)[None] % 2
    (result,) = train_epochs(
        [network(0)], x, y, epochs=60, batch_size=3, seeds=[0], loss=F.cross_entropy
    )
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_an_interrupt_returns_what_there_is():
    calls = []

    def loss(output, target):
        calls.append(1)
        if len(calls) == 8:  # the second of the third epoch's three batches
            raise KeyboardInterrupt
        return mean_squared_error(output, target)

    try:
        (result,) = run([network(0)], epochs=9, loss=loss)
    except KeyboardInterrupt:
        pytest.fail("the interrupt came through")
    assert result.interrupted
    assert result.steps == 7
    assert result.history["epoch"] == [1, 2]


def test_a_loss_that_is_not_finite_ends_it_with_what_there_was():
    def explode(parameters):
        return torch.optim.SGD(parameters, lr=1e20)

    with pytest.raises(DivergedError, match="in epoch") as caught:
        run([network(0), network(1)], epochs=9, optimizer=explode)
    assert len(caught.value.results) == 2
    assert 0 in caught.value.results[0].snapshots


def test_a_bar_is_shown_only_where_wanted(monkeypatch, capsys):
    monkeypatch.setattr(_progress, "SECONDS_BEFORE_BAR", 0.0)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run([network(0)], progress=False)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [0, 1]}, "must be as many, at least 1, got 1, 1, 1, 2"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 10}, "at most the 9 samples, got 10"),
        ({"snapshot_epochs": [3]}, "must be from 0 to 2, got"),
        ({"snapshot_epochs": [-1]}, "must be from 0 to 2, got"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        run([network(0)], **options)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:1], Y, "must be as many"),
        (X[:1], Y[:1, :8], "as many samples on their second axis"),
        (X[:1, :0], Y[:1, :0], "at least 1"),
        (X[:1, :, 0] * torch.nan, Y[:1], "x must be finite"),
        (X[:1], Y[:1] * torch.inf, "y must be finite"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_data_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        train_epochs([network(0)], x, y, epochs=1, batch_size=2, seeds=[0])


def test_a_model_without_trainable_parameters_is_refused():
    with pytest.raises(ValueError, match="trainable parameter"):
        run([network(0).requires_grad_(False)])
    with pytest.raises(ValueError, match="at least 1"):
        train_epochs([], X[:0], Y[:0], epochs=1, batch_size=2, seeds=[])
