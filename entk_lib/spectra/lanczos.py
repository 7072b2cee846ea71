"""A few of the largest eigenpairs, by scipy's Lanczos, and a search for missed ones."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor

Product = Callable[[Tensor], Tensor]


def few_largest(matrix: Tensor, k: int) -> tuple[Tensor, Tensor] | None:
    """The k largest eigenpairs by Lanczos, or None where they cannot be proven to be."""
    # Lanczos may miss copies of a degenerate eigenvalue. So what it leaves is looked at:
    # with the found pairs taken out, bound * I - rest has a Cholesky factor exactly if no
    # eigenvalue above the bound, the smallest one found, was missed.
    try:
        found, basis = eigsh(
            matrix.numpy(), k, which="LA", v0=torch.ones(len(matrix)).numpy()
        )
    except ArpackError:
        return None
    values = torch.from_numpy(found).flip(0)
    vectors = torch.from_numpy(basis).flip(1)
    if values[-1] <= 0:
        return None  # beyond the rank: eigh tells by how much
    rest = (vectors * values) @ vectors.mT - matrix
    rest.diagonal().add_(values[-1] * (1 + 1e-9))
    missed = bool(torch.linalg.cholesky_ex(rest).info)
    return None if missed else (values, vectors)


def few_largest_of_product(
    product: Product, n: int, k: int, dtype: torch.dtype, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The k largest eigenpairs of a symmetric matrix that is known by its products only.

    Lanczos may miss copies of a degenerate eigenvalue. So what it leaves is searched
    again, from another random start, until nothing above the smallest one found turns up.

    Args:
        product: The matrix times a vector of length n, in ``dtype``.
        n: Number of rows.
        k: Number of eigenpairs, below n.
        dtype: float32 or float64; of the vectors and, by its rounding, of the result.
        seed: Of the random starts.

    Returns:
        Eigenvalues, descending, and eigenvectors in columns.

    Raises:
        RuntimeError: If the iteration does not converge.
    """
    precision = torch.empty((), dtype=dtype).numpy().dtype
    random = np.random.default_rng(seed)

    def search(count: int, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        def leave_out(vector: np.ndarray) -> np.ndarray:
            return vector - known @ (known.T @ vector)

        def multiply(vector: np.ndarray) -> np.ndarray:
            inside = torch.from_numpy(leave_out(vector.ravel()).astype(precision))
            return leave_out(product(inside).cpu().numpy())

        operator = LinearOperator((n, n), matvec=multiply, dtype=precision)  # pyright: ignore
        start = leave_out(random.standard_normal(n).astype(precision))
        try:
            found, basis = eigsh(operator, count, which="LA", v0=start)
        except ArpackError as error:
            raise RuntimeError(
                f"the {count} largest eigenvalues of a {n} x {n} kernel did not converge "
                f"({error}). Ask for fewer, or give more memory for a full decomposition."
            ) from error
        return found[::-1], basis[:, ::-1]

    values, vectors = search(k, np.zeros((n, 0), precision))
    rounding = 10 * n**0.5 * float(np.finfo(precision).eps) * values[0]
    for _ in range(k):
        if len(values) >= n - 1:
            break
        found, basis = search(1, vectors)
        if found[0] <= values[k - 1] + rounding:
            break
        values, vectors = np.append(values, found), np.hstack([vectors, basis])
        order = np.argsort(-values, kind="stable")
        values, vectors = values[order], vectors[:, order]
    return (
        torch.from_numpy(values[:k].copy()),
        torch.from_numpy(np.ascontiguousarray(vectors[:, :k])),
    )
