"""A batch of samples: a tensor, or a tuple or dict of tensors of one length."""

from collections.abc import Mapping
from typing import Any, TypeAlias, overload

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.data import DataLoader, IterableDataset, SequentialSampler

Inputs: TypeAlias = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
Data: TypeAlias = Inputs | DataLoader[Any]


@overload
def gathered(x: Data, name: str = ...) -> Inputs: ...


@overload
def gathered(x: None, name: str = ...) -> None: ...


def gathered(x: Data | None, name: str = "x") -> Inputs | None:
    """The inputs of all batches of a loader, one after another; anything else as it is.

    Args:
        x: A batch, or a ``torch.utils.data.DataLoader`` whose batches are inputs, or pairs
            of inputs and targets, of which the inputs are taken.
        name: What messages call it.

    Raises:
        ValueError: If the loader shuffles, or has no batch.
        TypeError: If its batches are something else.
    """
    if not isinstance(x, DataLoader):
        return x
    sampler = getattr(x.batch_sampler, "sampler", x.sampler)
    if not isinstance(x.dataset, IterableDataset) and not isinstance(
        sampler, SequentialSampler
    ):
        raise ValueError(
            f"{name} must be a loader that keeps the order of its samples, got the sampler "
            f"{type(sampler).__name__}. Make it with shuffle=False: rows of a kernel are "
            "samples."
        )
    batches = []
    for batch in x:
        pair = isinstance(batch, (tuple, list))
        if pair and len(batch) > 2:
            raise TypeError(
                f"{name} must give inputs, or pairs of inputs and targets, got a "
                f"{type(batch).__name__} of {len(batch)}. Pass the inputs of all samples "
                "as a tuple of tensors."
            )
        batches.append(next(iter(batch)) if pair else batch)
    if not batches:
        raise ValueError(f"{name} must give at least one batch, got none.")
    if not all(isinstance(batch, (Tensor, dict)) for batch in batches):
        raise TypeError(
            f"{name} must give tensors or dicts of them, got {type(batches[0]).__name__}. "
            "Pass a collate_fn that makes them."
        )
    if isinstance(batches[0], dict):
        return {key: torch.cat([b[key] for b in batches]) for key in batches[0]}
    return torch.cat(batches)


def leaves(x: Inputs) -> list[Tensor]:
    """The tensors of a batch."""
    if isinstance(x, Tensor):
        return [x]
    return list(x.values() if isinstance(x, dict) else x)


def n_samples(x: Inputs) -> int:
    """Length of the common first axis."""
    return len(leaves(x)[0])


def device_of(x: Inputs) -> torch.device:
    """Where the batch lies."""
    return leaves(x)[0].device


def take(x: Inputs, index: slice | Tensor) -> Inputs:
    """The samples at ``index``."""
    if isinstance(x, Tensor):
        return x[index]
    if isinstance(x, dict):
        return {name: part[index] for name, part in x.items()}
    return tuple(part[index] for part in x)


def joined(x: Inputs, other: Inputs) -> Inputs:
    """The samples of one batch, then those of another of the same form."""
    kinds = type(x).__name__, type(other).__name__
    if kinds[0] != kinds[1] or len(leaves(x)) != len(leaves(other)):
        raise ValueError(
            f"both batches must have one form, got a {kinds[0]} of {len(leaves(x))} "
            f"tensors and a {kinds[1]} of {len(leaves(other))}. Pass both as the model "
            "takes them."
        )
    if isinstance(x, Tensor) and isinstance(other, Tensor):
        return torch.cat([x, other])
    if isinstance(x, dict) and isinstance(other, dict):
        return {name: torch.cat([part, other[name]]) for name, part in x.items()}
    return tuple(torch.cat(pair) for pair in zip(leaves(x), leaves(other), strict=True))


def repeat(x: Inputs, count: int) -> Inputs:
    """Every sample ``count`` times in a row."""
    if isinstance(x, Tensor):
        return x.repeat_interleave(count, 0)
    if isinstance(x, dict):
        return {name: part.repeat_interleave(count, 0) for name, part in x.items()}
    return tuple(part.repeat_interleave(count, 0) for part in x)


def unsqueeze(x: Inputs) -> Inputs:
    """A single sample as a batch of one."""
    if isinstance(x, Tensor):
        return x.unsqueeze(0)
    if isinstance(x, dict):
        return {name: part.unsqueeze(0) for name, part in x.items()}
    return tuple(part.unsqueeze(0) for part in x)


def detached(x: Inputs) -> Inputs:
    """The same samples, without a history."""
    if isinstance(x, Tensor):
        return x.detach()
    if isinstance(x, dict):
        return {name: part.detach() for name, part in x.items()}
    return tuple(part.detach() for part in x)


def renormalised(model: nn.Module) -> set[str]:
    """Names of the weights that a forward pass scales in place, to a largest norm."""
    return {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if getattr(module, "max_norm", None) is not None
    }


def leaves_of(model: nn.Module, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters as leaves that require grad; copies of those that may not be written."""
    written = renormalised(model)
    found = {}
    for name, parameter in parameters.items():
        leaf = parameter.detach()
        leaf = leaf.clone() if name in written or leaf.is_inference() else leaf
        found[name] = leaf.requires_grad_()
    return found


def frozen_of(model: nn.Module, chosen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other parameters, detached; `call_model` copies those that may be written."""
    written = renormalised(model)
    return {
        name: p.detach()
        for name, p in model.named_parameters()
        if name not in chosen and name not in written
    }


def call_model(model: nn.Module, state: dict[str, Tensor], x: Inputs):
    """The model's output: a tuple becomes its arguments, a dict its keyword arguments.

    Inputs and buffers are cloned: BatchNorm in training mode updates its buffers, a
    module may count its calls in one, and an in-place ReLU writes into its input. So are
    weights of an embedding with a largest norm, unless they are given in ``state``.
    """
    written = renormalised(model) - set(state)
    own = {
        **dict(model.named_buffers()),
        **{name: p for name, p in model.named_parameters() if name in written},
    }
    state = {**{name: t.detach().clone() for name, t in own.items()}, **state}
    if isinstance(x, dict):
        return functional_call(model, state, (), {k: v.clone() for k, v in x.items()})
    args = tuple(part.clone() for part in leaves(x))
    return functional_call(model, state, args)
