"""Chapters 7 and 8: the stored numbers are those of the studies, and read back whole."""

import dataclasses

import pytest
import torch

from entk_book import stored
from entk_book.figures import double_descent as figures
from entk_book.studies import descent_measured as measures
from entk_book.studies import double_descent as descent
from entk_book.studies import families_elsewhere as elsewhere
from entk_book.studies import families_in_noise as in_noise
from entk_book.studies import families_over_seeds as seeds
from entk_book.studies.adders import train_adders
from entk_book.studies.without_the_group import SPACES, STATES, Verdict


class TestFamilies:
    @pytest.mark.sweep
    def test_the_first_seed_again_gives_the_stored_numbers(self):
        pytest.importorskip("sklearn")
        kept = seeds.stored_seeds()
        live = seeds.measured(train_adders(seeds.SEEDS[:1]))
        assert live.accuracy[0] == pytest.approx(kept.accuracy[0], abs=0.01)
        for state in STATES:
            for name in SPACES:
                now, then = (one.verdicts[state][name][0] for one in (live, kept))
                assert now.found == then.found == (state == "trained")
                assert now.mean == pytest.approx(then.mean, abs=0.1)
        assert live.strongest[0] == pytest.approx(kept.strongest[0], abs=0.01)
        for name, shared in live.halves.shared.items():
            assert shared[0] == pytest.approx(kept.halves.shared[name][0], abs=0.3)
        for way, by_space in live.ways.items():
            for name, values in by_space.items():
                assert values[0] == pytest.approx(kept.ways[way][name][0], abs=0.15)
        rows = seeds.beside(live, kept)
        assert [row[1] for row in rows] == [row[2] for row in rows]

    def test_the_record_has_the_seeds_that_nobody_had_looked_at(self):
        kept = seeds.stored_seeds()
        assert len(seeds.SEEDS) == len(kept.accuracy) == len(kept.with_half) == 10
        assert min(seeds.SEEDS) == 40  # rule and threshold were fixed on those below
        assert set(kept.verdicts) == set(STATES)
        assert all(len(kept.verdicts[s][n]) == 10 for s in STATES for n in SPACES)
        assert len(kept.halves.purity) == len(kept.halves.used) == 140
        assert all(
            len(v) == 5 for by_space in kept.ways.values() for v in by_space.values()
        )

    def test_chance_is_told_as_a_bound(self):
        def one(shared):
            row = [Verdict(shared > 3, 14, 1.0, [shared] * 14)]
            verdicts = {state: dict.fromkeys(SPACES, row) for state in STATES}
            return dataclasses.replace(seeds.stored_seeds(), verdicts=verdicts)

        rows = seeds.beside(one(3.68), one(0.44))
        assert rows[0] == ["first, trained", "at least 3.6", "below 1"]
        assert len(rows) == 6

    def test_planted_families_again_give_the_stored_ones(self):
        kept = in_noise.stored_recoveries()
        assert tuple(kept) == in_noise.UNITS
        again = in_noise.recovery(512, (0.85,), n_draws=1).looked[0][0]
        then = kept[512].looked[kept[512].signals.index(0.85)][0]
        assert (again.found, again.n) == (then.found, then.n) == (True, 14)
        assert again.mean == pytest.approx(then.mean, abs=0.02)
        found = in_noise.record_of_noise((512,), (0.85,), n_draws=1)
        (row,) = found["even"]["512"]["looked"]
        assert row[0]["mean"] == pytest.approx(then.mean, abs=0.02)
        assert found["uneven"][0]["n"] == in_noise.stored_uneven()[0].n

    @pytest.mark.parametrize("seed", [0, stored.FRESH_SEEDS[0]])
    def test_a_transformer_again_gives_the_stored_numbers(self, seed):
        (again,) = elsewhere.in_transformers([seed])
        (then,) = elsewhere.stored_transformers([seed])
        assert again.accuracy == pytest.approx(then.accuracy, abs=0.005)
        assert again.held == pytest.approx(then.held, abs=0.05)
        for name in elsewhere.SPANS:
            now, kept = getattr(again, name), getattr(then, name)
            assert (now.found, now.dimensions) == (kept.found, kept.dimensions)
            assert now.score == pytest.approx(kept.score, rel=0.1, abs=0.05)
        assert again.alike.dimensions == again.components.dimensions
        assert again.shares.shape == then.shares.shape
        assert again.is_complete == then.is_complete
        (row,) = elsewhere.record([seed]).values()
        assert row["held"] == pytest.approx(then.held, abs=0.05)

    def test_every_transformer_is_in_the_record(self):
        assert len(elsewhere.stored_transformers()) == 15
        assert len(elsewhere.stored_transformers(stored.FRESH_SEEDS)) == 10


class TestDescent:
    @pytest.mark.sweep
    def test_the_first_seed_again_gives_the_stored_numbers(self):
        again = measures.measured(descent.train_sizes(measures.SPARSITY, n_seeds=1))
        kept = measures.stored_seeds()
        close = {
            "train_loss": 0.02,
            "features": 0.1,
            "data_points": 0.05,
            "points": 0.1,
            "points_before": 0.01,
            "loss_before": 0.01,
            "features_before": 0.01,
            "held_before": 0.01,
            "spread_before": 1.0,
        }
        for name, tolerance in close.items():
            now, then = getattr(again, name), getattr(kept, name)[:1]
            torch.testing.assert_close(now, then, rtol=0, atol=tolerance)
        assert torch.equal(again.present, kept.present[:1])
        assert torch.equal(again.open_before, kept.open_before[:1])
        behind = descent.SIZES.index(120)  # around the peak, last digits grow
        for name in ("test_loss", "held", "cliffs", "spread", "ranks"):
            now, then = getattr(again, name)[:, behind:], getattr(kept, name)[:1, behind:]
            torch.testing.assert_close(now, then, rtol=0.02, atol=0.05, check_dtype=False)
        at = measures.LINEAR.index(120)
        for name, values in again.regressions.items():
            then = kept.regressions[name][:1, at:]
            torch.testing.assert_close(values[:, at:], then, rtol=0.02, atol=0.05)

    def test_the_record_has_all_seeds_sizes_and_ridges(self):
        kept = measures.stored_seeds()
        n = len(descent.SIZES)
        assert kept.test_loss.shape == kept.ranks.shape == kept.cliffs.shape == (5, n)
        assert kept.cliffs.dtype == torch.bool
        assert kept.held.shape == (5, n, 2)
        assert kept.scan.shape == (5, len(measures.RIDGES))
        assert set(kept.regressions) == set(measures.REGRESSIONS)
        shapes = {tuple(v.shape) for v in kept.regressions.values()}
        assert shapes == {(5, len(measures.LINEAR), 2)}

    def test_a_network_of_this_moment_is_a_cross_of_its_colour(self, ax):
        series = {
            "training": (torch.ones(5, 3), "red"),
            "test": (torch.ones(5, 3), "blue"),
        }
        live = {name: torch.tensor([1.0, 2.0, 3.0]) for name in series}
        figures.over_sizes((3, 5, 8), series, ax, live=live)
        crosses = [line for line in ax.lines if line.get_marker() == "x"]
        assert [line.get_color() for line in crosses] == ["red", "blue"]
        assert list(crosses[1].get_ydata()) == [1, 2, 3]
        labels = [line.get_label() for line in crosses]
        assert labels[0] == "live"
        assert labels[1].startswith("_")

    def test_neighbours_of_the_same_counts_are_one_row(self):
        rows = descent.runs_of((3, 5, 8, 15), [(0, 2), (1, 2), (1, 2), (0, 2)])
        assert rows == [["3", "0", "2"], ["5 to 8", "1", "2"], ["15", "0", "2"]]
