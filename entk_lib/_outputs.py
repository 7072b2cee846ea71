"""What each word of ``outputs`` does to the output axes of a kernel.

Every way is a linear map on the outputs, followed by one of two layouts of the mapped
Jacobian as a matrix whose product with its transpose is the kernel.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from entk_lib import _checks

OutputWord = Literal["full", "flatten", "average", "mean_output", "diagonal"]
Outputs = OutputWord | tuple[int, int]
_WORDS = '"full", "flatten", "diagonal", "average", "mean_output"'


@dataclass(frozen=True)
class Scaled:
    """A map that only scales outputs: as many numbers as outputs, never a matrix.

    Attributes:
        scale: Of every output.
        chosen: The outputs that are mapped, a range; all of them unless it is a part.
    """

    scale: Tensor
    chosen: range

    def __len__(self) -> int:
        """Number of mapped outputs."""
        return len(self.chosen)

    def part(self, some: slice) -> "Scaled":
        """Some of the mapped outputs."""
        return Scaled(self.scale, self.chosen[some])

    def matrix(self) -> Tensor:
        """The map written out, shape ``(mapped, outputs)``."""
        rows = self.scale.new_zeros(len(self.chosen), len(self.scale))
        rows[:, self._own].diagonal().copy_(self.scale[self._own])
        return rows

    def apply(self, outputs: Tensor) -> Tensor:
        """Mapped outputs of ``(n, outputs)``."""
        return outputs[:, self._own] * self.scale[self._own]

    def apply_transposed(self, cotangents: Tensor) -> Tensor:
        """Cotangents of the outputs, from ``(n, mapped)`` of the mapped ones."""
        found = cotangents.new_zeros(len(cotangents), len(self.scale))
        found[:, self._own] = cotangents * self.scale[self._own]
        return found

    def gram(self, columns: Tensor) -> Tensor:
        """``(M U)^T (M U)`` for columns U, shape ``(outputs, d)``."""
        mapped = columns[self._own] * self.scale[self._own].to(columns).unsqueeze(1)
        return mapped.mT @ mapped

    def squares(self) -> float:
        """Sum of the squares of the map's entries."""
        return float(self.scale[self._own].double().square().sum())

    @property
    def _own(self) -> slice:
        return slice(self.chosen.start, self.chosen.stop)


@dataclass(frozen=True)
class Dense:
    """A map that is a matrix, shape ``(mapped, outputs)``."""

    entries: Tensor

    def __len__(self) -> int:
        """Number of mapped outputs."""
        return len(self.entries)

    def part(self, some: slice) -> "Dense":
        """Some of the mapped outputs."""
        return Dense(self.entries[some])

    def matrix(self) -> Tensor:
        """The map written out, shape ``(mapped, outputs)``."""
        return self.entries

    def squares(self) -> float:
        """Sum of the squares of the map's entries."""
        return float(self.entries.double().square().sum())

    def apply(self, outputs: Tensor) -> Tensor:
        """Mapped outputs of ``(n, outputs)``."""
        return outputs @ self.entries.mT

    def apply_transposed(self, cotangents: Tensor) -> Tensor:
        """Cotangents of the outputs, from ``(n, mapped)`` of the mapped ones."""
        return cotangents @ self.entries

    def gram(self, columns: Tensor) -> Tensor:
        """``(M U)^T (M U)`` for columns U, shape ``(outputs, d)``."""
        mapped = self.entries.to(columns) @ columns
        return mapped.mT @ mapped


Side: TypeAlias = Scaled | Dense


@dataclass(frozen=True)
class OutputMap:
    """Maps for the two sides of a kernel and the layout of their Jacobians.

    Attributes:
        left: Applied to the outputs on the side of x1.
        right: The same on the side of x2; differs from ``left`` for a block (c, d) only.
        layout: ``"rows"``: every mapped output is a row of the kernel. ``"sum"``: mapped
            outputs of a sample are summed. ``"each"``: every mapped output has a kernel.
    """

    left: Side
    right: Side
    layout: Literal["rows", "sum", "each"]

    @property
    def rows_per_sample(self) -> int:
        """Rows of the kernel that one sample has."""
        return len(self.left) if self.layout == "rows" else 1

    @property
    def symmetric(self) -> bool:
        """Whether both sides are mapped alike, so that K(x, x) is symmetric."""
        return self.left is self.right or (
            isinstance(self.left, Dense)
            and isinstance(self.right, Dense)
            and torch.equal(self.left.entries, self.right.entries)
        )

    def part(self, rows: slice) -> "OutputMap":
        """Some of the mapped outputs, to be summed; nothing is written out."""
        left = self.left.part(rows)
        return OutputMap(left, left if self.symmetric else self.right.part(rows), "sum")


def output_map(
    outputs: Outputs,
    weights: Tensor | None,
    n_outputs: int,
    dtype: torch.dtype,
    device: torch.device,
) -> OutputMap:
    """The map for a word of ``outputs``.

    A vector of ``weights`` scales output c by ``sqrt(w_c)``; a symmetric positive
    semi-definite matrix M stands for the outputs ``M^(1/2) f``.

    Raises:
        ValueError: If the word is unknown, an index is out of range or a weight is off.
    """
    _checks.check_output_weights(weights, n_outputs)
    if weights is not None and weights.ndim == 2:
        root = _square_root(weights.to(device))
        if outputs == "average":
            # Any factor L with L^T L = M has the same sum; this one has as many rows as
            # M has directions.
            return _alike(Dense(root.factor.to(dtype) / n_outputs**0.5), "sum")
        each: Side = Dense(root.symmetric.to(dtype))
    else:
        scale = torch.ones(n_outputs, dtype=dtype, device=device)
        if weights is not None:
            scale = weights.to(dtype=dtype, device=device).sqrt()
        each = Scaled(scale, range(n_outputs))
        if outputs == "average":
            return _alike(Scaled(scale / n_outputs**0.5, range(n_outputs)), "sum")
    if outputs in ("full", "flatten"):
        return _alike(each, "rows")
    if outputs == "diagonal":
        return _alike(each, "each")
    if outputs == "mean_output":
        ones = torch.ones(1, n_outputs, dtype=dtype, device=device)
        return _alike(Dense(each.apply_transposed(ones) / n_outputs), "sum")
    is_pair = (
        isinstance(outputs, tuple)
        and len(outputs) == 2
        and all(isinstance(i, int) and not isinstance(i, bool) for i in outputs)
    )
    if not is_pair:
        raise ValueError(
            f"outputs must be {_WORDS} or a pair of output indices (c, d), got {outputs!r}."
        )
    for index in outputs:
        if not -n_outputs <= index < n_outputs:  # pyright: ignore[reportOperatorIssue]
            raise ValueError(
                f"outputs must index {n_outputs} outputs, got {outputs!r}. Count from 0 "
                f"to {n_outputs - 1}."
            )
    c, d = (int(index) % n_outputs for index in outputs)
    left = each.part(slice(c, c + 1))
    return OutputMap(left, left if c == d else each.part(slice(d, d + 1)), "sum")


def _alike(side: Side, layout: Literal["rows", "sum", "each"]) -> OutputMap:
    return OutputMap(side, side, layout)


@dataclass(frozen=True)
class _Root:
    """Square roots of a matrix M, in float64: M^(1/2), and L with L^T L = M."""

    symmetric: Tensor
    factor: Tensor


def _square_root(matrix: Tensor) -> _Root:
    values, vectors = torch.linalg.eigh(matrix.double())
    kept = values > len(matrix) * torch.finfo(torch.float64).eps * values[-1].abs()
    values, vectors = values[kept], vectors[:, kept]
    factor = values.sqrt().unsqueeze(1) * vectors.mT
    return _Root(vectors @ factor, factor)
