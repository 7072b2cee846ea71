"""The forms that answers have."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Whole:
    """One whole number."""

    def problem(self, answer: Any, truth: Any) -> str | None:
        """See `entk_book.exercises.Kind`."""
        del truth
        if _whole(answer) is None:
            return f"The answer must be one whole number such as 7, got {_told(answer)}."
        return None

    def agree(self, answer: Any, other: Any) -> bool:
        """See `entk_book.exercises.Kind`."""
        return _whole(answer) == _whole(other)


@dataclass(frozen=True)
class Wholes:
    """A list of whole numbers, in order; ``None`` stands for none."""

    def problem(self, answer: Any, truth: Any) -> str | None:
        """See `entk_book.exercises.Kind`."""
        del truth
        if not isinstance(answer, (list, tuple)) or any(
            part is not None and _whole(part) is None for part in answer
        ):
            return f"The answer must be a list such as [3, 7] or [], got {_told(answer)}."
        return None

    def agree(self, answer: Any, other: Any) -> bool:
        """See `entk_book.exercises.Kind`."""
        return [_whole(part) for part in answer] == [_whole(part) for part in other]


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    options: tuple[str, ...]

    def problem(self, answer: Any, truth: Any) -> str | None:
        """See `entk_book.exercises.Kind`."""
        del truth
        if _words(answer) not in map(_words, self.options):
            listed = ", ".join(f'"{option}"' for option in self.options)
            return f"The answer must be one of {listed}, got {_told(answer)}."
        return None

    def agree(self, answer: Any, other: Any) -> bool:
        """See `entk_book.exercises.Kind`."""
        return _words(answer) == _words(other)


@dataclass(frozen=True)
class Values:
    """Real numbers in an array, equal up to a share of the largest."""

    tolerance: float

    def problem(self, answer: Any, truth: Any) -> str | None:
        """See `entk_book.exercises.Kind`."""
        values, expected = _values(answer), _values(truth)
        assert expected is not None
        if values is None:
            return f"The answer must hold real numbers, got {_told(answer)}."
        if values.shape != expected.shape:
            return (
                f"The answer must have shape {tuple(expected.shape)}, got "
                f"{tuple(values.shape)}. Over which axis is the sum?"
            )
        if not bool(torch.isfinite(values).all()):
            return "The answer must be finite, got NaN or infinity. Was zero divided?"
        return None

    def agree(self, answer: Any, other: Any) -> bool:
        """See `entk_book.exercises.Kind`."""
        values, expected = _values(answer), _values(other)
        assert values is not None
        assert expected is not None
        if values.shape != expected.shape:
            return False
        scale = float(expected.abs().max())
        return bool((values - expected).abs().max() <= self.tolerance * scale)


@dataclass(frozen=True)
class Direction:
    """Two whole numbers: a step on the torus of residues, up to repeating it."""

    modulus: int

    def problem(self, answer: Any, truth: Any) -> str | None:
        """See `entk_book.exercises.Kind`."""
        del truth
        if (
            not isinstance(answer, (list, tuple))
            or len(answer) != 2
            or any(_whole(part) is None for part in answer)
        ):
            return f"The answer must be two whole numbers: (1, 0), got {_told(answer)}."
        return None

    def agree(self, answer: Any, other: Any) -> bool:
        """See `entk_book.exercises.Kind`."""
        (a, b), (c, d) = answer, other
        p = self.modulus
        still = (a % p, b % p) == (0, 0), (c % p, d % p) == (0, 0)
        return still[0] == still[1] and (a * d - b * c) % p == 0


def _whole(answer: Any) -> int | None:
    if isinstance(answer, Tensor) and answer.ndim == 0:
        answer = answer.item()
    if isinstance(answer, bool):
        return None
    if isinstance(answer, float) and answer.is_integer():
        return int(answer)
    return answer if isinstance(answer, int) else None


def _words(answer: Any) -> str | None:
    return " ".join(answer.lower().split()) if isinstance(answer, str) else None


def _values(answer: Any) -> Tensor | None:
    try:
        values = torch.as_tensor(answer).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        return None
    if values.dtype == torch.bool or values.is_complex():
        return None
    return values.double()


def _told(answer: Any) -> str:
    if isinstance(answer, Tensor) and answer.ndim:
        return f"a tensor of shape {tuple(answer.shape)}"
    told = repr(answer)
    return told if len(told) <= 60 else type(answer).__name__
