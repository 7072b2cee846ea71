"""Data points and features as vectors, and the two regimes planted by hand."""

import math

import pytest
import torch
from assertions import assert_close
from cases import inputs

import entk_lib as entk
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition


def polygon(k, radius=1.0):
    angles = 2 * math.pi * torch.arange(k, dtype=torch.float64) / k
    return radius * torch.stack([angles.cos(), angles.sin()])


@pytest.mark.parametrize("k", [3, 4, 5, 7])
def test_corners_of_a_polygon_share_the_plane_equally(k):
    shares = entk.hidden_dimensionality(polygon(k, radius=3.0))
    assert_close(shares, torch.full((k,), 2 / k, dtype=torch.float64))


def test_hidden_dimensionality_is_the_formula_and_turns_with_nothing():
    vectors = inputs(4, 7)
    unit = vectors / vectors.norm(dim=0)
    by_hand = torch.stack(
        [
            vectors[:, i].square().sum() / (unit[:, i] @ vectors).square().sum()
            for i in range(7)
        ]
    )
    shares = entk.hidden_dimensionality(vectors)
    assert_close(shares, by_hand)
    turn = torch.linalg.qr(inputs(4, 4, seed=3)).Q
    assert_close(entk.hidden_dimensionality(1e-30 * (turn @ vectors)), shares)


def test_orthogonal_vectors_and_zeros():
    vectors = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.1, 0.0]])
    assert entk.hidden_dimensionality(vectors).tolist() == pytest.approx([1, 1, 0])
    assert entk.hidden_dimensionality(torch.zeros(2, 3)).tolist() == [0, 0, 0]


def test_sample_indicators_are_orthonormal_and_each_on_its_own_sample():
    x = superposition.sample(6, 9, 0.5, seed=0, normalize=False, dtype=torch.float64)
    columns = superposition.sample_indicators(x)
    assert_close(columns.mT @ columns, torch.eye(6, dtype=torch.float64))
    blocks = columns.reshape(6, 9, 6)
    for i in range(6):
        assert_close(blocks[i, :, i], x[i] / x[i].norm())
        assert blocks[i].square().sum() == pytest.approx(1)
    # Both families span the data set itself, as one vector.
    data = x.flatten()
    for family in (columns, superposition.feature_indicators(x)):
        assert family.mT.matmul(data).square().sum() == pytest.approx(
            float(data.square().sum())
        )


def test_a_sample_without_features_has_a_zero_indicator():
    x = torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    columns = superposition.sample_indicators(x)
    assert columns.norm(dim=0).tolist() == [0, 1]
    with pytest.raises(ValueError, match="x must be finite"):
        superposition.sample_indicators(torch.full((2, 2), math.inf))


def planted_memory(disjoint):
    """A network that has learned four samples by heart: one output block for each."""
    model = TiedAutoencoder(12, 2, seed=0, dtype=torch.float64)
    x = torch.zeros(4, 12, dtype=torch.float64)
    corners = polygon(4)
    with torch.no_grad():
        model.bias.fill_(-0.5)
        for i in range(4):
            block = slice(3 * i, 3 * i + 3)
            x[i, block] = 3**-0.5
            model.weight[:, block] = corners[:, i : i + 1] * 1.5
    if not disjoint:  # the same network on samples that mix the blocks
        x = superposition.sample(40, 12, 0.2, seed=1, dtype=torch.float64)
    return model, x


def top_share(model, x, k=4):
    top = entk.ntk_spectrum(model, x, k=k, outputs="flatten").eigenvectors
    columns = superposition.sample_indicators(x)
    return float((top.mT @ columns).square().sum()) / k


def test_a_network_that_knows_its_samples_by_heart_has_them_on_top():
    assert top_share(*planted_memory(disjoint=True)) > 0.99
    # On other samples the same network's modes are none of them.
    assert top_share(*planted_memory(disjoint=False)) < 0.5


def test_more_modes_than_a_small_data_set_gives_are_refused():
    model, x = planted_memory(disjoint=True)
    with pytest.raises(ValueError, match=r"k must be at most the .*rank .*k=None"):
        entk.ntk_spectrum(model, x, k=30, outputs="flatten")
    with pytest.raises(ValueError, match=r"k must be at most the rank .* got 49"):
        entk.ntk_spectrum(model, x, k=49, outputs="flatten")
