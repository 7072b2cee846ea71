"""Chapter 10: which layers of a pitch tracker hold pitch as a line, which as a circle."""

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
from entk_book.studies.spans import in_most, span
from entk_book.wild import PitchTracker, pitch_of, pitch_tracker, tone_frames
from entk_book.wild.pitch import N_BINS

# The first questions were chosen on 0 to 4; a reader who asked for the later rows
# (rectified tones, phases taken off, waves beside, the twelfth) had looked at these.
SEEDS = range(10, 15)
# Five octaves in steps of a quarter tone, from 64 Hz on.
OCTAVES, PER_OCTAVE, LOWEST_TONE = 5, 24, 3_200.0
N_TONES = OCTAVES * PER_OCTAVE
N_WAVES = 5  # of either kind, each a cosine and a sine
N_MODES = 20
# The kernel's mean over so many random directions of the logits stands for that over all.
N_DIRECTIONS = 32
QUARTER_TONE = 50  # cents
CHANCE = N_MODES * 2 * N_WAVES / N_TONES
# Waves of the line, of the circle, and as fast as these but of no octave: as far from the
# circle's as can be, and next to them.
KINDS = ("line", "circle", "decoy", "beside")
COLUMNS = ("line", "circle", ("decoy", "beside"))
# Ratios of frequencies, as numbers of steps.
INTERVALS = {"fifth": 14, "octave": 24, "twelfth": 38, "two octaves": 48}
# Tones an octave apart share every second harmonic, or none of the odd ones; pure tones
# have one each.
SOUNDS: dict[str, dict[str, Any]] = {
    "ten harmonics": {},
    "odd harmonics": {"missing": (2, 4, 6, 8, 10)},
    "pure tones": {"n_harmonics": 1},
}


def pitches(seed: int = 0) -> Float[Tensor, " tones"]:
    """Pitches of the tones, in equal steps, the whole row shifted at random.

    Args:
        seed: Of the shift, below one step.

    Returns:
        Cents above 10 Hz, ascending.
    """
    generator = torch.Generator().manual_seed(seed)
    step = 1200 / PER_OCTAVE
    shift = step * torch.rand(1, generator=generator).double()
    return LOWEST_TONE + shift + step * torch.arange(N_TONES).double()


def wave(turns: int) -> Float[Tensor, "tones 2"]:
    """A cosine and a sine that turn so many times over all octaves.

    Args:
        turns: From 1 to 59.

    Returns:
        Orthonormal columns.
    """
    angles = 2 * math.pi * turns * torch.arange(N_TONES).double() / N_TONES
    return torch.stack([angles.cos(), angles.sin()], 1) * (2 / N_TONES) ** 0.5


def waves(kind: str) -> Float[Tensor, "tones waves"]:
    """Five waves of the line of all pitches, or of the circle on which octaves are one.

    On the circle a wave turns once, twice, ... in each of the five octaves; along the line
    it turns 1, 2, 3, 4 or 6 times over all. As fast as the circle's waves, and not the
    same an octave up, are a decoy, 7, 12, 17, 22 or 27 turns, and the waves beside those
    of the circle, 11, 16, 21, 26 or 31 turns.

    Args:
        kind: One of ``KINDS``.

    Returns:
        Orthonormal columns, a cosine and a sine each.

    Raises:
        ValueError: If there is no such kind.

    Example:
        >>> every = torch.cat([waves(kind) for kind in KINDS], 1)
        >>> torch.allclose(every.T @ every, torch.eye(40).double())
        True
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    turns = {
        "line": (1, 2, 3, 4, 6),
        "circle": [OCTAVES * k for k in range(1, N_WAVES + 1)],
        "decoy": [OCTAVES * k + 2 for k in range(1, N_WAVES + 1)],
        "beside": [OCTAVES * k + 1 for k in range(2, N_WAVES + 2)],
    }
    return torch.cat([wave(k) for k in turns[kind]], 1)


def leading(gram: Float[Tensor, "tones tones"]) -> Float[Tensor, "tones modes"]:
    """The leading modes of a kernel, or of a Gram matrix.

    Args:
        gram: In any dtype.

    Returns:
        Twenty, in float64.
    """
    return entk.kernel_spectrum(gram.double()).eigenvectors[:, :N_MODES]


def shared(gram: Float[Tensor, "tones tones"]) -> dict[str, float]:
    """Dimensions that the leading modes share with the waves of either kind.

    Args:
        gram: A kernel, or a Gram matrix.

    Returns:
        Of ten, by kind.
    """
    modes = leading(gram)
    return {kind: float(entk.subspace_overlap(modes, waves(kind))) for kind in KINDS}


def by_interval(gram: Float[Tensor, "tones tones"]) -> Float[Tensor, " steps"]:
    """How similar tones are, by how far they are apart.

    Args:
        gram: A kernel, or a Gram matrix.

    Returns:
        Mean cosine of the centred tones, from 0 steps apart to 59.
    """
    centred = gram.double() - gram.double().mean(0)
    centred = centred - centred.mean(1, keepdim=True)
    size = centred.diagonal().clamp(min=0).sqrt()
    cosines = centred / (size.unsqueeze(1) * size)
    return torch.stack([cosines.diagonal(k).mean() for k in range(N_TONES // 2)])


def kernels(
    network: nn.Module,
    x: Float[Tensor, "tones samples"],
    *,
    seed: int = 0,
    blocks: Sequence[int] | None = None,
    n_directions: int = N_DIRECTIONS,
) -> dict[str, Float[Tensor, "tones tones"]]:
    """Kernels of the blocks of a pitch tracker, and the whole.

    Args:
        network: A pitch tracker.
        x: Frames.
        seed: Of the directions of the logits.
        blocks: Some blocks alone, from 1 to 6. ``None``: all, with the classifier.
        n_directions: Of the logits, at random; their kernel is in the mean that of all.

    Returns:
        By block: convolution and norm together, then ``"classifier"``; their sum as
        ``"whole"``.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(N_BINS, n_directions, generator=generator) / n_directions**0.5
    directions = drawn.to(x)
    some = entk.Readout(network, lambda logits: logits @ directions)
    found: dict[str, Tensor] = {}
    chosen = None
    if blocks is not None:
        chosen = [f"{part}{i}" for i in blocks for part in ("conv", "norm")]
    layers = entk.empirical_ntk(some, x, by_layer=True, parameters=chosen)
    for layer, kernel in layers.items():
        block = layer.replace("conv", "block ").replace("norm", "block ")
        found[block] = found[block] + kernel if block in found else kernel
    return found | {"whole": torch.stack(list(found.values())).sum(0)}


@torch.no_grad()
def activations(
    network: nn.Module, x: Float[Tensor, "tones samples"]
) -> dict[str, Float[Tensor, "tones features"]]:
    """What comes out of each block.

    Args:
        network: A pitch tracker.
        x: Frames.

    Returns:
        By block, all channels and places, ``(tones, channels * places)``, after the
        maximum over two; and by ``"block 1, phases off"`` and so on the magnitudes of their
        Fourier transforms over places, centred. Before them ``"sound"``, the input,
        ``"spectrum"``, the magnitudes of its Fourier transform, and ``"rectified"``, those
        of its positive part.
    """
    found, hooks = {}, []
    for i in range(1, 7):

        def keep(module: nn.Module, given: Any, out: Tensor, name: str = f"block {i}"):
            found[name] = nn.functional.max_pool1d(out, 2)

        hooks.append(network.get_submodule(f"norm{i}").register_forward_hook(keep))
    try:
        network(x)
    finally:
        for hook in hooks:
            hook.remove()
    heard = {
        name: torch.fft.rfft(values).abs().flatten(1) for name, values in found.items()
    }
    return {
        "sound": x,
        "spectrum": torch.fft.rfft(x).abs(),
        "rectified": torch.fft.rfft(x.clamp(min=0)).abs(),
        **{name: values.flatten(1) for name, values in found.items()},
        **{
            f"{name}, phases off": values - values.mean(0) for name, values in heard.items()
        },
    }


def untrained(seed: int) -> PitchTracker:
    """A pitch tracker that has heard nothing.

    Args:
        seed: Of its weights.

    Returns:
        In evaluation mode, its norms as they start.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PitchTracker().eval()


def look(network: nn.Module, sound: str, seed: int) -> dict[str, dict[str, Any]]:
    """All that is shared, in one network with one draw of tones.

    Args:
        network: A pitch tracker.
        sound: One of ``SOUNDS``.
        seed: Of tones and directions.

    Returns:
        By ``"kernel"`` and ``"activations"``, by block: shared dimensions by kind of waves,
        and mean cosines by interval.
    """
    x = tone_frames(pitches(seed), seed=seed, **SOUNDS[sound])
    grams = {
        "kernel": kernels(network, x, seed=seed),
        "activations": {
            name: values @ values.T for name, values in activations(network, x).items()
        },
    }
    return {
        what: {block: shared_and_similar(gram) for block, gram in by_block.items()}
        for what, by_block in grams.items()
    }


def shared_and_similar(gram: Float[Tensor, "tones tones"]) -> dict[str, float]:
    """What the leading modes share with the waves, and how similar intervals are.

    Args:
        gram: A kernel, or a Gram matrix.

    Returns:
        Dimensions by kind, mean cosines by interval.
    """
    cosines = by_interval(gram)
    return shared(gram) | {name: float(cosines[k]) for name, k in INTERVALS.items()}


@torch.no_grad()
def errors(network: nn.Module, sound: str, seed: int = 0) -> Float[Tensor, " tones"]:
    """How far the network is off the pitch.

    Args:
        network: A pitch tracker.
        sound: One of ``SOUNDS``.
        seed: Of the tones.

    Returns:
        Cents, one a tone.
    """
    cents = pitches(seed)
    told = pitch_of(network(tone_frames(cents, seed=seed, **SOUNDS[sound])))
    return (told - cents).abs()


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The published network and untrained ones, as they are stored.

    Args:
        seeds: Of tones, directions and untrained weights.

    Returns:
        What `entk_book.stored.records.write` takes: by state, sound and seed.
    """
    trained = pitch_tracker()
    return {
        state: {
            sound: [
                records.rounded(
                    look(trained if state == "trained" else untrained(s), sound, s)
                )
                for s in seeds
            ]
            for sound in SOUNDS
        }
        for state in ("trained", "untrained")
    }


@dataclass(frozen=True)
class Heard:
    """What the layers of pitch trackers share with each kind of waves.

    Attributes:
        table: As `record` gives it.
    """

    table: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]

    def of(
        self,
        sound: str,
        block: str,
        kind: str,
        *,
        what: str = "kernel",
        state: str = "trained",
    ) -> list[float]:
        """Shared dimensions, of ten; or the mean cosine at an interval.

        Args:
            sound: One of ``SOUNDS``.
            block: Its name, as in `activations`; or ``"whole"`` for the whole kernel.
            kind: One of ``KINDS``, or of ``INTERVALS`` for a cosine.
            what: ``"kernel"`` or ``"activations"``.
            state: ``"trained"`` or ``"untrained"``.

        Returns:
            One number a seed.
        """
        return [one[what][block][kind] for one in self.table[state][sound]]


def stored_pitch() -> Heard:
    """The stored table.

    Returns:
        All seeds.
    """
    return Heard(records.read("pitch"))


def misses(network: nn.Module) -> list[str]:
    """How well a network tells the pitch of each kind of sound, and where it does not.

    Args:
        network: A pitch tracker.

    Returns:
        One line a kind.
    """
    lines = []
    for sound in SOUNDS:
        off = errors(network, sound)
        missed = off[off > QUARTER_TONE]
        near = {
            name: int(((missed - cents).abs() < QUARTER_TONE / 2).sum())
            for name, cents in (("an octave", 1200), ("a twelfth", 1902), ("a fifth", 702))
        }
        told = ", ".join(f"{n} by {name}" for name, n in near.items() if n)
        lines.append(
            f"{sound}: median error {off.median():.0f} cents; {len(missed)} of {len(off)} "
            f"off by more than a quarter tone{', ' if told else ''}{told}"
        )
    return lines


def row(
    heard: Heard,
    sound: str,
    block: str,
    kinds: Sequence[str | Sequence[str]] = COLUMNS,
    digits: int = 1,
    **options: str,
) -> list[str]:
    """What one block shares with some kinds of waves, over draws.

    Args:
        heard: All draws.
        sound: As in `Heard.of`.
        block: As in `Heard.of`.
        kinds: Of waves, or intervals; some of them together make one cell.
        digits: Decimals.
        **options: As in `Heard.of`.

    Returns:
        Cells of a table, one a kind.
    """
    together = [(kind,) if isinstance(kind, str) else kind for kind in kinds]
    return [
        span([v for k in some for v in heard.of(sound, block, k, **options)], digits)
        for some in together
    ]


def claims(heard: Heard) -> list[Claim]:
    """What a pitch tracker's layers hold; all rows are new.

    Args:
        heard: All seeds.

    Returns:
        Rows of the ledger.
    """
    pure, full = "pure tones", "ten harmonics"

    def at(sound: str, block: str, kind: str = "circle", **options: str) -> list[float]:
        return heard.of(sound, block, kind, **options)

    def input_of(sound: str, name: str) -> list[float]:
        return at(sound, name, what="activations")

    last, first = at(pure, "block 6"), at(pure, "block 1")
    full_last = at(full, "block 6")
    near = [
        max(pair)
        for pair in zip(
            at(pure, "block 6", "decoy"), at(pure, "block 6", "beside"), strict=True
        )
    ]
    active = at(pure, "block 6", what="activations")
    start = at(pure, "block 6", state="untrained")
    freed = at(pure, "block 1, phases off", what="activations", state="untrained")
    two, twelfth = (at(pure, "block 6", kind) for kind in ("two octaves", "twelfth"))

    def row(
        text: str,
        here: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        by: float = 1.0,
    ) -> Claim:
        more = sum(a > b + by for a, b in zip(ours, theirs, strict=True))
        rule = f"by {by:g} of ten dimensions in most draws" if by else "in most draws"
        holds = in_most(more, len(ours))
        return Claim(text, "not published", here, holds, "new here", rule)

    return [
        row(
            "with harmonics, the last block has more of the circle than the spectrum",
            f"circle: {span(full_last, 1)} in its kernel, "
            f"{span(input_of(full, 'spectrum'), 1)} in the spectrum",
            full_last,
            input_of(full, "spectrum"),
        ),
        row(
            "with pure tones, it has more than their spectrum",
            f"{span(last, 1)} against {span(input_of(pure, 'spectrum'), 1)}",
            last,
            input_of(pure, "spectrum"),
        ),
        row(
            "with pure tones, it has more than the spectrum of their positive parts",
            f"{span(last, 1)} against {span(input_of(pure, 'rectified'), 1)}",
            last,
            input_of(pure, "rectified"),
        ),
        row(
            "other waves as fast have less",
            f"pure tones: circle {span(last, 1)}, others at most {span(near, 1)}",
            last,
            near,
        ),
        row(
            "small network: two octaves are nearer than a twelfth",
            f"pure tones, mean cosine in block 6: {span(two, 2)}, a twelfth "
            f"{span(twelfth, 2)}",
            two,
            twelfth,
            0.0,
        ),
        row(
            "the circle grows from the first block to the last",
            f"pure tones: {span(first, 1)} in the first block's kernel, {span(last, 1)} in "
            "the sixth's",
            last,
            first,
        ),
        row(
            "the last block has it by training",
            f"pure tones: {span(start, 1)} in the sixth block before training",
            last,
            start,
        ),
        row(
            "untrained block 1, phases taken off, has more of the circle than the spectrum",
            f"pure tones: {span(freed, 1)} in the first block, "
            f"{span(input_of(pure, 'spectrum'), 1)} in the spectrum",
            freed,
            input_of(pure, "spectrum"),
            0.0,
        ),
        row(
            "the kernel has more of it than the activations",
            f"kernel {span(last, 1)}, activations {span(active, 1)}",
            last,
            active,
            0.5,
        ),
    ]
