"""A row of a ledger agrees within its bar and does not beyond it, in every chapter.

Every test has numbers with which all of a chapter's claims agree, and for each bar a number
just beyond it, with the rows that then have to disagree.
"""

from dataclasses import replace

import pytest
import torch

from entk_book.studies import (
    families_elsewhere,
    grokking_onsets,
    layerwise,
    memories_and_features,
    modular_addition,
    superposition_gates,
    transformer_overlaps,
)
from entk_book.studies.double_descent import SIZES
from entk_book.studies.families_elsewhere import Coded, Voted
from entk_book.studies.grokking_onsets import Timing
from entk_book.studies.modular_addition import LearningCurves
from entk_book.studies.superposition import OverSeeds
from entk_book.studies.transformer import EASY, HARD, Outcome
from entk_book.studies.transformer_overlaps import ROWS, Separation
from entk_book.studies.without_the_group import SPACES, Judged
from entk_lib import Families, Spectrum

# Stand-ins take the place of networks and of spectra.
pytestmark = pytest.mark.no_shape_checks


def disagreeing(claims):
    return [i for i, claim in enumerate(claims) if not claim.agrees]


def changes(**cases):
    """Cases of a test: what is changed, and which rows then disagree."""
    return pytest.mark.parametrize(
        ("change", "rows"), [pytest.param(*case, id=name) for name, case in cases.items()]
    )


class TestModularAddition:
    @staticmethod
    def curves(first_half=85, learned=105, known=50):
        """Ten networks alike, measured at every step to 120."""
        steps = torch.arange(121)
        test = 0.5 * (steps >= first_half).float() + 0.46 * (steps >= learned).float()
        train = (steps >= known).float()
        return LearningCurves(steps.tolist(), train.repeat(10, 1), test.repeat(10, 1))

    @staticmethod
    def spectra(n, one=57, two=113):
        """Flat above a sharp drop at ``one``, then above one at ``two``."""
        places = torch.arange(220)
        values = 0.999**places * torch.where(places < one, 1e4, 1.0)
        values = values * torch.where(places < two, 1e3, 1.0)
        return [Spectrum(values, torch.zeros(400, 220), float(values.sum()))] * n

    def good(self):
        first = torch.tensor([[27.5, 27.5, 0, 0]] * 10)
        second = torch.tensor([[0, 0, 26.4, 25.0]] * 9 + [[0, 0, 26.6, 25.3]])
        return {
            "curves": self.curves(),
            "spectra": self.spectra(10),
            "shared": {"first": first, "second": second},
            "separated": [0.76] * 10,
        }

    def test_all_agree(self):
        assert disagreeing(modular_addition.claims(**self.good())) == []

    @pytest.mark.parametrize(
        ("part", "changed", "rows"),
        [
            ("curves", {"known": 51}, [0]),
            ("curves", {"first_half": 79}, [1]),
            ("curves", {"first_half": 91}, [1]),
            ("curves", {"learned": 111}, [2]),
            ("curves", {"learned": 99}, [2]),
            ("curves", {"known": 999, "first_half": 999}, [0, 1, 2]),
        ],
    )
    def test_steps_beyond_their_bars(self, part, changed, rows):
        good = self.good() | {part: self.curves(**changed)}
        assert disagreeing(modular_addition.claims(**good)) == rows

    def test_one_seed_that_learns_its_own_pairs_late(self):
        good = self.good()
        good["curves"].train[3, 50] = 0
        assert disagreeing(modular_addition.claims(**good)) == [0]

    @pytest.mark.parametrize(
        ("changed", "rows"), [({"one": 58}, [3]), ({"two": 112}, [4])], ids=str
    )
    def test_cliffs_in_eight_seeds_of_ten(self, changed, rows):
        for n_other, expected in ((1, []), (2, rows)):
            others = self.spectra(n_other, **changed)
            good = self.good() | {"spectra": self.spectra(10 - n_other) + others}
            assert disagreeing(modular_addition.claims(**good)) == expected

    @pytest.mark.parametrize(
        ("which", "column", "value", "rows"),
        [
            ("second", 2, 26.1, [5]),
            ("second", 2, 26.9, [5]),
            ("second", 3, 24.9, [6]),
            ("first", 1, 26.4, [7]),
        ],
    )
    def test_overlaps_beyond_their_bars(self, which, column, value, rows):
        good = self.good()
        good["shared"][which][:, column] = value
        assert disagreeing(modular_addition.claims(**good)) == rows

    def test_one_seed_whose_first_modes_are_not_all_of_a_and_b(self):
        good = self.good()
        good["shared"]["first"][6, 1] = 26.4
        assert disagreeing(modular_addition.claims(**good)) == [7]

    def test_one_seed_that_two_stages_do_not_separate(self):
        good = self.good() | {"separated": [0.8] * 9 + [0.75]}
        assert disagreeing(modular_addition.claims(**good)) == [8]


class TestGrokking:
    GOOD = Timing([-20, 20, *[0] * 7, 21], n_peaks=9, n_climb=9)

    def test_all_agree(self):
        assert disagreeing(grokking_onsets.claims(self.GOOD, [1.019] * 10)) == []

    @changes(
        late=({"delays": [21, 21, *[0] * 8]}, [1]),
        early=({"delays": [-21, -21, *[0] * 8]}, [1]),
        never=({"delays": [0] * 8}, [1]),
        peaks=({"n_peaks": 8}, [2]),
        climb=({"n_climb": 8}, [3]),
    )
    def test_beyond_the_bars(self, change, rows):
        found = replace(self.GOOD, **change)
        assert disagreeing(grokking_onsets.claims(found, [1.0] * 10)) == rows

    def test_one_seed_with_a_second_cliff_at_the_start(self):
        claims = grokking_onsets.claims(self.GOOD, [1.0] * 9 + [1.021])
        assert disagreeing(claims) == [0]


class TestLayerwise:
    @staticmethod
    def good():
        return {
            "cliffs": {"first": {57: 9}, "second": {57: 1}},
            "second": [28.1] * 10,
            "later": [2.9] * 10,
            "chance": 0.5,
        }

    def test_all_agree(self):
        assert disagreeing(layerwise.claims(**self.good())) == []

    @changes(
        first=({"cliffs": {"first": {57: 8}, "second": {57: 0}}}, [0]),
        second=({"cliffs": {"first": {57: 10}, "second": {57: 2}}}, [0]),
        little=({"second": [40] * 9 + [28.0]}, [1]),
        later=({"later": [0.1] * 9 + [3.1]}, [2]),
    )
    def test_beyond_the_bars(self, change, rows):
        assert disagreeing(layerwise.claims(**self.good() | change)) == rows


class TestTransformer:
    @staticmethod
    def good():
        accuracies = {seed: {EASY: 1.0, HARD: 0.95} for seed in range(6)}
        accuracies |= {seed: {EASY: 1.0, HARD: 0.94} for seed in range(6, 10)}
        return {
            "ended": Outcome(accuracies),
            "rows": {row: [0.75] * 6 for row in ROWS},
            "at_400": {EASY: 0.81, HARD: 0.09},
            "query": (6, 0),
            "gram_gains": [0.01] * 12,
            "average_gains": [0.01] * 6,
            "separated": Separation(torch.tensor([0.1, 0.6]), torch.tensor([0.71, 0.9])),
        }

    def test_all_agree(self):
        assert disagreeing(transformer_overlaps.claims(**self.good())) == []

    @changes(
        groks=({"ended": Outcome({s: {EASY: 1.0, HARD: 0.1} for s in range(10)})}, [2, 8]),
        easy=({"at_400": {EASY: 0.8, HARD: 0.0}}, [7]),
        hard=({"at_400": {EASY: 1.0, HARD: 0.1}}, [7]),
        query=({"query": (5, 0)}, [8]),
        untrained=({"query": (6, 1)}, [8]),
        gram=({"gram_gains": [0.2] * 11 + [0.0]}, [9]),
        average=({"average_gains": [0.2] * 5 + [0.0]}, [10]),
        separated=(
            {"separated": Separation(torch.tensor([0.1, 0.62]), torch.tensor([0.71]))},
            [11],
        ),
    )
    def test_beyond_the_bars(self, change, rows):
        assert disagreeing(transformer_overlaps.claims(**self.good() | change)) == rows

    @pytest.mark.parametrize(
        ("name", "row"), [*zip(list(ROWS)[:6], [0, 1, 3, 4, 5, 6], strict=True)]
    )
    def test_one_seed_below_three_quarters_of_a_family(self, name, row):
        good = self.good()
        good["rows"][name] = [0.9] * 5 + [0.74]
        assert disagreeing(transformer_overlaps.claims(**good)) == [row]


def families(found):
    empty = torch.empty(0)
    return Families((), empty, empty, empty, 0.0, 0.0, 0.0, found, "as planted")


def judged(found=True, shared=3.9):
    return Judged(families(found), torch.full((14,), shared))


SPANS = list(SPACES)


class TestFamilies:
    @staticmethod
    def good():
        results = {
            (state, name): [
                judged(state == "trained", 3.9 if state == "trained" else 0.9)
                for _ in range(10)
            ]
            for state in ("trained", "untrained", "shuffled")
            for name in SPACES
        }
        coded = [Coded(families(False), families(True), 20, 18)]
        return {
            "results": results,
            "coded": coded,
            "transformers": [TestFamilies.voted()],
            "fresh": [TestFamilies.voted()],
        }

    @staticmethod
    def voted(accuracy=0.96, modes=True, components=True, untrained=False):
        found = (families(which) for which in (modes, components, untrained))
        return Voted(accuracy, 9.0, *found, torch.zeros(2, 2))

    def test_all_agree(self):
        assert disagreeing(families_elsewhere.claims(**self.good())) == []

    @pytest.mark.parametrize("row", [0, 2])
    def test_two_seeds_that_miss_a_frequency(self, row):
        name = SPANS[row // 2]
        for n_bad, expected in ((1, []), (2, [row])):
            good = self.good()
            some = torch.tensor([2.9] + [3.9] * 13)
            bad = [Judged(families(True), some)] * n_bad
            good["results"]["trained", name] = [judged()] * (10 - n_bad) + bad
            assert disagreeing(families_elsewhere.claims(**good)) == expected

    @pytest.mark.parametrize("row", [0, 2])
    def test_families_that_are_not_found_do_not_count(self, row):
        good = self.good()
        good["results"]["trained", SPANS[row // 2]][:2] = [judged(False)] * 2
        assert disagreeing(families_elsewhere.claims(**good)) == [row]

    @pytest.mark.parametrize("row", [1, 3])
    def test_a_seed_that_shares_too_little(self, row):
        good = self.good()
        good["results"]["trained", SPANS[row // 2]][3] = judged(True, 3.5)
        assert disagreeing(families_elsewhere.claims(**good)) == [row]

    @pytest.mark.parametrize("one", [judged(True, 0.5), judged(False, 1.1)])
    @pytest.mark.parametrize("state", ["untrained", "shuffled"])
    def test_one_null_that_passes(self, state, one):
        good = self.good()
        good["results"][state, SPANS[0]][-1] = one
        assert disagreeing(families_elsewhere.claims(**good)) == [4]

    def test_families_in_either_space_of_superposition_count(self):
        good = self.good()
        good["coded"] = [Coded(families(False), families(False), 20, 18)] * 2
        assert disagreeing(families_elsewhere.claims(**good)) == [5]
        good["coded"].append(Coded(families(True), families(False), 20, 18))
        assert disagreeing(families_elsewhere.claims(**good)) == []

    def test_only_transformers_that_generalise_count(self):
        good = self.good()
        good["transformers"] = [self.voted(0.9)]
        assert disagreeing(families_elsewhere.claims(**good)) == [6, 7]

    @pytest.mark.parametrize(
        ("group", "changed", "rows"),
        [
            ("transformers", {"modes": False}, [6]),
            ("transformers", {"components": False}, [7]),
            ("fresh", {"components": False}, [8]),
            ("fresh", {"modes": False}, []),
        ],
    )
    def test_most_of_those_must_be_found(self, group, changed, rows):
        good = self.good()
        bad = self.voted(**changed)
        for n_bad, expected in ((1, []), (2, rows)):
            good[group] = [self.voted()] * 2 + [bad] * n_bad
            assert disagreeing(families_elsewhere.claims(**good)) == expected

    @pytest.mark.parametrize(("group", "row"), [("transformers", 7), ("fresh", 8)])
    def test_one_untrained_transformer_that_is_found(self, group, row):
        good = self.good()
        good[group] += [self.voted(0.1, untrained=True)]
        assert disagreeing(families_elsewhere.claims(**good)) == [row]


class TestSuperposition:
    class Network:
        def __init__(self, n):
            self.n_reconstructed = lambda: n

    @staticmethod
    def over(cliffs, n_seeds=10):
        some = torch.zeros(n_seeds, 50)
        return OverSeeds(some, some[:, 0], cliffs, some.bool())

    def good(self, monkeypatch, correlation=-0.36):
        monkeypatch.setattr(
            superposition_gates, "rank_correlation", lambda values: values[0]
        )
        monkeypatch.setattr(superposition_gates, "alignments", lambda spectrum, x: x)
        monkeypatch.setattr(superposition_gates, "flattened_spectrum", lambda one: None)

        class One:
            network, x = self.Network(11), [correlation]

        regimes = ("dense by data", "dense by width", "sparse")
        seeds = {
            (r, "trained"): self.over([[29, 50], *[[28, 50]] * 8, []]) for r in regimes
        }
        described = {
            "model": torch.tensor([[0.993, 0], [0.995, 0]]),
            "zero": torch.tensor([[0.9995, 0], [0.9999, 0]]),
        }
        autoencoders = {regime: [One() for _ in range(10)] for regime in regimes}
        return {"autoencoders": autoencoders, "seeds": seeds, "described": described}

    def test_all_agree(self, monkeypatch):
        claims = superposition_gates.claims(**self.good(monkeypatch))
        assert disagreeing(claims) == []
        assert claims[1].here == "28 to 29, in 9 of 10 seeds"
        assert claims[8].here == "0.993 to 0.9950"

    @pytest.mark.parametrize(
        ("regime", "stops", "rows"),
        [
            ("dense by data", [28, 48], [0]),
            ("dense by data", [28, 52], [0]),
            ("sparse", [25, 50], [1]),
            ("sparse", [33, 50], [1]),
            ("sparse", [26, 52], [2]),
            ("dense by width", [28], [3]),
        ],
    )
    def test_cliffs_in_eight_seeds_of_ten(self, regime, stops, rows, monkeypatch):
        good = self.good(monkeypatch)
        good["seeds"][regime, "trained"] = self.over([[28, 50]] * 8 + [stops] * 2)
        assert disagreeing(superposition_gates.claims(**good)) == rows

    def test_no_cliff_in_any_seed_is_said(self, monkeypatch):
        good = self.good(monkeypatch)
        good["seeds"]["dense by width", "trained"] = self.over([[28]] * 10)
        assert superposition_gates.claims(**good)[3].here == "not found"

    def test_one_network_with_as_many_features_as_units(self, monkeypatch):
        good = self.good(monkeypatch)
        good["autoencoders"]["sparse"][2].network = self.Network(10)
        assert disagreeing(superposition_gates.claims(**good)) == [4]

    @pytest.mark.parametrize(
        ("regime", "row"), [("dense by data", 5), ("dense by width", 6), ("sparse", 7)]
    )
    def test_one_seed_that_is_not_reversed(self, regime, row, monkeypatch):
        good = self.good(monkeypatch)
        good["autoencoders"][regime][4].x = [-0.34]
        assert disagreeing(superposition_gates.claims(**good)) == [row]

    @pytest.mark.parametrize(("around", "row"), [("model", 8), ("zero", 9)])
    @pytest.mark.parametrize("shift", [-0.01, 0.01])
    def test_regressions_beyond_the_published_figure(self, around, row, shift, monkeypatch):
        good = self.good(monkeypatch)
        good["described"][around] += shift
        assert disagreeing(superposition_gates.claims(**good)) == [row]


class TestDoubleDescent:
    """Five seeds; a bar is kept by four and missed by three."""

    @staticmethod
    def filled(sizes=SIZES, rest=0.5, **columns):
        values = torch.full((5, len(sizes)), rest)
        for name, value in columns.items():
            values[:, list(sizes).index(int(name[1:]))] = value
        return values

    def good(self):
        return {
            "train_loss": self.filled(_3=0.09),
            "test_loss": self.filled(_5=1.0, _30=1.11, _3000=0.79),
            "mean": 0.8,
            "shares": {
                "features": self.filled(_8=0.2, _60=0.8, _3000=1.71),
                "data points": self.filled(_5=1.81, _8=0.3, _60=0.7),
            },
            "peaks": {0.9: (30, 60), 0.99: (30, 15), 0.999: (100, 200)},
            "points": {
                "trained": self.filled(_5=0.31, _120=0.04),
                "untrained": self.filled(_5=0.1),
            },
            "reach": self.filled(_120=0.41),
            "reach_untrained": torch.tensor([0.1, 0.4]),
            "tracks": {
                ridge: self.filled((30, 120), _30=0.49, _120=0.91) for ridge in (0.1, 0.001)
            },
            "track_sizes": (30, 120),
        }

    def test_all_agree(self):
        assert disagreeing(memories_and_features.claims(**self.good())) == []

    @pytest.mark.parametrize(
        ("names", "size", "value", "row"),
        [
            (("test_loss",), 5, 1.12, 0),
            (("test_loss",), 30, 1.09, 0),
            (("test_loss",), 3000, 0.81, 0),
            (("train_loss",), 3, 0.11, 1),
            (("shares", "data points"), 5, 1.79, 2),
            (("shares", "features"), 3000, 1.69, 3),
            (("shares", "features"), 8, 0.31, 4),
            (("shares", "features"), 60, 0.69, 4),
            (("points", "trained"), 5, 0.29, 6),
            (("points", "trained"), 120, 0.06, 6),
            (("reach",), 120, 0.39, 7),
        ],
    )
    def test_two_seeds_beyond_a_bar(self, names, size, value, row):
        for n_seeds, expected in ((1, []), (2, [row])):
            good = self.good()
            values = good[names[0]] if len(names) == 1 else good[names[0]][names[1]]
            values[:n_seeds, SIZES.index(size)] = value
            assert disagreeing(memories_and_features.claims(**good)) == expected

    @pytest.mark.parametrize("ridge", [0.1, 0.001])
    @pytest.mark.parametrize(
        ("column", "value", "row"), [(0, 0.51, 8), (1, 0.89, 9)], ids=["peak", "behind"]
    )
    def test_regressions_beyond_their_bars_with_one_ridge(self, ridge, column, value, row):
        for n_seeds, expected in ((1, []), (2, [row])):
            good = self.good()
            good["tracks"][ridge][:n_seeds, column] = value
            assert disagreeing(memories_and_features.claims(**good)) == expected

    def test_memories_are_compared_with_the_highest_untrained_share(self):
        good = self.good()
        good["points"]["untrained"][4, SIZES.index(5)] = 0.2
        assert disagreeing(memories_and_features.claims(**good)) == [6]

    @pytest.mark.parametrize("peak", [14, 65])
    def test_a_peak_more_than_a_factor_of_two_away(self, peak):
        good = self.good()
        good["peaks"][0.9] = (30, peak)
        assert disagreeing(memories_and_features.claims(**good)) == [5]
