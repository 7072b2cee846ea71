"""Chapter 4: where the early sign comes early, over fractions of the pairs and moduli."""

from collections.abc import Sequence
from dataclasses import dataclass

from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.grokking import CONTROLS, N_CALIBRATION
from entk_book.studies.grokking_ladder import DIRECTIONS, MODULI, Run
from entk_book.studies.spans import in_most, span
from entk_lib.training import dynamics

Onset = int | float | None

# Fractions at which most networks generalise within 1,000 steps.
FULL = (0.6, 0.65, 0.7)


@dataclass(frozen=True)
class Ladder:
    """All runs: what was followed, over moduli, kinds and fractions.

    Attributes:
        times: Steps at which was looked.
        runs: One entry a training.
    """

    times: list[int]
    runs: Sequence[Run]

    def of(self, modulus: int, kind: str, fraction: float | None = None) -> list[Run]:
        """Some of the runs, in the order of their seeds.

        Args:
            modulus: What the networks add by.
            kind: ``"learns"`` or one of the controls.
            fraction: Share of the pairs. ``None``: any.

        Returns:
            Runs.
        """
        return [
            run
            for run in self.runs
            if (run.modulus, run.kind) == (modulus, kind)
            and fraction in (None, run.fraction)
        ]

    def threshold(self, name: str, modulus: int) -> float:
        """Beyond what half of a modulus's controls do at any time, by 5 % of their range.

        Args:
            name: One of ``DIRECTIONS``.
            modulus: Whose controls.

        Returns:
            The threshold.
        """
        sign = DIRECTIONS[name]
        values = [
            sign * value
            for kind in CONTROLS
            for run in self.of(modulus, kind)[:N_CALIBRATION]
            for value in run.series[name]
        ]
        return sign * (max(values) + 0.05 * (max(values) - min(values)))

    def onset(self, run: Run, name: str, threshold: float) -> Onset:
        """When a quantity goes beyond a threshold, for three looks in a row.

        Args:
            run: One training.
            name: One of ``DIRECTIONS``.
            threshold: As `threshold` gives it.

        Returns:
            The step, or ``None``.
        """
        sign = DIRECTIONS[name]
        values = [sign * value for value in run.series[name]]
        return dynamics.find_onset(self.times, values, sign * threshold)

    def onsets(self, name: str, runs: Sequence[Run], modulus: int) -> list[Onset]:
        """Onsets of several runs by the threshold of one modulus.

        Args:
            name: One of ``DIRECTIONS``.
            runs: Trainings, of this modulus or another.
            modulus: Whose controls set the threshold.

        Returns:
            One entry a run.
        """
        threshold = self.threshold(name, modulus)
        return [self.onset(run, name, threshold) for run in runs]

    def left_chance(self, runs: Sequence[Run]) -> list[Onset]:
        """When the test accuracy goes beyond 10 %.

        Args:
            runs: Trainings.

        Returns:
            One entry a run.
        """
        return [self.onset(run, "test accuracy", 0.1) for run in runs]

    def ends(self, runs: Sequence[Run]) -> list[float]:
        """Test accuracy at the last step.

        Args:
            runs: Trainings.

        Returns:
            One number a run.
        """
        return [run.series["test accuracy"][-1] for run in runs]

    def alarms(self, name: str, modulus: int, threshold_of: int) -> tuple[int, int]:
        """Controls that a threshold takes for networks that learn.

        Args:
            name: One of ``DIRECTIONS``.
            modulus: Of the controls.
            threshold_of: Whose controls set the threshold. If it is the same modulus, those
                that did so are left out.

        Returns:
            How many, and of how many.
        """
        start = N_CALIBRATION if modulus == threshold_of else 0
        held_back = [run for kind in CONTROLS for run in self.of(modulus, kind)[start:]]
        found = self.onsets(name, held_back, threshold_of)
        return sum(at is not None for at in found), len(found)


def leads(early: Sequence[Onset], late: Sequence[Onset]) -> list[int | float]:
    """By how many steps one onset comes before another.

    Args:
        early: One entry a run.
        late: Likewise.

    Returns:
        A number for each run that has both.
    """
    pairs = zip(early, late, strict=True)
    return [b - a for a, b in pairs if a is not None and b is not None]


def told(onsets: Sequence[Onset]) -> str:
    """How many onsets there are and when, as text.

    Args:
        onsets: One entry a run.

    Returns:
        Text.
    """
    found = [at for at in onsets if at is not None]
    when = f" at step {span(found)}" if found else ""
    return f"{len(found)} of {len(onsets)}{when}"


def stored_ladder() -> Ladder:
    """The stored runs of both moduli.

    Returns:
        What was followed in them.
    """
    found = records.read("grokking_ladder")
    return Ladder(found["times"], [Run(**run) for run in found["runs"]])


def warns(ladder: Ladder, name: str, modulus: int, fraction: float) -> tuple[int, int]:
    """In how many networks that generalise a sign comes before the test accuracy.

    Args:
        ladder: All runs.
        name: One of ``DIRECTIONS``, by the threshold of the same modulus.
        modulus: What the networks add by.
        fraction: Share of the pairs.

    Returns:
        How many, and how many leave chance at all.
    """
    runs = ladder.of(modulus, "learns", fraction)
    left = ladder.left_chance(runs)
    early = ladder.onsets(name, runs, modulus)
    return sum(lead > 0 for lead in leads(early, left)), sum(at is not None for at in left)


def fires(ladder: Ladder, name: str, fractions: Sequence[float]) -> tuple[int, int]:
    """In how many networks of both moduli a sign sets in that never leave chance.

    Args:
        ladder: All runs.
        name: One of ``DIRECTIONS``.
        fractions: Shares of the pairs.

    Returns:
        How many, and of how many.
    """
    hits = total = 0
    for modulus in MODULI:
        for fraction in fractions:
            runs = ladder.of(modulus, "learns", fraction)
            pairs = zip(
                ladder.onsets(name, runs, modulus), ladder.left_chance(runs), strict=True
            )
            at = [onset for onset, left in pairs if left is None]
            hits += sum(onset is not None for onset in at)
            total += len(at)
    return hits, total


def claims(ladder: Ladder) -> list[Claim]:
    """What becomes of the early sign over fractions and moduli; all rows are new.

    Args:
        ladder: All runs.

    Returns:
        Rows of the ledger.
    """

    def at(name: str, fraction: float) -> tuple[int, int]:
        counts = [warns(ladder, name, modulus, fraction) for modulus in MODULI]
        return sum(c[0] for c in counts), sum(c[1] for c in counts)

    most, fewer = at("tail", 0.7), at("tail", 0.6)
    fired = fires(ladder, "sum overlap", (0.35, 0.4))
    kernel, rival = (
        sum(at(name, fraction)[0] for fraction in FULL)
        for name in ("tail", "tail, side by side")
    )
    total = sum(at("tail", fraction)[1] for fraction in FULL)
    carried = [
        ladder.onsets("tail", ladder.of(modulus, "learns", 0.7), other)
        for modulus, other in (MODULI, MODULI[::-1])
    ]
    left = [ladder.left_chance(ladder.of(modulus, "learns", 0.7)) for modulus in MODULI]
    both = [leads(*pair) for pair in zip(carried, left, strict=True)]
    n_carried = sum(lead > 0 for group in both for lead in group)
    alarms = [ladder.alarms("tail", a, b) for a, b in (MODULI, MODULI[::-1])]
    n_alarms, n_controls = (sum(column) for column in zip(*alarms, strict=True))
    new, unpublished = "new here", "not published"

    def row(text: str, here: str, holds: bool, rule: str) -> Claim:
        return Claim(text, unpublished, here, holds, new, rule)

    ahead = "before 10 % test accuracy, in most networks of both moduli"
    return [
        row(
            "the tail dimension warns of grokking with 70 % of the pairs",
            f"ahead in {most[0]} of {most[1]} networks",
            in_most(*most),
            ahead,
        ),
        row(
            "the tail dimension warns of grokking with 60 % of the pairs",
            f"ahead in {fewer[0]} of {fewer[1]} networks",
            in_most(*fewer),
            ahead,
        ),
        row(
            "the tail's threshold carries from one modulus to the other",
            f"ahead in {n_carried} of {most[1]} networks, false alarms {n_alarms} of "
            f"{n_controls}",
            in_most(n_carried, most[1]) and n_alarms == 0,
            "with 70 % of the pairs, ahead in most, no alarm",
        ),
        row(
            "the kernel's tail warns more often than that of inputs and activations",
            f"with 60 to 70 %, ahead in {kernel} of {total} networks against {rival}",
            kernel > rival,
            "in more networks",
        ),
        row(
            "a sum overlap beyond that of 30 % of the pairs means that a network learns",
            f"beyond in {fired[0]} of {fired[1]} networks with 35 or 40 % that never do",
            in_most(fired[1] - fired[0], fired[1]),
            "most networks that never pass 10 % stay below the threshold",
        ),
    ]
