"""Sounds whose pitch is known, and what a pitch tracker reads: frames of 1,024 samples."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SAMPLE_RATE = 16_000  # samples a second, those of CREPE
FRAME = 1_024
LOWEST = 10.0  # Hz, from which cents are counted
_SILENT = 1e-6
_CLIPPED = 0.01  # of all samples at the edge


def tones(
    cents: Float[Tensor, " n"],
    n_samples: int,
    *,
    n_harmonics: int = 10,
    missing: Sequence[int] = (),
    detuned: int | float = 0.0,
    second: int | float | None = None,
    seed: int = 0,
) -> Float[Tensor, "n samples"]:
    """Harmonic tones, with random amplitudes and phases of their harmonics.

    Args:
        cents: Pitches, above 10 Hz.
        n_samples: Length, at 16,000 a second.
        n_harmonics: Multiples of the fundamental frequency; those above 8,000 Hz are left
            out.
        missing: Harmonics that are left out; 1 is the fundamental.
        detuned: Standard deviation in cents by which each harmonic but the first is off.
        second: Cents from each tone to another, as loud, that sounds with it. ``None``:
            each sounds alone.
        seed: Of amplitudes, phases and detuning.

    Returns:
        One sound a row, float64, from -1 to 1.

    Raises:
        ValueError: If a pitch is not below 8,000 Hz, or all harmonics are missing.

    Example:
        >>> tones(torch.tensor([6_000.0]), 8_000).shape  # 320 Hz, half a second
        torch.Size([1, 8000])
    """
    if second is not None:
        options: dict[str, Any] = {
            "n_harmonics": n_harmonics,
            "missing": missing,
            "detuned": detuned,
        }
        both = torch.cat([cents, cents + second])
        one, other = tones(both, n_samples, **options, seed=seed).chunk(2)
        chord = _as_loud(one) + _as_loud(other)
        return chord / chord.abs().amax(1, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    pitch = LOWEST * 2 ** (cents.double() / 1200)
    highest = SAMPLE_RATE / 2
    if not bool(((pitch > 0) & (pitch < highest)).all()):
        raise ValueError(
            f"cents must be finite and below {highest:.0f} Hz, that is "
            f"{1200 * math.log2(highest / LOWEST):.0f}, got {float(cents.max()):.0f}."
        )
    orders = torch.arange(1, n_harmonics + 1).double()
    shape = (len(cents), n_harmonics)
    off = detuned * torch.randn(shape, generator=generator).double()
    off[:, :1] = 0
    frequencies = pitch.unsqueeze(1) * orders * 2 ** (off / 1200)
    sizes = torch.rand(shape, generator=generator).double() / orders
    sizes *= frequencies < highest
    sizes[:, [order - 1 for order in missing]] = 0
    if not bool(sizes.any(1).all()):
        raise ValueError(
            f"each tone must keep a harmonic, got n_harmonics={n_harmonics} and "
            f"missing={list(missing)}. Leave fewer out, or take a lower pitch."
        )
    phases = 2 * math.pi * torch.rand(shape, generator=generator).double()
    seconds = torch.arange(n_samples).double() / SAMPLE_RATE
    angles = 2 * math.pi * frequencies.unsqueeze(2) * seconds + phases.unsqueeze(2)
    sound = (sizes.unsqueeze(2) * angles.sin()).sum(1)
    return sound / sound.abs().amax(1, keepdim=True)


def tone_frames(cents: Float[Tensor, " n"], **options: Any) -> Float[Tensor, "n 1024"]:
    """One frame of each of some tones, as the network reads it.

    Args:
        cents: Pitches, above 10 Hz.
        **options: As in `tones`.

    Returns:
        One frame a tone, of mean zero and variance one, float32.

    Raises:
        ValueError: As in `tones`.

    Example:
        >>> tone_frames(torch.tensor([6_600.0]), missing=[1]).shape
        torch.Size([1, 1024])
    """
    return _normalised(tones(cents, FRAME, **options))


def frames(sound: Tensor, sample_rate: int, *, hop: int = FRAME) -> Float[Tensor, "n 1024"]:
    """A recorded sound as the network reads it.

    Args:
        sound: One channel, ``(samples,)``, from -1 to 1.
        sample_rate: Samples a second.
        hop: Samples from one frame to the next.

    Returns:
        Frames of mean zero and variance one, float32; what is left at the end is dropped.

    Raises:
        ValueError: If the rate is another than 16,000, the sound is shorter than a frame,
            not finite, silent in a frame, or clipped.
    """
    if sample_rate != SAMPLE_RATE:
        raise ValueError(
            f"sample_rate must be {SAMPLE_RATE}, got {sample_rate}. Resample it: "
            f"scipy.signal.resample_poly(sound, {SAMPLE_RATE}, {sample_rate})."
        )
    if sound.ndim != 1 or len(sound) < FRAME:
        raise ValueError(
            f"sound must be one channel of at least {FRAME} samples, got shape "
            f"{tuple(sound.shape)}. Take the mean over channels, or a longer sound."
        )
    if not bool(torch.isfinite(sound).all()):
        raise ValueError("sound must be finite, got NaN or infinity.")
    edge = float(sound.abs().max())
    clipped = float((sound.abs() >= 0.999 * edge).double().mean())
    if edge >= 0.999 and clipped > _CLIPPED:
        raise ValueError(
            f"sound must not be clipped, got {clipped:.0%} of its samples at the edge. "
            "Record it more softly."
        )
    cut = sound.double().unfold(0, FRAME, hop)
    if float(cut.std(1).min()) < _SILENT:
        raise ValueError("sound must be heard in every frame, got a silent one. Cut it.")
    return _normalised(cut)


def _as_loud(sound: Float[Tensor, "n samples"]) -> Float[Tensor, "n samples"]:
    # Of power one, whatever the partials.
    return sound / sound.square().mean(1, keepdim=True).sqrt()


def _normalised(cut: Float[Tensor, "n 1024"]) -> Float[Tensor, "n 1024"]:
    centred = cut - cut.mean(1, keepdim=True)
    return (centred / centred.std(1, keepdim=True)).float()
