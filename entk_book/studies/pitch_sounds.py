"""Chapter 10, other sounds: the circle in them, and what the network tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.pitch import (
    QUARTER_TONE,
    SEEDS,
    activations,
    kernels,
    pitches,
    shared,
)
from entk_book.studies.side_by_side import side_by_side
from entk_book.studies.spans import in_most, span
from entk_book.wild import pitch_of, pitch_tracker, tone_frames

FIFTH = 700  # cents, of an equal-tempered one
SOUNDS: dict[str, dict[str, Any]] = {
    "ten harmonics": {},
    "pure tones": {"n_harmonics": 1},
    "missing fundamental": {"missing": (1,)},
    "detuned by 30 cents": {"detuned": 30},
    "two tones a fifth apart": {"second": FIFTH},
    "two pure tones": {"second": FIFTH, "n_harmonics": 1},
}
# Of a tone, or of the lower of two: what else may be told, in cents from it.
ELSEWHERE = {
    "the upper tone": FIFTH,
    "an octave below": -1200,
    "an octave above": 1200,
    "a twelfth above": 1902,
    "a twelfth below": -1902,
}
BLOCKS = tuple(f"block {i}" for i in range(1, 7))


def look(network: nn.Module, sound: str, seed: int) -> dict[str, Any]:
    """What the last block and its rivals share with the waves, and what is told.

    Args:
        network: A pitch tracker.
        sound: One of ``SOUNDS``.
        seed: Of tones and directions.

    Returns:
        ``"block 6"``, its kernel; ``"spectrum"`` and ``"rectified"`` of the sound;
        ``"activations"`` of block 6; ``"side by side"``, the sound and all blocks'
        activations, each of trace one: shared dimensions by kind of waves. ``"told"``: as
        `told`.
    """
    cents = pitches(seed)
    x = tone_frames(cents, seed=seed, **SOUNDS[sound])
    values = activations(network, x)
    parts = [values[name] for name in ("sound", *BLOCKS)]
    grams = {
        "block 6": kernels(network, x, seed=seed, blocks=[6])["block 6"],
        "spectrum": values["spectrum"] @ values["spectrum"].T,
        "rectified": values["rectified"] @ values["rectified"].T,
        "activations": values["block 6"] @ values["block 6"].T,
        "side by side": side_by_side(parts, [1.0] * len(parts)),
    }
    with torch.no_grad():
        answers = pitch_of(network(x))
    heard = told(answers, cents, both="second" in SOUNDS[sound])
    return {name: shared(gram) for name, gram in grams.items()} | {"told": heard}


def told(
    answers: Float[Tensor, " n"], cents: Float[Tensor, " n"], *, both: bool
) -> dict[str, float]:
    """How often each pitch is told, within a quarter tone.

    Args:
        answers: What the network tells.
        cents: The tones, or the lower ones of two.
        both: Whether another sounds a fifth above.

    Returns:
        Shares of the tones for ``"the tone"``, each of ``ELSEWHERE`` and ``"neither"``;
        and ``"error"``, the median distance from the nearest tone that sounds, in cents.
    """
    off = answers - cents
    places = {"the tone": 0} | ELSEWHERE
    if not both:
        del places["the upper tone"]
    found = {
        name: float(((off - place).abs() < QUARTER_TONE).double().mean())
        for name, place in places.items()
    }
    nearest = off.abs()
    if both:
        nearest = torch.minimum(nearest, (off - FIFTH).abs())
    rest = {"neither": 1 - sum(found.values()), "error": float(nearest.median())}
    return found | rest


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """All sounds with the published network, as they are stored.

    Args:
        seeds: Of tones and directions.

    Returns:
        What `entk_book.stored.records.write` takes: by sound, one look a seed.
    """
    network = pitch_tracker()
    return records.rounded(
        {sound: [look(network, sound, seed) for seed in seeds] for sound in SOUNDS}
    )


@dataclass(frozen=True)
class Sounds:
    """What is shared and told, by sound.

    Attributes:
        table: As `record` gives it.
    """

    table: Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]]

    def of(self, sound: str, what: str, kind: str) -> list[float]:
        """Numbers over draws.

        Args:
            sound: One of ``SOUNDS``.
            what: As in `look`.
            kind: Of waves, or for ``"told"`` one of its names.

        Returns:
            One a seed.
        """
        return [one[what][kind] for one in self.table[sound]]


def stored_sounds() -> Sounds:
    """The stored table.

    Returns:
        All seeds.
    """
    return Sounds(records.read("pitch_sounds"))


def claims(sounds: Sounds) -> list[Claim]:
    """What other sounds show; all rows are new.

    Args:
        sounds: All seeds.

    Returns:
        Rows of the ledger.
    """
    two = "two pure tones"
    below = sounds.of(two, "told", "an octave below")
    circle = {
        what: sounds.of(two, what, "circle")
        for what in ("block 6", "rectified", "activations")
    }
    n = len(below)

    def row(text: str, here: str, hits: int, rule: str) -> Claim:
        return Claim(text, "not published", here, in_most(hits, n), "new here", rule)

    def ahead(rival: str, by: float) -> int:
        pairs = zip(circle["block 6"], circle[rival], strict=True)
        return sum(ours > theirs + by for ours, theirs in pairs)

    def against(rival: str) -> str:
        return f"{span(circle['block 6'], 1)} against {span(circle[rival], 1)}"

    return [
        row(
            "of two pure tones a fifth apart, the tone is told that neither plays",
            f"an octave below the lower: {span([100 * b for b in below])} % of them",
            sum(share > 0.5 for share in below),
            "more than half of them in most draws",
        ),
        row(
            "of these the last block's kernel has more of the circle than the plain "
            "rectified spectrum",
            against("rectified"),
            ahead("rectified", 1.0),
            "by 1 of ten dimensions in most draws",
        ),
        row(
            "of these the kernel has more of the circle than the activations",
            against("activations"),
            ahead("activations", 0.5),
            "by 0.5 of ten dimensions in most draws",
        ),
    ]
