"""Chapter 11's networks: what the stored ones know, how one is trained, how it is asked."""

import math

import pytest
import torch
from torch import nn

from entk_book import stored
from entk_book.studies import grammar as study
from entk_book.studies.grammar import preferred_number, skill, train
from entk_lib.toys.tasks import grammar

WORDS = len(grammar.VOCABULARY)


class Table(nn.Module):
    """Gives contexts the logits that it was told."""

    def __init__(self, *known):
        super().__init__()
        self.rows = {
            tuple(tokens): row.clamp_min(1e-30).log()
            for contexts in known
            for tokens, row in zip(
                contexts.tokens.tolist(), contexts.probabilities(), strict=True
            )
        }

    def forward(self, tokens):
        return torch.stack([self.rows[tuple(row)] for row in tokens.tolist()])


class Even(nn.Module):
    def forward(self, tokens):
        return torch.zeros(len(tokens), WORDS, dtype=torch.float64)


def asked(n, n_each, seed):
    """The contexts that `skill` asks about."""
    every = grammar.sample_contexts(n, seed=seed)
    return (
        every.take(every.start >= 0),
        grammar.across_distractor(n_each, seed=seed),
        grammar.sample_balanced("reflexive", n_each, seed=seed),
    )


def test_who_knows_the_grammar_has_the_highest_skill():
    found = skill(Table(*asked(200, 10, 3)), seed=3, n=200, n_each=10)
    assert found.excess == pytest.approx(0, abs=1e-12)
    assert (found.agreement, found.reflexives) == (1, 1)
    assert found.agreement_of_nearest == 0


def test_who_knows_nothing_is_at_chance():
    found = skill(Even(), seed=3, n=200, n_each=10)
    assert found.excess == pytest.approx(math.log(WORDS) - found.entropy)
    assert (found.agreement, found.reflexives) == (0.5, 0.25)


def test_the_preferred_number_is_the_sum_over_forms():
    contexts = grammar.across_distractor(3, seed=0)
    told = torch.zeros(WORDS)
    told[list(grammar.SINGULAR_FORMS)] = 1.0
    told[grammar.encode("sleep")] = 2.0  # the likeliest word, a plural

    class Same(nn.Module):
        def forward(self, tokens):
            return told.expand(len(tokens), -1)

    assert preferred_number(Same(), contexts).tolist() == [0] * 6


@pytest.fixture(scope="module")
def questions():
    return asked(600, 60, 50)


@pytest.mark.parametrize("seed", stored.LANGUAGE_SEEDS)
def test_the_stored_networks_know_what_is_said_of_them(seed, questions):
    model = stored.language_transformer(seed)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    every, pairs, before = questions
    told = study.logits_on(model, every).double().log_softmax(1)
    excess = nn.functional.kl_div(told, every.probabilities(), reduction="batchmean")
    assert 0 < float(excess) < 0.04
    right = preferred_number(model, pairs) == pairs.number
    four = study.logits_on(model, before)[:, list(grammar.REFLEXIVES)]
    assert float(right.double().mean()) >= 0.95
    assert float((four.argmax(1) == before.reflexive).double().mean()) >= 0.9


@pytest.mark.slow
def test_a_short_training_learns_more_than_how_frequent_words_are():
    result = train(0, steps=60, batch_size=32, progress=False)
    losses = result.history["loss"]
    assert len(losses) == result.steps == 60
    assert losses[0] > math.log(WORDS)
    frequencies = grammar.sample_contexts(4000, seed=2).next_word.bincount().double()
    of_words = float(torch.special.entr(frequencies / frequencies.sum()).sum())
    assert of_words == pytest.approx(4.5, abs=0.1)
    assert sum(losses[-5:]) / 5 < of_words - 0.1
    found = skill(result.model, seed=1, n=300, n_each=2)
    assert found.excess + found.entropy < of_words - 0.1


def test_a_seed_is_a_training():
    one, same, other = (
        train(seed, steps=3, batch_size=4, progress=False).history["loss"]
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize("seed", [5, 15, "zero"])
@pytest.mark.no_shape_checks
def test_bad_arguments_a_seed_that_is_not_stored_is_refused(seed):
    with pytest.raises(ValueError, match=r"one of 0, 1, 10, .*studies.grammar"):
        stored.language_transformer(seed)


def test_a_file_that_is_missing_is_told(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    module = stored.language_transformers
    monkeypatch.setattr(module.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="make snapshots"):
        stored.language_transformer(0)
