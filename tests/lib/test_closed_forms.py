"""Trainings by closed forms end where those by autograd end."""

import copy

import pytest
import torch
from assertions import assert_close
from cases import inputs

from entk_lib.toys.models import QuadraticMLP, ReLUNetwork, TiedAutoencoder
from entk_lib.training import (
    adam,
    adamw,
    closed_forms,
    mean_squared_error,
    train_many,
    weighted_squared_error,
)

EXACT = {"dtype": torch.float64}
WEIGHTS = torch.tensor([1.0, 0.5, 0.1, 0.0], **EXACT)
FORMS = {
    "autoencoder": (
        lambda seed: TiedAutoencoder(4, 2, seed=seed, **EXACT),
        closed_forms.tied_autoencoder,
        mean_squared_error,
        4,
    ),
    "weighted autoencoder": (
        lambda seed: TiedAutoencoder(4, 2, seed=seed, **EXACT),
        lambda: closed_forms.tied_autoencoder(WEIGHTS),
        weighted_squared_error(WEIGHTS),
        4,
    ),
    "quadratic": (
        lambda seed: QuadraticMLP(4, 3, 5, seed=seed, **EXACT),
        closed_forms.quadratic_mlp,
        mean_squared_error,
        3,
    ),
    "relu": (
        lambda seed: ReLUNetwork(4, 6, 2, seed=seed, **EXACT),
        closed_forms.relu_network,
        mean_squared_error,
        2,
    ),
    "deep relu": (
        lambda seed: ReLUNetwork(4, 6, 1, depth=3, output_scale=0.3, seed=seed, **EXACT),
        lambda: closed_forms.relu_network(0.3),
        mean_squared_error,
        1,
    ),
}
for_every_form = pytest.mark.parametrize(
    ("make", "form", "loss", "n_outputs"), FORMS.values(), ids=FORMS
)


def data(n_outputs):
    return inputs(3, 7, 4), inputs(3, 7, n_outputs, seed=2)


@for_every_form
@pytest.mark.parametrize("optimizer", [adam(0.02), adamw(0.02)], ids=["adam", "adamw"])
def test_a_closed_form_trains_like_autograd(make, form, loss, n_outputs, optimizer):
    (x, y), options = data(n_outputs), {"steps": 30, "record_every": 10, "loss": loss}
    exact, other = ([make(seed) for seed in range(3)] for _ in range(2))
    expected = train_many(exact, x, y, optimizer=optimizer, **options)
    found = train_many(other, x, y, optimizer=optimizer, gradients=form(), **options)
    for one, two in zip(expected, found, strict=True):
        assert one.history["step"] == two.history["step"]
        assert two.history["loss"] == pytest.approx(one.history["loss"], rel=1e-9)
        for name, parameter in one.model.named_parameters():
            assert_close(
                dict(two.model.named_parameters())[name].detach(), parameter.detach()
            )
    assert all(p.grad is None for model in other for p in model.parameters())


@for_every_form
def test_a_frozen_parameter_stays(make, form, loss, n_outputs):
    x, y = data(n_outputs)
    models = [make(seed) for seed in range(3)]
    names = [name for name, _ in models[0].named_parameters()]
    for model in models:
        dict(model.named_parameters())[names[0]].requires_grad_(False)
    starts = copy.deepcopy(models)
    train_many(models, x, y, steps=3, loss=loss, gradients=form())
    for model, start in zip(models, starts, strict=True):
        for name, parameter in model.named_parameters():
            same = torch.equal(parameter, dict(start.named_parameters())[name])
            assert same == (name == names[0])


def test_several_trainings_can_share_a_form():
    form = closed_forms.tied_autoencoder()
    for n in (7, 5, 9):
        x = inputs(2, n, 4, seed=n)
        models = [TiedAutoencoder(4, 2, seed=seed, **EXACT) for seed in range(2)]
        others = copy.deepcopy(models)
        train_many(models, x, x, steps=5, gradients=form)
        train_many(others, x, x, steps=5)
        assert_close(models[1].weight.detach(), others[1].weight.detach())


@pytest.mark.parametrize("part", ["losses", "weight", "bias"])
def test_a_wrong_closed_form_is_refused(part):
    right = closed_forms.tied_autoencoder()

    def wrong(state, x, y):
        losses, gradients = right(state, x, y)
        if part == "losses":
            return losses * 1.001, gradients
        return losses, gradients | {part: gradients[part] * 1.001}

    x = inputs(2, 7, 4)
    models = [TiedAutoencoder(4, 2, seed=seed, **EXACT) for seed in range(2)]
    starts = copy.deepcopy(models)
    with pytest.raises(ValueError, match=rf"got .*{part}.* relative error of 1\.0e-03"):
        train_many(models, x, x, steps=5, gradients=wrong)
    for model, start in zip(models, starts, strict=True):
        assert torch.equal(model.weight, start.weight)


def test_the_closed_form_of_another_loss_is_refused():
    x = inputs(2, 7, 4)
    models = [TiedAutoencoder(4, 2, seed=seed, **EXACT) for seed in range(2)]
    with pytest.raises(ValueError, match="closed form of this architecture and this loss"):
        train_many(
            models,
            x,
            x,
            steps=5,
            loss=weighted_squared_error(WEIGHTS),
            gradients=closed_forms.tied_autoencoder(),
        )
