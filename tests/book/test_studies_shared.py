"""What several chapters share: networks that add, autoencoders, ranges, two spectra."""

import math

import pytest
import torch

import entk_lib as entk
from entk_book.figures import common
from entk_book.studies.adders import eigenspaces, family_overlaps, train_adders
from entk_book.studies.autoencoders import train_autoencoders
from entk_book.studies.spans import (
    at_least,
    at_most,
    in_most,
    least_share,
    predicted,
    span,
    within,
)
from entk_lib import Spectrum
from entk_lib.toys.models import QuadraticMLP, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition
from entk_lib.training import adamw, train, weighted_squared_error

P = 5


@pytest.fixture(scope="module")
def adders():
    return train_adders([0, 3], modulus=P, width=16, steps=6, snapshot_every=3)


def test_an_adder_is_what_training_alone_makes_of_its_start(adders):
    adder = adders[1]
    known, others = modular_addition.split(P * P, 0.7, seed=3)
    assert torch.equal(adder.known, known)
    assert torch.equal(adder.others, others)
    alone = QuadraticMLP(2 * P, P, 16, seed=3)
    assert torch.equal(alone.first.weight, adder.start.first.weight)
    train(alone, adder.x[known], adder.y[known], steps=6, optimizer=adamw(0.05))
    torch.testing.assert_close(
        adder.network.first.weight, alone.first.weight, rtol=1e-4, atol=1e-6
    )
    assert sorted(adder.snapshots) == [0, 3, 6]
    assert not torch.equal(adder.network.first.weight, adder.start.first.weight)


def test_accuracies_are_those_of_the_rows_that_they_name(adders):
    adder = adders[0]
    with torch.no_grad():
        right = adder.network(adder.x).argmax(1) == adder.y.argmax(1)
    found = adder.accuracy()
    assert found["train"] == pytest.approx(float(right[adder.known].double().mean()))
    assert found["test"] == pytest.approx(float(right[adder.others].double().mean()))
    with torch.no_grad():
        before = adder.start(adder.x).argmax(1) == adder.y.argmax(1)
    at_start = adder.accuracy(adder.start)["train"]
    assert at_start == pytest.approx(float(before[adder.known].double().mean()))


def test_shuffled_labels_are_the_same_ones_in_another_order():
    (plain,) = train_adders([1], modulus=P, width=8, steps=1)
    (shuffled,) = train_adders([1], modulus=P, width=8, steps=1, shuffled=True)
    assert not torch.equal(plain.y, shuffled.y)
    assert torch.equal(plain.y.sum(0), shuffled.y.sum(0))
    assert torch.equal(plain.known, shuffled.known)
    order = torch.randperm(P * P, generator=torch.Generator().manual_seed(1001))
    assert torch.equal(shuffled.y, plain.y[order])


def test_a_frozen_layer_stays_and_the_other_moves():
    (adder,) = train_adders([0], modulus=P, width=8, steps=2, frozen="first")
    assert torch.equal(adder.network.first.weight, adder.start.first.weight)
    assert not torch.equal(adder.network.second.weight, adder.start.second.weight)
    assert all(p.requires_grad for p in adder.network.parameters())


def test_less_data_are_fewer_known_rows():
    (adder,) = train_adders([0], modulus=P, width=8, steps=1, fraction=0.3)
    assert len(adder.known) == len(modular_addition.split(P * P, 0.3, seed=0)[0])


def planted(n, k):
    values = torch.arange(k, 0, -1, dtype=torch.float64)
    return Spectrum(values, torch.eye(n, dtype=torch.float64)[:, :k], float(values.sum()))


def test_eigenspaces_are_the_modes_between_the_places_of_the_cliffs():
    spaces = eigenspaces(planted(P * P, 20), P)
    identity = torch.eye(P * P, dtype=torch.float64)
    assert torch.equal(spaces["first"], identity[:, 1:9])
    assert torch.equal(spaces["second"], identity[:, 9:17])


def test_a_spectrum_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="hold 17 eigenpairs at modulus 5, got 16"):
        eigenspaces(planted(P * P, 16), P)


def test_a_family_shares_all_its_dimensions_with_its_own_span():
    families = modular_addition.fourier_families(P)
    basis = torch.linalg.qr(families["sum"].flatten(1)).Q
    found = family_overlaps(basis, families)
    assert found["sum"] == pytest.approx(4)
    assert found["a"] == pytest.approx(0, abs=1e-12)


def test_an_autoencoder_is_what_training_alone_makes_of_its_start():
    one, two = train_autoencoders(
        [0, 4],
        n_hidden=3,
        sparsity=0.5,
        n_features=6,
        n_samples=20,
        steps=5,
        record_every=2,
    )
    assert torch.equal(two.x, superposition.sample(20, 6, 0.5, seed=4))
    alone = TiedAutoencoder(6, 3, seed=104)
    assert torch.equal(alone.weight, two.start.weight)
    loss = weighted_squared_error(superposition.importances(6))
    result = train(alone, two.x, two.x, steps=5, loss=loss, record_every=2)
    torch.testing.assert_close(two.network.weight, alone.weight, rtol=1e-4, atol=1e-6)
    assert two.losses == pytest.approx(result.history["loss"], rel=1e-4)
    assert len(one.losses) == 4  # steps 0, 2, 4 and the end


@pytest.mark.parametrize(
    ("numbers", "digits", "collapse", "text"),
    [
        ([1.26, 0.94], 1, True, "0.9 to 1.3"),
        ([40.0, 40.0], 0, True, "40"),
        ([40.0, 40.0], 0, False, "40 to 40"),
        ([0.96, 1.04], 1, True, "1.0"),
        ([-0.004, 0.004], 2, True, "0.00"),
        ([-0.4, -0.0], 0, False, "0 to 0"),
        ([-0.14, -0.001], 2, True, "-0.14 to 0.00"),
    ],
)
def test_ranges_are_written_from_low_to_high(numbers, digits, collapse, text):
    assert span(numbers, digits, collapse=collapse) == text


def test_a_range_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one, got none"):
        span([])


def test_bounds_are_kept_by_all_numbers():
    numbers = [0.3499, 0.351, 0.7]
    assert at_least(numbers) == pytest.approx(0.3)
    assert at_most(numbers) == pytest.approx(0.7)
    assert at_most([0.31]) == pytest.approx(0.4)


def test_one_more_number_lies_inside_as_often_as_is_said():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(2000, 6, generator=generator, dtype=torch.float64) * 3 + 40
    for level in (0.5, 0.95):
        inside = sum(within(float(row[0]), row[1:].tolist(), level) for row in drawn)
        error = (level * (1 - level) / len(drawn)) ** 0.5
        assert abs(inside / len(drawn) - level) < 4 * error


def test_an_interval_needs_two_numbers():
    with pytest.raises(ValueError, match="at least two numbers, got 1"):
        predicted([1.0])


def test_the_trained_spectrum_is_drawn_before_the_untrained_one(ax):
    trained, untrained = torch.tensor([4.0, 2.0]), torch.tensor([8.0, 2.0, 1.0])
    common.trained_and_untrained(
        trained, untrained, ax, cliffs=[entk.Cliff(0, 1, 2.0)], relative=True
    )
    below, above = ax.lines[:2]
    assert [below.get_label(), above.get_label()] == ["untrained", "trained"]
    assert below.get_ydata() == pytest.approx([1, 0.25, 0.125])
    assert above.get_ydata() == pytest.approx([1, 0.5])
    assert ax.texts[0].get_text() == "1"


@pytest.mark.parametrize(("hits", "n"), [(1, 3), (9, 10), (4, 5), (17, 20)])
def test_the_least_share_gives_so_many_hits_one_time_in_twenty(hits, n):
    share = least_share(hits, n)
    tail = sum(
        math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(hits, n + 1)
    )
    assert tail == pytest.approx(0.05)


def test_a_count_shows_most_seeds_or_it_does_not():
    shown = [(5, 5), (9, 10), (8, 12)]
    assert [in_most(*count) for count in shown] == [True, True, False]
    assert not in_most(0, 4)
    assert in_most(4, 5, level=0.8)
    for hits, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match="hits must be from 0 to n"):
            least_share(hits, n)
