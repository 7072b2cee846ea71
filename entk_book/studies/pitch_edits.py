"""Chapter 10, the edit: does what a pitch tracker says of a tone change with its octaves?

The network is asked to say of four tones in a row what it says of the tones a semitone
higher. Then a fifth tone of the row, which nobody edited, is played to it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

import entk_lib as entk
from entk_book.studies.pitch import SOUNDS
from entk_book.wild import pitch_of, tone_frames
from entk_book.wild.pitch import CENTS_A_BIN, LOWEST_CENTS, N_BINS
from entk_lib import Edit

SEMITONE = 100  # cents
STEP = 50  # of the spacings, a quarter tone
# The C in the middle of the row, above 10 Hz; for a record the row is moved up by less
# than the second number, at random.
MIDDLE, SHIFT = 5_651.3, 500.0
# In quarter tones; the controls are an octave less a semitone, and more a semitone.
OCTAVE, TWELFTH, CONTROLS = 24, 38, (22, 26)
PLACES = ("lowest", "second", "middle", "fourth", "highest")
N_DRAWS, N_FRESH = 2, 4
# Cents from each edited tone, of tones that must not move.
BESIDE = (-250.0, 250.0)
# Semitones from the tone that was left out, of other pitch classes that nobody edited.
OTHERS = (-5, -4, -3, 3, 4, 5)
PRODUCTS, TOLERANCE = 40, 0.05
_OWN = 10  # bins on either side of the middle of the way that a tone is to go
# Seeds of what is drawn, so that no draw is another's.
_EDITED, _FIXED, _FRESH = 100, 200, 300


@dataclass(frozen=True)
class Question:
    """Which tones are edited, and which is left out.

    Attributes:
        spacing: From one tone of the row to the next, in quarter tones.
        left_out: The tone that is not edited, from 0, the lowest.
        sound: One of ``pitch.SOUNDS``.
        n_tones: In the row.
        change: ``"semitone"``, what the network says of the tone a semitone higher, or
            ``"noise"``, random numbers of that length, the same ones beside each tone.
    """

    spacing: int = OCTAVE
    left_out: int = 2
    sound: str = "pure tones"
    n_tones: int = len(PLACES)
    change: str = "semitone"

    def row(self, seed: int | None = None) -> Float[Tensor, " tones"]:
        """All tones of the row.

        Args:
            seed: Of the shift; ``None``: none, the middle tone is a C.

        Returns:
            Cents above 10 Hz, the same middle for each spacing.
        """
        shift = 0.0
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            shift = SHIFT * float(torch.rand(1, generator=generator))
        places = torch.arange(self.n_tones).double() - (self.n_tones - 1) / 2
        return MIDDLE + shift + STEP * self.spacing * places

    def edited(self, seed: int | None = None) -> Float[Tensor, " edited"]:
        """The tones of the row that are edited.

        Args:
            seed: As in `row`.

        Returns:
            Cents above 10 Hz.
        """
        kept = [i for i in range(self.n_tones) if i != self.left_out]
        return self.row(seed)[kept]


@dataclass(frozen=True)
class Done:
    """What an edit does to some tones.

    Attributes:
        share: Of the wanted change, over all bins: 1 is all of it, 0 none.
        own: The same over the bins around the tone's own pitch.
        cents: By which the pitch that the network tells moves; 100 are wanted.
    """

    share: float
    own: float
    cents: float


@torch.no_grad()
def wanted(
    network: nn.Module, cents: Float[Tensor, " n"], question: Question, seed: int
) -> tuple[Float[Tensor, "n 1024"], Float[Tensor, "n 360"]]:
    """Tones, and the change of the logits that is wanted of each.

    Args:
        network: A pitch tracker.
        cents: Pitches, above 10 Hz.
        question: Its sound and its change.
        seed: Of amplitudes and phases; the tone a semitone higher has the same ones.

    Returns:
        Frames and changes.
    """
    options = SOUNDS[question.sound]
    x = tone_frames(cents, seed=seed, **options)
    higher = tone_frames(cents + SEMITONE, seed=seed, **options)
    change = network(higher) - network(x)
    if question.change == "semitone":
        return x, change
    # One pattern for all tones, beside the pitch of each.
    pattern = torch.randn(N_BINS, generator=torch.Generator().manual_seed(_EDITED))
    bins = ((cents - LOWEST_CENTS) / CENTS_A_BIN).round().long().tolist()
    noise = torch.stack([pattern.roll(place) for place in bins])
    return x, noise * change.norm(dim=1, keepdim=True) / pattern.norm()


def requested(
    network: nn.Module,
    question: Question,
    seed: int | None = None,
    n_draws: int = N_DRAWS,
) -> tuple[Float[Tensor, "n 1024"], Float[Tensor, "n 360"]]:
    """The edited tones, and what is asked of them.

    Args:
        network: A pitch tracker.
        question: Which tones.
        seed: As in `edit`.
        n_draws: As in `edit`.

    Returns:
        As `wanted` gives them.
    """
    cents = question.edited(seed).repeat_interleave(n_draws)
    return wanted(network, cents, question, _EDITED + (seed or 0))


def around(cents: Float[Tensor, " n"]) -> Bool[Tensor, "n 360"]:
    """The bins around each tone's own pitch.

    Args:
        cents: Pitches of the tones.

    Returns:
        Ten bins on either side of the middle of the way that a tone is to go.
    """
    bins = LOWEST_CENTS + CENTS_A_BIN * torch.arange(N_BINS).double()
    middle = (cents + SEMITONE / 2).unsqueeze(1)
    return (bins - middle).abs() <= CENTS_A_BIN * _OWN


def wanted_own(
    network: nn.Module, cents: Float[Tensor, " n"], question: Question, seed: int
) -> Float[Tensor, "n 360"]:
    """The change that fresh tones need around their own pitch.

    Args:
        network: A pitch tracker.
        cents: Pitches of the tones.
        question: As in `wanted`.
        seed: Of amplitudes and phases, those of `each_done`.

    Returns:
        Changes of the logits, 0 in all other bins.
    """
    return wanted(network, cents, question, _FRESH + seed)[1] * around(cents)


def edit(
    network: nn.Module,
    question: Question,
    seed: int | None = None,
    *,
    n_draws: int = N_DRAWS,
    max_products: int = PRODUCTS,
    parameters: Sequence[str] | None = None,
) -> Edit:
    """Ask the network to hear the edited tones of a row a semitone higher.

    Args:
        network: A pitch tracker.
        question: Which tones.
        seed: Of the row's shift, amplitudes and phases; ``None``: on C, and seed 0.
        n_draws: Of amplitudes and phases, for each edited tone.
        max_products: As in `entk_lib.tangent_edit`.
        parameters: As in `entk_lib.tangent_edit`; ``None``: all.

    Returns:
        The shortest change of these parameters; tones 250 cents on either side of each
        edited one must not move.
    """
    drawn = seed or 0
    x, change = requested(network, question, seed, n_draws)
    cents = question.edited(seed)
    beside = (cents.unsqueeze(1) + torch.tensor(BESIDE).double()).flatten()
    fixed = tone_frames(beside, seed=_FIXED + drawn, **SOUNDS[question.sound])
    return entk.tangent_edit(
        network,
        x,
        change,
        fixed=fixed,
        tolerance=TOLERANCE,
        max_products=max_products,
        parameters=parameters,
    )


@torch.no_grad()
def each_done(
    before: nn.Module,
    after: nn.Module,
    cents: Float[Tensor, " n"],
    question: Question,
    seed: int = 0,
) -> dict[str, Float[Tensor, " n"]]:
    """What an edit does to each of some tones, with amplitudes and phases of their own.

    Args:
        before: The network.
        after: The edited copy.
        cents: Pitches of the tones.
        question: That was asked.
        seed: Of amplitudes and phases.

    Returns:
        As the fields of ``Done``, one number a tone; and ``"told"``, the pitches that the
        edited network tells.
    """
    x, change = wanted(before, cents, question, _FRESH + seed)
    said, now = before(x), after(x)
    moved = now - said
    own = around(cents)

    def share(part: Tensor) -> Tensor:
        on = change * part
        return (moved * on).sum(1) / on.square().sum(1)

    told = pitch_of(now)
    return {
        "share": share(torch.ones_like(own)),
        "own": share(own),
        "cents": told - pitch_of(said),
        "told": told,
    }


def done(
    before: nn.Module,
    after: nn.Module,
    cents: Float[Tensor, " n"],
    question: Question,
    seed: int = 0,
) -> Done:
    """What an edit does to some tones, in the mean; of the pitch, in the median.

    Args:
        before: As in `each_done`.
        after: As in `each_done`.
        cents: As in `each_done`.
        question: As in `each_done`.
        seed: As in `each_done`.

    Returns:
        One number of each kind.
    """
    each = each_done(before, after, cents, question, seed)
    share, own = (float(each[name].mean()) for name in ("share", "own"))
    return Done(share, own, float(each["cents"].median()))


def answer(
    network: nn.Module,
    question: Question,
    seed: int,
    parameters: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Edit a network, and see what it says of fresh tones.

    Args:
        network: A pitch tracker. Not changed.
        question: That is asked.
        seed: Of all that is drawn.
        parameters: As in `edit`.

    Returns:
        ``"edited"``, ``"left out"`` and ``"others"``, other pitch classes around the tone
        that was left out, each as the fields of ``Done``; ``"residual"`` and ``"length"``
        of the change.
    """
    change = edit(network, question, seed, parameters=parameters)
    after = change.applied(network)
    row = question.row(seed)
    left_out = row[question.left_out]
    tones = {
        "edited": question.edited(seed).repeat_interleave(N_FRESH),
        "left out": left_out.repeat(N_FRESH),
        "others": left_out + SEMITONE * torch.tensor(OTHERS).double(),
    }
    told = {
        name: asdict(done(network, after, cents, question, seed))
        for name, cents in tones.items()
    }
    return told | {"residual": change.residual, "length": change.length}


def all_over(question: Question, reach: int = 54) -> Float[Tensor, " n"]:
    """Tones in quarter tones on either side of the one that was left out, in a row on C.

    Args:
        question: Its row and the tone that is left out.
        reach: Steps to either side.

    Returns:
        Cents above 10 Hz.
    """
    left_out = question.row()[question.left_out]
    return left_out + STEP * torch.arange(-reach, reach + 1).double()
