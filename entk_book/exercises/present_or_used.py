"""Chapter 9: what is present, movable and used."""

from torch import Tensor, nn

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Values
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
        edit = tangent_edit(network, x, change, parameters=layer, tolerance=1e-3)
        lengths[layer] = sum(float(d.square().sum()) for d in edit.delta.values())
    return min(lengths, key=lambda layer: lengths[layer])


shorter_layer = Check(
    Choice(("first", "second")),
    truth=_shorter,
    wrong=(
        Wrong(
            "the other layer",
            lambda *given: "first" if _shorter(*given) == "second" else "second",
            "Compare the lengths of both changes, not what they leave undone.",
        ),
    ),
    right="The layer whose kernel is larger along the wave does it with the shorter change.",
    hint='Call tangent_edit(..., parameters="first") and compare the norms of the deltas.',
)
