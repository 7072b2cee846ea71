"""Chapter 9: what is present, movable and used."""

from statistics import median

from torch import Tensor, nn

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values
from entk_book.studies.edit_records import stored_edits
from entk_book.studies.edited_adders import length_of
from entk_lib.edits import tangent_edit

price_of_an_eigenvector = Check(
    Values(tolerance=1e-6),
    truth=lambda: (4 / 0.01) ** 0.5,
    wrong=(
        Wrong(
            "the ratio of the eigenvalues",
            lambda: 4 / 0.01,
            "That is the ratio of the squared lengths.",
        ),
        Wrong(
            "upside down",
            lambda: (0.01 / 4) ** 0.5,
            "A small eigenvalue is dear, not cheap: the change must be longer.",
        ),
    ),
    right="One unit along an eigenvector costs one over the root of its eigenvalue.",
    hint="Put an eigenvector for c into the formula for the length of the change.",
)


def _shorter(network: nn.Module, x: Tensor, change: Tensor) -> str:
    lengths = {}
    for layer in ("first", "second"):
        edit = tangent_edit(network, x, change, parameters=layer, tolerance=1e-2)
        lengths[layer] = length_of(edit.delta)
    return min(lengths, key=lambda layer: lengths[layer])


MOVES = ("a", "sum", "difference", "a + 2b", "random")


def _moves_before_training() -> str:
    table = stored_edits()
    done = {name: median(table.spread("untrained", name, 0.3)) for name in MOVES}
    return max(done, key=lambda name: done[name])


moves_before_training = Check(
    Choice(MOVES),
    truth=_moves_before_training,
    wrong=(
        Wrong(
            "the task is the sum",
            lambda: "sum",
            "No training, no task. What do two pairs have in common for a network that has "
            "learned nothing?",
        ),
        Wrong(
            "smooth is enough",
            lambda: "a + 2b",
            "A wave of a + 2b is as smooth as a wave of a. But do pairs with the same "
            "a + 2b share an input?",
        ),
    ),
    right="Pairs with the same a share an input, and that needs no training.",
    hint="Which pairs have similar inputs?",
)


shorter_layer = Check(
    Choice(("first", "second", "neither can")),
    truth=_shorter,
    wrong=(
        Wrong(
            "one layer alone has no hold on it",
            lambda *_: "neither can",
            "Look at the residuals: both can, to first order.",
        ),
        Wrong(
            "the other layer",
            lambda *given: "first" if _shorter(*given) == "second" else "second",
            "Compare the lengths of both changes, not what they leave undone.",
        ),
    ),
    right="The layer whose kernel is larger along the wave has the shorter change.",
    hint='Call tangent_edit(..., parameters="first") and compare the norms of the deltas.',
)
