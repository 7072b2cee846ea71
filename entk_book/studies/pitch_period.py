"""Chapter 10, a baseline for what is told: the pitch that a sound's own period tells."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from entk_book.ledger import Claim
from entk_book.studies.pitch import SEEDS, pitches
from entk_book.studies.pitch_sounds import SOUNDS, Sounds, told
from entk_book.studies.spans import in_most, span
from entk_book.wild import LOWEST, SAMPLE_RATE, tone_frames

_FINER = 8  # lags between two samples, plus one
_LONGEST = 5 / 8  # of a frame; beyond, too little of it overlaps
_NEAR = 0.9  # of the highest peak: the first as high tells the period
# Two tones at once, and a tone whose lowest partial is left out.
TWO, MISSING = ("two pure tones", "two tones a fifth apart"), "missing fundamental"


def period_pitch(x: Float[Tensor, "n samples"]) -> Float[Tensor, " n"]:
    """The pitch of a sound's period, by its autocorrelation, with nothing learned.

    Of the peaks beyond the first lag at which the autocorrelation is negative, the first
    within a tenth of the highest. Lags are an eighth of a sample apart.

    Args:
        x: Frames of sound.

    Returns:
        Cents above 10 Hz.

    Raises:
        ValueError: If a frame has no peak, as silence has none.

    References:
        Rabiner (1977), "On the use of autocorrelation analysis for pitch detection".

    Example:
        >>> seconds = torch.arange(1024) / 16_000
        >>> tone = (2 * torch.pi * 320 * seconds).sin().unsqueeze(0)
        >>> round(float(period_pitch(tone)), -1)  # 320 Hz are five octaves above 10 Hz
        6000.0
    """
    n = x.shape[1]
    power = torch.fft.rfft(x.double(), 2 * n).abs().square()
    lags = torch.arange(int(n * _FINER * _LONGEST)).double() / _FINER
    alike = torch.fft.irfft(power, 2 * n * _FINER)[:, : len(lags)] / (n - lags)
    found = []
    for row in alike:
        middle = row[1:-1]
        is_peak = (middle > row[:-2]) & (middle >= row[2:])
        is_peak &= (row[1:-1] < 0).cumsum(0) > 0
        peaks = is_peak.nonzero().flatten() + 1
        if not len(peaks):
            raise ValueError("x must be sound with a period, got a frame without a peak.")
        heights = row[peaks]
        first = int(peaks[heights >= _NEAR * heights.max()][0])
        hertz = SAMPLE_RATE / float(lags[first])
        found.append(1200 * math.log2(hertz / LOWEST))
    return torch.tensor(found).double()


def by_period(seeds: Sequence[int] = SEEDS) -> dict[str, list[dict[str, float]]]:
    """What the period tells of the sounds on which the network errs.

    Args:
        seeds: Of the tones.

    Returns:
        By sound, as `entk_book.studies.pitch_sounds.told` counts, one a seed.
    """
    found = {}
    for sound in (*TWO, MISSING):
        options = SOUNDS[sound]
        found[sound] = [
            told(
                period_pitch(tone_frames(pitches(seed), seed=seed, **options)),
                pitches(seed),
                both="second" in options,
            )
            for seed in seeds
        ]
    return found


def shares(periods: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, str]:
    """How often the period tells what a listener would, as the chapter's table has it.

    Args:
        periods: As `by_period` gives it.

    Returns:
        By sound, in percent with what is told: the tone below two, or the tone without its
        fundamental; means over the seeds.
    """
    found = {}
    for sound, draws in periods.items():
        name = "the tone" if sound == MISSING else "an octave below"
        mean = 100 * sum(one[name] for one in draws) / len(draws)
        found[sound] = f"{name} {mean:.0f}"
    return found


def claims(
    sounds: Sounds, periods: Mapping[str, Sequence[Mapping[str, float]]]
) -> list[Claim]:
    """Whether the network tells what the sound's period does not; all rows are new.

    Args:
        sounds: What the network tells.
        periods: As `by_period` gives it.

    Returns:
        Rows of the ledger.
    """

    def row(text: str, which: Sequence[str], name: str) -> Claim:
        parts, holds = [], True
        for sound in which:
            ours = [100 * share for share in sounds.of(sound, "told", name)]
            theirs = [100 * one[name] for one in periods[sound]]
            parts.append(f"{sound}: {span(ours)} against {span(theirs)} %")
            more = sum(a > b for a, b in zip(ours, theirs, strict=True))
            holds = holds and in_most(more, len(ours))
        here = "; ".join(parts)
        return Claim(text, "not published", here, holds, "new here", "in most draws")

    return [
        row(
            "of two tones, the network tells the octave below more often than the sound's "
            "autocorrelation does",
            TWO,
            "an octave below",
        ),
        row(
            "of a missing fundamental, it tells the tone more often than that",
            (MISSING,),
            "the tone",
        ),
    ]
