"""Families planted in an eigenspace are found; what has none, or too little, is told so."""

import math

import pytest
import torch
from assertions import assert_close

from entk_lib import (
    find_families,
    match_families,
    split_by_token,
    subspace_overlap,
)
from entk_lib.features.families import Families
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

pytestmark = pytest.mark.sweep


def waves(modulus, names=("a", "b")):
    families = modular_addition.fourier_families(modulus)
    return torch.cat([families[name] for name in names], 2)


def planted(planes, signal, n_units, seed=0, chosen=None):
    """Units of one frequency each, with random phases, and noise in the whole span."""
    generator = torch.Generator().manual_seed(seed)
    _, f, d = planes.shape
    weights = torch.randn(d, n_units, generator=generator, dtype=torch.float64)
    weights /= weights.norm(dim=0)
    chosen = planes[:, torch.arange(n_units) % f if chosen is None else chosen]
    noise = torch.randn(f * d, n_units, generator=generator, dtype=torch.float64)
    noise /= math.sqrt(f * d)
    inside = torch.einsum("nmd,dm->nm", chosen, weights)
    return signal**0.5 * inside + (1 - signal) ** 0.5 * planes.flatten(1) @ noise


def mixed(planes, seed=1):
    """An arbitrary orthonormal basis of the span of all planes."""
    generator = torch.Generator().manual_seed(seed)
    size = planes.shape[1] * planes.shape[2]
    turn = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return planes.flatten(1) @ torch.linalg.qr(turn).Q


@pytest.mark.parametrize("modulus", [7, 13, 29])
@pytest.mark.parametrize("names", [("a", "b"), ("sum", "difference")])
def test_clean_families_are_found_with_their_number_and_sizes(modulus, names):
    planes = waves(modulus, names)
    found = find_families(mixed(planes), planted(planes, 1.0, 20 * modulus))
    assert found.found
    assert len(found.bases) == modulus // 2
    assert {base.shape[1] for base in found.bases} == {4}
    assert_close(
        match_families(found.bases, planes), torch.full((modulus // 2,), 4.0).double()
    )
    assert_close(found.shares, torch.ones(20 * modulus).double())


# The breakdown point that the chapter shows: 512 units, 14 families of 4 dimensions.
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("signal", "sure"), [(0.3, False), (0.45, True), (0.85, True)])
def test_recovery_depends_on_the_noise(signal, sure, seed):
    planes = waves(29)
    found = find_families(mixed(planes), planted(planes, signal, 512, seed))
    assert found.found is sure
    matched = match_families(found.bases, planes)
    if sure:
        assert len(found.bases) == 14
        assert float(matched.min()) > 3
    else:
        assert float(matched.mean()) < 3


def test_families_of_several_sizes_are_found():
    sizes = [2, 2, 3, 4, 5]
    axes = torch.eye(40, dtype=torch.float64)[:, : sum(sizes)]
    parts = axes.split(sizes, 1)
    generator = torch.Generator().manual_seed(0)
    units = torch.cat(
        [p @ torch.randn(p.shape[1], 80, generator=generator).double() for p in parts], 1
    )
    units /= units.norm(dim=0)
    units += 0.02 * torch.randn(40, 400, generator=generator).double()
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator).double()).Q
    found = find_families(axes @ turn, units)
    assert found.found
    assert sorted(base.shape[1] for base in found.bases) == sizes
    for part in parts:
        best = max(subspace_overlap(base, part) for base in found.bases)
        assert best > 0.98 * part.shape[1]


def test_crowds_of_several_sizes_do_not_change_the_dimensions():
    planes = waves(13)
    chosen = torch.repeat_interleave(
        torch.arange(6), torch.tensor([30, 40, 50, 60, 70, 80])
    )
    found = find_families(mixed(planes), planted(planes, 0.95, 330, chosen=chosen))
    assert found.found
    assert [base.shape[1] for base in found.bases] == [4] * 6
    assert torch.bincount(found.members).tolist() == [80, 70, 60, 50, 40, 30]


def test_pure_units_count_for_more_than_noisy_ones():
    planes = waves(13)
    units = [planted(planes, signal, 150, seed) for seed, signal in enumerate((0.95, 0.3))]
    found = find_families(mixed(planes), torch.cat(units, 1))
    # Without the climb it is 3.93.
    assert float(match_families(found.bases, planes).mean()) > 3.96


@pytest.mark.parametrize("seed", range(3))
def test_families_of_unequal_crowds_are_found(seed):
    planes = waves(29)
    twice = torch.arange(14) % 2 + 1
    chosen = torch.arange(14).repeat_interleave(24 * twice)
    found = find_families(mixed(planes), planted(planes, 0.6, 504, seed, chosen))
    assert found.found
    assert len(found.bases) == 14
    assert float(match_families(found.bases, planes).min()) > 3.5


def test_a_crowd_along_one_direction_is_no_family():
    axes = torch.eye(30, dtype=torch.float64)[:, :7]
    parts = axes.split([2, 2, 2, 1], 1)
    generator = torch.Generator().manual_seed(0)
    units = torch.cat(
        [p @ torch.randn(p.shape[1], 80, generator=generator).double() for p in parts], 1
    )
    found = find_families(axes, units / units.norm(dim=0))
    assert len(found.bases) == 3


def test_a_direction_that_all_families_share_does_no_harm_if_it_is_weak():
    planes = waves(13)
    common = torch.full((169, 1), 1 / 13, dtype=torch.float64)
    units = planted(planes, 0.95, 300) + 0.3 * common
    basis = torch.cat([common, mixed(planes)], 1)
    found = find_families(basis, units)
    assert found.found
    assert len(found.bases) == 6
    assert float(match_families(found.bases, planes).min()) > 3.7


@pytest.mark.parametrize("seed", range(5))
def test_directions_without_families_are_not_found(seed):
    planes = waves(13)
    units = planted(planes, 0.0, 300, seed)
    found = find_families(mixed(planes), units)
    assert not found.found
    assert "no gap that a cloud without families would not have" in found.reason
    assert "not found" in repr(found)
    # Nor are they when some directions are much stronger than others.
    strength = torch.ones(24, dtype=torch.float64)
    strength[:2] = 4
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.randn(24, 300, generator=generator, dtype=torch.float64)
    units = (mixed(planes) * strength) @ cloud
    assert not find_families(mixed(planes), units).found


CLOUDS = {
    "Gaussian": lambda z: z,
    "heavy-tailed": lambda z: z * z.abs().exp(),
    "unequal variances": lambda z: (
        z * torch.logspace(0, -2, len(z), dtype=torch.float64)[:, None]
    ),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_clouds_without_families_are_found_in_at_most_one_of_a_hundred(kind):
    """Few dimensions and many, few directions and many."""
    found, drawn = 0, 0
    for k in (2, 3, 4, 5, 6, 8, 10, 14, 20, 60):
        for m in (32, 64, 128, 256, 1024):
            for seed in range(3 if k < 14 else 1):
                if m < 2 * k or (k == 60 and m > 128):
                    continue
                generator = torch.Generator().manual_seed(seed + 10 * k + m)
                cloud = torch.randn(k, m, generator=generator, dtype=torch.float64)
                result = find_families(torch.eye(k).double(), CLOUDS[kind](cloud))
                found, drawn = found + result.found, drawn + 1
    assert drawn > 100
    assert found <= drawn // 100


@pytest.mark.parametrize(
    ("count", "size", "signal", "m"),
    [
        (2, 2, 1.0, 128),
        (2, 2, 0.8, 512),
        (3, 2, 1.0, 128),
        (4, 2, 0.8, 256),
        (14, 2, 0.8, 512),
        (2, 4, 0.8, 256),
        (7, 4, 0.5, 512),
        (14, 4, 0.5, 512),
    ],
)
def test_few_families_are_found_as_well_as_many(count, size, signal, m):
    planes = torch.eye(count * size).double().reshape(-1, count, size)
    for seed in range(3):
        found = find_families(mixed(planes), planted(planes, signal, m, seed))
        assert found.found
        assert len(found.bases) == count
        assert {base.shape[1] for base in found.bases} == {size}


def test_an_axis_with_next_to_no_energy_is_left_out():
    """Whitening would blow its noise up to the size of a family."""
    planes = torch.eye(12).double()[:, :8].reshape(12, 4, 2)
    neurons = planted(planes, 1.0, 128)
    generator = torch.Generator().manual_seed(2)
    neurons[8:] += 1e-3 * torch.randn(4, 128, generator=generator, dtype=torch.float64)
    alone = find_families(torch.eye(12).double()[:, :8], neurons)
    with_noise = find_families(torch.eye(12).double(), neurons)
    assert with_noise.found
    assert [base.shape[1] for base in with_noise.bases] == [2, 2, 2, 2]
    assert with_noise.score == pytest.approx(alone.score, rel=0.05)


@pytest.mark.parametrize("k", [2, 3])
def test_two_families_do_not_fit_into_three_dimensions(k):
    basis = torch.eye(50).double()[:, :k]
    generator = torch.Generator().manual_seed(0)
    cloud = torch.randn(k, 200, generator=generator, dtype=torch.float64)
    found = find_families(basis, basis @ cloud)
    assert not found.found
    assert found.bases == ()
    assert f"at least 4 dimensions, the directions fill {k}" in found.reason


def test_an_untrained_network_is_not_found_in_a_span_that_holds_its_waves():
    pairs = modular_addition.all_pairs(29)
    x = modular_addition.one_hot(pairs, 29)
    planes = waves(29)
    with torch.no_grad():
        units = QuadraticMLP(58, 29, 512, seed=0).first(x).double()
    found = find_families(planes.flatten(1), units)
    assert not found.found
    given = find_families(planes.flatten(1), units, count=14)
    assert not given.found
    assert len(given.bases) == 14
    assert float(match_families(given.bases, planes).mean()) < 1


def test_the_answer_depends_on_the_span_alone_not_on_lengths_signs_or_order():
    planes = waves(13)
    units = planted(planes, 0.8, 240)
    first = find_families(mixed(planes, 1), units)
    generator = torch.Generator().manual_seed(3)
    scale = torch.randn(240, generator=generator, dtype=torch.float64)
    order = torch.randperm(240, generator=generator)
    other = find_families(mixed(planes, 2), (units * scale)[:, order])
    assert len(first.bases) == len(other.bases) == 6
    assert first.gap == pytest.approx(other.gap)
    for base in first.bases:
        best = max(subspace_overlap(base, b) for b in other.bases)
        assert best == pytest.approx(4, abs=1e-3)


def test_bases_fill_the_span_and_members_lie_in_their_family():
    planes = waves(13)
    units = planted(planes, 0.8, 240)
    basis = mixed(planes)
    found = find_families(basis, units)
    together = torch.cat(found.bases, 1)
    assert_close(together.T @ together, torch.eye(24).double())
    assert subspace_overlap(together, basis) == pytest.approx(24)
    inside = basis @ (basis.T @ units)
    for i in (0, 1, 100):
        base = found.bases[int(found.members[i])]
        share = (base.T @ inside[:, i]).square().sum() / inside[:, i].square().sum()
        assert float(share) == pytest.approx(float(found.shares[i]))
        assert all(
            float((b.T @ inside[:, i]).square().sum() / inside[:, i].square().sum())
            <= float(share) + 1e-12
            for b in found.bases
        )
    counts = torch.bincount(found.members, minlength=6)
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)
    assert isinstance(found, Families)


def test_a_call_changes_nothing_and_repeats_itself():
    planes = waves(7)
    basis, units = mixed(planes).float(), planted(planes, 0.9, 100).float()
    kept = basis.clone(), units.clone()
    state = torch.get_rng_state()
    first, second = find_families(basis, units), find_families(basis, units)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(basis, kept[0])
    assert torch.equal(units, kept[1])
    assert first.score == second.score
    assert all(torch.equal(a, b) for a, b in zip(first.bases, second.bases, strict=True))
    assert first.bases[0].dtype == torch.float32


# Bad input


def test_directions_without_a_part_or_a_neighbour_are_left_out():
    planes = waves(13)
    units = planted(planes, 0.9, 240)
    outside = waves(13, ("sum",))[:, 0, :1]
    zero = torch.zeros(169, 1, dtype=torch.float64)
    found = find_families(mixed(planes), torch.cat([units, outside, zero], 1))
    assert found.found
    assert found.members[-2:].tolist() == [-1, -1]
    assert found.shares[-2:].tolist() == [0, 0]
    assert int(found.members[:-2].min()) >= 0
    axes = torch.eye(9, dtype=torch.float64)
    lonely = torch.cat([axes[:, :1], axes[:, 1:2] + axes[:, 2:3], axes[:, 1:2]], 1)
    assert find_families(axes[:, :4], lonely).members.tolist()[0] == -1


def test_fewer_directions_than_it_takes_to_crowd_are_not_found():
    planes = waves(13)
    found = find_families(mixed(planes), planted(planes, 1.0, 30))
    assert not found.found
    assert "30 directions cannot crowd into the parts of 24 dimensions" in found.reason
    assert "score" in found.reason
    assert not find_families(mixed(planes), planted(planes, 1.0, 8)).found
    assert not find_families(mixed(planes), planted(planes, 1.0, 7)[:, ::6]).found
    # One unit for each family: none has a neighbour.
    with pytest.raises(ValueError, match="a neighbour there, got 0 such of 5"):
        find_families(mixed(planes), planted(planes, 1.0, 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"basis": torch.eye(9)[:, :1]}, r"basis must have from 2 columns .* \(9, 1\)"),
        ({"basis": torch.ones(3, 9)}, r"no more than n modes"),
        ({"basis": torch.ones(9, 3)}, "basis must have orthonormal columns"),
        ({"basis": torch.full((9, 3), torch.nan)}, "basis must be finite"),
        ({"directions": torch.rand(8, 20)}, "expected 9, got 8"),
        ({"directions": torch.rand(9)}, "directions must be a non-empty matrix"),
        ({"directions": torch.full((9, 20), torch.inf)}, "directions must be finite"),
        ({"directions": torch.zeros(9, 20)}, "a neighbour there, got 0 such of 20"),
        ({"directions": torch.eye(9)}, "a neighbour there, got 0 such of 9"),
        ({"count": 5}, "count must be at most the 4 dimensions of the span, got 5"),
        ({"count": 4, "directions": torch.ones(9, 3)}, "at most the 3 directions"),
        ({"count": 1}, "count must be at least 2"),
        ({"threshold": 0.0}, "threshold must be positive"),
        ({"n_surrogates": 0}, "n_surrogates must be at least 1"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_are_told(change, message):
    given = {"basis": torch.eye(9)[:, :4], "directions": torch.rand(9, 20)}
    given.update(change)
    with pytest.raises(ValueError, match=message):
        find_families(**given)


# Which token moves it


@pytest.mark.parametrize("modulus", [5, 9])
def test_tokens_split_a_span_into_what_each_moves(modulus):
    families = modular_addition.fourier_families(modulus)
    planes = torch.cat([families["a"], families["b"]], 2)[:, :1]
    pairs = modular_addition.all_pairs(modulus)
    generator = torch.Generator().manual_seed(0)
    names = torch.randperm(modulus, generator=generator)[pairs]  # only equality counts
    (of_a, of_b), shares = split_by_token(mixed(planes), names)
    assert subspace_overlap(of_a, families["a"][:, 0]) == pytest.approx(2)
    assert subspace_overlap(of_b, families["b"][:, 0]) == pytest.approx(2)
    assert_close(shares, torch.ones(4).double())


def test_what_both_tokens_move_is_of_neither():
    families = modular_addition.fourier_families(7)
    pairs = modular_addition.all_pairs(7)
    parts, shares = split_by_token(families["sum"][:, 0], pairs)
    assert sum(part.shape[1] for part in parts) == 2
    assert float(shares.max()) < 1e-12


def test_a_constant_is_moved_by_no_token():
    constant = torch.full((9, 1), 1 / 3, dtype=torch.float64)
    _, shares = split_by_token(constant, modular_addition.all_pairs(3))
    assert float(shares.max()) < 1e-12


def test_three_tokens_split_a_span():
    values = torch.cartesian_prod(*[torch.arange(3)] * 3)
    effects = torch.nn.functional.one_hot(values).double()
    effects -= effects.mean(0)
    axes = torch.stack([torch.linalg.qr(effects[:, t, :2]).Q for t in range(3)], 1)
    parts, shares = split_by_token(mixed(axes), values)
    for t, part in enumerate(parts):
        assert subspace_overlap(part, axes[:, t]) == pytest.approx(2)
    assert_close(shares, torch.ones(6).double())


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.rand(9, 2), "tokens must be integers"),
        (torch.zeros(8, 2, dtype=torch.long), "one row for each of the 9 samples"),
        (torch.zeros(9, dtype=torch.long), "a column for each token"),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_tokens_of_another_form_are_told(tokens, message):
    with pytest.raises(ValueError, match=message):
        split_by_token(torch.eye(9)[:, :2], tokens)
    with pytest.raises(ValueError, match="orthonormal"):
        split_by_token(torch.ones(9, 2), torch.zeros(9, 2, dtype=torch.long))


# Matching


def test_each_feature_is_matched_with_a_family_of_its_own():
    axes = torch.eye(6, dtype=torch.float64)
    features = axes.reshape(6, 3, 2)
    # The first family holds most of two features; it may stand for one only.
    families = [axes[:, [0, 1, 2]], axes[:, [3, 4]], axes[:, [5]]]
    assert match_families(families, features).tolist() == [2, 1, 1]
    assert match_families(families[1:2], features).tolist() == [0, 1, 0]
    assert match_families([*families, axes[:, [2, 3]]], features).tolist() == [2, 2, 1]


@pytest.mark.no_shape_checks
def test_bad_arguments_of_matches_are_told():
    planes = torch.eye(6).reshape(6, 3, 2)
    with pytest.raises(ValueError, match="at least one matrix"):
        match_families([], planes)
    with pytest.raises(ValueError, match="with as many rows"):
        match_families([torch.eye(5)], planes)
    with pytest.raises(ValueError, match=r"shape \(n, f, d\)"):
        match_families([torch.eye(6)], torch.eye(6))
