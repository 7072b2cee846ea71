"""Key frequencies: planted ones are found, none is an answer; waves; bad input."""

import math

import pytest
import torch
from assertions import assert_close

import entk_lib as entk
from entk_lib.toys.models import ModularTransformer
from entk_lib.toys.tasks.frequencies import key_frequencies, waves_at
from entk_lib.toys.tasks.modular_addition import all_pairs

P, WIDTH = 29, 64


def planted(frequencies, noise, seed=0):
    """Waves of these frequencies in random directions, each of power 1, under noise."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    embedding = noise * normal(P, WIDTH) / math.sqrt(P * WIDTH)
    for k in frequencies:
        angle = 2 * math.pi * k / P * torch.arange(P, dtype=torch.float64)
        plane = torch.stack([angle.cos(), angle.sin()], 1) / math.sqrt(P)
        embedding += plane @ torch.linalg.qr(normal(WIDTH, 2)).Q.T
    return embedding + normal(WIDTH)  # the mean over tokens says nothing


@pytest.mark.parametrize("wanted", [(5,), (1, 12), (3, 5, 10), (1, 7, 9, 10, 14)])
@pytest.mark.parametrize("seed", range(5))
def test_planted_frequencies_are_found_under_noise(wanted, seed):
    # Noise with as much power in all as the waves have.
    found = key_frequencies(planted(wanted, math.sqrt(len(wanted)), seed), n_null=200)
    assert found.frequencies == wanted
    assert found.score > 1
    assert 0.4 < found.held < 0.8


def test_they_are_lost_where_noise_hides_them():
    # At 14 frequencies, noise of power q adds q / 14 to each, give or take a fifth.
    found = [key_frequencies(planted((5,), 10.0, s), n_null=200) for s in range(5)]
    assert sum(f.frequencies == (5,) for f in found) <= 1


@pytest.mark.parametrize("seed", range(10))
def test_an_untrained_network_has_none_and_says_its_score(seed):
    weight = ModularTransformer(P, seed=seed).token_embedding.weight[:P]
    found = key_frequencies(weight)
    assert found.frequencies == ()
    assert found.held == 0
    assert 0.5 < found.score < 1
    assert repr(found).startswith("no key frequency: the largest share of power is 0.")


def test_shares_are_those_of_the_power_and_add_up():
    embedding = planted((2,), 0.0) + 2 * (planted((9,), 0.0) - planted((), 0.0))
    found = key_frequencies(embedding)
    assert_close(found.shares.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert abs(float(found.shares[1]) - 1 / 5) < 1e-9
    assert abs(float(found.shares[8]) - 4 / 5) < 1e-9
    assert repr(found).startswith("key frequencies 2, 9, which hold 100% of the power")


def test_one_seed_is_one_threshold_and_scale_does_not_matter():
    embedding = planted((3,), 1.0)
    one, same, other = (key_frequencies(embedding, seed=s, n_null=50) for s in (0, 0, 1))
    assert one.threshold == same.threshold != other.threshold
    assert key_frequencies(1e3 * embedding, n_null=50).frequencies == one.frequencies


def test_waves_are_orthonormal_and_of_their_names():
    k = [3, 1]
    waves = waves_at(P, k)
    every = torch.cat(list(waves.values()), 1)
    assert_close(every.T @ every, torch.eye(16, dtype=torch.float64))
    a, b = all_pairs(P).double().T
    by_hand = {
        "sum": [
            f(2 * math.pi * j * (a + b) / P) for j in k for f in (torch.cos, torch.sin)
        ],
        "difference": [
            f(2 * math.pi * j * (a - b) / P) for j in k for f in (torch.cos, torch.sin)
        ],
        "symmetric": [
            f(2 * math.pi * j * a / P) + f(2 * math.pi * j * b / P)
            for j in k
            for f in (torch.cos, torch.sin)
        ],
        "antisymmetric": [
            f(2 * math.pi * j * a / P) - f(2 * math.pi * j * b / P)
            for j in k
            for f in (torch.cos, torch.sin)
        ],
    }
    for name, columns in by_hand.items():
        for wave, column in zip(waves[name].T, columns, strict=True):
            assert_close(wave, column / column.norm())
    assert waves_at(P, k, dtype=torch.float32)["sum"].dtype == torch.float32
    assert entk.chance_overlap(4, 4, P**2) < 0.02


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (torch.ones(30, 4), "odd modulus >= 3, got 30 rows. Leave out the row of '='"),
        (torch.ones(1, 4), "got 1 rows"),
        (torch.ones(29), "non-empty matrix"),
        (torch.full((29, 4), torch.nan), "must be finite"),
        (torch.ones(29, 4), "rows that are all the same"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_an_embedding_is_refused(embedding, message):
    with pytest.raises(ValueError, match=message):
        key_frequencies(embedding)


@pytest.mark.parametrize(
    ("modulus", "frequencies", "message"),
    [
        (29, [], "at least one, got none"),
        (29, [1, 1], "distinct, from 1 to 14"),
        (29, [0], "from 1 to 14, got"),
        (29, [15], "are the same waves"),
        (28, [1], "modulus must be odd"),
    ],
)
def test_bad_frequencies_are_refused(modulus, frequencies, message):
    with pytest.raises(ValueError, match=message):
        waves_at(modulus, frequencies)
