"""Losses that refuse outputs and targets of different shapes."""

from jaxtyping import Float
from torch import Tensor

from entk_lib.training.results import Loss


def mean_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean of the squared differences over samples and outputs.

    Args:
        output: What the model gave.
        target: What it should have given, of the same shape.

    Returns:
        A scalar.

    Raises:
        ValueError: If the shapes differ: broadcasting would give another loss silently.

    Example:
        >>> import torch
        >>> mean_squared_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item()
        2.0
    """
    _check_same_shape(output, target)
    return (output - target).square().mean()


def weighted_squared_error(weights: Float[Tensor, " outputs"]) -> Loss:
    """A squared error that weighs output c by ``weights[c]``, then takes the mean.

    Args:
        weights: One weight an output, such as the importances of features.

    Returns:
        A loss for `train`, which refuses outputs and targets of different shapes.

    Example:
        >>> import torch
        >>> loss = weighted_squared_error(torch.tensor([1.0, 0.5]))
        >>> loss(torch.zeros(1, 2), torch.tensor([[1.0, 2.0]])).item()
        1.5
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        _check_same_shape(output, target)
        return (weights * (output - target).square()).mean()

    return loss


def _check_same_shape(output: Tensor, target: Tensor) -> None:
    if output.shape != target.shape:
        raise ValueError(
            f"target must have the shape of the model's output, {tuple(output.shape)}, got "
            f"{tuple(target.shape)}. A column needs target.unsqueeze(1)."
        )
