"""Studies of chapters 1, 2, 6 and 8: circles, noise, regimes, Transformers, sizes."""

import math

import pytest
import torch

import entk_lib as entk
from entk_book import stored
from entk_book.studies import (
    double_descent,
    memories_and_features,
    noisy_spectra,
    rich_training,
    superposition_bias,
    superposition_gates,
    tangent_kernel,
    transformer,
    transformer_overlaps,
    transformer_rivals,
)
from entk_book.studies import superposition as regimes
from entk_book.studies.autoencoders import train_autoencoders
from entk_lib import Spectrum
from entk_lib.toys.models import ModularTransformer, TiedAutoencoder
from entk_lib.toys.tasks import modular_addition, superposition
from entk_lib.toys.tasks.frequencies import waves_at
from entk_lib.training import adamw, train
from entk_lib.training.schedules import scheduled, warmup_cosine

EXACT = {"dtype": torch.float64}


class TestTangentKernel:
    def test_the_error_of_one_step_grows_with_the_rate(self):
        rates = torch.tensor([1e-5, 1e-4], **EXACT)
        small, large = tangent_kernel.one_step_errors(rates, width=16)
        assert large / small == pytest.approx(10, rel=0.1)

    @pytest.mark.sweep
    def test_a_wide_network_moves_its_kernel_less(self):
        (narrow,), (wide,) = (
            tangent_kernel.train_on_circle(w, [0], steps=50) for w in (8, 512)
        )
        assert wide.moved < narrow.moved
        shares, moved = tangent_kernel.over_widths((8,), [0], steps=50)
        assert moved[0, 0] == pytest.approx(narrow.moved)
        assert shares[0, 0] == pytest.approx(narrow.r_squared(tangent_kernel.FINE))

    def test_distances_to_the_limit_fall_with_the_planted_exponent(self):
        widths = (16, 64, 256)
        planted = torch.tensor([[w**-0.5 for w in widths]] * 3)
        assert tangent_kernel.exponent(widths, planted) == pytest.approx(-0.5)
        found = tangent_kernel.distances_to_limit((16, 1024), depth=1, seeds=range(3))
        assert (found[:, 1] < found[:, 0]).all()

    def test_three_ways_give_one_kernel(self):
        model = torch.nn.Sequential(
            torch.nn.Linear(3, 4, **EXACT), torch.nn.Tanh(), torch.nn.Linear(4, 2, **EXACT)
        )
        x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), **EXACT)
        exact = entk.empirical_ntk(model, x)
        for way in (tangent_kernel.loop_over_outputs, tangent_kernel.jacobian_product):
            torch.testing.assert_close(way(model, x), exact)

    def test_a_way_is_timed_and_its_result_returned(self):
        calls = []
        seconds, result = tangent_kernel.timed(
            lambda model, x: calls.append(1) or model(x),
            torch.nn.Identity(),
            torch.ones(2, 2),
            repeats=3,
        )
        assert len(calls) == 3
        assert seconds >= 0
        assert torch.equal(result, torch.ones(2, 2))

    def test_claims_follow_their_numbers(self):
        shares = torch.tensor([[0.5, 0.99]] * 5)
        good = tangent_kernel.claims(-0.45, shares, 64, [0.95] * 5)
        assert [claim.agrees for claim in good] == [True, True, True]
        bad = tangent_kernel.claims(-0.3, shares - 0.02, 64, [0.95, 0.8])
        assert [claim.agrees for claim in bad] == [False, False, False]


class TestRichTraining:
    @pytest.mark.sweep
    def test_the_kernel_of_a_run_is_asked_at_every_snapshot(self):
        task = rich_training.two_of_six(10, 20)
        assert torch.equal(
            task.y_fresh[:, 0], task.x_fresh[:, 0].abs() - task.x_fresh[:, 1].abs()
        )
        assert task.x_train.norm(dim=1) == pytest.approx([math.sqrt(6)] * 10)
        runs = rich_training.train_rich(task, [0], width=8, steps=20)
        scores = rich_training.scores(runs, task)
        assert list(scores) == list(rich_training.WAYS)
        before = runs[0].predictors["start, around the model"]
        assert scores["start, around the model"][0][0] == pytest.approx(
            before.r_squared(task.x_fresh, runs[0].trained)
        )
        steps, curves = rich_training.kernels_on_the_way(runs, task)
        assert steps == list(range(1, 21))
        end = (
            runs[0].predictors["end, around zero"].r_squared(task.x_fresh, runs[0].trained)
        )
        assert float(curves["labels, against the end"][0, -1]) == pytest.approx(
            end, rel=1e-4
        )
        model = runs[0].result.model
        model.load_state_dict(runs[0].result.snapshots[steps[9]])
        with torch.no_grad():
            now, fresh = model(task.x_train), model(task.x_fresh)
        for name, targets in (("labels", task.y_train), ("own outputs", now)):
            predictor = entk.LinearizedPredictor(
                model, task.x_train, targets, ridge=rich_training.RIDGE, around="zero"
            )
            assert float(curves[f"{name}, against this step"][0, 9]) == pytest.approx(
                predictor.r_squared(task.x_fresh, fresh), rel=1e-3
            )


class TestNoisySpectra:
    def test_eigenvectors_of_a_copy_agree_with_themselves(self):
        copies = [entk.kernel_spectrum(noisy_spectra.noisy_copy(s), k=5) for s in (0, 0, 1)]
        cosines, shared = noisy_spectra.agreement(copies)
        assert float(cosines[0]) == pytest.approx(1)
        assert shared.tolist() == pytest.approx([2, 2], abs=0.05)

    def test_a_planted_cliff_is_where_it_was_planted(self):
        generator = torch.Generator().manual_seed(0)
        plain = noisy_spectra.decaying(50, 0.5, generator)
        assert (plain.diff() < 0).all()
        cut = noisy_spectra.with_cliff(plain, 20, 4.0)
        assert torch.equal(cut[:20], plain[:20])
        assert torch.allclose(cut[20:] * 4, plain[20:])

    def test_detections_count_hits_and_alarms(self, monkeypatch):
        found = noisy_spectra.detections(3)
        assert (found.hits, found.alarms, found.random_alarms) == (3, 0, 0)
        monkeypatch.setattr(entk, "find_cliffs", lambda values: [entk.Cliff(0, 30, 2.0)])
        assert noisy_spectra.detections(2).alarms == 2


@pytest.fixture(scope="module")
def sparse():
    return train_autoencoders([0, 1], n_hidden=5, sparsity=0.9, n_samples=60, steps=300)


class TestSuperposition:
    def test_a_spectrum_is_that_of_the_network_asked_for(self, sparse):
        one = sparse[0]
        found = regimes.flattened_spectrum(one, "untrained", 0.3)
        expected = entk.ntk_spectrum(
            one.start,
            one.x,
            k=65,
            outputs="flatten",
            output_weights=superposition.importances(50) ** 0.3,
        )
        torch.testing.assert_close(found.eigenvalues, expected.eigenvalues)
        assert regimes.flattened_spectrum(one, "untrained", beta=0.3) is found

    def test_order_and_counts_of_planted_alignments(self):
        aligned = torch.eye(50) * 0.9
        assert regimes.n_found(aligned) == 50
        assert regimes.importance_order(aligned) == "in order"
        assert regimes.importance_order(aligned.flip(0)) == "reversed"
        order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
        assert regimes.importance_order(aligned[order]) == "in no clear order"
        assert regimes.n_found(aligned / 2) == 0

    def test_shuffled_samples_keep_nothing_of_a_perfect_alignment(self, sparse):
        nulls = regimes.against_nulls({"sparse": sparse[0]})["sparse"]
        assert set(nulls.best) == {"trained", "untrained", "shuffled samples"}
        assert nulls.chance < 0.1
        expected = regimes.best_alignments(
            regimes.flattened_spectrum(sparse[0]), sparse[0].x
        )
        assert torch.equal(nulls.best["trained"], expected)
        assert torch.equal(nulls.kept, regimes.is_reconstructed(sparse[0].network))
        count = int((expected > 0.5).sum())
        assert nulls.passing("trained") == count
        kept, dropped = nulls.gains[nulls.kept], nulls.gains[~nulls.kept]
        assert float(nulls.gain("dropped")) == pytest.approx(
            float(dropped.mean()), abs=0.051
        )
        if len(kept):
            assert float(nulls.gain("reconstructed")) == pytest.approx(
                float(kept.mean()), abs=0.051
            )

    def test_seeds_are_counted(self, sparse):
        best = torch.tensor([[0.9, 0.1, 0.6], [0.9, 0.6, 0.6]])
        kept = torch.tensor([[True, False, True], [True, False, False]])
        found = regimes.OverSeeds(best, torch.tensor([2.0, 3.0]), [[29, 50], [50]], kept)
        assert found.with_cliff(26, 32) == 1
        assert found.with_cliff(49, 51) == 2
        assert found.counts == ("2 to 3", "2 to 3")
        assert found.of_the_kept == ("100%", "0 to 2")
        assert len(regimes.over_seeds(sparse, "trained", 0.0)) == 2

    def test_settled_is_a_loss_that_hardly_falls(self, sparse):
        from dataclasses import replace

        assert regimes.is_settled(replace(sparse[0], losses=[3.0, 1.0, 0.96]))
        assert not regimes.is_settled(replace(sparse[0], losses=[3.0, 1.0, 0.9]))

    def test_gates_are_where_outputs_are_open(self, sparse):
        one = sparse[0]
        with torch.no_grad():
            is_open = one.network(one.x) > 0
        shares = superposition_gates.open_shares(one)
        assert shares.tolist() == pytest.approx(is_open.double().mean(0).tolist())
        often = int((is_open.double().mean(0) > 0.5).sum())
        assert superposition_gates.n_often_open(one.network, one.x) == often
        assert (
            superposition_gates.cliffs_near_gates([one, one], [[often + 1], [often + 2]])
            == 1
        )

    def test_the_bias_s_kernel_is_made_of_gates(self, sparse):
        one = sparse[0]
        bias = entk.ntk_spectrum(one.network, one.x, outputs="flatten", parameters="bias")
        gates = superposition_gates.gates(one.network, one.x)
        shared = entk.subspace_overlap(bias.eigenvectors, gates)
        assert shared == pytest.approx(len(bias), abs=1e-3)

    def test_ways_and_blocks_cover_trained_and_untrained(self, sparse):
        ways = superposition_gates.with_and_without_gates(sparse, n_untrained=1)
        names = ("whole kernel", "gates", "outputs", "weights alone")
        names = [f"{n}, no kernel" if n in ("gates", "outputs") else n for n in names]
        assert {key: len(found.best) for key, found in ways.items()} == {
            (state, way): n
            for state, n in (("trained", 2), ("untrained", 1))
            for way in names
        }
        whole = ways["trained", "whole kernel"]
        features = superposition.feature_indicators(sparse[0].x)
        top = regimes.top_vectors(regimes.flattened_spectrum(sparse[0]))
        assert whole.shared[0] == pytest.approx(entk.subspace_overlap(top, features))
        with torch.no_grad():
            outputs = sparse[0].network(sparse[0].x)
        cosines = torch.nn.functional.cosine_similarity(outputs, sparse[0].x, dim=0)
        best = ways["trained", "outputs, no kernel"].best[0]
        assert torch.allclose(best, cosines.abs(), atol=1e-5)
        shares = superposition_gates.block_shares(sparse, n_untrained=1)
        assert all(0 <= share <= 1 + 1e-6 for share in shares.values())

    def test_what_is_found_is_counted_over_thresholds(self):
        best = torch.tensor([[0.55, 0.75, 0.95, 0.2], [0.45, 0.65, 0.72, 0.1]])
        found = superposition_gates.Found(best, [3.0, 5.0])
        assert found.passing(0.5) == [3, 2]
        assert found.passing(0.9) == [1, 0]
        assert found.cells == ("2 to 3", "1 to 2", "0 to 1", "3 to 5")

    def test_gates_that_are_dealt_anew_are_as_many_on_other_samples(self, sparse):
        one = sparse[0]
        gates = superposition_gates.gates(one.network, one.x)
        dealt = superposition_gates._dealt_anew(gates, len(one.x), one.seed)
        assert torch.equal((gates > 0).sum(0), (dealt > 0).sum(0))
        assert not torch.allclose(gates, dealt)
        rows = dealt.reshape(len(one.x), -1, gates.shape[1])
        assert torch.equal((rows > 0).sum(1), (rows.diagonal(dim1=1, dim2=2) > 0).long())
        true, null = (
            superposition_gates.shared_with_gates([one], "trained", dealt_anew=anew)[0]
            for anew in (False, True)
        )
        assert null < true

    def test_a_kernel_describes_its_own_network_better(self, sparse):
        fresh = sparse[1].x
        own = superposition_gates.r_squared(sparse[0], fresh, "zero")
        other = superposition_gates.r_squared(sparse[0], fresh, "zero, untrained kernel")
        assert other[0] < own[0]
        predictor = entk.LinearizedPredictor(
            sparse[0].network, sparse[0].x, sparse[0].x, ridge=5e-4, around="model"
        )
        with torch.no_grad():
            expected = predictor.r_squared(fresh, sparse[0].network(fresh))
        found = superposition_gates.r_squared(sparse[0], fresh, "model")
        assert found[1] == pytest.approx(expected)


class TestBias:
    def test_a_scaled_bias_is_the_same_function_written_otherwise(self, sparse):
        one = sparse[0]
        plain = superposition_bias.scaled_jacobian(one, "trained", 1.0)
        kernel = entk.ntk_spectrum(one.network, one.x, k=5, outputs="flatten")
        assert torch.allclose(
            entk.factor_spectrum(plain, k=5).eigenvalues, kernel.eigenvalues, rtol=1e-4
        )
        n = one.network.weight.numel()
        thrice = superposition_bias.scaled_jacobian(one, "trained", 3.0)
        assert torch.equal(thrice[:, :n], plain[:, :n])
        assert torch.allclose(thrice[:, n:], 3 * plain[:, n:])
        start = superposition_bias.scaled_jacobian(one, "untrained", 1.0)
        assert not torch.equal(start, plain)

    def test_a_large_bias_has_its_cliff_and_a_small_one_has_not(self, sparse):
        found = superposition_bias.scaled_bias(sparse[:1], "untrained", (0.1, 5.0))
        assert found[0.1].n_with_cliff == 0
        assert found[5.0].n_with_cliff == 1
        assert found[5.0].ratios[0] > 5 > found[0.1].ratios[0]
        two = superposition_bias.Scaled([[], [27, 50]], [1.0, 2.0], [7.0, 8.0])
        assert two.cells == ("1 of 2", "1 of 2", "1.0 to 2.0", "7 to 8")

    def test_a_bias_that_is_not_trained_stays_zero(self):
        (free,), (fixed,) = (
            train_autoencoders([0], n_hidden=5, sparsity=0.9, steps=20, bias=bias)
            for bias in (True, False)
        )
        assert free.network.bias.abs().max() > 0
        assert fixed.network.bias.abs().max() == 0
        assert fixed.network.bias.requires_grad
        assert not torch.equal(fixed.network.weight, fixed.start.weight)

    def test_networks_without_a_bias_are_asked_for_their_weights(self):
        found = superposition_bias.without_bias([0], n_hidden=5, steps=20)
        (one,) = train_autoencoders([0], n_hidden=5, sparsity=0.9, steps=20, bias=False)
        spectrum = regimes.flattened_spectrum(one, "trained", 0.0, "weight")
        features = superposition.feature_indicators(one.x)
        expected = entk.subspace_overlap(regimes.top_vectors(spectrum), features)
        assert found.shared[0] == pytest.approx(expected, rel=1e-4)
        assert found.cliffs[0] == regimes.stops(spectrum)
        assert found.rows[0] == ("features reconstructed", str(found.reconstructed[0]))

    def test_order_within_blocks_is_that_of_their_features_alone(self, monkeypatch, sparse):
        aligned = torch.zeros(50, 50)
        kept = torch.zeros(50, dtype=torch.bool)
        kept[:20] = True
        # Blocks in reverse order, features within each in order.
        aligned[torch.arange(20) + 30, torch.arange(20)] = 1.0
        aligned[torch.arange(30), torch.arange(30) + 20] = 1.0
        monkeypatch.setattr(superposition_bias, "alignments", lambda *_: aligned)
        monkeypatch.setattr(superposition_bias, "is_reconstructed", lambda _: kept)
        found = superposition_bias.orders(sparse[:1])
        assert found["all"][0] < -0.3
        assert found["reconstructed"][0] == pytest.approx(1)
        assert found["dropped"][0] == pytest.approx(1)


class TestTransformer:
    def test_mirrors_split_the_test_pairs(self):
        rows = transformer.mirrors(0)
        known = set(rows["train"].tolist())
        mirror = {b * 29 + a for a, b in (divmod(row, 29) for row in known)}
        assert set(rows[transformer.EASY].tolist()) == mirror - known
        everything = sum(len(part) for part in rows.values())
        assert everything == 29 * 29
        assert not set(rows[transformer.HARD].tolist()) & mirror

    def test_outcomes_are_sorted_by_the_hard_pairs(self):
        entry = {"train": 1.0, transformer.EASY: 1.0}
        ended = transformer.Outcome(
            {s: {**entry, transformer.HARD: v} for s, v in ((0, 0.96), (1, 0.2), (2, 0.95))}
        )
        assert ended.order == [1, 2, 0]
        assert ended.general == [0, 2]
        assert ended.rest == [1]

    def test_a_stored_network_answers_what_it_was_trained_on(self):
        found = transformer.outcome([0])
        assert found.accuracies[0]["train"] > 0.99
        assert found.general == [0]
        assert transformer.network(0, 0).token_embedding.weight.dtype == torch.float64

    def test_unused_frequencies_are_those_of_least_power(self):
        found = transformer.frequencies_of(transformer.network(0))
        least = transformer.unused(found)
        assert len(least) == len(found.frequencies) == 3
        assert not set(least) & set(found.frequencies)
        most = max(float(found.shares[k - 1]) for k in least)
        assert most <= float(found.shares.sort().values[2])

    def test_states_are_compared_by_their_largest_entry(self):
        one = {"w": torch.tensor([4.0, 1.0]), "b": torch.tensor([1.0])}
        other = {"w": torch.tensor([4.0, 2.0]), "b": torch.tensor([1.1])}
        assert transformer.largest_difference(one, other) == pytest.approx(0.25)

    def test_shares_of_planted_modes(self):
        waves = waves_at(29, [3, 5])
        constant = torch.full((841, 1), 1 / 29, **EXACT)
        vectors = torch.cat([constant, waves["sum"], waves["symmetric"]], 1)
        planted = Spectrum(torch.arange(9.0, 0, -1).double(), vectors, 45.0)
        found = transformer_overlaps.shares(planted, [3, 5])
        assert found[0].tolist() == pytest.approx([1, 0, 0, 0], abs=1e-9)
        assert found[1].tolist() == pytest.approx([0, 0, 1, 0], abs=1e-9)

    def test_snapshots_in_order_and_apart(self):
        points = torch.tensor([[0.1, 0.9, 0.0], [0.2, 0.5, 0.5], [0.9, 0.1, 1.0]])
        assert transformer_overlaps.share_in_order(points, 0) == 1
        assert transformer_overlaps.share_in_order(points, 1) == 0
        found = transformer_overlaps.separation(points, 0)
        assert (found.none.tolist(), found.every.tolist()) == (
            pytest.approx([0.1]),
            pytest.approx([0.9]),
        )
        assert found.gap == pytest.approx(0.8)

    def test_a_shift_of_the_mean_logit_is_invisible_to_the_loss(self):
        model = transformer.network(0)
        pairs = torch.cartesian_prod(torch.arange(29), torch.arange(29))
        x = torch.cat([pairs, torch.full((841, 1), 29)], 1)
        share, ignored = transformer.mean_logit(model, x, pairs.sum(1) % 29)
        assert ignored
        assert 0 < share < 0.01
        reads = transformer.what_it_reads(model, x, ["unembedding"])["unembedding"]
        with torch.no_grad():
            residual = model.residual(x)
        torch.testing.assert_close(reads, residual @ residual.T)

    def test_the_head_of_least_use_counts_for_the_query(self):
        model = transformer.network(0)
        assert transformer.along_query(model) > 0.99
        assert transformer.along_query(transformer.network(0, 0)) < 0.2

    def test_a_course_ends_with_the_accuracy(self):
        keys = transformer.frequencies_of(transformer.network(0)).frequencies
        *_, accuracy = transformer_overlaps.course(0, stored.EPOCHS, keys)
        expected = transformer.outcome([0]).of(transformer.HARD)[0]
        assert accuracy == pytest.approx(expected)


@pytest.fixture(scope="module")
def grid():
    return double_descent.train_sizes(0.9, (3, 7), n_seeds=2, steps=20)


class TestRivals:
    def test_parts_side_by_side_count_alike(self):
        model = ModularTransformer(29, seed=0, dtype=torch.float64)
        pairs = modular_addition.all_pairs(29)
        x = modular_addition.tokens(pairs, 29)
        found = transformer_rivals.matrices(model, x)
        beside = found["inputs and activations"]
        assert float(beside.trace()) == pytest.approx(3)
        tokens = torch.nn.functional.one_hot(x).double().flatten(1)
        assert torch.equal(transformer_rivals.tokens_gram(x), tokens @ tokens.T)
        reads = transformer.what_it_reads(model, x, ["mlp_out", "unembedding"])
        grams = [tokens @ tokens.T, *reads.values()]
        expected = sum(gram / gram.trace() for gram in grams)
        assert torch.allclose(beside, expected)

    def test_shares_are_of_the_leading_modes(self, monkeypatch):
        waves = waves_at(29, [3])
        planted = waves["sum"] @ waves["sum"].T
        monkeypatch.setattr(transformer_rivals, "matrices", lambda *_: {"way": planted})
        monkeypatch.setattr(
            entk,
            "kernel_spectrum",
            lambda kernel, k: Spectrum(torch.ones(2), waves["sum"], 2.0),
        )
        found = transformer_rivals.shares([0], {0: [3]}, torch.zeros(1, 3).long())
        assert found["way"]["sum"] == pytest.approx([1])
        assert found["way"]["symmetric"] == pytest.approx([0], abs=1e-6)


class TestDoubleDescent:
    def test_ridges_are_scanned_at_one_size(self, grid):
        fresh = superposition.sample(5, 100, 0.9, seed=9)
        found = memories_and_features.scan_ridges(grid, (1.0, 0.01), fresh=fresh, size=3)
        assert found.shape == (2, 2)
        (_, expected) = memories_and_features.regression(
            grid.networks[3][1], grid.data[3][1], fresh, ridge=0.01, around="zero"
        )
        assert float(found[1, 1]) == pytest.approx(expected, rel=1e-4)

    def test_every_network_is_measured_on_its_own_data(self, grid):
        assert grid.sizes == (3, 7)
        found = grid.over(lambda network, x: len(x))
        assert found.tolist() == [[3, 7], [3, 7]]
        losses = grid.over(double_descent.loss)
        assert float(losses[1, 0]) == pytest.approx(
            double_descent.loss(grid.networks[3][1], grid.data[3][1])
        )
        before = grid.over(double_descent.loss, untrained=True, sizes=[7])
        assert before.shape == (2, 1)
        assert float(before[0, 0]) == pytest.approx(
            double_descent.loss(grid.starts[0], grid.data[7][0])
        )
        fresh = grid.data[7][1]
        assert float(grid.loss_on(fresh)[1, 1]) == pytest.approx(float(losses[1, 1]))

    def test_a_stack_of_repeated_samples_trains_like_the_samples(self, grid):
        alone = TiedAutoencoder(100, 2, seed=101)
        x = superposition.sample(3, 100, 0.9, seed=1)
        assert torch.equal(grid.data[3][1], x)
        rate = scheduled(adamw(0.02, weight_decay=0.1), warmup_cosine(20, warmup=1))
        train(alone, x, x, steps=20, optimizer=rate)
        torch.testing.assert_close(
            grid.networks[3][1].weight, alone.weight, rtol=1e-3, atol=1e-5
        )

    def test_corners_of_a_polygon_have_the_plane_for_themselves(self):
        angles = 2 * torch.pi * torch.arange(5) / 5
        corners = torch.stack([angles.cos(), angles.sin()])
        assert double_descent.top_five(corners) == pytest.approx(2)
        assert double_descent.n_long(torch.cat([corners, 0.4 * corners], 1)) == 5

    def test_open_rows_are_the_rows_that_are_not_zero(self, grid):
        network, x = grid.networks[7][0], grid.data[7][0]
        rows = double_descent.jacobians(network, x)["whole"]
        assert rows.shape == (700, 300)
        assert double_descent.n_open(network, x) == int((rows.norm(dim=1) > 0).sum())

    def test_the_first_size_is_the_one_from_which_all_stay_above(self):
        values = torch.tensor([[5.0, 1.0, 6.0, 7.0], [5.0, 1.0, 6.0, 7.0]])
        assert double_descent.first_size(values, 5.0, (1, 2, 3, 4)) == 3

    def test_spectra_are_those_of_the_training_samples(self, grid):
        spectra = double_descent.training_spectra(grid)
        ranks = double_descent.over_spectra(spectra, len)
        rows = double_descent.jacobians(grid.networks[3][1], grid.data[3][1])["whole"]
        assert int(ranks[1, 0]) == int(torch.linalg.matrix_rank(rows))
        flat = double_descent.Leading(torch.ones(200), torch.eye(200)[:, :5])
        assert not double_descent.has_cliff(flat)
        steps = torch.cat([torch.full((95,), 9.0), torch.full((95,), 1.0)])
        assert double_descent.has_cliff(double_descent.Leading(steps, torch.eye(190)))
        beyond = torch.cat([torch.full((101,), 9.0), torch.full((95,), 1.0)])
        assert not double_descent.has_cliff(double_descent.Leading(beyond, torch.eye(196)))

    def test_untrained_spectra_are_those_of_the_starts(self, grid):
        before = double_descent.training_spectra(grid, untrained=True)[3][1]
        start = double_descent.leading(grid.starts[1], grid.data[3][1])
        assert torch.equal(before.eigenvalues, start.eigenvalues)
        after = double_descent.training_spectra(grid)[3][1]
        assert not torch.equal(before.eigenvalues[:3], after.eigenvalues[:3])

    def test_kernels_of_large_data_sets_are_taken_on_the_first_samples(self):
        large = double_descent.train_sizes(0.9, (130,), n_seeds=1, steps=1)
        (spectrum,) = double_descent.training_spectra(large)[130]
        assert spectrum.eigenvectors.shape == (100 * 100, 5)
        shares = memories_and_features.data_point_shares(large, {130: [spectrum]})
        own = memories_and_features.in_data_points(spectrum, large.data[130][0][:100])
        assert float(shares[0, 0]) == pytest.approx(own)

    def test_single_samples_are_data_points_and_features_are_not(self, grid):
        x = grid.data[3][0]
        points = superposition.sample_indicators(x.double())
        points = points / points.norm(dim=0)
        planted = double_descent.Leading(torch.tensor([3.0, 2, 1]).double(), points)
        assert memories_and_features.in_data_points(planted, x) == pytest.approx(1)
        spectra = double_descent.training_spectra(grid)
        shares = memories_and_features.data_point_shares(grid, spectra)
        assert float(shares[1, 1]) == pytest.approx(
            memories_and_features.in_data_points(spectra[7][1], grid.data[7][1])
        )

    def test_features_in_reach_are_more_than_in_ten_modes(self, grid):
        probe = superposition.sample(20, 100, 0.9, seed=5, dtype=torch.float64)
        reach, ten = memories_and_features.feature_shares(grid.networks[7][0], probe)
        assert 0 <= ten <= reach <= 1
        network = grid.networks[7][0]
        parts = double_descent.jacobians(network, probe)
        indicators = superposition.feature_indicators(probe)
        longest = network.weight.detach().norm(dim=0).argsort(descending=True)[:5]
        for name, k, found in (("whole", None, reach), ("weight", 10, ten)):
            vectors = entk.factor_spectrum(parts[name], k=k).eigenvectors
            shares = (vectors.T @ indicators).square().sum(0)
            assert found == pytest.approx(float(shares[longest].mean()))
        few = memories_and_features.in_whole_kernel(network, probe, (1, 4))
        vectors = entk.factor_spectrum(parts["whole"], k=4).eigenvectors
        shares = (vectors.T @ indicators).square().sum(0)
        assert few[1] == pytest.approx(float(shares[longest].mean()))
        assert few[0] < few[1] < reach

    def test_around_the_model_the_regression_is_the_network(self, grid):
        fresh = superposition.sample(10, 100, 0.9, seed=9)
        error, r_squared = memories_and_features.regression(
            grid.networks[7][0], grid.data[7][0], fresh, ridge=1e6, around="model"
        )
        assert error == pytest.approx(
            double_descent.loss(grid.networks[7][0], fresh), rel=1e-3
        )
        assert r_squared > 0.999
