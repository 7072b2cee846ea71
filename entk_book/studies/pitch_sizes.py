"""Chapter 10, the large network: the same question, of 22 million parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.pitch import (
    INTERVALS,
    KINDS,
    SEEDS,
    SOUNDS,
    activations,
    errors,
    kernels,
    pitches,
    shared_and_similar,
)
from entk_book.studies.spans import in_most, span
from entk_book.wild import pitch_tracker, tone_frames

N_DIRECTIONS = 4  # of the logits: each takes the large network ten seconds
_SOUND = "pure tones"
# Powers of the magnitudes of a rival's spectrum.
ROOTS = {"square root": 1 / 2, "cube root": 1 / 3}


def compressed(
    x: Float[Tensor, "tones samples"], power: int | float = ROOTS["cube root"]
) -> Float[Tensor, "tones frequencies"]:
    """The spectrum of the positive part of a sound, through a window, and a root of it.

    The window (of Hann) takes away what the ends of a frame add; the root lets faint
    partials count beside strong ones, as loudness does in an ear.

    Args:
        x: Frames of sound.
        power: Of the magnitudes; 1 for none.

    Returns:
        From zero to half the sampling rate.

    Example:
        >>> tone = (2 * torch.pi * 64 * torch.arange(1024) / 1024).sin().unsqueeze(0)
        >>> loud = compressed(tone)[0]
        >>> [round(float(loud[64 * k]), 1) for k in (1, 2, 3, 4)]  # none at three
        [5.0, 3.8, 0.0, 2.4]
    """
    positive = x.double().clamp(min=0)
    positive = positive - positive.mean(1, keepdim=True)
    window = torch.hann_window(x.shape[1]).double()
    return torch.fft.rfft(positive * window).abs() ** power


def rival(
    power: int | float = ROOTS["cube root"], seeds: Sequence[int] = SEEDS
) -> dict[str, list[float]]:
    """What the compressed spectrum of pure tones shares, beside either network.

    Args:
        power: As in `compressed`.
        seeds: Of the tones.

    Returns:
        By kind of waves, shared dimensions, and by interval, mean cosines; one a seed.
    """
    looks = []
    for seed in seeds:
        x = tone_frames(pitches(seed), seed=seed, **SOUNDS[_SOUND])
        values = compressed(x, power)
        looks.append(shared_and_similar(values @ values.T))
    return {kind: [one[kind] for one in looks] for kind in (*KINDS, *INTERVALS)}


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Block 6 of the large network on pure tones, as it is stored.

    Args:
        seeds: Of tones and directions.

    Returns:
        What `entk_book.stored.records.write` takes: by ``"kernel"``, ``"activations"`` and
        ``"rectified"``, the spectrum of the positive part, one a seed; and median errors
        in cents, as ``"errors"``.
    """
    network = pitch_tracker("full")
    table: dict[str, list[Any]] = {}
    for seed in seeds:
        x = tone_frames(pitches(seed), seed=seed, **SOUNDS[_SOUND])
        found = kernels(network, x, seed=seed, blocks=[6], n_directions=N_DIRECTIONS)
        values = activations(network, x)
        grams = {"kernel": found["block 6"]} | {
            name: values[key] @ values[key].T
            for name, key in (("activations", "block 6"), ("rectified", "rectified"))
        }
        for name, gram in grams.items():
            table.setdefault(name, []).append(shared_and_similar(gram))
        off = float(errors(network, _SOUND, seed).median())
        table.setdefault("errors", []).append(off)
    return records.rounded(table)


@dataclass(frozen=True)
class Large:
    """What block 6 of the large network shares, over draws.

    Attributes:
        table: As `record` gives it.
    """

    table: Mapping[str, Sequence[Any]]

    def of(self, what: str, kind: str) -> list[float]:
        """Shared dimensions, or the mean cosine at an interval.

        Args:
            what: ``"kernel"``, ``"activations"`` or ``"rectified"``.
            kind: Of waves, or an interval.

        Returns:
            One number a seed.
        """
        return [one[kind] for one in self.table[what]]


def stored_large() -> Large:
    """The stored table.

    Returns:
        All seeds.
    """
    return Large(records.read("pitch_sizes"))


def claims(large: Large, rooted: Mapping[str, list[float]]) -> list[Claim]:
    """What the large network has that the small one has not; all rows are new.

    Args:
        large: All seeds.
        rooted: The compressed spectrum of the same tones, as `rival` gives it.

    Returns:
        Rows of the ledger.
    """

    def row(
        text: str,
        ours: list[float],
        theirs: list[float],
        digits: int,
        by: float,
        what: str = "large network",
    ) -> Claim:
        more = sum(a > b + by for a, b in zip(ours, theirs, strict=True))
        rule = f"by {by:g} of ten dimensions in most draws" if by else "in most draws"
        here = f"pure tones, {what}: {span(ours, digits)} against "
        here += span(theirs, digits)
        holds = in_most(more, len(ours))
        return Claim(text, "not published", here, holds, "new here", rule)

    two, twelfth, circle = (
        large.of("kernel", kind) for kind in ("two octaves", "twelfth", "circle")
    )
    return [
        row(
            "in the large network two octaves are nearer than a twelfth",
            two,
            twelfth,
            2,
            0.0,
        ),
        row(
            "the large network has more of the circle than the spectrum of positive parts",
            circle,
            large.of("rectified", "circle"),
            1,
            1.0,
        ),
        row(
            "so are they in the compressed, windowed spectrum of positive parts",
            rooted["two octaves"],
            rooted["twelfth"],
            2,
            0.0,
            "cube root",
        ),
        row(
            "the large network has more of the circle than the compressed, windowed "
            "spectrum of positive parts",
            circle,
            rooted["circle"],
            1,
            0.0,
        ),
    ]
