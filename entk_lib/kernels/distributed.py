"""What several processes that hold a share of the samples each say to one another.

Every exchange ends in bounded time: with a result, or with an error that says which.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs

_GO, _DONE, _FAILED = 1, 0, -1


class Ranks:
    """A torch process group whose exchanges name what failed and do not wait forever.

    Args:
        group: The process group, such as ``torch.distributed.group.WORLD``.
        timeout: Seconds after which an exchange that another rank has not joined fails.

    Raises:
        RuntimeError: From every exchange, if another rank died or is late.
    """

    def __init__(self, group: Any, timeout: float) -> None:
        self.group, self.timeout = group, timeout
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    def _finish(self, start: Callable[[], Any], what: str) -> None:
        try:
            start().wait(timedelta(seconds=self.timeout))
        except RuntimeError as error:
            first_line = str(error).partition("\n")[0]
            raise RuntimeError(
                f"rank {self.rank} of {self.size} could not finish {what} with the others "
                f"within {self.timeout:g} s: one of them failed or stopped ({first_line}). "
                "Look for the first error of another rank, and start all of them again."
            ) from error

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all ranks."""
        self._finish(
            lambda: dist.all_reduce(tensor, group=self.group, async_op=True), "a sum"
        )

    def smallest(self, number: int) -> int:
        """The smallest of all ranks' numbers."""
        tensor = self._tensor(number)
        self._finish(
            lambda: dist.all_reduce(
                tensor, dist.ReduceOp.MIN, group=self.group, async_op=True
            ),
            "a comparison",
        )
        return int(tensor)

    def counts(self, number: int) -> list[int]:
        """Every rank's number, in the order of ranks."""
        found = [self._tensor(0) for _ in range(self.size)]
        self._finish(
            lambda: dist.all_gather(
                found, self._tensor(number), group=self.group, async_op=True
            ),
            "a count",
        )
        return [int(t) for t in found]

    def rows(self, tensor: Tensor) -> Tensor:
        """The rows of all ranks below one another, in the order of ranks."""
        counts = self.counts(len(tensor))
        # All parts of one length: what is short is filled up and cut off again.
        filled = tensor.new_zeros(max(counts), *tensor.shape[1:])
        filled[: len(tensor)] = tensor
        found = [torch.empty_like(filled) for _ in counts]
        self._finish(
            lambda: dist.all_gather(found, filled, group=self.group, async_op=True),
            "an exchange of rows",
        )
        return torch.cat([part[:n] for part, n in zip(found, counts, strict=True)])

    def inputs(self, x: Inputs) -> Inputs:
        """The samples of all ranks, in the order of ranks."""
        if isinstance(x, Tensor):
            return self.rows(x)
        if isinstance(x, dict):
            return {name: self.rows(part) for name, part in x.items()}
        return tuple(self.rows(part) for part in _inputs.leaves(x))

    def agree(self, local: Callable[[], Any]) -> Any:
        """Do something on every rank; if one fails, all raise, and nobody waits for it."""
        try:
            result, problem = local(), None
        except Exception as error:
            result, problem = None, error
        failed = [i for i, ok in enumerate(self.counts(int(problem is None))) if not ok]
        if problem is not None:
            raise problem
        if failed:
            raise RuntimeError(
                f"rank {failed[0]} of {self.size} refused its share of the inputs; its own "
                "error says why. Correct that, and start all ranks again."
            )
        return result

    def lead(
        self,
        product: Callable[[Tensor], Tensor],
        solve: Callable[[Callable[[Tensor], Tensor]], tuple[Tensor, ...]],
        n: int,
        dtype: torch.dtype,
    ) -> tuple[Tensor, ...] | None:
        """Run a solver on rank 0 while the others join in its products.

        So no rank can take another number of steps, whatever its last digits.

        Returns:
            What ``solve`` returns on rank 0; None elsewhere.
        """
        vector = torch.zeros(n, dtype=dtype, device=self._device)

        def joint(given: Tensor) -> Tensor:
            vector.copy_(given)
            self._send(self._tensor(_GO))
            self._send(vector)
            return product(vector)

        if self.rank == 0:
            try:
                result = solve(joint)
            except BaseException:
                self._send(self._tensor(_FAILED))
                raise
            self._send(self._tensor(_DONE))
            return result
        while (order := self._send(self._tensor(_GO))) == _GO:
            self._send(vector)
            product(vector)
        if order == _FAILED:
            raise RuntimeError("rank 0 could not finish; its own error says why.")
        return None

    def _send(self, tensor: Tensor) -> int:
        """What rank 0 has, on every rank, in place; its first entry."""
        source = dist.get_global_rank(self.group, 0)
        self._finish(
            lambda: dist.broadcast(tensor, source, group=self.group, async_op=True),
            "a step",
        )
        return int(tensor.flatten()[0])

    def share(self, tensor: Tensor | None, shape: tuple[int, ...], dtype) -> Tensor:
        """Rank 0's tensor on every rank."""
        held = torch.zeros(shape, dtype=dtype) if tensor is None else tensor
        held = held.contiguous().to(self._device)
        self._send(held)
        return held

    def _tensor(self, number: int) -> Tensor:
        return torch.tensor(number, dtype=torch.int64, device=self._device)

    @property
    def _device(self) -> torch.device:
        backend = dist.get_backend(self.group)
        return torch.device("cuda" if backend == "nccl" else "cpu")
