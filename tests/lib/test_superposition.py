"""Sparse features have the statistics that were asked for."""

import pytest
import torch
from assertions import assert_close

from entk_lib.toys.tasks import superposition

N_SAMPLES, N_FEATURES = 4000, 25


def raw(sparsity, **options):
    options = {"seed": 0, "normalize": False, "dtype": torch.float64, **options}
    return superposition.sample(N_SAMPLES, N_FEATURES, sparsity, **options)


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9, 0.99])
def test_features_are_absent_as_often_as_asked(sparsity):
    absent = (raw(sparsity) == 0).double()
    standard_error = (sparsity * (1 - sparsity) / absent.numel()) ** 0.5
    assert abs(float(absent.mean()) - sparsity) <= 4 * standard_error


def test_present_features_are_uniform():
    x = raw(0.5)
    present = x[x > 0]
    for power in (1, 2, 3):
        moment = present**power
        standard_error = float(moment.std()) / len(present) ** 0.5
        assert abs(float(moment.mean()) - 1 / (power + 1)) < 4 * standard_error
    assert present.min() < 0.01
    assert 0.99 < present.max() <= 1


def test_features_come_and_go_independently():
    present = (raw(0.7) > 0).double()
    correlation = torch.corrcoef(present.T) - torch.eye(N_FEATURES, dtype=torch.float64)
    assert float(correlation.abs().max()) < 5 / N_SAMPLES**0.5


def test_magnitudes_do_not_depend_on_sparsity():
    dense, sparse = raw(0.2), raw(0.8)
    assert torch.equal(sparse[sparse > 0], dense[sparse > 0])


def test_samples_have_unit_length_unless_empty():
    x = superposition.sample(500, 5, 0.7, seed=0, dtype=torch.float64)
    lengths = x.norm(dim=1)
    empty = (x == 0).all(1)
    assert empty.any()
    assert_close(lengths, (~empty).double())


def test_normalised_is_the_default_and_keeps_directions():
    plain = superposition.sample(50, 6, 0.3, seed=1, normalize=False)
    scaled = superposition.sample(50, 6, 0.3, seed=1)
    assert_close(scaled * plain.norm(dim=1, keepdim=True), plain)


def test_one_seed_gives_one_result_and_leaves_the_global_random_state_alone():
    random = torch.get_rng_state()
    first = raw(0.5, seed=3)
    assert torch.equal(random, torch.get_rng_state())
    torch.manual_seed(12)
    assert torch.equal(first, raw(0.5, seed=3))
    assert not torch.equal(first, raw(0.5, seed=4))


@pytest.mark.parametrize("normalize", [True, False])
def test_float32_is_float64_rounded(normalize):
    single = raw(0.5, normalize=normalize, dtype=torch.float32)
    assert torch.equal(single, raw(0.5, normalize=normalize).float())


def test_importances_fall_by_the_decay():
    expected = torch.tensor([1.0, 0.5, 0.25, 0.125], dtype=torch.float64)
    assert_close(superposition.importances(4, decay=0.5, dtype=torch.float64), expected)
    assert superposition.importances(3).dtype == torch.float32


def test_indicators_stand_in_the_rows_of_their_own_output():
    x = superposition.sample(6, 4, 0.5, seed=2, dtype=torch.float64)
    x[:, 3] = 0
    indicators = superposition.feature_indicators(x)
    expected = torch.zeros(24, 4, dtype=torch.float64)
    for n in range(6):
        for i in range(3):
            expected[n * 4 + i, i] = x[n, i] / x[:, i].square().sum().sqrt()
    assert_close(indicators, expected)
