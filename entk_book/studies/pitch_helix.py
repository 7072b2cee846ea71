"""Chapter 10, the helix: do the leading modes turn into a circle and a line?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.pitch import (
    N_MODES,
    N_TONES,
    PER_OCTAVE,
    SEEDS,
    SOUNDS,
    activations,
    kernels,
    pitches,
    untrained,
)
from entk_book.studies.spans import in_most, span
from entk_book.wild import pitch_tracker, tone_frames

# In quarter tones, what comes back: the octave, and for comparison no octave.
PERIODS = (PER_OCTAVE, PER_OCTAVE - 2, PER_OCTAVE + 2)
# Modes that are most alike from one turn to the next: as many as there are waves of the
# circle.
_ROUND = 10
N_EIGENVALUES = 60
RIVALS = ("block 6", "rectified", "spectrum", "untrained block 6")


def line_graph() -> Float[Tensor, "tones tones"]:
    """The Laplacian of the graph that joins each tone with the next.

    Returns:
        Combinatorial, D - W.
    """
    w = torch.diag(torch.ones(N_TONES - 1).double(), 1)
    w = w + w.T
    return torch.diag(w.sum(1)) - w


def class_graph(period: int = PER_OCTAVE) -> Float[Tensor, "tones tones"]:
    """The Laplacian of the graph that joins all tones of one class.

    Args:
        period: Quarter tones after which classes come back; 24 for pitch classes.

    Returns:
        Combinatorial: zero for what is the same in each octave.
    """
    at = torch.arange(N_TONES)
    w = ((at.unsqueeze(1) - at) % period == 0).double()
    w.fill_diagonal_(0)
    return torch.diag(w.sum(1)) - w


def ideal(period: int, turns: int) -> Float[Tensor, "tones 2"]:
    """The wave that turns so often in each period.

    Args:
        period: In quarter tones.
        turns: In one period.

    Returns:
        Cosine and sine.
    """
    angles = 2 * math.pi * turns * torch.arange(N_TONES).double() / period
    return torch.stack([angles.cos(), angles.sin()], 1)


def ideal_line() -> Float[Tensor, "tones 1"]:
    """Half a turn over the whole row: it goes up, and never comes back.

    Returns:
        One column.
    """
    return ((torch.arange(N_TONES).double() + 0.5) * math.pi / N_TONES).cos().unsqueeze(1)


@dataclass(frozen=True)
class Helix:
    """Rotated modes.

    Attributes:
        line: The smoothest combination of the modes.
        round: The others that are most alike from period to period, ten of them, those
            that change least from tone to tone first.
        period: Quarter tones after which the circle comes back.
    """

    line: Float[Tensor, "tones 1"]
    round: Float[Tensor, "tones waves"]
    period: int

    def told(self) -> dict[str, float]:
        """How much of each ideal wave they have.

        Returns:
            ``"line"``, of one dimension; ``"once"`` and ``"twice"``, of two, waves that
            turn so often a period, in the first two modes, and in the first four.
        """
        once, twice = (
            float(entk.subspace_overlap(self.round[:, : 2 * n], ideal(self.period, n)))
            for n in (1, 2)
        )
        line = float(entk.subspace_overlap(self.line, ideal_line()))
        return {"line": line, "once": once, "twice": twice}


def centred(gram: Float[Tensor, "tones tones"]) -> Float[Tensor, "tones tones"]:
    """A kernel without its mean over tones, in either direction.

    Args:
        gram: A kernel, or a Gram matrix.

    Returns:
        In float64.
    """
    rows = gram.double() - gram.double().mean(0)
    return rows - rows.mean(1, keepdim=True)


def helix(gram: Float[Tensor, "tones tones"], period: int = PER_OCTAVE) -> Helix:
    """Rotate the leading modes by two graphs: that of neighbours, and that of classes.

    Args:
        gram: A kernel, or a Gram matrix; centred here.
        period: Of the classes, in quarter tones.

    Returns:
        The smoothest mode along the line, then of the rest those most alike within
        classes, the slowest first.
    """
    modes = entk.kernel_spectrum(centred(gram)).eigenvectors[:, :N_MODES]
    smooth = entk.smoothness_rotation(modes, [line_graph()])
    alike = entk.smoothness_rotation(smooth[:, 1:], [class_graph(period)])[:, :_ROUND]
    return Helix(smooth[:, :1], entk.smoothness_rotation(alike, [line_graph()]), period)


def rivals(
    x: Float[Tensor, "tones samples"],
    kernel: Float[Tensor, "tones tones"],
    start: Float[Tensor, "tones tones"],
) -> dict[str, Float[Tensor, "tones tones"]]:
    """The kernel of block 6, and what may hold a helix without it.

    Args:
        x: Frames.
        kernel: Of block 6.
        start: The same before training.

    Returns:
        By name, as in ``RIVALS``: with the spectra of the sound and of its positive part.
    """
    cut = x.clamp(min=0)
    rectified, spectrum = (torch.fft.rfft(one).abs().double() for one in (cut, x))
    flat = [rectified @ rectified.T, spectrum @ spectrum.T]
    return dict(zip(RIVALS, (kernel, *flat, start), strict=True))


def look(network: nn.Module, start: nn.Module, seed: int) -> dict[str, Any]:
    """Helices, cliffs and families, for pure tones.

    Args:
        network: A trained pitch tracker.
        start: An untrained one.
        seed: Of tones and directions.

    Returns:
        ``"helix"``: as `Helix.told`, by name and period. ``"cliffs"``: by state and block,
        numbers of modes above a cliff. ``"families"``: by state, the score of
        `entk_lib.find_families` on the modes and activations of block 6.
    """
    x = tone_frames(pitches(seed), seed=seed, **SOUNDS["pure tones"])
    by_state: dict[str, Tensor] = {}
    cliffs, families = {}, {}
    for state, one in {"trained": network, "untrained": start}.items():
        kernel = kernels(one, x, seed=seed, blocks=[6])["block 6"]
        heard = activations(one, x)["block 6"]
        # The classifier's kernel is the Gram matrix of what it reads, and one for its bias.
        grams = {"block 6": kernel, "classifier": heard @ heard.T + 1}
        cliffs[state] = {block: cliffs_of(gram) for block, gram in grams.items()}
        by_state[state], heard = kernel, heard.double()
        modes = entk.kernel_spectrum(centred(kernel)).eigenvectors[:, :N_MODES]
        families[state] = entk.find_families(modes, heard - heard.mean(0)).score
    helices = {
        name: {str(period): helix(gram, period).told() for period in PERIODS}
        for name, gram in rivals(x, *by_state.values()).items()
    }
    return {"helix": helices, "cliffs": cliffs, "families": families}


def cliffs_of(gram: Float[Tensor, "tones tones"]) -> list[int]:
    """After how many modes the spectrum of a kernel falls off a cliff.

    Args:
        gram: A kernel in float32.

    Returns:
        Numbers of modes; eigenvalues at the rounding of float32 are left out.
    """
    values = entk.kernel_spectrum(gram).eigenvalues[:N_EIGENVALUES]
    return [cliff.stop for cliff in entk.find_cliffs(values)]


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """All looks, as they are stored.

    Args:
        seeds: Of tones, directions and untrained weights.

    Returns:
        What `entk_book.stored.records.write` takes: looks, and for the first seed where
        the whole kernel falls, by state.
    """
    network = pitch_tracker()
    looks = [look(network, untrained(seed), seed) for seed in seeds]
    first = seeds[0]
    x = tone_frames(pitches(first), seed=first, **SOUNDS["pure tones"])
    states = {"trained": network, "untrained": untrained(first)}
    whole = {
        state: cliffs_of(kernels(one, x, seed=first)["whole"])
        for state, one in states.items()
    }
    return records.rounded({"looks": looks, "whole": whole})


@dataclass(frozen=True)
class Helices:
    """Helices, cliffs and families over draws.

    Attributes:
        looks: One a seed, as `look` gives them.
        whole: By state, modes above a cliff of the whole kernel, of the first seed.
    """

    looks: Sequence[Mapping[str, Any]]
    whole: Mapping[str, Sequence[int]]

    def of(self, name: str, wave: str, period: int = PER_OCTAVE) -> list[float]:
        """How much of an ideal wave the rotated modes have.

        Args:
            name: One of ``RIVALS``.
            wave: As in `Helix.told`.
            period: One of ``PERIODS``.

        Returns:
            One number a seed.
        """
        return [one["helix"][name][str(period)][wave] for one in self.looks]

    def cliffs(self, state: str, block: str) -> str:
        """Where spectra fall, over draws.

        Args:
            state: ``"trained"`` or ``"untrained"``.
            block: ``"block 6"`` or ``"classifier"``.

        Returns:
            Text.
        """
        every = [stop for one in self.looks for stop in one["cliffs"][state][block]]
        n = len(self.looks)
        places = [f"after {k} in {every.count(k)} of {n}" for k in sorted(set(every))]
        return ", ".join(places) or "none"

    def families(self, state: str) -> list[float]:
        """Scores of families.

        Args:
            state: ``"trained"`` or ``"untrained"``.

        Returns:
            One a seed; 2.5 is asked for.
        """
        return [one["families"][state] for one in self.looks]


def stored_helices() -> Helices:
    """The stored table.

    Returns:
        All seeds.
    """
    return Helices(**records.read("pitch_helix"))


def claims(found: Helices) -> list[Claim]:
    """Whether the last block holds a helix; all rows are new.

    Args:
        found: All seeds.

    Returns:
        Rows of the ledger.
    """
    n = len(found.looks)

    def row(text: str, here: str, hits: int, rule: str) -> Claim:
        return Claim(text, "not published", here, in_most(hits, n), "new here", rule)

    kernel, flat = (found.of(name, "once") for name in ("block 6", "rectified"))
    line = found.of("block 6", "line")
    whole = [a > 1.5 and b > 0.75 for a, b in zip(kernel, line, strict=True)]
    fewer = [a > b for a, b in zip(kernel, flat, strict=True)]
    scores = found.families("trained")
    return [
        row(
            "two graphs rotate the last block's modes into Shepard's helix",
            f"once round {span(kernel, 1)} of 2, along the line {span(line, 1)} of 1",
            sum(whole),
            "three quarters of each in most draws",
        ),
        row(
            "its circle is rounder than that of the positive parts' spectrum",
            f"{span(kernel, 1)} against {span(flat, 1)} of 2",
            sum(fewer),
            "more in most draws",
        ),
        row(
            "a search that is told nothing finds families in it",
            f"score {span(scores, 1)}",
            sum(score >= 2.5 for score in scores),
            "score of at least 2.5 in most draws",
        ),
    ]
