"""Studies whose tables are stored: what they measure, and that the tables are theirs."""

import json
import math

import pytest
import torch
from torch.nn import functional as F

import entk_lib as entk
import make_records
from entk_book import stored
from entk_book.stored import records
from entk_book.studies import (
    grokking_ladder,
    grokking_rungs,
    peaks,
    restricted,
    transformer,
)
from entk_book.studies.adders import train_adders
from entk_book.studies.double_descent import loss
from entk_book.studies.peaks import Peak, Setting
from entk_lib.toys.models import ModularTransformer, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition


class TestRecords:
    def test_what_is_written_is_read(self, tmp_path):
        file = records.write("some", {"numbers": [1, 2.5]}, tmp_path)
        assert json.loads(file.read_text()) == {"numbers": [1, 2.5]}
        assert [one.name for one in tmp_path.iterdir()] == ["some.json"]

    def test_a_table_that_cannot_be_written_leaves_the_old_one(self, tmp_path):
        records.write("some", {"a": 1}, tmp_path)
        with pytest.raises(TypeError):
            records.write("some", {"a": torch.ones(1)}, tmp_path)
        assert json.loads((tmp_path / "some.json").read_text()) == {"a": 1}

    def test_an_unknown_record_names_the_known_ones(self):
        with pytest.raises(ValueError, match=r"one of .*peaks.*got 'peeks'"):
            records.read("peeks")

    def test_every_record_is_stored_and_made(self):
        folder = records.Path(records.__file__).parent / "data"
        assert {file.stem for file in folder.glob("*.json")} == set(make_records.RECORDS)

    def test_the_tool_makes_what_it_is_asked_for(self, monkeypatch, tmp_path, capsys):
        written = []
        monkeypatch.setattr(make_records, "RECORDS", {"a": lambda: {}, "b": lambda: {}})
        monkeypatch.setattr(
            records, "write", lambda name, table: written.append(name) or tmp_path
        )
        monkeypatch.setattr(make_records.sys, "argv", ["make_records.py", "b"])
        make_records.main()
        assert written == ["b"]
        monkeypatch.setattr(make_records.sys, "argv", ["make_records.py", "c"])
        with pytest.raises(SystemExit):
            make_records.main()
        assert "records are a, b, got c" in capsys.readouterr().err


class TestPeaks:
    def test_features_drop_out_of_what_is_expected(self):
        assert Setting(2, 50, 0.9).expected == pytest.approx(30)
        assert Setting(2, 400, 0.9).expected == pytest.approx(30)
        assert Setting(5, 100, 0.95).expected == pytest.approx(120)

    def test_losses_are_those_of_networks_trained_so(self):
        setting = Setting(2, 30, 0.8)
        found = peaks.measure(setting, (4, 9), seeds=(0, 3), steps=25)
        assert found.losses.shape == (2, 2)
        alone = peaks.measure(setting, (9,), seeds=(3,), steps=25)
        assert float(found.losses[1, 1]) == pytest.approx(float(alone.losses), rel=1e-4)
        fresh = superposition.sample(2000, 30, 0.8, seed=1000)
        untrained = TiedAutoencoder(30, 2, seed=103)
        assert float(alone.losses) != pytest.approx(loss(untrained, fresh), rel=1e-3)

    def test_each_seed_has_its_own_peak(self):
        losses = torch.tensor([[1.0, 2.0, 1.0], [1.0, 1.0, 3.0]])
        peak = Peak(Setting(1, 50, 0.5), (4, 8, 32), losses)
        assert peak.each == [8, 32]
        assert peak.found == pytest.approx(16)
        assert peak.height == pytest.approx(float(losses.median(0).values.max()))
        assert torch.equal(peak.at([32, 4]), losses[:, [2, 0]])
        flat = Peak(Setting(1, 50, 0.5), (4, 8, 32), losses / 3)
        assert peak.is_one is (peak.height >= 1.05)
        assert not flat.is_one

    def test_powers_are_those_that_were_planted(self):
        some = [
            Peak(Setting(m, n, s), (round(1e4 * (m + 1) ** 0.5 * n),), torch.ones(1, 1))
            for m in (1, 2, 5)
            for n in (50, 100)
            for s in (0.8, 0.9)
        ]
        powers = peaks.fitted(some)
        assert powers["m + 1"].value == pytest.approx(0.5, abs=1e-3)
        assert powers["n"].value == pytest.approx(1, abs=1e-3)
        assert powers["1 / (1 - S)"].value == pytest.approx(0, abs=1e-3)
        assert powers["n"].low <= powers["n"].value <= powers["n"].high
        assert powers["n"].high - powers["n"].low < 1e-3
        with pytest.raises(ValueError, match=r"more than 2 peaks, got 2"):
            peaks.exponents(some[:2], {"a": [1.0, 2.0]})

    def test_an_interval_is_that_of_least_squares(self):
        from scipy import stats

        x = [10.0, 20.0, 40.0, 80.0, 160.0]
        sizes = (12, 18, 47, 75, 170)
        some = [Peak(Setting(1, 1, 0.5), (size,), torch.ones(1, 1)) for size in sizes]
        line = stats.linregress([math.log(v) for v in x], [math.log(s) for s in sizes])
        reach = stats.t.ppf(0.975, 3) * line.stderr
        power = peaks.exponents(some, {"x": x})["x"]
        assert power.value == pytest.approx(line.slope)
        assert power.low == pytest.approx(line.slope - reach)
        assert power.high == pytest.approx(line.slope + reach)

    def test_near_is_up_to_a_factor_on_either_side(self):
        some = [
            Peak(Setting(2, 100, 0.9), (size,), torch.ones(1, 1)) for size in (20, 45, 46)
        ]
        assert peaks.within_factor(some, 1.5) == 2

    def test_same_is_to_one_percent_of_the_medians(self):
        one = torch.tensor([[1.0], [2.0], [9.0]])
        assert peaks.same(one, one * 1.009)
        assert not peaks.same(one, one * 1.02)

    def test_the_stored_peaks_are_those_of_the_settings(self):
        assert [peak.setting for peak in peaks.stored_peaks()] == list(peaks.SETTINGS)
        small = peaks.stored_peaks()[12]
        # Away from the peak, where trainings do not hang on last digits.
        live = peaks.measure(small.setting, (90,), seeds=range(5))
        assert peaks.same(live.losses, small.at([90]))

    def test_the_record_holds_what_was_measured(self, monkeypatch):
        setting = Setting(1, 10, 0.5)
        measured = Peak(setting, (1, 2), torch.tensor([[0.12346, 1.0]]))
        monkeypatch.setattr(peaks, "measure", lambda one: measured)
        table = peaks.record([setting])
        assert table["settings"][0]["losses"] == [[0.1235, 1.0]]


class TestRestricted:
    def test_what_hides_the_waves_is_thrown_away(self):
        sums, keys = torch.arange(29).repeat(8), [3, 5, 10]
        apart = sums[:, None] - torch.arange(29)
        waves = sum(torch.cos(2 * math.pi * k * apart / 29) for k in keys)
        generator = torch.Generator().manual_seed(0)
        hidden = waves + 2 * torch.randn(len(sums), 29, generator=generator)
        plain = float((hidden.argmax(1) == sums).double().mean())
        assert plain < 0.5
        assert restricted.restricted_accuracy(hidden, sums, keys) > 0.9
        assert restricted.restricted_accuracy(hidden, sums, [1, 2, 4]) < 0.2

    def test_labels_do_not_enter_the_fit(self):
        sums = torch.arange(29).repeat(8)
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(len(sums), 29, generator=generator)
        found = restricted.restricted_accuracy(noise, sums, [1, 2, 3])
        assert found < 0.2

    def test_a_look_is_on_pairs_whose_mirror_was_not_trained(self):
        model = ModularTransformer(29, seed=0)
        seen = restricted.look(model, 0)
        assert seen["keys"] == 0
        assert seen["restricted"] == 0
        model = stored.transformer(0)
        seen = restricted.look(model, 0)
        rows = transformer.mirrors(0)[transformer.HARD]
        pairs = modular_addition.all_pairs(29)
        with torch.no_grad():
            logits = model(modular_addition.tokens(pairs, 29))[rows]
        keys = transformer.frequencies_of(model).frequencies
        expected = restricted.restricted_accuracy(logits, pairs.sum(1)[rows] % 29, keys)
        assert seen["restricted"] == expected
        assert seen[transformer.HARD] == transformer.accuracies(model, 0)[transformer.HARD]

    def test_a_short_training_gives_a_table(self, monkeypatch):
        monkeypatch.setattr(restricted, "EVERY", 2)
        table = restricted.record([3], epochs=2)
        assert table["epochs"] == [0, 2]
        (series,) = table["seeds"].values()
        assert series["train"][0] == pytest.approx(
            transformer.accuracies(ModularTransformer(29, seed=3), 3)["train"], abs=1e-4
        )

    def test_the_stored_ends_are_those_of_the_stored_networks(self):
        runs = restricted.stored_runs()
        assert list(runs.series) == list(range(25))
        # Networks that have arrived: on the way, last digits grow.
        for seed in (0, 3, 20):
            now = restricted.look(stored.transformer(seed), seed)
            for name in (transformer.HARD, "restricted"):
                (then,) = runs.at(4000, name, [seed])
                assert then == pytest.approx(now[name], abs=0.02)
        now = restricted.look(stored.transformer(0, 400), 0)
        for name in (transformer.EASY, "restricted", "other waves"):
            (then,) = runs.at(400, name, [0])
            assert then == pytest.approx(now[name], abs=0.05)

    def test_early_values_are_compared_with_the_order_of_arrival(self):
        hard, series = transformer.HARD, {}
        ends = [0, 4000, 2000, None, 8000]  # arrivals; the first is there at the start
        earlies = [0.0, 0.6, 0.9, 0.1, 0.3]
        for seed, (end, early) in enumerate(zip(ends, earlies, strict=True)):
            epochs = (0, 2000, 4000, 8000)
            real = [0.9 if end is not None and e >= end else 0.1 for e in epochs]
            series[seed] = {hard: real, "restricted": [early] * 4}
        runs = restricted.LongRuns([0, 2000, 4000, 8000], series)
        told = runs.foretold("restricted", 0, range(5))
        assert (told.n, told.tau) == (4, pytest.approx(1))
        assert told.p_value == pytest.approx(1 / 24)
        series[3]["restricted"] = [1.0] * 4
        assert runs.foretold("restricted", 0, range(5)).tau == pytest.approx(0)
        assert runs.first("restricted", 2, 0.9) == 0
        assert runs.leads([1], 0.5) == [4000]
        assert runs.leads([3]) == []

    def test_what_is_foretold_is_short_for_a_table(self):
        assert restricted.Foretold(6, 1.0, 0.0014).short == "+1.00, p = 0.001"
        assert restricted.Foretold(6, -0.5, 0.0004).short == "-0.50, p < 0.001"

    def test_late_ones_are_counted_and_told(self):
        def one(real, kept, other=0.1):
            return {
                transformer.HARD: [0.0, 0.4, real, 1.0],
                transformer.EASY: [0.0, 0.9, 1.0, 1.0],
                "restricted": [0.0, real, kept, 1.0],
                "other waves": [0.0, 0.0, other, 0.0],
            }

        series = {0: one(0.2, 0.5), 1: one(0.96, 1.0), 2: one(0.3, 0.1), 3: one(0.94, 1.0)}
        series[2][transformer.HARD][-1] = 0.9
        series[1]["other waves"][1] = 0.25
        runs = restricted.LongRuns([0, 2000, 4000, 8000], series)
        assert runs.late(range(4)) == [0, 2, 3]
        assert runs.told([0, 1], [2, 3]).splitlines() == [
            "slow, at 4,000: 1 of seeds 0 to 1, 2 of seeds 2 to 3;",
            "  restricted above real: 2, of waves not used at most 0.25; "
            "generalise by 8,000: 2",
        ]
        made = runs.orders([0, 1, 2, 3])
        assert made.columns == (
            "read at epoch 2,000",
            "to 50 %, 4 networks",
            "to 95 %, 4 networks",
        )
        assert [row[0] for row in made.rows] == [
            "restricted accuracy",
            "mirrored pairs",
            "hard pairs",
        ]
        assert made.rows[0][1] == runs.foretold("restricted", 2000, range(4)).short
        assert made.rows[0][2] == runs.foretold("restricted", 2000, range(4), 0.95).short


class TestLadder:
    def test_a_run_is_followed_on_its_own_pairs(self):
        (adder,) = train_adders(
            [1], modulus=11, width=64, fraction=0.5, steps=10, snapshot_every=5
        )
        series = grokking_ladder.follow(adder, (0, 10))
        assert series["tail"][0] == series["tail, training pairs"][0] == 1
        kernel = entk.empirical_ntk(adder.network, adder.x).double()
        spectrum = entk.kernel_spectrum(kernel)
        before = entk.kernel_spectrum(entk.empirical_ntk(adder.start, adder.x).double())
        expected = entk.participation_ratio(spectrum.eigenvalues[21:])
        expected /= entk.participation_ratio(before.eigenvalues[21:])
        assert series["tail"][1] == pytest.approx(expected, rel=1e-6)
        known = entk.kernel_spectrum(kernel[adder.known][:, adder.known])
        start = entk.empirical_ntk(adder.start, adder.x).double()
        first = entk.kernel_spectrum(start[adder.known][:, adder.known])
        expected = entk.participation_ratio(known.eigenvalues[21:])
        expected /= entk.participation_ratio(first.eigenvalues[21:])
        assert series["tail, training pairs"][1] == pytest.approx(expected, rel=1e-4)
        with torch.no_grad():
            outputs = adder.network(adder.x)[adder.others]
        labels = adder.y[adder.others].argmax(1)
        place = (outputs.argsort(1, descending=True) == labels[:, None]).nonzero()[:, 1]
        assert series["rank of the right logit"][1] == pytest.approx(
            float(place.double().mean()) / 10
        )
        error = F.mse_loss(outputs, adder.y[adder.others]) * 11
        assert series["test error"][1] == pytest.approx(float(error), rel=1e-5)

    @staticmethod
    def ladder():
        """Controls fall to 0.9; one run falls below at the third of five looks."""
        times = [0, 5, 10, 15, 20]
        level = {"tail": [1.0, 0.95, 0.9, 0.95, 0.95], "test accuracy": [0.0] * 5}
        runs = [
            grokking_ladder.Run(modulus, kind, 0.7, seed, level)
            for modulus in (29, 23)
            for kind in grokking_rungs.CONTROLS
            for seed in range(4)
        ]
        learns = {
            "tail": [1.0, 0.95, 0.8, 0.8, 0.8],
            "test accuracy": [0.0, 0.0, 0.0, 0.2, 0.9],
        }
        runs.append(grokking_ladder.Run(29, "learns", 0.7, 60, learns))
        runs.append(grokking_ladder.Run(29, "learns", 0.5, 60, level))
        return grokking_rungs.Ladder(times, runs)

    def test_thresholds_come_from_half_of_the_controls(self):
        ladder = self.ladder()
        assert ladder.threshold("tail", 29) == pytest.approx(0.9 - 0.05 * 0.1)
        runs = ladder.of(29, "learns", 0.7)
        assert ladder.onsets("tail", runs, 29) == ladder.onsets("tail", runs, 23) == [10]
        assert ladder.onsets("tail", ladder.of(29, "learns", 0.5), 29) == [None]
        assert ladder.alarms("tail", 29, 29) == (0, 2)
        assert ladder.alarms("tail", 23, 29) == (0, 8)

    def test_ends_leads_and_text(self):
        ladder = self.ladder()
        (run,) = ladder.of(29, "learns", 0.7)
        assert ladder.ends([run]) == [0.9]
        assert grokking_rungs.leads([10, None, 5], [15, 3, None]) == [5]
        assert grokking_rungs.told([10, None, 30]) == "2 of 3 at step 10 to 30"
        assert grokking_rungs.told([None]) == "0 of 1"

    def test_the_stored_runs_are_complete(self):
        ladder = grokking_rungs.stored_ladder()
        assert tuple(ladder.times) == grokking_ladder.TIMES
        for modulus in grokking_ladder.MODULI:
            assert len(ladder.of(modulus, "learns")) == 40
            for kind in grokking_rungs.CONTROLS:
                assert len(ladder.of(modulus, kind)) == 6
        (run,) = (r for r in ladder.of(23, "learns", 0.7) if r.seed == 60)
        (adder,) = train_adders([60], modulus=23, steps=20, snapshot_every=5)
        series = grokking_ladder.follow(adder, (0, 20))
        for name in ("tail", "sum overlap", "test error"):
            assert series[name][1] == pytest.approx(run.series[name][4], rel=0.02)
