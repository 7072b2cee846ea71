"""Chapter 7's studies on a network with planted frequencies: what is true is known."""

import copy
import math
from dataclasses import replace

import pytest
import torch

import entk_lib as entk
from entk_book.figures import without_the_group as figures
from entk_book.studies import families_compared as compared
from entk_book.studies import families_elsewhere as elsewhere
from entk_book.studies import families_in_noise as in_noise
from entk_book.studies import without_the_group as study
from entk_book.studies.adders import MODULUS, Adder, train_adders
from entk_book.studies.autoencoders import train_autoencoders
from entk_lib import Families
from entk_lib.toys.models import ModularTransformer, QuadraticMLP
from entk_lib.toys.tasks import modular_addition

pytestmark = pytest.mark.sweep

PHASES = 8


def planted_adder():
    """Each unit is a wave of a and one of b; its phases cancel in the readout.

    So the answer's logit is a sum over frequencies of cos(2 pi k (a + b - c) / p).
    """
    k = torch.arange(1, study.N_FREQUENCIES + 1).repeat_interleave(PHASES**2)[:, None]
    turns = 2 * math.pi * torch.arange(PHASES) / PHASES
    of_a, of_b = torch.cartesian_prod(turns, turns).repeat(study.N_FREQUENCIES, 1).T
    angles = 2 * math.pi * k * torch.arange(MODULUS) / MODULUS
    network = QuadraticMLP(2 * MODULUS, MODULUS, len(k), seed=0)
    with torch.no_grad():
        waves = [(angles + phase[:, None]).cos() for phase in (of_a, of_b)]
        network.first.weight.copy_(torch.cat(waves, 1))
        network.second.weight.copy_((angles + (of_a + of_b)[:, None]).cos().T)
    pairs = modular_addition.all_pairs(MODULUS)
    x = modular_addition.one_hot(pairs, MODULUS)
    y = modular_addition.targets(pairs, MODULUS)
    start = QuadraticMLP(2 * MODULUS, MODULUS, len(k), seed=0)
    rows = torch.arange(len(x))
    return Adder(0, MODULUS, start, network, x, y, rows, rows, {})


@pytest.fixture(scope="module")
def adder():
    return planted_adder()


@pytest.fixture(scope="module")
def spaces(adder):
    return {
        "trained": [study.spaces_of(adder.network, adder.x)],
        "untrained": [study.spaces_of(adder.start, adder.x)],
    }


@pytest.fixture(scope="module")
def results(adder, spaces):
    return study.over_seeds([adder], spaces)


def test_the_planted_network_adds_and_its_eigenspaces_hold_the_waves(adder, spaces):
    assert adder.accuracy()["test"] == 1
    for name, planes in study.true_waves().items():
        flat = planes.flatten(1)
        shared = entk.subspace_overlap(spaces["trained"][0][name], flat)
        assert shared == pytest.approx(flat.shape[1], rel=1e-3)


def test_planted_families_are_found_and_nulls_are_not(results):
    assert set(results) == {
        (state, name) for state in study.STATES for name in study.SPACES
    }
    for (state, _), (one,) in results.items():
        assert one.found.found == (state == "trained")
        if state == "trained":
            assert len(one.found.bases) == study.N_FREQUENCIES
            assert one.shared.tolist() == pytest.approx([4] * 14, abs=1e-3)
        else:
            assert one.verdict.mean < 1


def test_nulls_are_given_the_number_and_the_trained_are_not(adder, spaces, monkeypatch):
    gifts = []

    def judge(basis, columns, planes, gift):
        gifts.append(gift)
        return study.Judged(families(1, found=False), torch.ones(1))

    monkeypatch.setattr(study, "judge", judge)
    study.over_seeds([adder], spaces)
    assert gifts == [None, None, 14, 14, 14, 14]


def test_halves_of_planted_families_are_tokens_and_sums(adder, results):
    pairs = modular_addition.all_pairs(MODULUS)
    found = study.halves([adder], results, pairs)
    assert found.two_each == 14
    assert min(found.purity) > 0.999
    assert min(found.used) > 0.999
    assert all(shared == pytest.approx([28], abs=0.05) for shared in found.shared.values())


def test_units_of_one_frequency_are_all_of_it_and_mixed_ones_are_not(adder, spaces):
    pure = in_noise.strongest_shares([adder], spaces["trained"])
    assert pure == pytest.approx([1], abs=1e-3)
    mixed = copy.deepcopy(adder.network)
    with torch.no_grad():
        mixed.first.weight += mixed.first.weight.roll(PHASES**2, 0)
    other = replace(adder, network=mixed)
    assert in_noise.strongest_shares([other], spaces["trained"])[0] < 0.75


def test_only_the_first_half_of_the_units_is_asked(adder, spaces):
    half = len(adder.network.first.weight) // 2
    for noisy, expected in ((slice(half, None), True), (slice(half), False)):
        network = copy.deepcopy(adder.network)
        with torch.no_grad():
            network.first.weight[noisy] = adder.start.first.weight[noisy]
        other = replace(adder, network=network)
        assert in_noise.found_with_half([other], spaces["trained"]) == [expected]


def test_uneven_families_are_recovered():
    (one,) = in_noise.uneven_recovery(signal=0.9, n_draws=1)
    assert one.found.found
    sizes = one.found.members.bincount(minlength=14).sort().values
    assert sizes.tolist() == [24] * 7 + [48] * 7


def test_controls_are_trained_as_they_are_called(monkeypatch):
    trained, judged_with = {}, []

    def train(seeds, **options):
        found = train_adders(seeds, steps=1, **options)
        trained[len(trained)] = found[0]
        return found

    def judge(basis, columns, planes, gift=None):
        judged_with.append((basis.shape, gift))
        return study.Judged(families(2, found=len(judged_with) > 2), torch.ones(14))

    monkeypatch.setattr(in_noise, "train_adders", train)
    monkeypatch.setattr(in_noise, "judge", judge)
    found = in_noise.controls(seeds=[3])
    assert list(found) == list(in_noise.CONTROLS)
    shuffled, little, half = trained.values()
    assert [len(one.known) for one in (shuffled, little, half)] == [588, 252, 420]
    assert not torch.equal(shuffled.y, little.y)
    assert torch.equal(little.y, half.y)
    assert judged_with == [((841, 56), None)] * 6
    assert found["shuffled labels"].n_found("first") == 0
    assert found["half of the pairs"].n_found("second") == 1
    told = found["half of the pairs"].rows()[1]
    assert told == ["second", "1 of 1 (3 families)", "at most 1.0"]
    none = in_noise.Looked(found=False, n=30, mean=0.3)
    told = in_noise.Control([0.0, 0.0], {"first": [none, none]}).rows()
    assert told == [["first", "0 of 2", "below 1"]]


def test_the_stored_controls_are_those_of_the_study(monkeypatch):
    stored = in_noise.stored_controls()
    assert list(stored) == list(in_noise.CONTROLS)
    assert all(len(one.others) == 5 for one in stored.values())
    half = "half of the pairs"
    monkeypatch.setattr(in_noise, "CONTROLS", {half: in_noise.CONTROLS[half]})
    (again,) = in_noise.controls(seeds=[70]).values()
    assert again.others[0] == pytest.approx(stored[half].others[0], abs=0.02)
    now, then = again.looked["second"][0], stored[half].looked["second"][0]
    assert now.found == then.found
    assert now.mean == pytest.approx(then.mean, abs=0.3)


def test_every_way_is_judged_by_the_same_waves(adder, spaces, results):
    pytest.importorskip("sklearn")
    ways, sharing = compared.all_ways([adder], spaces["trained"], results)
    for name in study.SPACES:
        shared = {way: values[name][0] for way, values in ways.items()}
        assert shared["find_families"] == pytest.approx(4, abs=1e-3)
        assert shared["given translations"] > 3.9
        assert shared["random rotation"] < 2
        assert shared["no kernel"] > 3.9
        assert shared["inputs and activations"] > 3.9
        assert all(0 <= value <= 4 + 1e-6 for value in shared.values())
    assert 0 <= sharing <= 1


def test_independent_components_are_unmixed():
    pytest.importorskip("sklearn")
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(5000, 6, generator=generator).double().clamp(1e-6, 1 - 1e-6)
    laplace = torch.distributions.Laplace(0.0, 0.5**0.5).icdf(uniform)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator).double()).Q
    found = compared.independent_components(laplace @ turn.T)
    assert (turn.T @ found).abs().amax(1).min() > 0.99


def test_components_over_pairs_and_units_are_bases_of_the_span(adder, spaces):
    pytest.importorskip("sklearn")
    basis = spaces["trained"][0]["first"]
    columns = study.neurons(adder.network, adder.x)["first"]
    identity = torch.eye(basis.shape[1]).double()
    for turned in (
        compared.ica_over_pairs(basis),
        compared.ica_over_units(basis, columns),
    ):
        assert torch.allclose(turned.T @ turned, identity, atol=1e-6)
        assert entk.subspace_overlap(turned, basis) == pytest.approx(56)
        assert not torch.allclose(turned, basis, atol=1e-2)


def test_a_kept_feature_lies_inside_the_flattened_eigenspace():
    (one,) = train_autoencoders(
        [0], n_hidden=6, sparsity=0.8, n_features=20, n_samples=200, steps=600
    )
    coded = elsewhere.in_superposition(one)
    model = one.network
    assert coded.n_kept == int((model.feature_gram().diagonal() >= 0.75).sum())
    assert 0 < coded.n_inside <= coded.n_kept


def test_modes_of_the_mean_logit_come_without_the_constant_one():
    from entk_book import stored

    model = stored.transformer(0)
    pairs = modular_addition.all_pairs(stored.MODULUS)
    tokens = modular_addition.tokens(pairs, stored.MODULUS)
    basis = elsewhere.leading_modes(model, tokens, 4)
    assert basis.shape == (len(pairs), 4)
    assert torch.allclose(basis.T @ basis, torch.eye(4).double(), atol=1e-5)
    # The constant is the second mode of this network.
    whole = entk.ntk_spectrum(model, tokens, k=5, outputs="mean_output")
    second = whole.eigenvectors[:, 1:2].double()
    assert float(second.sum().abs()) / len(pairs) ** 0.5 > 0.8
    assert entk.subspace_overlap(basis, second) == pytest.approx(0, abs=1e-8)
    voted = elsewhere.vote(model, tokens, basis)
    with torch.no_grad():
        units = model.mlp_in(model.attended(tokens)).double()
    again = entk.find_families(basis, units)
    assert (voted.found, voted.score) == (again.found, again.score)


def families(score, *, found, n=3):
    empty = torch.empty(0)
    bases = tuple(torch.empty(9, 4) for _ in range(n))
    values = torch.linspace(1, 0, 40)
    return Families(bases, empty, empty, values, 0.1, 0.1, float(score), found, "planted")


@pytest.mark.parametrize(
    ("score", "found", "text"),
    [
        (7.0, True, "3 of 4 dimensions, score above 5"),
        (3.0, True, "3 of 4 dimensions, score above 2.5"),
        (1.0, False, "none, score below 2.5"),
        (6.0, False, "none, score above 5"),
    ],
)
def test_scores_are_told_in_steps(score, found, text):
    assert study.told(families(score, found=found)) == text


class TestFigures:
    def test_affinities_leave_the_constant_out_and_mark_the_count(self, ax):
        figures.affinities(
            families(3, found=True), families(1, found=False, n=0), "first", ax
        )
        trained, untrained = (
            next(line for line in ax.lines if line.get_label() == name)
            for name in ("trained", "untrained")
        )
        assert list(trained.get_xdata()) == list(range(2, 31))
        assert trained.get_ydata()[0] == pytest.approx(38 / 39)
        assert trained.get_color() != untrained.get_color()
        (mark,) = (line for line in ax.lines if line.get_linestyle() == "--")
        assert list(mark.get_xdata()) == pytest.approx([3.5, 3.5])

    def test_families_stand_in_the_order_of_their_frequency(self, ax):
        image = figures.families(torch.eye(5)[[3, 0, 4, 1, 2]], ax)
        assert torch.equal(torch.tensor(image.get_array().data), torch.eye(5))

    def test_scores_stand_over_the_accuracy(self, ax):
        voted = [
            elsewhere.Voted(
                a,
                9.0,
                *(elsewhere.Vote(False, score, 6) for score in (2 * a, 3 * a, a, a)),
                torch.zeros(2, 2),
            )
            for a in (0.2, 0.9)
        ]
        figures.scores(voted, ax)
        by_label = {line.get_label(): line for line in ax.lines}
        assert list(by_label["components"].get_xdata()) == [0.2, 0.9]
        for label, times in (
            ("components", 3),
            ("kernel's modes", 2),
            ("components, untrained", 1),
        ):
            heights = list(by_label[label].get_ydata())
            assert heights == pytest.approx([times * 0.2, times * 0.9])
        (mark,) = (line for line in ax.lines if line.get_linestyle() == "--")
        assert mark.get_ydata()[0] == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("shares", "found", "complete"),
    [
        ([[0.9, 0.0], [0.1, 0.8]], True, True),
        ([[0.9, 0.0], [0.1, 0.8]], False, False),
        ([[0.9, 0.0], [0.1, 0.79]], True, False),
        ([[0.9, 0.0], [0.9, 0.1]], True, False),  # two families of one frequency
        ([[0.9, 0.0, 0.0], [0.0, 0.9, 0.0]], True, False),  # one is missing
    ],
)
def test_families_are_the_key_frequencies_one_by_one(shares, found, complete):
    none, one = elsewhere.Vote(False, 0.0, 6), elsewhere.Vote(found, 3.0, 6)
    voted = elsewhere.Voted(1.0, 9.0, none, one, none, none, torch.tensor(shares))
    assert voted.is_complete is complete


def test_components_hold_the_share_that_is_asked_for():
    model = ModularTransformer(5, seed=0)
    tokens = modular_addition.tokens(modular_addition.all_pairs(5), 5)
    few, all_of_them = (
        elsewhere.leading_components(model, tokens, share) for share in (0.5, 0.9999)
    )
    assert 1 <= few.shape[1] < all_of_them.shape[1]
    with torch.no_grad():
        units = model.mlp_in(model.attended(tokens)).double()
    centred = units - units.mean(0)
    for basis, share in ((few, 0.5), (all_of_them, 0.9999)):
        held = (basis.T @ centred).square().sum() / centred.square().sum()
        less = (basis[:, :-1].T @ centred).square().sum() / centred.square().sum()
        assert less < share <= held


def test_the_constant_mode_is_left_out_wherever_it_stands(monkeypatch):
    vectors = torch.linalg.qr(torch.randn(25, 6).double()).Q
    constant = torch.ones(25, 1).double() / 5
    vectors = torch.linalg.qr(torch.cat([constant, vectors], 1)).Q
    order = [1, 2, 0, 3, 4]
    spectrum = entk.Spectrum(torch.arange(5, 0, -1).double(), vectors[:, order], 15.0)
    monkeypatch.setattr(entk, "ntk_spectrum", lambda *_, **__: spectrum)
    model, tokens = ModularTransformer(5, seed=0), torch.zeros(25, 3).long()
    found = elsewhere.leading_modes(model, tokens, 4)
    assert torch.equal(found, vectors[:, [1, 2, 3, 4]])
