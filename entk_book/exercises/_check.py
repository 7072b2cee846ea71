"""A checked exercise as a record: the truth, and what learners answer instead of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Kind(Protocol):
    """What form an answer has."""

    def problem(self, answer: Any, truth: Any) -> str | None:
        """Expected, got, and the fix, if the answer has another form."""
        ...

    def agree(self, answer: Any, other: Any) -> bool:
        """Whether two answers of this form are the same one."""
        ...


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer.

    Attributes:
        passed: Whether the answer is right.
        message: One or two sentences.
    """

    passed: bool
    message: str

    def __repr__(self) -> str:
        """The message alone: it is what a notebook shows."""
        return self.message


@dataclass(frozen=True)
class Wrong:
    """An answer that learners give, and what to tell them.

    Attributes:
        name: What was mixed up, in a few words.
        answer: Makes this answer from the objects that the check is given.
        message: A hint at the mistake that does not give the answer away.
    """

    name: str
    answer: Callable[..., Any]
    message: str


@dataclass(frozen=True)
class Check:
    """One checked exercise; call it with an answer.

    Attributes:
        kind: What form the answer has.
        truth: Computes the right answer from the objects that the check is given.
        wrong: Named wrong answers.
        right: What to say of the right answer.
        hint: What to say of a wrong answer that has no name.

    Example:
        >>> from entk_book.exercises import tangent_kernel
        >>> tangent_kernel.rank_of_linear_model(...)
        Not answered yet: put your answer in the place of the three dots.
        >>> tangent_kernel.rank_of_linear_model(6).passed
        False
    """

    kind: Kind
    truth: Callable[..., Any]
    wrong: tuple[Wrong, ...]
    right: str
    hint: str

    def __call__(self, answer: Any, *given: Any) -> Verdict:
        """The verdict on an answer.

        Args:
            answer: Of the reader; ``...`` stands for none yet.
            given: Objects of the chapter that the truth is computed from.

        Returns:
            The verdict.
        """
        if _is_open(answer):
            return Verdict(
                False, "Not answered yet: put your answer in the place of the three dots."
            )
        truth = self.truth(*given)
        problem = self.kind.problem(answer, truth)
        if problem:
            return Verdict(False, problem)
        if self.kind.agree(answer, truth):
            return Verdict(True, f"Right. {self.right}")
        for wrong in self.wrong:
            if self.kind.agree(answer, wrong.answer(*given)):
                return Verdict(False, f"Not yet. {wrong.message}")
        return Verdict(False, f"Not yet. {self.hint}")


def _is_open(answer: Any) -> bool:
    if isinstance(answer, (list, tuple)):
        return any(_is_open(part) for part in answer)
    return answer is ...
