"""Learning rates follow their schedule, whatever the optimizer, in both ways to train."""

import itertools
import math

import pytest
import torch
from torch import nn

from entk_lib.training import adam, adamw, train, train_many
from entk_lib.training.schedules import scheduled, warmup_cosine

FACTORS = (0.5, 0.0, 2.0, 1.0)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def line():
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(model.weight, 1.0)
    return model


X = torch.ones(1, 1, dtype=torch.float64)


def test_each_update_takes_its_own_factor():
    model = line()
    train(model, X, 0 * X, steps=4, optimizer=scheduled(sgd, FACTORS.__getitem__))
    # The gradient of w^2 is 2 w: each update multiplies w by 1 - 2 * 0.1 * factor.
    expected = math.prod(1 - 0.2 * factor for factor in FACTORS)
    assert model.weight.item() == pytest.approx(expected, rel=1e-12)


def test_each_optimizer_made_counts_its_own_updates():
    make = scheduled(sgd, FACTORS.__getitem__)
    models = [line(), line()]
    for model in models:
        train(model, X, 0 * X, steps=4, optimizer=make)
    assert torch.equal(models[0].weight, models[1].weight)


def test_models_trained_side_by_side_follow_it_as_one_alone_does():
    make = scheduled(adam(0.05), warmup_cosine(20, warmup=5))
    alone, together = line(), [line(), line()]
    train(alone, X, 0 * X, steps=20, optimizer=make)
    train_many(
        together,
        torch.stack([X, X]),
        torch.zeros(2, 1, 1).double(),
        steps=20,
        optimizer=make,
    )
    for model in together:
        torch.testing.assert_close(model.weight, alone.weight, rtol=1e-9, atol=0)
    constant = line()
    train(constant, X, 0 * X, steps=20, optimizer=adam(0.05))
    assert not torch.allclose(constant.weight, alone.weight, rtol=1e-3)


def test_decoupled_weight_decay_follows_the_rate():
    weight = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = scheduled(adamw(0.5, weight_decay=0.1), lambda s: (1.0, 0.5)[s])([weight])
    for _ in range(2):
        weight.grad = torch.zeros(1, dtype=torch.float64)
        optimizer.step()
    assert weight.item() == pytest.approx((1 - 0.05) * (1 - 0.025), rel=1e-12)


def test_groups_of_parameters_keep_their_ratio():
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]

    def two_groups(given):
        first, second = given
        return torch.optim.SGD(
            [{"params": [first], "lr": 1.0}, {"params": [second], "lr": 4.0}]
        )

    optimizer = scheduled(two_groups, lambda _: 0.25)(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones(1)
    optimizer.step()
    assert [p.item() for p in parameters] == [-0.25, -1.0]


def test_warmup_rises_to_one_and_the_cosine_falls_to_zero():
    factor = warmup_cosine(100, warmup=10)
    values = [factor(s) for s in range(100)]
    assert values[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert values[10] == pytest.approx(1)
    assert all(a > b for a, b in itertools.pairwise(values[10:]))
    assert values[55] == pytest.approx(0.5)
    assert 0 < values[99] < 1e-3
    assert [factor(100), factor(150)] == [0, 0]
    assert [warmup_cosine(3, warmup=3)(s) for s in range(4)] == pytest.approx(
        [1 / 3, 2 / 3, 1, 0]
    )


@pytest.mark.parametrize("factor", [-0.1, math.nan, math.inf])
def test_a_factor_that_is_none_is_refused_when_it_is_due(factor):
    model = line()
    make = scheduled(sgd, lambda s: (1.0, factor)[s])
    with pytest.raises(ValueError, match=r"finite factors of at least 0, got .* update 1"):
        train(model, X, 0 * X, steps=2, optimizer=make)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 5, "warmup": -1}, "warmup must be at least 0, got -1"),
        ({"steps": 5, "warmup": 6}, "warmup must be at most the 5 steps, got 6"),
    ],
)
def test_bad_schedules_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        warmup_cosine(**given)
