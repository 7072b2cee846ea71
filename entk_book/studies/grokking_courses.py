"""Chapter 4: the order parameters of all runs, stored, because 550 spectra take minutes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import entk_lib as entk
from entk_book.stored import records
from entk_book.studies.adders import MODULUS, Adder
from entk_book.studies.grokking import Course, Courses, order_parameters, train_runs
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition

# Seeds of their own for each kind, none of them looked at when quantities were chosen.
SEEDS: dict[str, Sequence[int]] = {
    "learns": range(20, 30),
    "shuffled labels": range(40, 46),
    "little data": range(50, 56),
}
LAST, EVERY, WIDTH = 120, 5, 512


def train_all(seeds: Mapping[str, Sequence[int]] = SEEDS) -> dict[str, list[Adder]]:
    """All networks, with snapshots.

    Args:
        seeds: By kind.

    Returns:
        Networks by kind.
    """
    return {
        kind: train_runs(kind, numbers, steps=LAST, every=EVERY, width=WIDTH)
        for kind, numbers in seeds.items()
    }


def tail_start() -> int:
    """Number of eigenvalues above the last cliff of an untrained network's kernel.

    Returns:
        Where the tail begins.
    """
    untrained = QuadraticMLP(2 * MODULUS, MODULUS, WIDTH, seed=0)
    pairs = modular_addition.all_pairs(MODULUS)
    x = modular_addition.one_hot(pairs, MODULUS)
    cliffs = entk.find_cliffs(entk.ntk_spectrum(untrained, x, k=200).eigenvalues)
    return cliffs[-1].stop


def measure(adder: Adder, steps: Sequence[int] | None = None) -> Course:
    """Order parameters of one run.

    Args:
        adder: With snapshots.
        steps: At which to look. ``None``: at all snapshots.

    Returns:
        As `entk_book.studies.grokking.order_parameters`.
    """
    if steps is not None:
        kept = {step: adder.snapshots[step] for step in steps}
        adder = dataclasses.replace(adder, snapshots=kept)
    sums = modular_addition.fourier_families(MODULUS)["sum"].flatten(1)
    return order_parameters(adder, sums, tail_start())


def record(seeds: Mapping[str, Sequence[int]] = SEEDS) -> dict[str, Any]:
    """Every run, as it is stored.

    Args:
        seeds: By kind.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    return {
        kind: [records.rounded(dict(measure(run))) for run in runs]
        for kind, runs in train_all(seeds).items()
    }


def stored_courses() -> Courses:
    """The stored order parameters of all runs.

    Returns:
        By kind.
    """
    return Courses(records.read("grokking_courses"))
