"""The explorers: what they show, read off or predicted."""

from collections.abc import Mapping

from torch import Tensor

from entk_book.exercises._check import Check, Wrong
from entk_book.exercises._kinds import Choice, Whole, Wholes
from entk_book.explorers.waves import fourier_power, rotated
from entk_book.studies.superposition_grid import Grid

_MODULUS = 29


def _cliffs(grid: Grid, beta: float = 1.0) -> list[int]:
    return grid.cliffs(0.9, 10, beta)


cliffs_at_beta_one = Check(
    Wholes(),
    truth=_cliffs,
    wrong=(
        Wrong(
            "beta of zero",
            lambda grid: _cliffs(grid, 0.0),
            "Those are the cliffs at a beta of 0. Turn the third dial to 1.",
        ),
        Wrong(
            "beta of 0.3",
            lambda grid: _cliffs(grid, 0.3),
            "Those are the cliffs at a beta of 0.3. Turn the third dial further.",
        ),
        Wrong(
            "a cliff at the hidden units",
            lambda *_: [10],
            "There are ten hidden units, but does the spectrum drop there?",
        ),
    ),
    right="Importance falls smoothly from output to output, and the eigenvalues with it.",
    hint="The sentence beneath the dials names the cliffs, as numbers.",
)


def _first_above(course: Mapping[str, Tensor], values: Tensor, level: float) -> int | None:
    above = values > level
    return int(course["step"][above.int().argmax()]) if bool(above.any()) else None


def _half_of_the_sums(course: Mapping[str, Tensor]) -> int | None:
    return _first_above(course, course["overlaps"][:, 2], (_MODULUS - 1) / 2)


step_of_half_the_sums = Check(
    Whole(),
    truth=_half_of_the_sums,
    wrong=(
        Wrong(
            "the test accuracy",
            lambda course: _first_above(course, course["accuracies"][:, 1], 0.5),
            "That is where half of the test pairs are answered. The overlap is earlier.",
        ),
        Wrong(
            "the training accuracy",
            lambda course: _first_above(course, course["accuracies"][:, 0], 0.5),
            "That is where half of the training pairs are answered.",
        ),
        Wrong(
            "the number of the snapshot",
            lambda course: (_half_of_the_sums(course) or 0) // 5,
            "That is the number of the snapshot. There is one every five steps.",
        ),
    ),
    right="Half of the sums are there before a tenth of the test pairs is answered.",
    hint="Scrub until the overlap with the sums passes 14 of 28, and read the step.",
)

_FAMILIES = ("a", "b", "a + b", "a - b")


def _family(basis: Tensor, index: int) -> str:
    power = fourier_power(rotated(basis.double(), _MODULUS), _MODULUS)[index]
    return _FAMILIES[int(power.argmax()) // ((_MODULUS - 1) // 2)]


def _other(*given: object) -> str:
    return next(name for name in ("a + b", "a - b") if name != _family(*given))  # pyright: ignore[reportArgumentType]


family_of_an_atom = Check(
    Choice(_FAMILIES),
    truth=_family,
    wrong=(
        Wrong(
            "stripes and their direction mixed up",
            _other,
            "Along a stripe nothing changes. If it runs along a + b = constant, the atom "
            "is a function of a + b.",
        ),
        Wrong(
            "one input only",
            lambda *_: "a",
            "A wave of a alone does not change along b: upright stripes.",
        ),
        Wrong(
            "the other input only",
            lambda *_: "b",
            "A wave of b alone does not change along a: level stripes.",
        ),
    ),
    right="The stripes show along which direction nothing changes; the bars agree.",
    hint="Along which direction do the stripes run?",
)
