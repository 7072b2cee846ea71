"""Least squares with a Jacobian: the shortest change of parameters for a change of outputs.

Small Jacobians are decomposed. Larger ones are only multiplied with: by conjugate
gradients on the kernel, preconditioned with the class-averaged kernel, which the engine
gives cheaply and which is what the whole kernel would be if outputs did not share
parameters; and by LSMR where the kernel is singular or nearly so, or has more rows than
there are parameters.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, cg, lsmr
from torch import Tensor
from tqdm import tqdm

from entk_lib._inputs import Inputs
from entk_lib._progress import progress
from entk_lib.kernels.empirical import empirical_ntk, explain_ntk
from entk_lib.kernels.engine import Problem
from entk_lib.kernels.jacobians import Jacobians, n_entries
from entk_lib.kernels.tangents import Chunks, Tangents

# A Jacobian with so few rows or columns, and so many entries, is decomposed.
SMALL_SIDE = 1024
SMALL_ENTRIES = 2**24
# The class-averaged kernel of more samples costs more than it saves.
MOST_SAMPLES = 4096
# It may take as long as all iterations together, or so long.
FREE_SECONDS = 1.0
# What the decomposition of a matrix takes beside it, in matrices of its size.
DECOMPOSED_COPIES = 5
# Beyond this condition number of it, conjugate gradients would not come to an end.
MOST_CONDITION = 1e6

Way = Literal["decomposed", "conjugate gradients", "LSMR"]


@dataclass(frozen=True)
class Solution:
    """The shortest change of parameters, and what it does to first order.

    Attributes:
        delta: Change of all parameters in a row, float64.
        predicted: Change of the outputs, ``(n, C)``, float64.
        way: How it was found.
        products: Products with the Jacobian or its transpose that it took.
    """

    delta: Float[Tensor, " parameters"]
    predicted: Float[Tensor, "n outputs"]
    way: Way
    products: int


def solve_tangent(
    problem: Problem,
    x: Inputs,
    chunks: Chunks,
    wanted: Float[Tensor, "n outputs"],
    *,
    ridge: float,
    tolerance: float,
    max_products: int,
    budget: int,
) -> Solution:
    r"""Minimise :math:`|J \delta - w|^2 + r |\delta|^2`; of all minima the shortest.

    Args:
        problem: The model with flattened outputs, and its chosen parameters.
        x: The samples.
        chunks: Of them, as `chunks_of` gives them for this budget.
        wanted: w, float64.
        ridge: r.
        tolerance: Of the residual relative to w, where w can be reached.
        max_products: So many products by either of the two iterations, at most.
        budget: Bytes that may be used.

    Returns:
        The solution.

    References:
        Fong and Saunders (2011), "LSMR", SIAM J. Sci. Comput. 33, for the last of the ways.
    """
    rows, columns = wanted.numel(), n_entries(problem.parameters)
    if not bool(wanted.any()):
        nothing = torch.zeros(columns, dtype=torch.float64, device=wanted.device)
        return Solution(nothing, torch.zeros_like(wanted), "decomposed", 0)
    small = min(rows, columns) <= SMALL_SIDE and rows * columns <= SMALL_ENTRIES
    if small and 4 * 8 * rows * columns <= budget:
        return _decomposed(problem, x, wanted, ridge)
    products = _Products(problem, x, chunks, wanted, budget)
    return products.solve(ridge, tolerance, max(1, max_products // 2))


def _decomposed(problem: Problem, x: Inputs, wanted: Tensor, ridge: float) -> Solution:
    matrix = Jacobians(problem, x).matrix(x)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    eps = torch.finfo(problem.dtype).eps
    kept = values > max(matrix.shape) * eps * values[0].clamp(min=eps**2)
    left, values, right = left[:, kept], values[kept], right[kept]
    inside = left.mT @ wanted.reshape(-1)
    delta = right.mT @ (inside * values / (values.square() + ridge))
    return Solution(delta, (matrix @ delta).reshape(wanted.shape), "decomposed", 0)


class _Products:
    """The Jacobian as an operator of scipy's, which counts its products."""

    def __init__(
        self, problem: Problem, x: Inputs, chunks: Chunks, wanted: Tensor, budget: int
    ) -> None:
        self._problem, self._x, self._wanted = problem, x, wanted
        # Graphs that are kept hold up to half of it.
        self._left = budget // 2 if chunks.remembered else budget
        self._tangents = Tangents(problem, x, budget, chunks)
        self._count = 0
        self._bar: tqdm | None = None

    def solve(self, ridge: float, tolerance: float, most: int) -> Solution:
        with progress("edit", None, "product") as self._bar:
            delta = self._on_the_kernel(ridge, tolerance, most)
            way: Way = "LSMR" if delta is None else "conjugate gradients"
            if delta is None:
                delta = self._least_squares(ridge, tolerance, most)
            predicted = self._push(delta)
        return Solution(delta, predicted, way, self._count)

    def _pull(self, cotangents: Tensor) -> Tensor:
        weights = cotangents.to(self._problem.dtype).reshape(self._wanted.shape)
        return self._counted(self._tangents.pull(weights))

    def _push(self, direction: Tensor) -> Tensor:
        return self._counted(self._tangents.push(direction.to(self._problem.dtype)))

    def _counted(self, found: Tensor) -> Tensor:
        self._count += 1
        if self._bar is not None:
            self._bar.update()
        return found.double()

    def _on_the_kernel(self, ridge: float, tolerance: float, most: int) -> Tensor | None:
        """The change by way of ``(K + ridge) v = w``, or ``None`` if that leads nowhere."""
        size = self._wanted.numel()
        if size > n_entries(self._problem.parameters) and ridge == 0:
            return None
        start = time.perf_counter()
        if not bool(self._push(self._pull(self._wanted)).any()):
            return None
        longest = max(FREE_SECONDS, most * (time.perf_counter() - start))
        averaged = self._averaged(ridge, longest)
        if averaged is None:
            return None

        def times_kernel(vector: Tensor) -> Tensor:
            return self._push(self._pull(vector)).reshape(-1) + ridge * vector

        # On a singular kernel it divides by zero: what it finds is then not finite.
        with np.errstate(divide="ignore", invalid="ignore"):
            found, missed = cg(
                self._operator((size, size), times_kernel),
                self._wanted.reshape(-1).cpu().numpy(),
                rtol=tolerance,
                maxiter=most,
                M=self._preconditioner(*averaged),
            )
        if missed or not np.isfinite(found).all():
            return None
        return self._pull(self._tensor(found))

    def _averaged(self, ridge: float, seconds: float) -> tuple[Tensor, Tensor] | None:
        """Eigenpairs of the class-averaged kernel, if it is cheap and well-conditioned."""
        n, names = len(self._wanted), list(self._problem.parameters)
        left = self._left - DECOMPOSED_COPIES * 8 * n**2
        if n > MOST_SAMPLES or left <= 0:
            return None
        model, memory = self._problem.model, left / 2**30
        plan = explain_ntk(model, self._x, parameters=names, memory=memory)
        # In little memory its blocks are many: it could take longer than all iterations.
        if plan.seconds is None or plan.seconds > seconds:
            return None
        kernel = empirical_ntk(model, self._x, parameters=names, memory=memory)
        values, vectors = torch.linalg.eigh(kernel.double())
        values += ridge
        if not float(values[0]) * MOST_CONDITION > float(values[-1]):
            return None
        return values, vectors

    def _preconditioner(self, values: Tensor, vectors: Tensor) -> LinearOperator:
        """The inverse of the class-averaged kernel, for each output alike."""
        shape = self._wanted.shape

        def apply(residual: Tensor) -> Tensor:
            if self._bar is not None:  # conjugate gradients show their residual here
                left = float(residual.norm() / self._wanted.norm())
                self._bar.set_postfix_str(f"residual {left:.0e}")
            inside = vectors.mT @ residual.reshape(shape)
            return (vectors @ (inside / values.unsqueeze(1))).reshape(-1)

        return self._operator((self._wanted.numel(), self._wanted.numel()), apply)

    def _least_squares(self, ridge: float, tolerance: float, most: int) -> Tensor:
        size, n_parameters = self._wanted.numel(), n_entries(self._problem.parameters)
        found = lsmr(
            self._operator(
                (size, n_parameters),
                lambda vector: self._push(vector).reshape(-1),
                self._pull,
            ),
            self._wanted.reshape(-1).cpu().numpy(),
            damp=ridge**0.5,
            atol=1e-2 * tolerance,
            btol=tolerance,
            conlim=0,
            maxiter=most,
        )[0]
        return self._tensor(found)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array).reshape(-1)).to(
            self._wanted.device
        )

    def _operator(
        self,
        shape: tuple[int, int],
        apply: Callable[[Tensor], Tensor],
        apply_transposed: Callable[[Tensor], Tensor] | None = None,
    ) -> LinearOperator:
        def as_arrays(function: Callable[[Tensor], Tensor]) -> Callable:
            return lambda array: function(self._tensor(array)).cpu().numpy()

        transposed = as_arrays(apply_transposed or apply)
        products: dict[str, Any] = {"matvec": as_arrays(apply), "rmatvec": transposed}
        return LinearOperator(shape=shape, dtype=np.float64, **products)
