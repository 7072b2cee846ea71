"""What of a model is asked: a part of its result, or what a submodule returns within it."""

import difflib
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from entk_lib.kernels.engine import ReachedError, SameNames

Select = Callable[[Any], Tensor]


class Readout(SameNames):
    """A model of which a part of the result, or an inner result, is the output.

    It has the model's own parameters and buffers, under the same names, so kernels by
    layer and ``parameters=[...]`` are named as in the model. With ``at``, the model stops
    once that submodule has returned: what comes after costs nothing.

    Args:
        model: Any model, whatever it returns.
        select: From what the model returns, or the submodule at ``at``, to a tensor
            ``(n, C)``. ``None``: the result itself.
        at: Name of a submodule, as in ``model.named_modules()``. ``None``: the model's own
            result. Where it is called more than once, its first result counts.

    Raises:
        TypeError: If ``model`` is no module, or ``select`` no function.
        ValueError: If there is no submodule of that name.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        >>> inner = Readout(model, at="1", select=lambda hidden: hidden[:, :1])
        >>> inner(torch.ones(5, 3)).shape, [name for name, _ in inner.named_parameters()]
        (torch.Size([5, 1]), ['0.weight', '0.bias', '2.weight', '2.bias'])
    """

    def __init__(
        self, model: nn.Module, select: Select | None = None, *, at: str | None = None
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(
                f"model must be a torch.nn.Module, got {type(model).__name__}. Wrap a "
                "function of tensors in a Module that owns its parameters."
            )
        if select is not None and not callable(select):
            raise TypeError(
                f"select must be a function of what the model returns, got "
                f"{type(select).__name__}. Pass lambda result: result[:, -1], say."
            )
        names = [name for name, _ in model.named_modules() if name]
        if at is not None and at not in names:
            near = difflib.get_close_matches(at, names, 1, cutoff=0.0)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"at must be the name of a submodule, as in model.named_modules(), got "
                f"{at!r}.{hint}"
            )
        super().__init__(model)
        # Beside them, where no name of the model's own can be in the way.
        self.__dict__["_readout"] = model, select, at

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The selected part of the model's result, or of the submodule's."""
        model, select, at = self.__dict__["_readout"]
        result = _result(model, at, args, kwargs)
        return result if select is None else select(result)

    def train(self, mode: bool = True) -> "Readout":
        """Set the model's mode, as in any module."""
        self.training = mode
        self.__dict__["_readout"][0].train(mode)
        return self


def _result(model: nn.Module, at: str | None, args: Any, kwargs: Any) -> Any:
    if at is None:
        return model(*args, **kwargs)

    def stop(module: nn.Module, given: Any, result: Any) -> None:
        raise ReachedError(result)

    handle = model.get_submodule(at).register_forward_hook(stop)
    try:
        model(*args, **kwargs)
    except ReachedError as reached:
        return reached.found
    finally:
        handle.remove()
    raise ValueError(
        f"at must name a submodule that the model calls, got {at!r}, which is not "
        "called on these inputs."
    )
