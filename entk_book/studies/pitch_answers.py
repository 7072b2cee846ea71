"""Chapter 10, the edit: all questions over draws, and what their answers say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.pitch import SEEDS, untrained
from entk_book.studies.pitch_edits import (
    CONTROLS,
    OCTAVE,
    PLACES,
    TWELFTH,
    Question,
    answer,
)
from entk_book.studies.spans import in_most, span
from entk_book.wild import pitch_tracker

ENDS = (PLACES[0], PLACES[-1])
TONES = ("edited", "left out", "others")


def questions() -> dict[str, Question]:
    """All that is asked, by name.

    Returns:
        Octaves with each tone left out in turn, rows of no octave, harmonic tones, rows of
        three, and noise.
    """
    pure, full = Question(), Question(sound="ten harmonics")
    three = replace(pure, n_tones=3, left_out=1)
    asked = {
        f"octave, {place}": replace(pure, left_out=i) for i, place in enumerate(PLACES)
    }
    for i in (0, 2, 4):
        for steps in CONTROLS:
            asked[f"{steps} steps, {PLACES[i]}"] = replace(pure, spacing=steps, left_out=i)
    for steps in (OCTAVE, *CONTROLS):
        name = "octave" if steps == OCTAVE else f"{steps} steps"
        asked[f"{name}, harmonics"] = replace(full, spacing=steps)
    asked["octave, three"] = three
    for steps in (TWELFTH, TWELFTH + 2):
        asked[f"{steps} steps, three"] = replace(three, spacing=steps)
    asked["noise"] = replace(pure, change="noise")
    return asked


def record(seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """The published network's answers and untrained ones', as they are stored.

    Args:
        seeds: Of all that is drawn, and of untrained weights.

    Returns:
        What `entk_book.stored.records.write` takes: by name, one answer a seed.
    """
    trained = pitch_tracker()
    asked = questions()
    answers = {
        name: [answer(trained, question, seed) for seed in seeds]
        for name, question in asked.items()
    }
    answers["untrained"] = [answer(untrained(s), Question(), s) for s in seeds]
    return records.rounded(answers)


@dataclass(frozen=True)
class Answers:
    """What became of fresh tones, over draws.

    Attributes:
        table: As `record` gives it.
    """

    table: Mapping[str, Sequence[Mapping[str, Any]]]

    def of(self, name: str, tones: str, measure: str) -> list[float]:
        """One measure over draws.

        Args:
            name: Of a question, or ``"untrained"``.
            tones: ``"edited"``, ``"left out"`` or ``"others"``.
            measure: A field of ``Done``.

        Returns:
            One number a seed.
        """
        return [one[tones][measure] for one in self.table[name]]

    def length(self, name: str) -> list[float]:
        """Lengths of the changes, relative to the parameters'.

        Args:
            name: As in `of`.

        Returns:
            One number a seed.
        """
        return [one["length"] for one in self.table[name]]

    def line(self, name: str) -> str:
        """One question, as the chapter prints it.

        Args:
            name: As in `of`.

        Returns:
            Text.
        """
        parts = [
            f"{tones} {span(self.of(name, tones, 'own'), 2)} and "
            f"{span(self.of(name, tones, 'cents'))} cents"
            for tones in TONES
        ]
        return f"{name}: " + "; ".join(parts)


def stored_answers() -> Answers:
    """The stored table.

    Returns:
        All seeds.
    """
    return Answers(records.read("pitch_edits"))


def claims(answers: Answers) -> list[Claim]:
    """Whether an edit goes along to the octave; all rows are new.

    Args:
        answers: All seeds.

    Returns:
        Rows of the ledger.
    """

    def left_out(name: str, measure: str = "own") -> list[float]:
        return answers.of(name, "left out", measure)

    def more(name: str, others: Sequence[str], measure: str, by: float) -> bool:
        ours = torch.tensor(left_out(name, measure))
        rest = torch.tensor([left_out(other, measure) for other in others])
        return in_most(int((ours > rest.amax(0) + by).sum()), len(ours))

    def row(text: str, here: str, holds: bool, rule: str) -> Claim:
        return Claim(text, "not published", here, holds, "new here", rule)

    def no_octave(place: str) -> list[str]:
        return [f"{steps} steps, {place}" for steps in CONTROLS]

    def told(name: str, others: Sequence[str], measure: str, digits: int) -> str:
        rest = [value for other in others for value in left_out(other, measure)]
        unit = " cents" if measure == "cents" else ""
        return f"{span(left_out(name, measure), digits)} against {span(rest, digits)}{unit}"

    still = [
        max(abs(answers.of("untrained", tones, "cents")[i]) for tones in TONES)
        for i in range(len(left_out("untrained")))
    ]
    rows = []
    for name, others in (
        ("pure tones", "middle"),
        ("ten harmonics", "harmonics"),
    ):
        row_of = no_octave(others)
        rows.append(
            row(
                f"{name}: the edit goes along to the octave, more than in rows spaced a "
                "semitone off the octave",
                told(f"octave, {others}", row_of, "own", 2),
                more(f"octave, {others}", row_of, "own", 0.1),
                "by a tenth of the change, in most draws",
            )
        )
    ends = [f"{side} {told(f'octave, {side}', no_octave(side), 'own', 2)}" for side in ENDS]
    rows += [
        row(
            "at the ends of the row as well",
            ", ".join(ends),
            all(more(f"octave, {side}", no_octave(side), "own", 0.1) for side in ENDS),
            "by a tenth of the change, in most draws, at both ends",
        ),
        row(
            "the pitch that is told goes along, more than in rows spaced a semitone off "
            "the octave",
            told("octave, middle", no_octave("middle"), "cents", 0),
            more("octave, middle", no_octave("middle"), "cents", 0.0),
            "in most draws",
        ),
        row(
            "the left-out tone moves by half of the 100 cents asked for",
            told("octave, middle", no_octave("middle"), "cents", 0),
            in_most(
                sum(cents > 50 for cents in left_out("octave, middle", "cents")),
                len(left_out("octave, middle", "cents")),
            ),
            "more than 50 cents in most draws",
        ),
        row(
            "the octave goes along further than the twelfth",
            told("octave, three", [f"{TWELFTH} steps, three"], "own", 2),
            more("octave, three", [f"{TWELFTH} steps, three"], "own", 0.1),
            "rows of three, by a tenth of the change in most draws",
        ),
        row(
            "before training the left-out tone's bins do not follow (nor does any tone's "
            "pitch move)",
            f"{span(left_out('untrained'), 2)} of the change, {max(still):.0f} cents",
            in_most(
                sum(
                    value < 0.1 and cents < 1
                    for value, cents in zip(left_out("untrained"), still, strict=True)
                ),
                len(still),
            ),
            "less than a tenth of the change, and 1 cent, in most draws",
        ),
    ]
    return rows
