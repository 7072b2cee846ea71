"""What of a batch is kept to make kernels from, and the products that make them.

A kernel is a sum of products of two factors, one for each of its sides. The factor of a
call is either its A and G, by position (`Pairs`), or a Jacobian (`Gradient`). Each tile
of a kernel needs some rows of two factors only.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from entk_lib.kernels.engine.record import ChangedError

Tiles = dict[str, Tensor]

_COLUMNS = 8192
_FEW_ROWS = 16
_TOKEN_COST = 20_000_000
# How well the U of two batches must agree.
_TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-6}


class Factor(ABC):
    """One side of a part of a kernel; ``other`` is the same part of the other side."""

    @abstractmethod
    def add_product(
        self, tiles: Tiles, other: Any, here: slice, there: slice, *, by_row: bool
    ) -> None:
        """Add the product of some samples of both sides to the tile of each layer.

        ``by_row``: each mapped output is a row of the tile, else they are summed.
        """

    @abstractmethod
    def trace(self) -> float:
        """Sum of the diagonal of the product with itself."""


@dataclass(frozen=True)
class Gradient(Factor):
    """Jacobian of the mapped outputs for one layer's parameter, ``(n, mapped, size)``."""

    layer: str
    jacobian: Tensor

    def add_product(
        self, tiles: Tiles, other: "Gradient", here: slice, there: slice, *, by_row: bool
    ) -> None:
        """Add J J'^T."""
        tile = tiles[self.layer]
        left, right = self.jacobian[here], other.jacobian[there]
        kept = 1 if by_row else 0
        left, right = left.flatten(0, kept).flatten(1), right.flatten(0, kept).flatten(1)
        if left.dtype == tile.dtype and min(tile.shape) >= _FEW_ROWS:
            tile.addmm_(left, right.mT)
            return
        # In parts: no copy of all of it in another dtype, and no long naive sum, which
        # is how the product of a few rows is taken.
        for start in range(0, left.shape[1], _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            tile.addmm_(
                left[:, columns].to(tile.dtype), right[:, columns].to(tile.dtype).mT
            )

    def trace(self) -> float:
        """Sum of all squares."""
        return float(self.jacobian.double().square().sum())


@dataclass(frozen=True)
class Inputs:
    """A term's A by position, ``(groups, positions, n, in)``, or tokens ``(1, s, n)``.

    None stands for ones, as for a bias.
    """

    layer: str
    values: Tensor | None
    factor: float = 1.0

    def part(self, group: int, samples: slice, dtype: torch.dtype) -> Tensor | None:
        """A of some samples at all positions, laid out one after the other."""
        if self.values is None:
            return None
        values = self.values[group, :, samples]
        return values if values.ndim == 2 else values.to(dtype).contiguous()

    def product(
        self, right: Tensor | None, at: tuple[int, int], here: slice, dtype: torch.dtype
    ) -> Tensor | float:
        """Inner products at one position here and all of a part there, ``(n1, t, n2)``."""
        if self.values is None or right is None:
            return self.factor**2
        group, s = at
        left = self.values[group, s, here]
        if left.ndim == 1:  # one-hot rows agree or are orthogonal
            inner = (left[:, None, None] == right).to(dtype)
        else:
            inner = left.to(dtype) @ right.flatten(0, 1).mT
            inner = inner.reshape(len(left), *right.shape[:2])
        return inner if self.factor == 1 else inner * self.factor**2

    def own(self, group: int) -> Tensor | float:
        """Inner products of each sample's own positions, ``(n, positions, positions)``."""
        if self.values is None:
            return self.factor**2
        values = self.values[group]
        if values.ndim == 2:
            return (values.mT.unsqueeze(2) == values.mT.unsqueeze(1)) * self.factor**2
        values = values.double()
        return torch.einsum("sni,tni->nst", values, values) * self.factor**2


@dataclass(frozen=True)
class Pairs(Factor):
    """A call's inputs and cotangents by position.

    Attributes:
        inputs: One for each term.
        cotangents: G, shape ``(groups, positions, n, mapped, out)``; where it is a
            product of D and U, D of shape ``(groups, positions, n, 1, out)``.
        common: U, shape ``(groups, positions, mapped, out)``, or None.
    """

    inputs: list[Inputs]
    cotangents: Tensor
    common: Tensor | None = None

    def add_product(
        self, tiles: Tiles, other: "Pairs", here: slice, there: slice, *, by_row: bool
    ) -> None:
        """Add the sum over pairs of positions of (A A'^T) (G G'^T)."""
        groups, positions = self.cotangents.shape[:2]
        dtype = next(iter(tiles.values())).dtype
        if self._by_token(other, here, there, by_row=by_row):
            tile = tiles[self.inputs[0].layer]
            for token in self._tokens.keys() & other._tokens.keys():
                rows, left = self._held(token, here)
                columns, right = other._held(token, there)
                tile[rows.unsqueeze(1), columns] += left.to(dtype) @ right.to(dtype).mT
            return
        layers = dict.fromkeys(part.layer for part in self.inputs)
        for group in range(groups):
            # Once for all positions on this side.
            right = other.cotangents[group, :, there].to(dtype).contiguous()
            parts = [part.part(group, there, dtype) for part in other.inputs]
            for s in range(positions):
                at = (group, s)
                outer = self._outer(other, right, at, here, by_row=by_row)
                for layer in layers:
                    inner = sum(
                        mine.product(theirs, at, here, dtype)
                        for mine, theirs in zip(self.inputs, parts, strict=True)
                        if mine.layer == layer
                    )
                    _add_each(tiles[layer], inner, outer)

    def _by_token(self, other: "Pairs", here: slice, there: slice, *, by_row: bool) -> bool:
        """Whether few enough tokens appear that it pays to take them one by one."""
        mine, theirs = self.inputs[0].values, other.inputs[0].values
        if mine is None or theirs is None or mine.ndim > 3 or by_row:
            return False
        if self.common is not None or self.inputs[0].factor != 1:
            return False
        rows, columns = mine[0, :, here], theirs[0, :, there]
        width = self.cotangents.shape[3] * self.cotangents.shape[4]
        # A token costs a few calls, each as long as some million multiply-adds.
        return len(rows.unique()) * _TOKEN_COST < rows.numel() * columns.numel() * width

    @functools.cached_property
    def _tokens(self) -> dict[int, tuple[Tensor, Tensor]]:
        """For each token the samples that hold it, and their G summed over its places."""
        values = self.inputs[0].values
        assert values is not None
        gradients = self.cotangents[0].flatten(2)
        found = {}
        for token in values.unique().tolist():
            places, rows = (values[0] == token).nonzero(as_tuple=True)
            owners, index = rows.unique(return_inverse=True)
            total = gradients.new_zeros(len(owners), gradients.shape[2])
            found[token] = owners, total.index_add_(0, index, gradients[places, rows])
        return found

    def _held(self, token: int, samples: slice) -> tuple[Tensor, Tensor]:
        """Which of some samples hold a token, counted from the first, and their G."""
        owners, gradients = self._tokens[token]
        start, stop = torch.searchsorted(
            owners, owners.new_tensor([samples.start, samples.stop])
        ).tolist()
        return owners[start:stop] - samples.start, gradients[start:stop]

    def _outer(
        self,
        other: "Pairs",
        right: Tensor,
        at: tuple[int, int],
        here: slice,
        *,
        by_row: bool,
    ) -> Tensor:
        """G G'^T at one position here and all there, ``(n1, mapped1, t, n2, mapped2)``.

        ``right`` is the other's G there. Without ``by_row`` both mapped axes have length
        one: their sum.
        """
        group, s = at
        left = self.cotangents[group, s, here].to(right.dtype)
        same = self.common is other.common and len(other.cotangents[group]) == 1
        # With itself, a column of U gives one.
        if self.common is not None and other.common is not None and not same:
            weights = (self.common[group, s] * other.common[group]).sum(1).to(right.dtype)
            right = right * weights[:, None, None]
        n1, t, n2 = len(left), *right.shape[:2]
        if by_row:
            product = left.flatten(0, 1) @ right.flatten(0, 2).mT
            return product.reshape(n1, left.shape[1], t, n2, right.shape[2])
        product = left.flatten(1) @ right.flatten(2).flatten(0, 1).mT
        return product.reshape(n1, 1, t, n2, 1)

    def trace(self) -> float:
        """Sum over samples and pairs of their own positions."""
        total = 0.0
        whole = self.cotangents
        if self.common is not None:
            whole = whole * self.common.unsqueeze(2)
        for group, cotangents in enumerate(whole.double()):
            outer = torch.einsum("snco,tnco->nst", cotangents, cotangents)
            total += sum(float((part.own(group) * outer).sum()) for part in self.inputs)
        return total

    def joined(self, others: Sequence["Pairs"]) -> "Pairs":
        """Samples below one another; where all have a U, the first one's for all."""
        parts = [self, *others]
        common = parts[0].common
        for part in parts[1:]:
            if common is not None and part.common is not None:
                # Where the earlier batches have no gradient they have no U either.
                missing = (common == 0).all(2, keepdim=True)
                common = torch.where(missing, part.common, common)
        inputs = [
            Inputs(
                own.layer, _joined_values([p.inputs[i].values for p in parts]), own.factor
            )
            for i, own in enumerate(self.inputs)
        ]
        return Pairs(inputs, torch.cat([part._along(common) for part in parts], 2), common)

    def _along(self, common: Tensor | None) -> Tensor:
        """G, or D for another U; ChangedError if it differs in more than sign."""
        if self.common is None or common is None:
            return self.cotangents
        signs = (self.common * common).sum(2)
        difference = (self.common - signs.unsqueeze(2) * common).abs()
        if not bool((difference <= _TOLERANCE[common.dtype]).all()):
            raise ChangedError("the outputs have a common factor in each batch only")
        return self.cotangents * signs[:, :, None, None]


def join(parts: Sequence[list[Pairs]]) -> list[Pairs]:
    """The factors of several batches as those of one."""
    if len(parts) == 1:
        return parts[0]
    return [
        first.joined([part[i] for part in parts[1:]]) for i, first in enumerate(parts[0])
    ]


def _joined_values(values: Sequence[Tensor | None]) -> Tensor | None:
    present = [v for v in values if v is not None]
    return torch.cat(present, 2) if present else None


def _add_each(tile: Tensor, inner: Tensor | float, outer: Tensor) -> None:
    """Add the sum over positions t of inner (n1, t, n2) times outer (n1, c, t, n2, d)."""
    n1, c, positions, n2, d = outer.shape
    tile = tile.view(n1, c, n2, d)
    for t in range(positions):
        if isinstance(inner, Tensor):
            tile.addcmul_(inner[:, None, t, :, None], outer[:, :, t])
        else:
            tile.add_(outer[:, :, t], alpha=inner)
