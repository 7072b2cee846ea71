"""Chapter 3: when networks learn to add, and which waves their eigenspaces hold."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

import entk_lib as entk
from entk_book.ledger import Claim
from entk_book.stored import records
from entk_book.studies.adders import (
    MODULUS,
    Adder,
    eigenspaces,
    family_overlaps,
    ratio_after,
    train_adders,
)
from entk_book.studies.spans import in_most, predicted, within
from entk_book.studies.spans import span as collapsed_span
from entk_lib import Spectrum
from entk_lib.toys.models import QuadraticMLP
from entk_lib.toys.tasks import modular_addition
from entk_lib.training import dynamics

N_ONE, N_TWO = 2 * MODULUS - 1, 4 * MODULUS - 3
OTHER_MODULI = (23, 31, 45)
# A range as this chapter writes it: both ends, even where they are the same.
span = partial(collapsed_span, collapse=False)


@dataclass(frozen=True)
class LearningCurves:
    """Accuracies of several networks over their training.

    Attributes:
        steps: At which they were measured.
        train: On the pairs trained on, shape ``(networks, steps)``.
        test: On the other pairs, of the same shape.
    """

    steps: list[int]
    train: Float[Tensor, "networks steps"]
    test: Float[Tensor, "networks steps"]

    def first_steps(self, pairs: str, level: float) -> list[int | None]:
        """When each network reaches an accuracy for the first time.

        Args:
            pairs: ``"train"`` or ``"test"``.
            level: The accuracy, from 0 to 1.

        Returns:
            One step a network; ``None`` for one that never does.
        """
        return [
            next((t for t, v in zip(self.steps, row, strict=True) if v >= level), None)
            for row in getattr(self, pairs).tolist()
        ]


def learning_curves(adders: Sequence[Adder]) -> LearningCurves:
    """Accuracy of each network on the pairs trained on and on the others.

    Args:
        adders: Trained with snapshots at the same steps.

    Returns:
        The curves.
    """
    curves = [
        dynamics.follow(adder.network, adder.snapshots, adder.accuracy) for adder in adders
    ]
    return LearningCurves(
        [int(step) for step in curves[0]["step"]],
        *(
            torch.tensor([c[name] for c in curves], dtype=torch.float64)
            for name in ("train", "test")
        ),
    )


def purest_share(model: QuadraticMLP) -> Float[Tensor, " units"]:
    """For each hidden unit the share of its strongest frequency in its weights' power.

    Args:
        model: On one-hot pairs.

    Returns:
        The mean of the shares over a and b, from 0 to 1.
    """
    weights = _weights(model)
    power = torch.fft.rfft(weights - weights.mean(2, keepdim=True)).abs().square()
    return (power.amax(2) / power.sum(2)).mean(1)


def strongest_frequency(model: QuadraticMLP) -> Int[Tensor, "units 2"]:
    """The strongest frequency of each hidden unit, for a and for b.

    Args:
        model: On one-hot pairs.

    Returns:
        Frequencies from 1 on.
    """
    return 1 + torch.fft.rfft(_weights(model))[:, :, 1:].abs().argmax(2)


def same_frequency(model: QuadraticMLP) -> float:
    """Share of the hidden units whose strongest frequency is the same for a and b.

    Args:
        model: On one-hot pairs.

    Returns:
        The share, from 0 to 1.
    """
    strongest = strongest_frequency(model)
    return float((strongest[:, 0] == strongest[:, 1]).double().mean())


def _weights(model: QuadraticMLP) -> Float[Tensor, "units 2 modulus"]:
    """What each hidden unit sees of a and of b."""
    weights = model.first.weight.detach()
    return weights.reshape(len(weights), 2, -1)


def cliffs_of(spectrum: Spectrum) -> dict[int, float]:
    """Where a spectrum has cliffs, and how high they are.

    Args:
        spectrum: Of a kernel.

    Returns:
        Ratios to one decimal, by the number of eigenvalues above the cliff.
    """
    found = entk.find_cliffs(spectrum.eigenvalues)
    return {cliff.stop: round(cliff.ratio, 1) for cliff in found}


def seeds_with_cliff(spectra: Sequence[Spectrum], *stops: int) -> int:
    """In how many spectra a cliff is found at one of some places.

    Args:
        spectra: One a seed.
        *stops: Numbers of eigenvalues above the cliff.

    Returns:
        The number.
    """
    return sum(any(stop in cliffs_of(s) for stop in stops) for s in spectra)


def overlaps_over_seeds(
    spectra: Sequence[Spectrum], families: Mapping[str, Tensor], modulus: int = MODULUS
) -> dict[str, Float[Tensor, "seeds families"]]:
    """What both eigenspaces share with each family of waves, seed by seed.

    Args:
        spectra: One a seed, of the kernel or of another matrix on all pairs.
        families: Waves by the family's name.
        modulus: What the networks add by.

    Returns:
        Shared dimensions for the ``"first"`` and the ``"second"`` eigenspace.
    """
    spaces = [eigenspaces(spectrum, modulus) for spectrum in spectra]
    return {
        block: torch.tensor(
            [list(family_overlaps(space[block], families).values()) for space in spaces]
        )
        for block in ("first", "second")
    }


def told(shared: Float[Tensor, "seeds families"], names: Iterable[str]) -> str:
    """A table of overlaps in one line: the range over seeds, family by family.

    Args:
        shared: Shared dimensions.
        names: Of the families.

    Returns:
        Text.
    """
    columns = zip(names, shared.T, strict=True)
    return ", ".join(f"{name} {span(column, 1)}" for name, column in columns)


def largest_drop(spectrum: Spectrum, n_one: int = N_ONE, last: int = 190) -> int:
    """Where the largest drop beyond the first cliff lies.

    Args:
        spectrum: Of a kernel.
        n_one: Number of eigenvalues above the first cliff; three more are skipped.
        last: Number of eigenvalues that are looked at.

    Returns:
        Number of eigenvalues above the drop.
    """
    values = spectrum.eigenvalues[n_one + 3 : last]
    return int((values[:-1] / values[1:]).argmax()) + n_one + 4


@dataclass(frozen=True)
class OtherModulus:
    """A network that adds by another modulus.

    Attributes:
        modulus: The modulus.
        accuracy: On the pairs left out.
        stops: Where its kernel has cliffs.
        ratio: Of the eigenvalues on either side of ``4 * modulus - 3``, cliff or not.
        shares: Of each family of waves, how much the second eigenspace holds.
    """

    modulus: int
    accuracy: float
    stops: list[int]
    ratio: float
    shares: dict[str, float]


def other_modulus(
    modulus: int, *, seed: int = 0, width: int = 512, steps: int = 500
) -> OtherModulus:
    """Train one network by another modulus and look at its kernel.

    Args:
        modulus: Odd.
        seed: Of its start and its split.
        width: Hidden units.
        steps: Updates.

    Returns:
        What was found.
    """
    (adder,) = train_adders([seed], modulus=modulus, width=width, steps=steps)
    spectrum = entk.ntk_spectrum(adder.network, adder.x, k=6 * modulus)
    shared = family_overlaps(
        eigenspaces(spectrum, modulus)["second"], modular_addition.fourier_families(modulus)
    )
    return OtherModulus(
        modulus,
        adder.accuracy()["test"],
        [cliff.stop for cliff in entk.find_cliffs(spectrum.eigenvalues)],
        ratio_after(spectrum, 4 * modulus - 3),
        {name: dimensions / (modulus - 1) for name, dimensions in shared.items()},
    )


def record_of_moduli(moduli: Sequence[int] = OTHER_MODULI) -> dict[str, Any]:
    """Networks of other moduli, as they are stored.

    Args:
        moduli: Odd.

    Returns:
        What `entk_book.stored.records.write` takes.
    """
    found = [asdict(other_modulus(modulus)) for modulus in moduli]
    return {"moduli": records.rounded(found)}


def stored_moduli() -> list[OtherModulus]:
    """The stored networks of other moduli.

    Returns:
        In the order of ``OTHER_MODULI``.
    """
    return [OtherModulus(**one) for one in records.read("other_moduli")["moduli"]]


def _with_next(numbers: Float[Tensor, " seeds"]) -> str:
    """The range over seeds, and where one more would lie."""
    return f"{span(numbers, 1)}, one more in {span(predicted(numbers.tolist()), 2)}"


def claims(
    curves: LearningCurves,
    spectra: Sequence[Spectrum],
    shared: Mapping[str, Float[Tensor, "seeds families"]],
    separated: Sequence[float],
) -> list[Claim]:
    """What was published of the waves behind modular addition, beside ours.

    Args:
        curves: Of the trained networks.
        spectra: Of their kernels.
        shared: Overlaps of both their eigenspaces with a, b, sum and difference.
        separated: Share of the right family in each half after two stages.

    Returns:
        The ledger's rows.
    """
    memorised, half, learned = (
        [math.inf if step is None else step for step in curves.first_steps(pairs, level)]
        for pairs, level in (("train", 0.995), ("test", 0.5), ("test", 0.95))
    )
    at_two = sum(largest_drop(spectrum) == N_TWO for spectrum in spectra)
    n_seeds, public = len(spectra), "Lin 2025, public code"
    found = {stop: seeds_with_cliff(spectra, stop) for stop in (N_ONE, N_TWO)}
    sums, differences = shared["second"][:, 2], shared["second"][:, 3]
    of_a_and_b = shared["first"][:, :2].sum(1)
    return [
        Claim(
            "all training pairs known",
            "by step 50",
            f"at step {collapsed_span(memorised)}",
            max(memorised) <= 50,
            public,
            "every seed",
        ),
        Claim(
            "test accuracy passes 50 %",
            "steps 80 to 90",
            f"at step {collapsed_span(half)}",
            in_most(sum(80 <= t <= 90 for t in half), n_seeds),
            public,
            "most seeds",
        ),
        Claim(
            "test accuracy passes 95 %",
            "steps 100 to 110",
            f"at step {collapsed_span(learned)}",
            in_most(sum(100 <= t <= 110 for t in learned), n_seeds),
            public,
            "most seeds",
        ),
        Claim(
            "a cliff after 57",
            "57",
            f"found in {found[N_ONE]} of {n_seeds} seeds",
            in_most(found[N_ONE], n_seeds),
            "Lin 2025",
            "most seeds",
        ),
        Claim(
            "a cliff after 113",
            "113",
            f"largest drop beyond the first in {at_two} of {n_seeds} seeds, a ratio of "
            f"1.3 or more in {found[N_TWO]}",
            in_most(at_two, n_seeds),
            "Lin 2025",
            "most seeds",
        ),
        Claim(
            "modes 57 to 112 and the sum family",
            "26.47 of 28",
            _with_next(sums),
            within(26.47, sums.tolist()),
            "Lin 2025, Table 1",
            "95 % prediction interval",
        ),
        Claim(
            "modes 57 to 112 and the difference family",
            "25.21 of 28",
            _with_next(differences),
            within(25.21, differences.tolist()),
            "Lin 2025, Table 1",
            "95 % prediction interval",
        ),
        Claim(
            "modes 1 to 56 are waves of a and b",
            "all",
            f"{collapsed_span(of_a_and_b)} of 56 dimensions",
            float(of_a_and_b.min()) > 54,
            "Lin 2025",
            "every seed above 54",
        ),
        Claim(
            "two stages separate the families",
            "separated",
            f"share of the right family in each half {span(separated, 2)}",
            min(separated) > 0.75,
            "Lin 2025",
            "every seed above 0.75",
        ),
    ]
