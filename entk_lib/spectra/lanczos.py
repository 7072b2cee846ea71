"""A few of the largest eigenpairs, by Lanczos, and a search for missed ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor

Product = Callable[[Tensor], Tensor]
# Products between looks at the residuals: a look costs a small decomposition.
_CHECK_EVERY = 2


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


@dataclass(frozen=True)
class Ritz:
    """Approximate eigenpairs from a Krylov space.

    Attributes:
        values: Descending.
        vectors: Orthonormal columns v.
        images: Their products K v.
    """

    values: Tensor
    vectors: Tensor
    images: Tensor

    @property
    def residuals(self) -> Tensor:
        """Norms of ``K v - value v``, one a pair."""
        rest = self.images - self.vectors * self.values.to(self.vectors)
        return rest.norm(dim=0).double()

    def first(self, k: int) -> "Ritz":
        """The k largest."""
        return Ritz(self.values[:k], self.vectors[:, :k], self.images[:, :k])


def few_largest_to_tolerance(
    product: Product,
    n: int,
    k: int,
    dtype: torch.dtype,
    tolerance: float,
    *,
    seed: int = 0,
    told: Callable[[float], None] = lambda residual: None,
) -> Ritz:
    """The k largest eigenpairs of a symmetric matrix, as exactly as they are needed.

    Lanczos with every vector kept and orthogonalised against all before, so that no
    product is spent twice; it stops once the residuals of k pairs are small enough. What
    the pairs leave is searched from another random start, because Lanczos sees one copy
    only of an eigenvalue that has several: until a pair is found there, or until one
    above the k-th, by more than the tolerance, would have been seen but for a chance of
    one in a thousand.

    Args:
        product: The matrix times a vector of length n, in ``dtype``.
        n: Number of rows.
        k: Number of eigenpairs, below n.
        dtype: float32 or float64.
        tolerance: Largest residual, relative to the largest eigenvalue.
        seed: Of the random starts.
        told: Called with the residual reached, relative, every few products.

    Returns:
        The pairs, on the product's device.

    Raises:
        RuntimeError: If the matrix has fewer than k directions above rounding.

    References:
        Saad (2011), "Numerical methods for large eigenvalue problems", chapter 6;
        Kuczynski and Wozniakowski (1992), "Estimating the largest eigenvalue by the power
        and Lanczos algorithms with a random start", theorem 4.2, for the chance.
    """
    generator = torch.Generator().manual_seed(seed)

    def start() -> Tensor:
        return torch.randn(n, generator=generator, dtype=torch.float64).to(dtype)

    # Less than asked for: pairs of two searches make one space, whose residuals are more.
    part = tolerance / 2**0.5
    found = _krylov(
        product,
        start(),
        k,
        lambda values, residual, _: residual <= part * float(values[0]),
        told,
    )
    bound, least = part * float(found.values[0]), n * torch.finfo(dtype).eps
    while found.vectors.shape[1] < n:
        known, images, missing = found.vectors, found.images, k - len(found.values)

        def leave_out(vector: Tensor, known: Tensor = known) -> Tensor:
            return vector - known @ (known.mT @ vector)

        def enough(
            values: Tensor,
            residual: float,
            steps: int,
            smallest: Tensor = found.values[:k][-1],
            missing: int = missing,
        ) -> bool:
            seen = (1 - _unseen(n, steps)) * (float(smallest) + bound)
            return residual <= bound or (missing <= 0 and float(values[0]) <= seen)

        # A space that ended early holds one copy of each eigenvalue: the rest is elsewhere.
        rest = _krylov(
            lambda v, leave_out=leave_out: leave_out(product(v)),
            leave_out(start().to(known)),
            max(1, missing),
            enough,
            told,
        )
        if missing > 0 and rest.values[0] <= least * found.values[0]:
            raise RuntimeError(
                f"the kernel must have {k} directions above rounding, got "
                f"{len(found.values)}. Ask for fewer eigenpairs with k=..."
            )
        if missing <= 0 and rest.values[0] <= found.values[k - 1] + bound:
            break
        new = rest.vectors
        # What was left out of its product is known, too.
        image = rest.images + known @ (images.mT @ new)
        found = _combined(torch.cat([known, new], 1), torch.cat([images, image], 1))
    found = found.first(k)
    reached = float(found.residuals.max() / found.values[0])
    if reached > tolerance > least:
        return few_largest_to_tolerance(
            product, n, k, dtype, tolerance / 2, seed=seed + 1, told=told
        )
    return found


def _unseen(n: int, steps: int) -> float:
    """How far, relative to it, Lanczos may still be below the largest of n eigenvalues.

    From a random start, with a chance of one in a thousand to be farther.
    """
    return min(1.0, (math.log(1648 * n**0.5) / (2 * steps - 1)) ** 2)


def _combined(vectors: Tensor, images: Tensor) -> Ritz:
    """The best pairs in a space of orthonormal columns, from their products with K."""
    small = vectors.mT @ images
    values, turns = torch.linalg.eigh((small + small.mT).double() / 2)
    values, turns = values.flip(0), turns.flip(1).to(vectors)
    return Ritz(values, vectors @ turns, images @ turns)


def _krylov(
    product: Product,
    start: Tensor,
    k: int,
    enough: Callable[[Tensor, float, int], bool],
    told: Callable[[float], None],
) -> Ritz:
    """Grow a Krylov space until its k values, their residual and its size are enough."""
    n, eps = len(start), torch.finfo(start.dtype).eps
    vector = start / start.norm()
    basis: list[Tensor] = []
    diagonal: list[float] = []
    below: list[float] = []
    while True:
        image = product(vector)
        basis.append(vector.to(image))
        diagonal.append(float(image @ basis[-1]))
        space = torch.stack(basis, 1)
        for _ in range(2):  # once is not enough in floating point
            image = image - space @ (space.mT @ image)
        length = float(image.norm())
        size = len(basis)
        last = size == n or length <= n**0.5 * eps * max(map(abs, diagonal))
        if last or (size >= k and size % _CHECK_EVERY == 0):
            values, turns = _small_pairs(diagonal, below, k)
            residuals = (0.0 if last else length) * turns[-1].abs()
            told(float(residuals.max() / values[0].clamp_min(1e-300)))
            if last or enough(values, float(residuals.max()), size):
                turns = turns.to(space)
                vectors = space @ turns
                images = vectors * values.to(space)
                # K Q = Q T, and what sticks out of the space along the next vector.
                if not last:
                    images = images + torch.outer(image, turns[-1])
                return Ritz(values, vectors, images)
        below.append(length)
        vector = image / length


def _small_pairs(
    diagonal: list[float], below: list[float], k: int
) -> tuple[Tensor, Tensor]:
    """The k largest eigenpairs of the matrix in the Krylov space, which has three bands."""
    small = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    beside = torch.tensor(below[: len(diagonal) - 1], dtype=torch.float64)
    values, turns = torch.linalg.eigh(
        small + torch.diag(beside, 1) + torch.diag(beside, -1)
    )
    return values.flip(0)[:k], turns.flip(1)[:, :k]
