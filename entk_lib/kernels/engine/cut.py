"""A model that is stopped at one of its calls, to return what the call is given."""

from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from entk_lib.kernels.engine.record import ChangedError, name_of, tensors_in
from entk_lib.kernels.engine.wrappers import SameNames


class ReachedError(BaseException):
    """What was looked for; no handler of the model's own may catch it."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


class _Until(TorchFunctionMode):
    """Runs until the k-th call of a function, and raises with one of its arguments."""

    def __init__(self, place: tuple[str, int], argument: int) -> None:
        super().__init__()
        self.place, self.argument, self.count = place, argument, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if name_of(func) == self.place[0]:
            self.count += 1
            if self.count == self.place[1]:
                found = list(tensors_in((*args, *kwargs.values())))
                raise ReachedError(found[self.argument])
        return func(*args, **kwargs)


class Cut(SameNames):
    """A model that stops at its last linear map and returns that map's input ``(n, d)``."""

    def __init__(
        self,
        model: nn.Module,
        place: tuple[str, int],
        argument: int,
        position: int,
        shape: torch.Size,
    ) -> None:
        super().__init__(model)
        # Beside them, where no name of the model's own can be in the way.
        self.__dict__["_cut"] = model, (place, argument), shape, position

    def forward(self, *args, **kwargs):
        """Run the model up to the map."""
        model, until, shape, position = self.__dict__["_cut"]
        try:
            with _Until(*until):
                model(*args, **kwargs)
        except ReachedError as reached:
            return reached.found.reshape(-1, *shape)[:, position]
        raise ChangedError("the last linear map was not reached")
