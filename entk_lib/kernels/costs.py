"""What a spectrum costs, by each way to it, told before anything is spent."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from entk_lib import _checks, _inputs
from entk_lib._inputs import Data
from entk_lib._outputs import Outputs
from entk_lib.kernels.engine import (
    Problem,
    explain_plan,
    multiply_adds_per_second,
    prepare,
    require_symmetric,
)
from entk_lib.kernels.jacobians import n_entries
from entk_lib.kernels.operators import NTKOperator

# Multiply-adds of a full symmetric eigendecomposition, over the cube of the size; and
# products that Lanczos takes for k pairs, beside its orthogonalisation.
_EIGH_COST = 4
_PRODUCTS_EACH = 4
_PRODUCTS_AT_LEAST = 60
# The calls of a product take as long as so many multiply-adds.
_PRODUCT_OVERHEAD = 10**8
# How much cheaper Lanczos on products must be: it proves less than a decomposition.
_MATRIX_FREE_GAIN = 5
# A decomposition runs at less than half the speed of products.
_EIGH_SECONDS = 9
# A product of a stored matrix and a vector reads it: so many multiply-adds an entry.
_READ_COST = 20
# The matrix itself, its eigenvectors and the workspace of eigh, in float64.
_BYTES_EACH = 24

_WAYS = {
    "kernel": "the kernel itself is decomposed",
    "gram": "the Gram matrix over the parameters is decomposed, the smaller side",
    "products": "Lanczos on products, no matrix is stored",
}
# A product is timed on so many samples.
_SAMPLES_TIMED = 32


@dataclass(frozen=True)
class Size:
    """Sides of a kernel of ``n`` samples, and what each way to its spectrum costs."""

    problem: Problem
    n: int
    tolerance: float | None = None

    @property
    def rows(self) -> int:
        """Of the kernel."""
        return self.n * self.problem.maps.rows_per_sample

    @property
    def columns(self) -> int:
        """Of its factor: rows of the Gram matrix."""
        each = self.problem.maps.rows_per_sample
        return n_entries(self.problem.parameters) * self.problem.n_mapped // each

    @property
    def smaller(self) -> int:
        """A bound of the rank."""
        return min(self.rows, self.columns)

    def needed(self, k: int | None) -> dict[str, int]:
        """Bytes, by way."""
        found = {
            "kernel": _BYTES_EACH * self.rows**2,
            "gram": _BYTES_EACH * self.columns**2,
        }
        if self._few(k):
            found["products"] = _BYTES_EACH * self._vectors(k) * self.rows
        return found

    def operations(self, k: int | None) -> dict[str, int]:
        """Multiply-adds, by way; what proves less counts for more."""
        rows, columns = self.rows, self.columns
        found = {
            "kernel": rows**2 * columns // 2 + _EIGH_COST * rows**3,
            "gram": rows * columns**2 // 2 + _EIGH_COST * columns**3,
        }
        if self._few(k):
            passes = 1 if self.problem.by_row else self.problem.n_mapped
            one_pass = 6 * n_entries(self.problem.parameters) * self.n
            each = passes * (one_pass + _PRODUCT_OVERHEAD)
            each += 2 * self._vectors(k) * rows
            gain = _MATRIX_FREE_GAIN if self.tolerance is None else 1
            found["products"] = self.n_products(k or 0) * each * gain
        return found

    def seconds(self, way: str, k: int | None) -> float:
        """Of the decomposition of a stored matrix; a Gram matrix is made, too."""
        size = self.rows if way == "kernel" else self.columns
        work = _EIGH_SECONDS * size**3
        if k is not None:
            work = min(work, _READ_COST * self.n_products(k) * size**2)
        if way == "gram":
            work += self.rows * size * (size // 2 + (k or size))
        return work / multiply_adds_per_second(torch.float64, self.problem.device)

    def n_products(self, k: int) -> int:
        """Products that Lanczos takes at least."""
        return _PRODUCTS_AT_LEAST + _PRODUCTS_EACH * k

    def fitting(self, k: int | None, budget: int) -> str | None:
        """The cheapest way that fits into a budget of bytes, if any does."""
        needed, operations = self.needed(k), self.operations(k)
        fits = [way for way in needed if needed[way] <= budget]
        return min(fits, key=operations.__getitem__) if fits else None

    def cheapest(self, k: int | None, budget: int) -> str:
        """The same; raises MemoryError if none does."""
        way = self.fitting(k, budget)
        if way is None:
            raise MemoryError(
                f"the spectrum of a {self.rows} x {self.rows} kernel or of its "
                f"{self.columns} x {self.columns} Gram matrix would need "
                f"{min(self.needed(k).values()) / 2**30:.2g} GiB, expected at most "
                f"{budget / 2**30:.2g} GiB. Ask for few eigenpairs with k=..., or pass "
                "fewer samples or parameters=[...]."
            )
        return way

    def _few(self, k: int | None) -> bool:
        return k is not None and k < self.rows - 1

    def _vectors(self, k: int | None) -> int:
        return max(2 * (k or 0) + 1, 20)


@dataclass(frozen=True)
class SpectrumCost:
    """What `ntk_spectrum` would spend.

    Attributes:
        rows: Of the kernel.
        columns: Of the Gram matrix over the parameters.
        seconds: How long the way takes on this machine, to a factor of three; ``None``
            where nothing fits. Two costs are equal whatever it is.
        way: ``"kernel"``, ``"gram"`` or ``"products"``; ``None`` where nothing fits.
        gib: Memory that each way needs beside the model and its inputs.
        advice: What would fit instead, one line each; empty where something fits.
    """

    rows: int
    columns: int
    way: str | None
    gib: dict[str, float]
    advice: tuple[str, ...]
    seconds: float | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Plain sentences."""
        sides = (
            f"The kernel has {self.rows:,} rows, its Gram matrix {self.columns:,}. "
            "Needed: " + ", ".join(f"{way} {gib:.2g} GiB" for way, gib in self.gib.items())
        )
        if self.way:
            return f"{sides}. Way: {_WAYS[self.way]}."
        return f"{sides}. None of them fits. What would:" + "".join(
            f"\n- {line}" for line in self.advice
        )


def spectrum_cost(
    model: nn.Module,
    x: Data,
    k: int | None = None,
    *,
    outputs: Outputs = "average",
    output_weights: Float[Tensor, "*outputs"] | None = None,
    parameters: Iterable[str] | str | None = None,
    memory: float | None = None,
) -> SpectrumCost:
    """What `ntk_spectrum` would spend, and which way it would take, without taking it.

    Args:
        model: As in `ntk_spectrum`.
        x: As in `ntk_spectrum`.
        k: As in `ntk_spectrum`.
        outputs: As in `ntk_spectrum`.
        output_weights: As in `ntk_spectrum`.
        parameters: As in `ntk_spectrum`.
        memory: GiB that may be used. ``None``: half of what is free.

    Returns:
        Sizes, memory by way, the way, and where nothing fits what would.

    Raises:
        ValueError: As in `ntk_spectrum`.
        TypeError: As in `ntk_spectrum`.

    Example:
        >>> import torch
        >>> spectrum_cost(nn.Linear(2, 1), torch.ones(1000, 2))
        The kernel has 1,000 rows, its Gram matrix 3. Needed: kernel 0.022 GiB, gram
        2e-07 GiB. Way: the Gram matrix over the parameters is decomposed, the smaller side.
    """
    x = _inputs.gathered(x)
    problem = prepare(model, x, outputs, output_weights, parameters)
    require_symmetric(problem, outputs)
    if k is not None:
        _checks.require_count("k", k)
    budget = _checks.memory_budget(problem.device, memory)
    size = Size(problem, _inputs.n_samples(x))
    way = size.fitting(k, budget)
    gib = {way: needed / 2**30 for way, needed in size.needed(k).items()}
    advice = () if way else tuple(_ways_out(size, budget))
    seconds = None
    if way == "products" and k is not None:
        few = _inputs.take(x, slice(0, _SAMPLES_TIMED))
        operator = NTKOperator(
            model,
            few,
            outputs=outputs,
            output_weights=output_weights,
            parameters=parameters,
            memory=memory,
        )
        scale = _inputs.n_samples(x) / _inputs.n_samples(few)
        seconds = scale * size.n_products(k) * operator.product_seconds()
    elif way is not None:
        seconds = size.seconds(way, k)
    if seconds is not None and way == "kernel":
        seconds += explain_plan(problem, x, None, budget).seconds or 0.0
    return SpectrumCost(size.rows, size.columns, way, gib, advice, seconds)


def _ways_out(size: Size, budget: int) -> Iterable[str]:
    """Smaller questions that fit into the budget."""
    for fewer in (100, 50, 20, 10):
        needed = size.needed(fewer).get("products")
        if needed and needed <= budget:
            yield f"k={fewer}: {needed / 2**30:.2g} GiB, matrix-free"
            break
    each = size.problem.maps.rows_per_sample
    if each > 1 and _BYTES_EACH * size.n**2 <= budget:
        needed = _BYTES_EACH * size.n**2 / 2**30
        yield f'outputs="average": {size.n:,} rows, {needed:.2g} GiB'
    samples = int((budget / _BYTES_EACH) ** 0.5) // each
    if samples >= 1:
        yield f"at most {samples:,} samples, such as x[::{-(-size.n // samples)}]"
    yield "parameters=[...] of a layer or two"
    yield "NTKOperator(model, x) for products alone"
