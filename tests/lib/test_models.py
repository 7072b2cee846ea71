"""The library's own networks: shapes, seeds and formulas."""

import pytest
import torch
from assertions import assert_close
from cases import inputs

from entk_lib.toys.models import ReLUNetwork, TiedAutoencoder

MAKERS = {
    "tied": lambda seed: TiedAutoencoder(5, 2, seed=seed),
    "relu": lambda seed: ReLUNetwork(5, 4, 3, depth=2, seed=seed),
}
for_every_model = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def _flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@for_every_model
def test_one_seed_gives_one_model(make):
    first = _flat(make(3))
    torch.manual_seed(99)
    assert torch.equal(first, _flat(make(3)))
    assert not torch.equal(first, _flat(make(4)))


@for_every_model
def test_making_a_model_leaves_the_global_random_state_alone(make):
    random = torch.get_rng_state()
    make(0)
    assert torch.equal(random, torch.get_rng_state())


def test_tied_autoencoder_follows_its_formula():
    model = TiedAutoencoder(4, 2, seed=0, dtype=torch.float64)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0]))
    x, weight = inputs(3, 4), model.weight.detach()
    expected = torch.relu(
        torch.stack([weight.T @ (weight @ row) for row in x]) + model.bias
    )
    assert_close(model(x).detach(), expected.detach())
    assert_close(model.feature_gram(), weight.T @ weight)
    assert not model.feature_gram().requires_grad


def test_reconstructed_features_reach_the_threshold():
    model = TiedAutoencoder(3, 3, seed=0)
    with torch.no_grad():
        model.weight.copy_(torch.diag(torch.tensor([1.0, 0.9, 0.5])))
    assert model.n_reconstructed() == 2
    assert model.n_reconstructed(0.9) == 1
    assert model.n_reconstructed(0.2) == 3


def test_output_scale_multiplies_the_output():
    x = inputs(3, 5, dtype=torch.float32)
    plain, scaled = (
        ReLUNetwork(5, 4, seed=0, output_scale=s)(x).detach() for s in (1.0, 7.0)
    )
    assert_close(scaled, 7 * plain)


def test_relu_network_follows_its_formula():
    model = ReLUNetwork(3, 4, 2, depth=2, seed=0, dtype=torch.float64)
    first, second, third = (p.detach() for p in model.parameters())
    x = inputs(5, 3)
    hidden = (2**0.5) * torch.relu(x @ first.T / 3**0.5)
    hidden = (2**0.5) * torch.relu(hidden @ second.T / 4**0.5)
    assert_close(model(x).detach(), hidden @ third.T / 4**0.5)
