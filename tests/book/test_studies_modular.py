"""Studies of chapters 3, 4, 5, 7: curves, cliffs, rotations, onsets, layers, families."""

import pytest
import torch

import entk_lib as entk
from entk_book.studies import (
    families_compared,
    families_in_noise,
    grokking,
    grokking_courses,
    grokking_onsets,
    grokking_story,
    layerwise,
    modular_addition,
    rival_records,
    rotated_waves,
    side_by_side,
    without_the_group,
)
from entk_book.studies.adders import ratio_after, train_adders
from entk_lib import Spectrum
from entk_lib.toys.tasks import modular_addition as addition


def spectrum(values, n=None):
    values = torch.tensor(values, dtype=torch.float64)
    vectors = torch.eye(n or len(values), dtype=torch.float64)[:, : len(values)]
    return Spectrum(values, vectors, float(values.sum()))


# ten equal eigenvalues, a drop by three, ten equal ones, and a slow fall
STEPPED = spectrum([3.0] * 10 + [1.0] * 10 + [0.9, 0.89, 0.88, 0.87])


@pytest.fixture(scope="module")
def adders():
    return train_adders([0, 1], modulus=5, width=16, steps=4, snapshot_every=2)


@pytest.fixture(scope="module")
def real():
    """One untrained and barely trained network of the chapters' size."""
    return train_adders([40], steps=2)


class TestModularAddition:
    def test_first_steps_are_the_first_at_or_above_the_level(self):
        curves = modular_addition.LearningCurves(
            [0, 10, 20], torch.tensor([[0.1, 0.5, 0.4], [0.0, 0.1, 0.2]]), torch.zeros(2, 3)
        )
        assert curves.first_steps("train", 0.5) == [10, None]
        assert curves.first_steps("train", 0.2) == [10, 20]
        assert curves.first_steps("test", 0.1) == [None, None]

    def test_curves_are_accuracies_at_the_snapshots(self, adders):
        curves = modular_addition.learning_curves(adders)
        assert curves.steps == [0, 2, 4]
        for i, adder in enumerate(adders):
            assert curves.train[i, 0] == adder.accuracy(adder.start)["train"]
            assert curves.test[i, -1] == adder.accuracy()["test"]

    def test_a_pure_wave_is_one_frequency_and_noise_is_not(self, adders):
        model = train_adders([2], modulus=29, width=4, steps=1)[0].network
        residues = torch.arange(29)
        with torch.no_grad():
            for unit, (of_a, of_b) in enumerate([(3, 3), (3, 5), (1, 1), (14, 14)]):
                halves = [torch.cos(2 * torch.pi * k * residues / 29) for k in (of_a, of_b)]
                model.first.weight[unit] = torch.cat(halves)
        assert modular_addition.purest_share(model) == pytest.approx([1] * 4, abs=1e-5)
        strongest = modular_addition.strongest_frequency(model).tolist()
        assert strongest == [[3, 3], [3, 5], [1, 1], [14, 14]]
        assert modular_addition.same_frequency(model) == pytest.approx(0.75)

    def test_cliffs_and_ratios_are_those_of_the_spectrum(self):
        assert modular_addition.cliffs_of(STEPPED) == {10: 3.0}
        assert ratio_after(STEPPED, 10) == 3
        assert ratio_after(STEPPED, 20) == pytest.approx(1 / 0.9)
        flat = spectrum([1.0] * 24)
        assert modular_addition.seeds_with_cliff([STEPPED, flat, STEPPED], 10) == 2
        assert modular_addition.seeds_with_cliff([STEPPED, flat], 9, 11) == 0

    def test_the_largest_drop_beyond_the_first_is_found(self):
        values = [float(200 - i) for i in range(30)]
        values[20:] = [v / 2 for v in values[20:]]
        assert modular_addition.largest_drop(spectrum(values), n_one=5, last=30) == 20

    def test_overlaps_over_seeds_are_those_of_each(self):
        families = addition.fourier_families(5)
        waves = {name: f.flatten(1) for name, f in families.items()}
        rest = torch.linalg.qr(
            torch.cat([torch.ones(25, 1).double(), *waves.values()], 1)
        ).Q
        order = torch.cat(
            [rest[:, :1], waves["b"], waves["a"], waves["sum"], waves["difference"]], 1
        )
        known = Spectrum(torch.arange(17.0, 0, -1).double(), order, 1.0)
        shared = modular_addition.overlaps_over_seeds([known, known], families, 5)
        assert shared["first"].tolist() == [pytest.approx([4, 4, 0, 0], abs=1e-9)] * 2
        assert shared["second"].tolist() == [pytest.approx([0, 0, 4, 4], abs=1e-9)] * 2
        told = modular_addition.told(shared["first"], families)
        assert told.startswith("a 4.0 to 4.0, b 4.0 to 4.0, ")

    def test_another_modulus_is_looked_at_where_it_has_its_places(self):
        small = modular_addition.other_modulus(7, width=16, steps=2)
        (adder,) = train_adders([0], modulus=7, width=16, steps=2)
        found = entk.ntk_spectrum(adder.network, adder.x, k=42)
        assert small.ratio == pytest.approx(ratio_after(found, 25))
        assert small.accuracy == adder.accuracy()["test"]
        basis = found.eigenvectors[:, 13:25]
        sums = addition.fourier_families(7)["sum"].flatten(1)
        shared = entk.subspace_overlap(basis.double(), sums) / 6
        assert small.shares["sum"] == pytest.approx(shared)

    def test_the_stored_moduli_are_those_of_a_new_training(self):
        kept = modular_addition.stored_moduli()
        assert [one.modulus for one in kept] == list(modular_addition.OTHER_MODULI)
        (now,) = modular_addition.record_of_moduli([23])["moduli"]
        assert now["stops"] == kept[0].stops
        assert now["accuracy"] == pytest.approx(kept[0].accuracy, abs=0.02)
        assert now["ratio"] == pytest.approx(kept[0].ratio, rel=0.02)
        assert now["shares"] == pytest.approx(kept[0].shares, abs=0.01)


class TestRotatedWaves:
    def test_a_rotation_gives_back_mixed_waves(self):
        waves = addition.fourier_families(29)["sum"]
        generator = torch.Generator().manual_seed(0)
        mixed = (
            waves.flatten(1)
            @ torch.linalg.qr(
                torch.randn(28, 28, generator=generator, dtype=torch.float64)
            ).Q
        )
        before = rotated_waves.purity(mixed, waves)
        assert before.mean() < 0.5
        ways = rotated_waves.rotations(mixed, "second")
        assert torch.equal(ways["eigenvectors"], mixed)
        assert rotated_waves.purity(ways["joint"], waves).min() > 0.999

    def test_waves_that_do_not_change_along_the_edges_have_no_energy(self):
        families = addition.fourier_families(29)
        names = ("b", "a", "difference", "sum")
        for name, graph in zip(names, rotated_waves.graphs()[:4], strict=True):
            energies = {
                family: entk.dirichlet_energy(waves[:, :, 0], graph)
                for family, waves in families.items()
            }
            assert [n for n, e in energies.items() if e.mean() < 1e-9] == [name]

    def test_the_purest_few_are_of_few_turns(self):
        families = addition.fourier_families(29)
        planes = torch.cat(list(families.values()), 1)
        vectors = families["sum"].flatten(1)
        chosen = rotated_waves.purest_few(vectors, planes, families=(2,))
        assert len(chosen) == 2
        assert all(index // 2 < 5 for index in chosen)

    def test_tables_are_of_each_seed_s_rotations(self):
        families = addition.fourier_families(29)
        planes = torch.cat(list(families.values()), 1)
        waves = [f.flatten(1) for f in families.values()]
        constant = torch.full((841, 1), 1 / 29).double()
        known = Spectrum(
            torch.arange(113.0, 0, -1).double(), torch.cat([constant, *waves], 1), 1.0
        )
        turned = rotated_waves.all_rotations([known])
        table = rotated_waves.purity_table(turned, planes)
        assert list(table)[:2] == [("first", "eigenvectors"), ("first", "two stages")]
        for rows in table.values():
            assert rows.tolist() == [pytest.approx([1, 1, 56, 1], abs=1e-3)]
        separated = rotated_waves.separated_halves(turned, families)
        assert separated == pytest.approx([1] * 4)


class TestGrokking:
    def courses(self):
        times = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]
        still = {"step": times, "q": [1.0] * 6, "test accuracy": [0.0] * 6}
        rising = {
            "step": times,
            "q": [1, 1, 2, 3, 4, 5],
            "test accuracy": [0, 0, 0, 0, 1, 1],
        }
        rising = {k: [float(v) for v in values] for k, values in rising.items()}
        return grokking.Courses(
            {
                "learns": [rising] * 2,
                "shuffled labels": [still] * 6,
                "little data": [still] * 6,
            }
        )

    def test_a_quantity_that_rises_has_an_onset_and_a_lead(self, monkeypatch):
        monkeypatch.setitem(grokking.DIRECTIONS, "q", 1)
        for rule in ("fixed", "matched"):
            found = grokking_onsets.score(self.courses(), "q", rule, [20, 20])
            assert found.onsets == [10, 10]
            assert found.leads == [10, 10]
            assert found.alarms == [None] * 6
            assert found.threshold == 1
            assert str(found) == (
                "onset in 2 of 2, at step 10, lead 10; false alarms 0 of 6"
            )

    def test_the_threshold_lies_beyond_all_that_controls_do(self, monkeypatch):
        monkeypatch.setitem(grokking.DIRECTIONS, "q", 1)
        courses = self.courses()
        series = {k: list(v) for k, v in courses.series.items()}
        climber = {**series["little data"][0], "q": [1.0, 1.0, 3.0, 1.0, 1.0, 1.0]}
        series["little data"] = [climber, *series["little data"][1:]]
        courses = grokking.Courses(series)
        fixed = grokking_onsets.score(courses, "q", "fixed", [20, 20])
        assert fixed.threshold == pytest.approx(3.1)  # and 5 % of the range from 1 to 3
        assert fixed.onsets == [None, None]  # two snapshots beyond it are too few
        matched = grokking_onsets.score(courses, "q", "matched", [20, 20])
        assert matched.onsets == [15, 15]

    def test_a_control_that_rises_later_is_a_false_alarm(self, monkeypatch):
        monkeypatch.setitem(grokking.DIRECTIONS, "q", 1)
        courses = self.courses()
        series = {k: list(v) for k, v in courses.series.items()}
        series["little data"][4] = series["learns"][0]  # one that did not calibrate
        found = grokking_onsets.score(grokking.Courses(series), "q", "fixed", [20, 20])
        assert sum(at is not None for at in found.alarms) == 1

    def test_a_falling_quantity_is_looked_at_from_below(self, monkeypatch):
        monkeypatch.setitem(grokking.DIRECTIONS, "q", -1)
        found = grokking_onsets.score(self.courses(), "q", "fixed", [20, 20])
        assert found.onsets == [None, None]
        assert "onset in 0 of 2; false alarms" in str(found)

    def test_rates_are_per_step_in_the_middle(self):
        middles, rates = self.courses().rates("q")
        assert middles == [2.5, 7.5, 12.5, 17.5, 22.5]
        assert rates[0].tolist() == pytest.approx([0, 0.2, 0.2, 0.2, 0.2])

    def test_numbers_at_a_step(self):
        assert self.courses().at("learns", "q", 15) == [3, 3]
        assert self.courses().first_beyond("q", 2.5) == [15, 15]

    def test_left_out_accuracy_is_that_of_regressions_without_each_sample(self):
        generator = torch.Generator().manual_seed(0)
        factor = torch.randn(12, 5, generator=generator, dtype=torch.float64)
        y = torch.eye(3)[torch.randint(3, (12,), generator=generator)]
        kernel = factor @ factor.T
        scaled = kernel / kernel.diagonal().mean()
        right = 0
        for i in range(12):
            rest = [j for j in range(12) if j != i]
            inside = scaled[rest][:, rest] + 0.01 * torch.eye(11).double()
            weights = torch.linalg.solve(inside, y[rest].double())
            right += int((scaled[i, rest] @ weights).argmax() == y[i].argmax())
        assert grokking_onsets.left_out_accuracy(kernel, y) == pytest.approx(right / 12)

    def test_kinds_differ_in_labels_and_in_data(self):
        options = {"steps": 1, "every": 1, "width": 4}
        (plain,), (shuffled,), (little,) = (
            grokking.train_runs(kind, [0], **options) for kind in grokking.KINDS
        )
        assert not torch.equal(plain.y, shuffled.y)
        assert torch.equal(plain.y, little.y)
        assert len(little.known) < len(plain.known)
        with pytest.raises(ValueError, match=r"must be one of learns, .*got 'guesses'"):
            grokking.train_runs("guesses", [0], **options)

    def test_order_parameters_of_a_start_are_its_kernel_s(self, real):
        sums = addition.fourier_families(29)["sum"].flatten(1)
        course = grokking.order_parameters(real[0], sums, tail=57)
        found = grokking.kernel_spectrum(real[0].start, real[0].x)
        assert course["step"] == [0, 2]
        assert course["ratio at 57"][0] == pytest.approx(ratio_after(found, 57))
        assert course["tail dimension"][0] == pytest.approx(
            entk.participation_ratio(found.eigenvalues[57:])
        )
        overlap = entk.subspace_overlap(found.eigenvectors[:, 57:113], sums)
        assert course["sum overlap"][0] == pytest.approx(overlap)


class TestStory:
    def test_series_are_the_columns_of_a_course(self):
        found = {
            "step": torch.tensor([0.0, 10.0]),
            "accuracies": torch.tensor([[0.1, 0.2], [0.3, 0.4]]),
            "overlaps": torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]]),
            "eigenvalues": torch.ones(2, 200),
        }
        found["eigenvalues"][1, :57] *= 2
        found["eigenvalues"][1, 113:] /= 4
        series = grokking_story.series(found)
        assert series["step"] == [0, 10]
        assert series["test"] == pytest.approx([0.2, 0.4])
        assert series["difference"] == [4, 8]
        assert series["ratio at 57"] == [1, 2]
        assert series["ratio at 113"] == [1, 4]

    def test_the_stored_controls_are_those_of_a_new_training(self, monkeypatch):
        kept = grokking_story.stored_controls()
        assert tuple(kept) == grokking.CONTROLS
        monkeypatch.setattr(grokking_story, "LAST", 60)
        for kind, then in kept.items():
            assert then["step"].tolist() == list(grokking_story.STEPS)
            at = grokking_story.STEPS.index(60)
            now = grokking_story.course_of(grokking_story.trained(kind), (0, 60))
            for name, values in now.items():
                both = then[name][[0, at]].float()
                assert torch.allclose(values, both, rtol=0.02, atol=0.02), name


class TestStoredCourses:
    def test_they_are_of_the_seeds_and_steps(self):
        courses = grokking_courses.stored_courses()
        assert courses.times == list(range(0, 125, 5))
        n_runs = {kind: len(runs) for kind, runs in courses.series.items()}
        assert n_runs == {"learns": 10, "shuffled labels": 6, "little data": 6}
        assert grokking_courses.tail_start() == 57

    def test_a_run_measured_again_is_the_stored_one(self):
        (run,) = grokking_courses.train_all({"little data": [51]})["little data"]
        now = grokking_courses.measure(run, steps=(0, 60))
        then = grokking_courses.stored_courses().series["little data"][1]
        assert now["step"] == [0, 60]
        for name, values in now.items():
            at = [then[name][then["step"].index(step)] for step in (0, 60)]
            assert values == pytest.approx(at, rel=0.02, abs=0.02), name

    def test_the_record_is_of_all_that_were_trained(self, monkeypatch):
        monkeypatch.setattr(grokking_courses, "LAST", 5)
        made = grokking_courses.record({"shuffled labels": [0]})
        (course,) = made["shuffled labels"]
        assert course["step"] == [0, 5]
        assert set(grokking.DIRECTIONS) <= set(course)


class TestLayerwise:
    def test_energies_of_layers_add_up_and_rows_to_the_trace(self, adders):
        families = addition.fourier_families(5)
        waves = {"constant": torch.full((25, 1), 0.2, dtype=torch.float64)}
        waves |= {name: f.flatten(1) for name, f in families.items()}
        kernels = layerwise.layer_kernels(adders[0].network.double(), adders[0].x.double())
        shares = layerwise.family_energies(kernels, waves)
        torch.testing.assert_close(shares[0] + shares[1], shares[2])
        assert shares[2].sum() == pytest.approx(1, abs=1e-6)
        assert layerwise.adds_up(shares[None])
        shares[0, 0] += 0.01
        assert not layerwise.adds_up(shares[None])

    def test_a_planted_family_holds_all_the_energy(self):
        waves = {"sum": addition.fourier_families(5)["sum"].flatten(1)}
        kernel = waves["sum"] @ waves["sum"].T
        kernels = {"first": 0 * kernel, "second": kernel, "whole": kernel}
        found = layerwise.family_energies(kernels, waves)
        assert found.tolist() == [pytest.approx(row) for row in ([0, 0], [1, 0], [1, 0])]

    def test_resetting_puts_back_one_layer_of_copies(self, adders, monkeypatch):
        seen = []
        none = torch.zeros(1, 4)
        outcome = layerwise.Outcome([1.0], [1.0], none, none, [1.0])
        monkeypatch.setattr(
            layerwise, "_outcome", lambda group, _: seen.extend(group) or outcome
        )
        layerwise.reset("first", adders, {})
        changed = seen[0]
        assert torch.equal(changed.network.first.weight, changed.start.first.weight)
        assert not torch.equal(changed.network.second.weight, changed.start.second.weight)
        assert not torch.equal(adders[0].network.first.weight, changed.start.first.weight)

    def test_the_readout_does_not_enter_the_second_layer_s_own_kernel(self):
        adders = train_adders([0], modulus=15, width=256, steps=20)
        families = addition.fourier_families(15)
        before = layerwise._outcome(adders, families)
        after = layerwise.reset("second", adders, families)
        assert torch.allclose(before.own, after.own, atol=1e-4)
        assert not torch.allclose(before.shared, after.shared, atol=1e-2)
        assert before.ratio != pytest.approx(after.ratio, rel=0.01)


class TestWithoutTheGroup:
    def test_shuffling_keeps_each_column_s_values(self):
        columns = torch.arange(12.0).reshape(6, 2)
        other = without_the_group.shuffled(columns, 0)
        assert torch.equal(other.sort(0).values, columns)
        assert not torch.equal(other, columns)

    def test_energies_of_a_wave_are_all_at_its_frequency(self):
        truth = without_the_group.true_waves()["first"]
        table = without_the_group.energies(truth[:, 4, :1], truth)
        assert table[0, 4] == pytest.approx(1)
        assert table.sum() == pytest.approx(1)

    def test_planted_families_are_found_and_noise_is_not(self):
        planes = without_the_group.true_waves()["first"]
        span = planes.flatten(1)
        found = without_the_group.judge(
            span, families_in_noise.planted(0.9, 512, 0), planes
        )
        assert found.found.found
        assert found.verdict.n == len(found.found.bases) == 14
        assert found.verdict.is_complete
        noise = families_in_noise.planted(0.0, 512, 0)
        assert not without_the_group.judge(span, noise, planes).found.found

    def test_recovery_says_where_it_begins(self):
        planes = without_the_group.true_waves()["first"]
        yes = without_the_group.judge(
            planes.flatten(1), families_in_noise.planted(0.9, 512, 0), planes
        )
        no = without_the_group.judge(
            planes.flatten(1), families_in_noise.planted(0.0, 512, 0), planes
        )
        yes, no = families_in_noise.looked(yes), families_in_noise.looked(no)
        found = families_in_noise.Recovery(
            (0.1, 0.5, 0.9), [[no, no], [yes, no], [yes, yes]]
        )
        assert (found.never, found.always) == (0.1, 0.9)
        assert found.means.shape == (2, 3)

    def test_help_gives_waves_out_perfectly(self):
        planes = without_the_group.true_waves()["second"]
        assert families_compared.helped(planes.flatten(1), planes) == pytest.approx(4)
        turned = families_compared.random_rotation(planes.flatten(1))
        assert families_compared.helped(turned, planes) < 2

    def test_indicators_are_centred_and_of_length_one(self):
        found = families_compared.indicators(torch.tensor([0, 0, 1, 2]))
        assert found.sum(0) == pytest.approx([0, 0, 0], abs=1e-12)
        assert found.norm(dim=0) == pytest.approx([1, 1, 1])

    def test_interactions_have_no_main_effects(self):
        generator = torch.Generator().manual_seed(0)
        squares = torch.rand(841, 70, generator=generator, dtype=torch.float64)
        grid = families_compared.interactions(squares).reshape(29, 29, -1)
        assert grid.mean(0).abs().max() < 1e-10
        assert grid.mean(1).abs().max() < 1e-10

    def test_the_own_graph_joins_each_pair_with_its_nearest(self, real):
        graph = families_compared.own_graph(real[0].start, real[0].x, neighbours=5)
        assert graph.sum(0).abs().max() == 0
        assert (graph.diagonal() >= 5).all()

    def test_the_readout_s_half_holds_what_the_logits_use(self, real):
        base = without_the_group.true_waves()["second"][:, 0]
        top, rest, used = without_the_group.split_by_readout(
            base, real[0].network, real[0].x
        )
        with torch.no_grad():
            logits = real[0].network(real[0].x).double()
        inside = [
            float((h.T @ (logits - logits.mean(0))).square().sum()) for h in (top, rest)
        ]
        assert used == pytest.approx(inside[0] / sum(inside))
        assert used >= 0.5

    def test_rows_count_seeds_and_bound_what_is_shared(self):
        yes = without_the_group.Verdict(True, 14, 6.2, [3.9] * 13 + [3.0])
        less = without_the_group.Verdict(True, 14, 7.2, [3.9] * 13 + [2.9])
        no = without_the_group.Verdict(False, 14, 1.2, [0.43] * 14)
        verdicts = {
            state: dict.fromkeys(
                without_the_group.SPACES, [yes, less] if state == "trained" else [no, no]
            )
            for state in without_the_group.STATES
        }
        rows = without_the_group.rows_of(verdicts)
        assert len(rows) == 6
        told = ["first, trained", "2 of 2", "above 6", "1 of 2", "at least 3.8"]
        assert rows[0] == told
        told = ["second, shuffled", "0 of 2", "below 2", "0 of 2", "at most 0.5"]
        assert rows[5] == told


class TestSideBySide:
    def test_parts_count_by_weight_not_by_size(self):
        one, two = torch.randn(6, 3).double(), torch.randn(6, 9).double()
        found = side_by_side.side_by_side([one, 100 * two], [1.0, 3.0])
        grams = [part @ part.T for part in (one, two)]
        expected = grams[0] / grams[0].trace() + 3 * grams[1] / grams[1].trace()
        assert torch.allclose(found, expected)
        columns = [
            one / grams[0].trace().sqrt(),
            3**0.5 * two / grams[1].trace().sqrt(),
        ]
        both = torch.cat(columns, 1)
        assert torch.allclose(found, both @ both.T)

    def test_a_part_of_zeros_is_refused(self):
        with pytest.raises(ValueError, match="parts must not be zero"):
            side_by_side.side_by_side([torch.zeros(3, 2)], [1.0])

    def test_rivals_are_of_the_state_that_is_asked_for(self, monkeypatch):
        monkeypatch.setattr(side_by_side, "N_EIGENVALUES", None)
        monkeypatch.setattr(side_by_side, "overlaps_over_seeds", lambda *_: {})
        (adder,) = train_adders([0], modulus=5, width=8, steps=2)
        found = {
            trained: side_by_side.rivals([adder], trained=trained)
            for trained in (True, False)
        }
        for trained, network in ((True, adder.network), (False, adder.start)):
            with torch.no_grad():
                hidden = network.first(adder.x).double().square()
            gram = hidden @ hidden.T
            values = entk.kernel_spectrum(gram / gram.trace()).eigenvalues
            (own,) = found[trained]["activations"].spectra
            assert torch.allclose(own.eigenvalues, values)
        names = [f"inputs and activations, {name}" for name in side_by_side.RATIOS]
        assert list(found[True]) == ["kernel", "activations", *names]
        # The inputs' share of the trace is what the name says.
        traces = [found[True][name].spectra[0].trace for name in names]
        assert traces == pytest.approx([1.25, 2.0, 5.0])

    @pytest.mark.parametrize(
        ("ratio", "told"),
        [(1.0, "no more than chance gives"), (30.0, "less than once in 1,000,000")],
    )
    def test_chance_is_told_as_it_is(self, ratio, told):
        values = 0.98 ** torch.arange(60.0).double()
        values[:30] *= ratio
        one = Spectrum(values, torch.zeros(60, 60).double(), 1.0)
        assert told in side_by_side.chance_line([one, one], 30)

    def test_a_rival_is_told_in_two_lines(self):
        places = torch.arange(200)
        values = 0.99 ** places.double() * torch.where(places < 57, 4.0, 1.0)
        spectrum = Spectrum(values, torch.zeros(300, 200).double(), 1.0)
        one = side_by_side.Rival([spectrum] * 3, {"second": torch.zeros(3, 4)})
        assert one.has_both == 0
        assert "after 57 in 3, after 113 in 0 of 3" in str(one)


class TestRivalRecords:
    @pytest.mark.parametrize(
        ("chances", "told"),
        [
            ([1e-9, 0.2], "common"),
            ([1e-30, 1e-9], "< 1 in 1,000,000"),
            ([1e-9, 3e-5], "< 1 in 10,000"),
        ],
    )
    def test_chance_is_told_as_it_is(self, chances, told):
        assert rival_records.rarity(chances) == told

    def test_a_row_is_of_the_second_place(self):
        values = 0.99 ** torch.arange(200.0).double()
        values[:113] *= 3
        waves = [f.flatten(1) for f in addition.fourier_families(29).values()]
        constant = torch.ones(841, 1).double()
        basis = torch.linalg.qr(torch.cat([constant, *waves], 1)).Q
        rest = torch.linalg.qr(torch.cat([basis, torch.eye(841)[:, :87].double()], 1)).Q
        row = rival_records.measure(Spectrum(values, rest, 1.0))
        assert row["stops"] == [113]
        assert row["ratio"] == pytest.approx(3 / 0.99)
        assert row["chance"] < 1e-4
        assert (row["sum"], row["difference"]) == (pytest.approx(28), pytest.approx(28))

    def test_the_stored_rivals_are_those_of_a_network_trained_again(self):
        now = rival_records.record([103])
        for state, matrices in now.items():
            kept = rival_records.stored_rivals(state)
            assert list(kept) == list(matrices)
            for name, (row,) in matrices.items():
                assert len(kept[name].rows) == len(rival_records.FRESH)
                then = kept[name].rows[2]
                assert row["ratio"] == pytest.approx(then["ratio"], rel=0.02)
                for family in ("sum", "difference"):
                    assert row[family] == pytest.approx(then[family], abs=0.05), name

    def test_claims_follow_what_the_rivals_show(self):
        def rival(*stops, chance=1e-5):
            row = {"stops": list(stops), "ratio": 1.5, "chance": chance}
            return rival_records.Rival([row] * 3)

        def verdicts(kernel, both):
            name = "inputs and activations, 1"
            rows = rival_records.claims({"kernel": kernel, name: both})
            return [row.agrees for row in rows]

        both, one = rival(1, 57, 113), rival(1, 57, chance=0.002)
        assert verdicts(both, one) == [True, True]
        assert verdicts(both, both) == [True, False]
        assert verdicts(one, both) == [False, False]
        assert (one.n_with(57), one.n_with(57, 113)) == (3, 0)
