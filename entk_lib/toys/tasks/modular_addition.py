"""Addition modulo p: all pairs, their labels, and the Fourier features of the pairs."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from entk_lib import _checks

FAMILIES = {"a": (1, 0), "b": (0, 1), "sum": (1, 1), "difference": (1, -1)}


def all_pairs(modulus: int) -> Int[Tensor, "pairs 2"]:
    """Every pair (a, b) of residues, a major.

    Args:
        modulus: Odd, at least 3; need not be prime.

    Returns:
        Pairs, shape ``(modulus ** 2, 2)``; pair (a, b) is row ``a * modulus + b``.

    Raises:
        TypeError: If ``modulus`` is no integer.
        ValueError: If it is even or below 3.

    Example:
        >>> all_pairs(3)[3:5].tolist()
        [[1, 0], [1, 1]]
    """
    _check_modulus(modulus)
    residues = torch.arange(modulus)
    return torch.cartesian_prod(residues, residues)


def one_hot(
    pairs: Int[Tensor, "n 2"], modulus: int, *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n inputs"]:
    """Pairs as a network sees them: one-hot a beside one-hot b.

    Args:
        pairs: Residues, shape ``(n, 2)``.
        modulus: As in `all_pairs`.
        dtype: Of the result, ``torch.float32`` by default.

    Returns:
        Shape ``(n, 2 * modulus)``.

    Raises:
        ValueError: If ``pairs`` has another shape or an entry outside 0 to modulus - 1.

    Example:
        >>> one_hot(torch.tensor([[0, 2]]), 3)
        tensor([[1., 0., 0., 0., 0., 1.]])
    """
    _check_pairs(pairs, modulus)
    return torch.nn.functional.one_hot(pairs, modulus).flatten(1).to(dtype)


def tokens(pairs: Int[Tensor, "n 2"], modulus: int) -> Int[Tensor, "n 3"]:
    """Pairs as a Transformer sees them: a, b and the token "=", which is the modulus.

    Args:
        pairs: Residues, shape ``(n, 2)``.
        modulus: As in `all_pairs`.

    Returns:
        Shape ``(n, 3)``.

    Raises:
        ValueError: As in `one_hot`.

    Example:
        >>> tokens(torch.tensor([[0, 2]]), 3)
        tensor([[0, 2, 3]])
    """
    _check_pairs(pairs, modulus)
    return torch.cat([pairs, torch.full_like(pairs[:, :1], modulus)], 1)


def targets(
    pairs: Int[Tensor, "n 2"], modulus: int, *, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n modulus"]:
    """The sums modulo p, one-hot.

    Args:
        pairs: Residues, shape ``(n, 2)``.
        modulus: As in `all_pairs`.
        dtype: Of the result, ``torch.float32`` by default.

    Returns:
        Shape ``(n, modulus)``.

    Raises:
        ValueError: As in `one_hot`.

    Example:
        >>> targets(torch.tensor([[2, 2]]), 3)
        tensor([[0., 1., 0.]])
    """
    _check_pairs(pairs, modulus)
    sums = pairs.sum(1) % modulus
    return torch.nn.functional.one_hot(sums, modulus).to(dtype)


def split(
    n: int, fraction: float, *, seed: int
) -> tuple[Int[Tensor, " train"], Int[Tensor, " test"]]:
    """Rows to train and to test on, drawn without replacement.

    Args:
        n: Number of rows.
        fraction: Share of the training rows, in (0, 1); their number is rounded down.
        seed: Seed of the draw.

    Returns:
        Indices of the training rows and of the others, each in ascending order.

    Raises:
        ValueError: If either part would be empty.

    Example:
        >>> train, test = split(10, 0.7, seed=0)
        >>> len(train), len(test)
        (7, 3)
    """
    _checks.require_count("n", n, minimum=2)
    n_train = int(fraction * n) if 0 < fraction < 1 else 0
    if not 0 < n_train < n:
        raise ValueError(
            f"fraction must leave rows on both sides of {n}, got {fraction}. 0.7 trains "
            "on seven rows in ten."
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[:n_train].sort().values, order[n_train:].sort().values


def accuracy(outputs: Float[Tensor, "n c"], targets: Float[Tensor, "n c"]) -> float:
    """Share of the samples whose largest output is at the target's one.

    Args:
        outputs: Of the network, shape ``(n, c)``.
        targets: One-hot, of the same shape.

    Returns:
        From 0 to 1; 1 / c by chance.

    Raises:
        ValueError: If the shapes differ or there is no sample.

    Example:
        >>> accuracy(torch.eye(3), torch.eye(3).flip(0)) == 1 / 3
        True
    """
    if outputs.shape != targets.shape or outputs.ndim != 2 or len(outputs) == 0:
        raise ValueError(
            f"outputs and targets must have one shape (n, c) with n > 0, got "
            f"{tuple(outputs.shape)} and {tuple(targets.shape)}."
        )
    return float((outputs.argmax(1) == targets.argmax(1)).double().mean())


def fourier_families(
    modulus: int, *, dtype: torch.dtype = torch.float64
) -> dict[str, Float[Tensor, "pairs frequencies 2"]]:
    r"""Cosines and sines on all pairs, by the combination of a and b that they see.

    Frequency k of a family with combination u, v has the two columns
    :math:`\cos(2 \pi k (u a + v b) / p)` and the sine, normalised. For an odd modulus,
    prime or not, all columns of the four families are orthonormal, and orthogonal to the
    constant.

    Args:
        modulus: As in `all_pairs`.
        dtype: Of the result, ``torch.float64`` by default.

    Returns:
        Families ``"a"``, ``"b"``, ``"sum"`` and ``"difference"``, each of shape
        ``(modulus ** 2, (modulus - 1) / 2, 2)``: rows as in `all_pairs`, frequencies 1
        to (modulus - 1) / 2, cosine and sine.

    Raises:
        ValueError: As in `all_pairs`.

    References:
        Nanda et al. (2023), "Progress measures for grokking via mechanistic
        interpretability", for the role of sums and differences.

    Example:
        >>> {name: tuple(family.shape) for name, family in fourier_families(3).items()}
        {'a': (9, 1, 2), 'b': (9, 1, 2), 'sum': (9, 1, 2), 'difference': (9, 1, 2)}
    """
    pairs = all_pairs(modulus)
    frequencies = torch.arange(1, modulus // 2 + 1)
    scale = math.sqrt(2) / modulus
    families = {}
    for name, direction in FAMILIES.items():
        # Reduced before it becomes a float: the columns are exact to rounding.
        phase = (pairs @ torch.tensor(direction)).outer(frequencies) % modulus
        angle = 2 * math.pi / modulus * phase.double()
        columns = torch.stack([angle.cos(), angle.sin()], 2)
        families[name] = (scale * columns).to(dtype)
    return families


def _check_modulus(modulus: int) -> None:
    _checks.require_count("modulus", modulus, minimum=3)
    if modulus % 2 == 0:
        raise ValueError(
            f"modulus must be odd, got {modulus}. With an even one, sums and differences "
            f"share a frequency; {modulus + 1} works."
        )


def _check_pairs(pairs: Tensor, modulus: int) -> None:
    _check_modulus(modulus)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(
            f"pairs must have shape (n, 2), got {tuple(pairs.shape)}. One row per pair."
        )
    if bool(((pairs < 0) | (pairs >= modulus)).any()):
        raise ValueError(
            f"pairs must hold residues from 0 to {modulus - 1}, got {int(pairs.min())} to "
            f"{int(pairs.max())}. Take them modulo {modulus}."
        )
