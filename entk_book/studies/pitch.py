"""A pitch tracker: which of its layers hold pitch as a line, and which as a circle."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.stored import records
from entk_book.wild import PitchTracker, pitch_of, pitch_tracker, tone_frames

SEEDS = range(5)
# Five octaves in steps of a quarter tone, from 64 Hz on: what the network was trained on.
OCTAVES, PER_OCTAVE, LOWEST_CENTS = 5, 24, 3_200.0
N_TONES = OCTAVES * PER_OCTAVE
N_WAVES = 5  # of either kind, each a cosine and a sine
N_MODES = 20
# The kernel's mean over so many random directions of the logits stands for that over all.
N_DIRECTIONS = 32
CHANCE = N_MODES * 2 * N_WAVES / N_TONES
KINDS = ("height", "chroma")


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
    return LOWEST_CENTS + shift + step * torch.arange(N_TONES).double()


def waves(kind: str) -> Float[Tensor, "tones waves"]:
    """Waves of the line of all pitches, or of the circle on which octaves are the same.

    Along the line waves run once, twice, ... over all octaves, but for those that the
    circle has as well; on the circle once, twice, ... in each octave.

    Args:
        kind: One of ``KINDS``.

    Returns:
        Orthonormal columns, a cosine and a sine each.

    Raises:
        ValueError: If there is no such kind.

    Example:
        >>> both = torch.cat([waves("height"), waves("chroma")], 1)
        >>> torch.allclose(both.T @ both, torch.eye(20).double())
        True
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    turns = [k for k in range(1, 2 * OCTAVES) if k % OCTAVES][:N_WAVES]
    if kind == "chroma":
        turns = [OCTAVES * k for k in range(1, N_WAVES + 1)]
    place = 2 * math.pi * torch.arange(N_TONES).double() / N_TONES
    angles = torch.tensor(turns).double() * place.unsqueeze(1)
    columns = torch.stack([angles.cos(), angles.sin()], 2).flatten(1)
    return columns / columns.norm(dim=0)


def shared(gram: Float[Tensor, "tones tones"]) -> dict[str, float]:
    """Dimensions that the leading modes share with the waves of either kind.

    Args:
        gram: A kernel, or a Gram matrix.

    Returns:
        Of ten, by kind.
    """
    modes = entk.kernel_spectrum(gram.double()).eigenvectors[:, :N_MODES]
    return {kind: float(entk.subspace_overlap(modes, waves(kind))) for kind in KINDS}


def kernels(
    network: nn.Module, x: Float[Tensor, "tones samples"], *, seed: int = 0
) -> dict[str, Float[Tensor, "tones tones"]]:
    """Kernels of the blocks of a pitch tracker, and the whole.

    Args:
        network: A pitch tracker.
        x: Frames.
        seed: Of the directions of the logits.

    Returns:
        By block: convolution and norm together, then ``"classifier"`` and ``"whole"``.
    """
    generator = torch.Generator().manual_seed(seed)
    n_bins = network.get_submodule("classifier").out_features
    drawn = torch.randn(n_bins, N_DIRECTIONS, generator=generator) / N_DIRECTIONS**0.5
    directions = drawn.to(x)
    some = entk.Readout(network, lambda logits: logits @ directions)
    found: dict[str, Tensor] = {}
    for layer, kernel in entk.empirical_ntk(some, x, by_layer=True).items():
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
        By block, all places and channels in a row, after the maximum over two; the input
        as ``"sound"``.
    """
    found, hooks = {}, []
    for i in range(1, 7):

        def keep(module: nn.Module, given: Any, out: Tensor, name: str = f"block {i}"):
            found[name] = nn.functional.max_pool1d(out, 2).flatten(1)

        hooks.append(network.get_submodule(f"norm{i}").register_forward_hook(keep))
    try:
        network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return {"sound": x, **found}


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


def look(network: nn.Module, seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """All that is shared, in one network with one draw of tones.

    Args:
        network: A pitch tracker.
        seed: Of tones and directions.

    Returns:
        By ``"kernel"`` and ``"activations"``, by block, by kind of waves.
    """
    x = tone_frames(pitches(seed), seed=seed)
    grams = {
        "kernel": kernels(network, x, seed=seed),
        "activations": {
            name: values @ values.T for name, values in activations(network, x).items()
        },
    }
    return {
        what: {block: shared(gram) for block, gram in by_block.items()}
        for what, by_block in grams.items()
    }


@torch.no_grad()
def errors(network: nn.Module, seed: int) -> Float[Tensor, " tones"]:
    """How far the network is off the pitch.

    Args:
        network: A pitch tracker.
        seed: Of the tones.

    Returns:
        Cents, one a tone.
    """
    cents = pitches(seed)
    return (pitch_of(network(tone_frames(cents, seed=seed))) - cents).abs()


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The published network and untrained ones, as they are stored.

    Args:
        seeds: Of tones, directions and untrained weights.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    trained = pitch_tracker()
    return {
        state: [
            records.rounded(look(trained if state == "trained" else untrained(s), s))
            for s in seeds
        ]
        for state in ("trained", "untrained")
    }


@dataclass(frozen=True)
class Heard:
    """What the layers of pitch trackers share with either kind of waves.

    Attributes:
        seeds: As `look`, one entry a seed, by ``"trained"`` and ``"untrained"``.
    """

    seeds: Mapping[str, Sequence[Mapping[str, Mapping[str, Mapping[str, float]]]]]

    def of(self, state: str, what: str, block: str, kind: str) -> list[float]:
        """Shared dimensions, of ten.

        Args:
            state: ``"trained"`` or ``"untrained"``.
            what: ``"kernel"`` or ``"activations"``.
            block: Its name; ``"sound"`` for the input, ``"whole"`` for the whole kernel.
            kind: One of ``KINDS``.

        Returns:
            One number a seed.
        """
        return [one[what][block][kind] for one in self.seeds[state]]


def stored_pitch() -> Heard:
    """The stored table.

    Returns:
        All seeds.
    """
    return Heard(records.read("pitch"))
