"""Networks from the wild: trained by others, with weights out of the package index.

- `weights`: a file of an installed package, checked before it is read.
- `pitch`: CREPE, which hears pitch.
- `tones`: sounds whose pitch is known, because we make them.
- `minilm`: the sentence encoder.
- `english`: sentences of which four facts are known, because we put them there.
- `running`: Python's own help as running text, with words of which the class is known.
- `causal`: language models of Hugging Face's, as in the published experiment.

Needs the packages of ``requirements-wild.txt``, for their weights alone: none of their code
is imported.
"""

from entk_book.wild.causal import down_projection, gemma, logit_spectrum
from entk_book.wild.english import Contexts, contexts
from entk_book.wild.minilm import sentence_encoder
from entk_book.wild.pitch import PitchTracker, pitch_of, pitch_tracker
from entk_book.wild.tones import LOWEST, SAMPLE_RATE, frames, tone_frames, tones
from entk_book.wild.weights import install_in_colab

__all__ = [
    "LOWEST",
    "SAMPLE_RATE",
    "Contexts",
    "PitchTracker",
    "contexts",
    "down_projection",
    "frames",
    "gemma",
    "install_in_colab",
    "logit_spectrum",
    "pitch_of",
    "pitch_tracker",
    "sentence_encoder",
    "tone_frames",
    "tones",
]
