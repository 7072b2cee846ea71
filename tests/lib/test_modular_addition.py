"""Pairs, labels and Fourier features of modular addition."""

import pytest
import torch
from assertions import assert_close

from entk_lib import chance_overlap, feature_alignment, subspace_overlap
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition as addition

MODULI = [3, 5, 9, 15, 23]


@pytest.mark.parametrize("modulus", MODULI)
def test_pairs_are_all_and_a_comes_first(modulus):
    pairs = addition.all_pairs(modulus)
    expected = [[a, b] for a in range(modulus) for b in range(modulus)]
    assert pairs.tolist() == expected


@pytest.mark.parametrize("modulus", [5, 9])
def test_inputs_and_targets_are_one_hot(modulus):
    pairs = addition.all_pairs(modulus)
    x, y = addition.one_hot(pairs, modulus), addition.targets(pairs, modulus)
    for (a, b), row, target in zip(pairs.tolist(), x, y, strict=True):
        assert row.nonzero().flatten().tolist() == [a, modulus + b]
        assert target.nonzero().flatten().tolist() == [(a + b) % modulus]
    assert x.unique().tolist() == y.unique().tolist() == [0, 1]
    assert addition.one_hot(pairs, modulus, dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize("modulus", MODULI)
def test_families_are_orthonormal_and_leave_out_the_constant(modulus):
    families = addition.fourier_families(modulus)
    columns = torch.cat([family.flatten(1) for family in families.values()], 1)
    everything = torch.cat([columns, torch.ones(len(columns), 1).double() / modulus], 1)
    gram = everything.mT @ everything
    assert gram.shape[0] == 4 * (modulus - 1) + 1
    assert_close(gram, torch.eye(len(gram), dtype=torch.float64))


@pytest.mark.parametrize("name", list(addition.FAMILIES))
def test_a_family_sees_only_its_own_combination(name):
    modulus = 7
    family = addition.fourier_families(modulus)[name]
    a, b = addition.all_pairs(modulus).T
    seen = {"a": a, "b": b, "sum": a + b, "difference": a - b}[name] % modulus
    for value in range(modulus):
        rows = family[seen == value]
        assert_close(rows, rows[:1].expand_as(rows))
    # Frequency k turns k times: the first has as many values as there are residues.
    waves = torch.cos(
        2 * torch.pi * torch.arange(modulus).double().outer(torch.arange(1, 4)) / 7
    )
    for value in range(modulus):
        scale = 2**0.5 / modulus
        assert_close(family[seen == value][0, :, 0], scale * waves[value])


def test_labels_lie_in_the_sum_family():
    modulus = 5
    y = addition.targets(addition.all_pairs(modulus), modulus, dtype=torch.float64)
    centred = y - y.mean(0)
    sums = addition.fourier_families(modulus)["sum"].flatten(1)
    assert subspace_overlap(centred, sums) == pytest.approx(modulus - 1)


def test_splits_are_exact_disjoint_and_seeded():
    train, test = addition.split(841, 0.7, seed=3)
    assert (len(train), len(test)) == (588, 253)
    assert torch.cat([train, test]).sort().values.tolist() == list(range(841))
    again, _ = addition.split(841, 0.7, seed=3)
    other, _ = addition.split(841, 0.7, seed=4)
    assert torch.equal(train, again)
    assert not torch.equal(train, other)
    # All rows are as likely: the mean of the training rows is that of all.
    standard_error = 841 / 12**0.5 / len(train) ** 0.5
    assert abs(float(train.double().mean()) - 420) < 4 * standard_error


def test_random_subspaces_overlap_with_families_by_chance():
    modulus, k = 7, 12
    sums = addition.fourier_families(modulus)["sum"].flatten(1)
    generator = torch.Generator().manual_seed(0)
    overlaps = torch.tensor(
        [
            subspace_overlap(
                torch.randn(49, k, generator=generator, dtype=torch.float64), sums
            )
            for _ in range(200)
        ]
    )
    error = float(overlaps.std()) / 200**0.5
    assert abs(float(overlaps.mean()) - chance_overlap(k, 6, 49)) < 4 * error


@pytest.mark.parametrize("modulus", [9, 11])
def test_quadratic_mlp_is_its_formula(modulus):
    model = QuadraticMLP(2 * modulus, modulus, 16, seed=0, dtype=torch.float64)
    x = addition.one_hot(addition.all_pairs(modulus), modulus, dtype=torch.float64)
    first, second = model.first.weight.detach(), model.second.weight.detach()
    expected = torch.stack(
        [
            sum(
                second[:, i] * (first[i] @ row / (2 * modulus) ** 0.5) ** 2
                for i in range(16)
            )
            / 16
            for row in x
        ]
    )
    assert_close(model(x).detach(), expected.detach())


def test_a_hidden_unit_with_two_waves_sees_sum_and_difference():
    modulus = 11
    phase = 2 * torch.pi / modulus * torch.arange(modulus).double()
    model = QuadraticMLP(2 * modulus, modulus, 1, seed=0, dtype=torch.float64)
    with torch.no_grad():
        model.first.weight.copy_(torch.cat([(2 * phase).cos(), (2 * phase).cos()])[None])
        model.second.weight.fill_(1.0)
    x = addition.one_hot(addition.all_pairs(modulus), modulus, dtype=torch.float64)
    response = model(x)[:, :1].detach()
    response -= response.mean()
    families = addition.fourier_families(modulus)
    aligned = {
        name: feature_alignment(response, family)[0] for name, family in families.items()
    }
    # (cos u + cos v)^2 = 1 + cos(u + v) + cos(u - v) + (cos 2u + cos 2v) / 2.
    total = (1 + 1 + 0.25 + 0.25) ** 0.5
    assert aligned["sum"][1] == pytest.approx(1 / total)
    assert aligned["difference"][1] == pytest.approx(1 / total)
    assert aligned["a"][3] == pytest.approx(0.5 / total)
    assert aligned["b"][3] == pytest.approx(0.5 / total)


def test_the_start_is_standard_normal_and_seeded():
    model = QuadraticMLP(58, 29, 512, seed=0)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert len(weights) == 44544
    assert abs(float(weights.mean())) < 4 / 44544**0.5
    assert abs(float(weights.var()) - 1) < 4 * (2 / 44544) ** 0.5
    twin = QuadraticMLP(58, 29, 512, seed=0)
    assert torch.equal(
        weights, torch.cat([p.detach().flatten() for p in twin.parameters()])
    )


@pytest.mark.parametrize("modulus", [4, 30, 1, -3])
def test_even_or_too_small_moduli_are_refused(modulus):
    pattern = "must be odd" if modulus in (4, 30) else "must be at least 3"
    for function in (addition.all_pairs, addition.fourier_families):
        with pytest.raises(ValueError, match=f"modulus {pattern}, got {modulus}"):
            function(modulus)


@pytest.mark.no_shape_checks
def test_other_bad_arguments_are_refused():
    with pytest.raises(TypeError, match=r"modulus must be an int, got 29\.0"):
        addition.all_pairs(29.0)
    pairs = addition.all_pairs(5)
    with pytest.raises(ValueError, match="residues from 0 to 2, got 0 to 4"):
        addition.one_hot(pairs, 3)
    with pytest.raises(ValueError, match="residues from 0 to 6, got -1 to 3"):
        addition.targets(pairs - 1, 7)
    with pytest.raises(ValueError, match=r"shape \(n, 2\), got \(50,\)"):
        addition.targets(pairs.flatten(), 5)
    for fraction in (0, 1, 0.01, float("nan")):
        with pytest.raises(ValueError, match="rows on both sides of 25"):
            addition.split(25, fraction, seed=0)
    with pytest.raises(ValueError, match="one shape"):
        addition.accuracy(torch.eye(3), torch.ones(3))
