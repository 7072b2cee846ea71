"""Which frequencies a network adds with: found in its token embedding, with a null."""

import dataclasses
import functools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from entk_lib import _checks
from entk_lib.toys.tasks import modular_addition


@dataclasses.dataclass(frozen=True)
class KeyFrequencies:
    """Frequencies that stand out in an embedding, and by how much.

    Attributes:
        frequencies: In ascending order, from 1 to (modulus - 1) / 2; empty if none does.
        shares: Share of the embedding's power at each frequency, the mean over tokens
            left out, shape ``((modulus - 1) / 2,)``; they add up to 1.
        threshold: The share that a key frequency exceeds.
    """

    frequencies: tuple[int, ...]
    shares: Float[Tensor, " frequencies"]
    threshold: float

    @property
    def held(self) -> float:
        """Share of the power that the key frequencies hold together, from 0 to 1."""
        return float(sum(self.shares[k - 1] for k in self.frequencies))

    @property
    def score(self) -> float:
        """Largest share over the threshold; above 1 if there is a key frequency."""
        return float(self.shares.max()) / self.threshold

    def __repr__(self) -> str:
        """The frequencies, or that there are none, and the score."""
        if not self.frequencies:
            return (
                f"no key frequency: the largest share of power is {self.score:.2f} of the "
                "threshold"
            )
        return (
            f"key frequencies {', '.join(map(str, self.frequencies))}, which hold "
            f"{self.held:.0%} of the power (score {self.score:.1f})"
        )


def key_frequencies(
    embedding: Float[Tensor, "tokens d"], *, n_null: int = 1000, seed: int = 0
) -> KeyFrequencies:
    """Frequencies of an embedding that no random embedding shows.

    The Fourier transform runs along the tokens, and its power is summed over the
    embedding's dimensions. A frequency is key if its share of the power exceeds the
    largest share, at any frequency, of ``n_null`` embeddings of the same shape with
    independent normal entries.

    Args:
        embedding: One row a residue, the rows of other tokens left out.
        n_null: Random embeddings to compare with: with 1000, an embedding without
            structure shows a key frequency about once in 1000 times.
        seed: Seed of the random embeddings.

    Returns:
        The key frequencies; none is an answer, with its score.

    Raises:
        ValueError: If the embedding is not a finite matrix with an odd number of rows, at
            least 3, or its rows are all the same.

    References:
        Nanda et al. (2023), arXiv:2301.05217, for reading key frequencies off the
        embedding.

    Example:
        >>> angle = 2 * math.pi / 29 * 5 * torch.arange(29)
        >>> key_frequencies(torch.stack([angle.cos(), angle.sin()], 1))
        key frequencies 5, which hold 100% of the power (score 2.3)
    """
    _checks.require_matrix("embedding", embedding)
    _checks.require_count("n_null", n_null)
    modulus, width = embedding.shape
    if modulus < 3 or modulus % 2 == 0:
        raise ValueError(
            f"embedding must have one row for each residue of an odd modulus >= 3, got "
            f"{modulus} rows. Leave out the row of '=': weight[:modulus]."
        )
    power = _power(embedding.detach().double().cpu())
    if float(power.sum()) <= 1e-24 * float(embedding.detach().double().square().sum()):
        raise ValueError(
            "embedding must differ between residues, got rows that are all the same. Is "
            "this the embedding of the tokens?"
        )
    shares = power / power.sum()
    largest = _largest_by_chance(modulus, width, n_null, seed)
    found = tuple(k for k, share in enumerate(shares.tolist(), 1) if share > largest)
    return KeyFrequencies(found, shares, largest)


def waves_at(
    modulus: int, frequencies: Sequence[int], *, dtype: torch.dtype = torch.float64
) -> dict[str, Float[Tensor, "pairs columns"]]:
    r"""Orthonormal waves on all pairs at some frequencies, by family.

    With :math:`w_k(t) = (\cos(2 \pi k t / p), \sin(2 \pi k t / p))`, the families are
    ``"sum"``, :math:`w_k(a + b)`; ``"difference"``, :math:`w_k(a - b)`; ``"symmetric"``,
    :math:`w_k(a) + w_k(b)`; and ``"antisymmetric"``, :math:`w_k(a) - w_k(b)`. All columns
    of all families are orthonormal.

    Args:
        modulus: As in `entk_lib.toys.tasks.modular_addition.all_pairs`.
        frequencies: Distinct, from 1 to (modulus - 1) / 2.
        dtype: Of the result, ``torch.float64`` by default.

    Returns:
        Families by name, each of shape ``(modulus ** 2, 2 * len(frequencies))``: rows as
        in `entk_lib.toys.tasks.modular_addition.all_pairs`; cosine and sine, frequency by
        frequency.

    Raises:
        ValueError: If the modulus is even or below 3, or the frequencies are none, not
            distinct or out of range.

    Example:
        >>> {name: tuple(family.shape) for name, family in waves_at(5, [2]).items()}
        {'sum': (25, 2), 'difference': (25, 2), 'symmetric': (25, 2),
         'antisymmetric': (25, 2)}
    """
    single = modular_addition.fourier_families(modulus)
    chosen = list(frequencies)
    largest = modulus // 2
    if not chosen:
        raise ValueError(
            "frequencies must name at least one, got none. If key_frequencies found none, "
            "there is nothing to compare with: say so, with its score."
        )
    if len(set(chosen)) < len(chosen) or not all(1 <= k <= largest for k in chosen):
        raise ValueError(
            f"frequencies must be distinct, from 1 to {largest}, got {chosen}. Frequency k "
            f"and {modulus} - k are the same waves."
        )
    places = torch.tensor(chosen) - 1
    at = {name: family[:, places].flatten(1) for name, family in single.items()}
    families = {
        "sum": at["sum"],
        "difference": at["difference"],
        "symmetric": (at["a"] + at["b"]) / math.sqrt(2),
        "antisymmetric": (at["a"] - at["b"]) / math.sqrt(2),
    }
    return {name: family.to(dtype) for name, family in families.items()}


@functools.cache
def _largest_by_chance(modulus: int, width: int, n_null: int, seed: int) -> float:
    """Largest share of power at one frequency in any of ``n_null`` normal embeddings."""
    generator = torch.Generator().manual_seed(seed)
    largest = 0.0
    for _ in range(n_null):
        null = _power(torch.randn(modulus, width, generator=generator))
        largest = max(largest, float(null.max() / null.sum()))
    return largest


def _power(embedding: Tensor) -> Tensor:
    """Power at frequencies 1, 2, ..., summed over the embedding's dimensions."""
    return torch.fft.rfft(embedding, dim=0)[1:].abs().square().sum(1).double()
