"""Kernels block by block: what is kept of the samples, in bounded memory."""

import itertools
from typing import Any

import torch
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine.factors import Factor, Gradient, join
from entk_lib.kernels.engine.harvest import harvest, recorded
from entk_lib.kernels.engine.plan import make_plan
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import Structure
from entk_lib.kernels.engine.record import Recording

# A batch at work larger than this gains nothing: its memory leaves the cache.
WORKING_BYTES = 256 * 2**20
# Rows of a tile: large ones multiply faster; small ones on the diagonal of a symmetric
# kernel compute little that its mirror holds already.
_TILE_ROWS = 1024
_DIAGONAL_ROWS = 256
_TILE_BYTES = 64 * 2**20
# Graphs of all samples larger than this are made again for each part of the outputs.
_GRAPH_BYTES = 512 * 2**20


class Blocks:
    """One kernel cut into blocks of samples whose factors fit into memory two at a time.

    Args:
        problem: The part of ``whole`` that is computed at a time.
        structure: What was proven of the model.
        x1: Samples of the rows.
        x2: Samples of the columns; None for x1 again.
        budget: Bytes that may be used, results included.
        dtype: Of the kernel; None for the parameters'.
        whole: The problem with all its outputs, to which the results belong.
        given: Whether the results are written into arrays that the budget does not count.
    """

    def __init__(
        self,
        problem: Problem,
        structure: Structure,
        x1: Inputs,
        x2: Inputs | None,
        budget: int,
        dtype: torch.dtype | None,
        whole: Problem,
        *,
        given: bool = False,
    ) -> None:
        self.problem, self.whole = problem, whole
        self.x1, self.x2 = x1, x1 if x2 is None else x2
        self.symmetric = x2 is None and problem.maps.symmetric
        self.n1, self.n2 = _inputs.n_samples(self.x1), _inputs.n_samples(self.x2)
        self.dtype, self.device = dtype or problem.dtype, problem.device
        self.plan = make_plan(
            problem, structure, self.n1, self.n2, symmetric=self.symmetric
        )
        self.each = problem.maps.rows_per_sample
        self.parts = -(-whole.n_mapped // problem.n_mapped)
        self._recordings: dict[tuple[int, int], Recording] = {}
        self._rooms: dict[tuple[bool, int, str], Tensor] = {}
        self._divide(budget, given=given)

    def _divide(self, budget: int, *, given: bool) -> None:
        """Sizes of blocks, of batches at work and of tiles."""
        plan, itemsize = self.plan, torch.empty((), dtype=self.dtype).element_size()
        layers = len(dict.fromkeys(self.problem.layers.values()))
        kernels = self.whole.n_mapped if self.whole.maps.layout == "each" else 1
        result = layers * kernels * self.n1 * self.n2 * self.each**2 * itemsize
        result = 0 if given else result
        maps = self.problem.maps
        sides = 1 if maps.left is maps.right else 2
        written = sides * len(maps.left) * self.problem.n_outputs * itemsize
        room = budget - result - written
        # Factors of pairs are copied once when batches are joined; a tile has three
        # temporaries, each for all positions of the other side.
        tile_row = max(1, 3 * plan.positions * self.each**2 * itemsize)
        smallest = result + written + 4 * plan.sample_bytes + plan.working_bytes + tile_row
        if result > budget:
            raise MemoryError(
                f"the kernel (n1={self.n1}, n2={self.n2}, outputs="
                f"{self.whole.n_outputs}) would need {result / 2**30:.2g} GiB, expected "
                f"at most {budget / 2**30:.2g} GiB. Use ntk_spectrum(...) or "
                'NTKOperator(...), which store no kernel, or outputs="average".'
            )
        if smallest > budget:
            raise MemoryError(
                f"the kernel and one sample's part of it would need "
                f"{smallest / 2**30:.2g} GiB, expected at most {budget / 2**30:.2g} GiB. "
                f"The smallest memory that works is {_up(smallest)} GiB; or pass fewer "
                "parameters=[...]."
            )
        total = self.n1 if self.symmetric else self.n1 + self.n2
        graphs = total * plan.structure.saved_bytes
        kept = max(1, plan.sample_bytes)
        self.kept = total * kept
        fits = graphs <= min((budget - smallest) // 8, _GRAPH_BYTES)
        self.keeps_recordings = fits and (self.parts > 1 or 2 * self.kept > room // 2)
        room -= graphs if self.keeps_recordings else 0
        self.keeps_all = 2 * self.kept <= room // 2
        fitting = max(self.n1, self.n2) if self.keeps_all else room // 2 // (4 * kept)
        self.block = max(1, min(max(self.n1, self.n2), fitting))
        working = max(1, plan.working_bytes)
        self.batch = max(1, min(self.block, min(room // 4, WORKING_BYTES) // working))
        limit = min(room // 8, _TILE_BYTES) // tile_row
        self.tile = max(1, min(_TILE_ROWS, int(limit**0.5)))

    @property
    def times(self) -> float:
        """How often a sample is harvested for a part of the outputs, in the mean."""
        if self.keeps_all:
            return 1.0
        n1 = -(-self.n1 // self.block)
        if self.symmetric:
            return (n1 + 1) / 2
        return (self.n1 + n1 * self.n2) / (self.n1 + self.n2)

    @property
    def samples(self) -> int:
        """Samples of both sides, those of a symmetric kernel once."""
        return self.n1 if self.symmetric else self.n1 + self.n2

    @property
    def operations(self) -> int:
        """Predicted multiply-adds of all parts, with samples that are harvested again."""
        plan = self.plan
        forward = plan.forward * (1 if self.keeps_recordings else self.parts * self.times)
        again = self.parts * self.times * (plan.making + plan.backward)
        return int(self.parts * plan.contraction + again + forward)

    def add_to(self, kernels: dict[str, Tensor], bar: Any) -> None:
        """Add the part's kernels to the kernels by layer."""
        self._bar, kept = bar, {}
        plan, done = self.plan, self.parts * self.plan.contraction
        # In the bar's unit: of a sample that is harvested, and of an entry of the kernel.
        self._sample_work = (self.operations - done) / (
            self.parts * self.times * self.samples
        )
        self._pair_work = plan.contraction / (self.n1 * self.n2)
        left, right = (
            side.matrix() for side in (self.problem.maps.left, self.problem.maps.right)
        )

        def block_of(side: int, start: int) -> list[Factor]:
            if (side, start) not in kept:
                x, rows = ((self.x1, left), (self.x2, right))[side]
                found = self._factors(x, start, rows)
                if not self.keeps_all:
                    return found
                kept[side, start] = found
            return kept[side, start]

        starts1 = range(0, self.n1, self.block)
        pairs = [
            (a, b)
            for a in starts1
            for b in range(0, self.n2, self.block)
            if not self.symmetric or b <= a
        ]
        held: tuple[int, list[Factor]] = (-1, [])
        for a, b in pairs:
            if held[0] != a:
                held = (a, block_of(0, a))
            same = self.symmetric and a == b
            right_side = held[1] if same else block_of(0 if self.symmetric else 1, b)
            self._contract(kernels, held[1], right_side, (a, b))

    def _factors(self, x: Inputs, start: int, maps: Tensor) -> list[Factor]:
        """Factors of one block, harvested batch by batch."""
        n = min(self.block, _inputs.n_samples(x) - start)
        parameters, layers = self.problem.parameters, self.problem.layers
        jacobians = {
            name: self._room(x, start, name, (n, len(maps), parameters[name].numel()))
            for name in self.plan.jacobians
        }
        parts = []
        for rows in _parts(slice(0, n), self.batch):
            few = _inputs.take(x, slice(start + rows.start, start + rows.stop))
            into = {name: jacobian[rows] for name, jacobian in jacobians.items()}
            run = self._recording(x, few, start + rows.start)
            parts.append(harvest(self.problem, self.plan, few, maps, run, into)[0])
            self._bar.update(self._sample_work * (rows.stop - rows.start))
        return [*join(parts), *(Gradient(layers[k], j) for k, j in jacobians.items())]

    def _room(self, x: Inputs, start: int, name: str, shape: tuple[int, ...]) -> Tensor:
        """Memory for a Jacobian, that of the part before where all parts are alike.

        What was not touched before costs the system as much time as some products.
        """
        key = x is self.x1, start, name
        room = self._rooms.pop(key, None)
        if room is None or room.shape != shape:
            room = self.problem.parameters[name].new_empty(shape)
        if self.keeps_all and self.parts > 1:
            self._rooms[key] = room
        return room

    def _recording(self, x: Inputs, few: Inputs, start: int) -> Recording | None:
        """The recording of a batch, kept for the parts of the outputs that follow."""
        if not self.keeps_recordings:
            return None
        at = 0 if x is self.x1 else 1, start
        if at not in self._recordings:
            self._recordings[at] = recorded(self.problem, self.plan, few)
        return self._recordings[at]

    def _contract(
        self,
        kernels: dict[str, Tensor],
        left: list[Factor],
        right: list[Factor],
        starts: tuple[int, int],
    ) -> None:
        """Fill the kernels of two blocks tile by tile, and mirror symmetric tiles."""
        a, b = starts
        n1 = min(self.block, self.n1 - a)
        n2 = min(self.block, self.n2 - b)
        same = self.symmetric and a == b
        whole = slice(0, n1), slice(0, n2)
        for i, j in _lower(whole[0], self.tile) if same else _grid(*whole, self.tile):
            rows, columns = self._rows(a, i), self._rows(b, j)
            tiles = {layer: k[rows, columns] for layer, k in kernels.items()}
            for one, two in zip(left, right, strict=True):
                one.add_product(tiles, two, i, j, by_row=self.problem.by_row)
            mirrored = self.symmetric and (a, i.start) != (b, j.start)
            if mirrored:
                for layer, tile in tiles.items():
                    kernels[layer][columns, rows] = tile.mT
            pairs = (i.stop - i.start) * (j.stop - j.start)
            self._bar.update((1 + mirrored) * pairs * self._pair_work)

    def _rows(self, start: int, samples: slice) -> slice:
        return slice(
            (start + samples.start) * self.each, (start + samples.stop) * self.each
        )


def _parts(whole: slice, size: int) -> list[slice]:
    """Slices of nearly equal length, at most ``size``, that cover another in order."""
    length = whole.stop - whole.start
    count = -(-length // size)
    edges = [whole.start + length * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _grid(rows: slice, columns: slice, size: int) -> list[tuple[slice, slice]]:
    """Tiles that cover a rectangle."""
    return list(itertools.product(_parts(rows, size), _parts(columns, size)))


def _lower(rows: slice, size: int) -> list[tuple[slice, slice]]:
    """Tiles that cover the lower half of a square: two triangles and what is between."""
    if rows.stop - rows.start <= min(size, _DIAGONAL_ROWS):
        return [(rows, rows)]
    middle = (rows.start + rows.stop) // 2
    upper, lower = slice(rows.start, middle), slice(middle, rows.stop)
    return [*_lower(upper, size), *_grid(lower, upper, size), *_lower(lower, size)]


def _up(n_bytes: int) -> float:
    """GiB, rounded up to two digits: a number that works when passed back."""
    gib = n_bytes / 2**30
    digits = 10.0 ** (len(str(int(1 / gib))) + 1 if gib < 1 else 1)
    return int(gib * digits + 1) / digits
