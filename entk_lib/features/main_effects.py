"""Which token moves a vector: main effects, as in an analysis of variance."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from entk_lib.features.rotations import check_orthonormal


def split_by_token(
    basis: Float[Tensor, "n k"], tokens: Int[Tensor, "n_rows t"]
) -> tuple[list[Float[Tensor, "n k_t"]], Float[Tensor, " k"]]:
    r"""Split a span by which of several tokens moves a vector: an analysis of variance.

    The main effect of a token in a vector is what is left of it after it has been averaged
    over all samples with the same value of that token, less its mean. The span is rotated
    onto vectors that differ most in whose main effect they are.

    Args:
        basis: Orthonormal columns, shape ``(n, k)``.
        tokens: Which value each token has in each sample, shape ``(n, t)``. Only equality
            of values counts, no order and no arithmetic.

    Returns:
        One orthonormal basis for each token, in their order, some perhaps without
        columns; and, for the columns of all of them in that order, the share of the
        vector's energy that this token's main effect is, shape ``(k,)``. Near 1: moved by
        that token alone. Near 0: by none alone, as waves of sums are.

    Raises:
        ValueError: If the basis is not orthonormal, or ``tokens`` is not a matrix of
            integers with as many rows.

    Example:
        >>> tokens = torch.cartesian_prod(torch.arange(2), torch.arange(2))
        >>> a = torch.tensor([1.0, 1.0, -1.0, -1.0]) / 2
        >>> b = torch.tensor([1.0, -1.0, 1.0, -1.0]) / 2
        >>> mixed = torch.stack([a + b, a - b], 1) / 2**0.5
        >>> (of_a, of_b), shares = split_by_token(mixed, tokens)
        >>> [round(abs(float(w @ v)), 3) for w, v in ((a, of_a[:, 0]), (b, of_b[:, 0]))]
        [1.0, 1.0]
    """
    check_orthonormal(basis)
    if tokens.ndim != 2 or tokens.is_floating_point() or len(tokens) != len(basis):
        raise ValueError(
            f"tokens must be integers, one row for each of the {len(basis)} samples and a "
            f"column for each token, got {tokens.dtype} of shape {tuple(tokens.shape)}."
        )
    span = basis.double()
    effects = torch.stack([_main_effect(span, column) for column in tokens.mT])
    # In a balanced design main effects are orthogonal, and any distinct weights do.
    weights = torch.linspace(1, -1, len(effects), dtype=torch.float64)
    rotation = torch.linalg.eigh(torch.tensordot(weights, effects, 1)).eigenvectors
    energies = ((effects @ rotation) * rotation).sum(1)
    token = energies.argmax(0)
    parts = [(span @ rotation[:, token == t]).to(basis.dtype) for t in range(len(effects))]
    shares = torch.cat([energies[t, token == t] for t in range(len(effects))])
    return parts, shares.clamp(0, 1)


def _main_effect(span: Tensor, values: Tensor) -> Tensor:
    """Gram matrix of the columns' averages over the samples that share a value."""
    index = torch.unique(values, return_inverse=True)[1]
    counts = torch.bincount(index).to(span)
    sums = torch.zeros(len(counts), span.shape[1]).to(span).index_add_(0, index, span)
    centred = sums / counts[:, None] - span.mean(0)
    return centred.mT @ (counts[:, None] * centred)
