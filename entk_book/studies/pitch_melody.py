"""Chapter 10: a melody, and the pitches that a tracker tells of it, to be heard."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_book.studies.pitch import SOUNDS
from entk_book.wild import LOWEST, pitch_of, tone_frames

RATE = 8_000  # samples a second: half as many as a network reads, enough for pure tones
NOTE = 0.22  # seconds
FADE = 0.02
# Semitones above the lowest note: the scale of C major, up one octave.
SCALE = (0, 2, 4, 5, 7, 9, 11, 12)


def scale(lowest: int | float) -> Float[Tensor, " notes"]:
    """A major scale.

    Args:
        lowest: Its first note, in cents above 10 Hz.

    Returns:
        Eight pitches.

    Example:
        >>> scale(5_600)[[0, -1]]
        tensor([5600., 6800.], dtype=torch.float64)
    """
    return lowest + 100 * torch.tensor(SCALE).double()


@torch.no_grad()
def heard(
    network: nn.Module, cents: Float[Tensor, " notes"], sound: str = "pure tones"
) -> Float[Tensor, " notes"]:
    """What a network tells of each note.

    Args:
        network: A pitch tracker.
        cents: Pitches.
        sound: One of ``pitch.SOUNDS``.

    Returns:
        Cents above 10 Hz.
    """
    return pitch_of(network(tone_frames(cents, seed=0, **SOUNDS[sound])))


def played(cents: Float[Tensor, " notes"]) -> Float[Tensor, " samples"]:
    """Pure tones one after the other.

    Args:
        cents: Pitches above 10 Hz, below 4,000 Hz.

    Returns:
        Sound from -1 to 1, 8,000 samples a second, each note faded in and out.

    Raises:
        ValueError: If a pitch is too high for the rate.

    Example:
        >>> len(played(scale(5_600))) / RATE  # seconds
        1.76
    """
    hertz = LOWEST * 2 ** (cents.double() / 1200)
    if not bool((hertz < RATE / 2).all()):
        raise ValueError(
            f"cents must be those of frequencies below {RATE / 2:.0f} Hz, got "
            f"{float(hertz.max()):.0f} Hz. Play it an octave lower."
        )
    seconds = torch.arange(round(NOTE * RATE)).double() / RATE
    loud = torch.minimum(seconds, NOTE - seconds).div(FADE).clamp(max=1)
    return (loud * (2 * torch.pi * hertz.unsqueeze(1) * seconds).sin()).flatten()
