"""The language: every sentence read by another reader, labels, probabilities, bad input."""

from collections import Counter

import pytest
import torch
from assertions import assert_close

from entk_lib.toys.tasks import grammar

NOUNS = {  # gender by singular, written anew
    **dict.fromkeys("boy king man father waiter".split(), "himself"),
    **dict.fromkeys("girl queen woman mother nun".split(), "herself"),
    **dict.fromkeys("dog cat bird horse robot".split(), "itself"),
    **dict.fromkeys("walk dance dream plan call watch".split(), "itself"),
}
PLURALS = {"man": "men", "woman": "women", "watch": "watches"}
MANY = {PLURALS.get(noun, f"{noun}s") for noun in NOUNS}
ALONE = {  # subjects of one word: number, reflexive
    **dict.fromkeys("john peter tom he".split(), (0, "himself")),
    **dict.fromkeys("anna mary susan she".split(), (0, "herself")),
    "it": (0, "itself"),
    "they": (1, "themselves"),
}
PAST = dict(
    pair.split("/")
    for pair in (
        "sleep/slept laugh/laughed wait/waited sing/sang fall/fell walk/walked "
        "dance/danced dream/dreamed see/saw chase/chased admire/admired find/found "
        "like/liked plan/planned call/called watch/watched say/said think/thought "
        "know/knew"
    ).split()
)
WITH_CLAUSE = {"say", "think", "know"}
WITHOUT_OBJECT = set("sleep laugh wait sing fall walk dance dream".split())


class Reader:
    """Reads one sentence by the rules of English, from left to right."""

    def __init__(self, words):
        self.words, self.tense, self.depths = list(words), None, set()

    def take(self, *allowed):
        assert self.words[0] in allowed, (self.words, allowed)
        return self.words.pop(0)

    def may(self, *words):
        return self.take(*words) if self.words[0] in words else None

    def sentence(self):
        first = self.words.pop(0)
        self.tense = {"today": 0, "now": 0, "nowadays": 0}.get(first, 1)
        assert self.tense == 0 or first in ("yesterday", "once", "earlier")
        self.clause(0, joins=True)
        if self.may("but", "while", "because"):
            self.clause(0, joins=True)
        self.take(".")
        assert not self.words

    def clause(self, depth, joins):
        number, reflexive = self.phrase(depth)
        self.predicate(depth, joins, number, reflexive)

    def phrase(self, depth):
        if self.words[0] in ALONE:
            return ALONE[self.words.pop(0)]
        determiner = self.words.pop(0)
        assert determiner in "the my a this every these some many".split()
        for _ in range(2):
            self.quality()
        noun = self.words.pop(0)
        number = int(noun in MANY)
        assert number or noun in NOUNS
        if determiner not in ("the", "my"):
            assert (determiner in ("these", "some", "many")) == bool(number)
        reflexive = "themselves" if number else NOUNS[noun]
        if self.may("near", "behind", "beside", "with", "above", "under"):
            self.phrase(depth)
        elif self.may("that"):
            self.relative(depth + 1, number, reflexive)
        return number, reflexive

    def quality(self):
        very = self.may("very")
        adjectives = "small big red green happy sad young clever quiet brave".split()
        assert self.may(*adjectives) or not very

    def relative(self, depth, number, reflexive):
        self.depths.add(depth)
        starts = "the my a this every these some many".split()
        if self.words[0] in starts or self.words[0] in ALONE:
            number, _ = self.phrase(depth)
            verb = self.verb(number)
            assert verb in PAST.keys() - WITH_CLAUSE - WITHOUT_OBJECT
        else:
            self.predicate(depth, False, number, reflexive)

    def verb(self, number):
        """The verb's plural, having checked tense and number."""
        word = self.words.pop(0)
        for base, past in {**PAST, "are": ""}.items():
            singular = {"are": "is", "watch": "watches"}.get(base, f"{base}s")
            forms = ((singular, base), (past, past))
            if base == "are":
                forms = (("is", "are"), ("was", "were"))
            if word == forms[self.tense][number]:
                return base
        raise AssertionError((word, number, self.tense))

    def predicate(self, depth, joins, number, reflexive):
        self.depths.add(depth)
        self.may("often", "always", "never", "rarely")
        verb = self.verb(number)
        if verb in WITH_CLAUSE:
            self.take("that")
            return self.clause(depth + 1, joins)
        if verb == "are":
            self.quality()
        elif verb in WITHOUT_OBJECT:
            self.may("quickly", "slowly", "quietly", "happily", "together")
        elif not self.may(reflexive):
            self.phrase(depth)
        if joins and self.may("and"):
            self.predicate(depth, False, number, reflexive)


@pytest.fixture(scope="module")
def stream():
    return grammar.decode(next(grammar.word_batches(2000, seed=0)).flatten())


def test_another_reader_finds_every_sentence_right(stream):
    sentences = [[*s.split(), "."] for s in stream.split(" .")[:-1]]
    assert len(sentences) > 4000
    depths = Counter()
    for words in sentences:
        reader = Reader(words)
        reader.sentence()
        depths[max(reader.depths)] += 1
    assert sorted(depths) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        "today the dog near the cats sleep .",
        "today the boys that mary likes sleeps .",
        "yesterday the dogs was red .",
        "today the dog slept .",
        "today the girl near the boy likes himself .",
        "today these dog sleeps .",
        "today the dog sleeps the cat .",
    ],
)
def test_both_readers_refuse_what_is_wrong(wrong):
    with pytest.raises(AssertionError):
        Reader(wrong.split()).sentence()
    with pytest.raises(ValueError, match=r"the grammar has no '.*' after '(today|yester)"):
        grammar.next_words(wrong)


@pytest.fixture(scope="module")
def many():
    return grammar.sample_contexts(8000, seed=4)


def test_all_words_are_met_and_twelve_are_nouns_and_verbs(stream, many):
    assert set(stream.split()) == set(grammar.VOCABULARY)
    assert len(grammar.VOCABULARY) == 151
    noun, verb = (grammar.CLASSES.index(name) for name in ("noun", "verb"))
    classes = {
        token: set(many.next_class[many.next_word == token].tolist())
        for token in range(151)
    }
    both = [token for token, found in classes.items() if found == {noun, verb}]
    assert sorted(both) == sorted(grammar.HOMOGRAPHS)
    assert len(both) == 12
    others = [found for token, found in classes.items() if token not in both]
    assert {len(found) for found in others} == {1}


LABELS = "number nearest_number distractor distance reflexive depth next_depth tense start"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today the dog sleeps", (0, 0, 0, 1, -1, 0, 0, 0, 0)),
        ("today the dog near the cats sleeps", (0, 1, 1, 4, -1, 0, 0, 0, 0)),
        ("now they fall . once the boys that anna likes", None),
        ("he", None),
        ("yesterday the dogs near the cat were", (1, 0, 1, 4, -1, 0, 0, 1, 0)),
        ("yesterday the dogs near the cat slept", (-1, -1, -1, -1, -1, 0, 0, 1, 0)),
        ("today the kings that the queen sees", (0, 0, 0, 1, -1, 1, 1, 0, 0)),
        ("today the kings that the queen sees sleep", (1, 0, 1, 5, -1, 1, 0, 0, 0)),
        ("today the kings that see", (1, 1, 0, 2, -1, 1, 1, 0, 0)),
        ("today he says that the king with the men likes himself", "himself"),
        ("now they fall . once anna", (-1, -1, -1, -1, -1, 0, 0, 1, 4)),
        ("now they fall . once", (-1, -1, -1, -1, -1, 0, 0, -1, 4)),
        ("today the man likes the dogs and is", (0, 1, 1, 5, -1, 0, 0, 0, 0)),
        ("once she said that it", (-1, -1, -1, -1, -1, 1, 1, 1, 0)),
        ("once she said that", (-1, -1, -1, -1, -1, 0, 1, 1, 0)),
    ],
)
def test_labels_of_sentences_written_by_hand(text, expected):
    if expected is None:
        with pytest.raises(ValueError, match="grammar"):
            grammar.context(text)
        return
    found = grammar.context(text)
    if expected == "himself":
        expected = (-1, -1, -1, -1, 0, 1, 1, 0, 0)
    assert tuple(getattr(found, name).item() for name in LABELS.split()) == expected


@pytest.mark.parametrize(
    ("text", "last", "following"),
    [
        ("today the walks", "determiner", "noun"),
        ("today anna walks", "noun", "verb"),
        ("today the very happy", "adverb", "adjective"),
        ("today he says that", "verb", "conjunction"),
        ("today he sleeps .", "verb", "punctuation"),
        ("today the girl near", "noun", "preposition"),
        ("today the girl likes herself", "verb", "pronoun"),
        ("today he sleeps . once", "punctuation", "adverb"),
        ("today many", "adverb", "determiner"),
    ],
)
def test_classes_of_words_written_by_hand(text, last, following):
    found = grammar.context(text)
    assert grammar.CLASSES[found.last_class.item()] == last
    assert grammar.CLASSES[found.next_class.item()] == following


def test_a_sampled_context_has_the_labels_of_its_text():
    contexts = grammar.sample_contexts(100, seed=3)
    names = ["next_class", "last_class", *LABELS.split()[:-1]]
    compared = 0
    for i in torch.where(contexts.start > 0)[0].tolist():
        words = [
            *contexts.tokens[i, int(contexts.start[i]) :].tolist(),
            contexts.next_word[i].item(),
        ]
        if len(words) == 1:
            continue
        alone = grammar.context(grammar.decode(words))
        for name in names:
            assert getattr(alone, name).item() == getattr(contexts, name)[i].item(), name
        assert_close(alone.probabilities()[0], contexts.probabilities()[i])
        compared += 1
    assert compared > 70


def test_probabilities_sum_to_one_and_are_those_of_the_stream(many):
    told = many.probabilities()
    assert_close(told.sum(1), torch.ones(8000, dtype=torch.float64))
    chosen = told.gather(1, many.next_word[:, None])[:, 0]
    assert chosen.min() > 0
    # What happens is as surprising as the probabilities say, and each word as frequent.
    surprise = -chosen.log()
    error = float(surprise.std()) / 8000**0.5
    assert abs(float(surprise.mean()) - many.entropy()) < 4 * error
    expected = told.sum(0)
    counts = torch.bincount(many.next_word, minlength=151)
    errors = (told * (1 - told)).sum(0).sqrt()
    assert float(((counts - expected) / errors).abs().max()) < 5


def test_next_words_of_a_text_are_its_probabilities():
    told = grammar.next_words("today the girl near the dogs sees")
    assert told["herself"] == pytest.approx(0.25)
    assert told["anna"] == pytest.approx(0.75 * 0.15 / 6)
    assert not {"himself", "itself", "themselves", "he"} & set(told)
    assert sum(told.values()) == pytest.approx(1)


def test_a_seed_is_a_stream():
    one, same = (grammar.sample_contexts(50, seed=5) for _ in range(2))
    other = grammar.sample_contexts(50, seed=6)
    assert torch.equal(one.tokens, same.tokens)
    assert not torch.equal(one.tokens, other.tokens)
    batches = grammar.word_batches(25, seed=5)
    first, second = next(batches), next(batches)
    pieces = torch.cat([one.tokens, one.next_word[:, None]], 1)
    assert torch.equal(torch.cat([first, second]), pieces)


def test_windows_of_the_stream_share_no_word():
    contexts = grammar.sample_contexts(3, seed=7, length=5)
    batch = next(grammar.word_batches(3, seed=7, length=5))
    assert torch.equal(contexts.tokens, batch[:, :-1])
    assert torch.equal(contexts.next_word, batch[:, -1])


@pytest.mark.parametrize("label", list(grammar.VALUES))
def test_balanced_samples_have_as_many_of_each(label):
    found = grammar.sample_balanced(label, 5, seed=0)
    assert getattr(found, label).bincount().tolist() == [5] * grammar.VALUES[label]
    assert int(found.start.min()) >= 0


def test_across_a_distractor_the_nearest_noun_is_wrong():
    found = grammar.across_distractor(50, seed=0)
    assert found.number.tolist() == [0] * 50 + [1] * 50
    assert torch.equal(found.nearest_number, 1 - found.number)
    assert bool((found.distractor == 1).all())
    singular = torch.isin(found.next_word, torch.tensor(grammar.SINGULAR_FORMS))
    plural = torch.isin(found.next_word, torch.tensor(grammar.PLURAL_FORMS))
    assert torch.equal(singular, found.number == 0)
    assert torch.equal(plural, found.number == 1)
    assert len({tuple(row) for row in found.tokens.tolist()}) == 100


def test_where_and_values_choose_contexts():
    found = grammar.sample_balanced(
        "next_class", 4, seed=1, values=[0, 2], where=lambda c: c.tense == 1
    )
    assert found.next_class.tolist() == [0] * 4 + [2] * 4
    assert found.tense.tolist() == [1] * 8


def test_taking_contexts_takes_all_of_them_along():
    contexts = grammar.sample_contexts(20, seed=8)
    rows = torch.tensor([7, 3])
    taken = contexts.take(rows)
    assert torch.equal(taken.tokens, contexts.tokens[rows])
    assert_close(taken.probabilities(), contexts.probabilities()[rows])
    assert len(contexts.take(contexts.tense == 1)) == int((contexts.tense == 1).sum())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grammar.encode("today the tiger"), ValueError, "got 'tiger'.*VOCABULARY"),
        (lambda: grammar.encode(" "), ValueError, "must hold a word"),
        (lambda: grammar.context("today"), ValueError, "the context and the next word"),
        (
            lambda: grammar.next_words("today sleeps"),
            ValueError,
            "no 'sleeps' after 'today'",
        ),
        (lambda: grammar.sample_contexts(0, seed=0), ValueError, "n must be at least 1"),
        (lambda: grammar.sample_contexts(2.5, seed=0), TypeError, "n must be an int"),
        (
            lambda: grammar.sample_contexts(2, seed=0, length=0),
            ValueError,
            "length must be at least 1",
        ),
        (lambda: next(grammar.word_batches(0, seed=0)), ValueError, "n must be at least 1"),
        (
            lambda: grammar.sample_balanced("mood", 1, seed=0),
            ValueError,
            "label must be one of next_class, .* got 'mood'",
        ),
        (
            lambda: grammar.sample_balanced("number", 0, seed=0),
            ValueError,
            "n_each must be at least 1",
        ),
    ],
)
@pytest.mark.no_shape_checks
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.no_shape_checks
def test_bad_arguments_labels_that_cannot_be_balanced_are_refused():
    pool = grammar.sample_contexts(30, seed=0)
    with pytest.raises(ValueError, match=r"must be there 31 times, got \d+ of 30 contexts"):
        grammar.balanced(pool, pool.tense, 31, seed=0)
    with pytest.raises(ValueError, match="one a context, got 2 for 30"):
        grammar.balanced(pool, torch.zeros(2).long(), 1, seed=0)
    with pytest.raises(ValueError, match="not negative, got none"):
        grammar.balanced(pool, torch.full((30,), -1), 1, seed=0)


def test_a_label_that_never_comes_is_told(monkeypatch):
    monkeypatch.setattr(grammar, "_MOST_PIECES", 1)
    with pytest.raises(ValueError, match=r"'tense' must have each of \[0, 1\] 1 times"):
        grammar.sample_balanced(
            "tense", 1, seed=0, where=lambda c: torch.zeros(len(c), dtype=torch.bool)
        )
