"""The class-averaged eNTK by rival torch libraries, and the reference that judges them.

Each rival is a function of ``(model, x, by_layer)`` that returns a thunk; the thunk
computes ``{"total": K}``, or one kernel for each layer. Its imports happen when the rival
is built, so that a library that is not installed touches no other.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

Kernels = dict[str, Tensor]
Thunk = Callable[[], Kernels]
Jacobian = dict[str, Tensor]
CHUNK_BYTES = 2**31


def layer_of(parameter: str) -> str:
    """Name of the layer that owns a parameter: its module, or itself if bare."""
    return parameter.rpartition(".")[0] or parameter


def _n_outputs(model: nn.Module, x: Tensor) -> int:
    """Number C of outputs of a sample."""
    with torch.no_grad():
        return model(x[:1]).shape[1]


def _chunks(model: nn.Module, x: Tensor, n_outputs: int) -> list[slice]:
    """Slices of samples whose Jacobian of ``n_outputs`` outputs fits CHUNK_BYTES."""
    entries = sum(p.numel() * p.element_size() for p in model.parameters())
    size = max(1, CHUNK_BYTES // (entries * n_outputs))
    return [slice(i, i + size) for i in range(0, len(x), size)]


def _contract(
    jacobian: Callable[[Tensor], Jacobian], chunks: list[slice], x: Tensor, by_layer: bool
) -> Kernels:
    """Sum over c and parameters of J J^T; every pair of chunks of samples once."""
    kernels: Kernels = {}
    for i, rows in enumerate(chunks):
        left = jacobian(x[rows])
        for columns in chunks[i:]:
            right = left if columns == rows else jacobian(x[columns])
            for name, block in left.items():
                key = layer_of(name) if by_layer else "total"
                product = torch.einsum(
                    "ncp,mcp->nm", block.flatten(2), right[name].flatten(2)
                )
                kernel = kernels.setdefault(key, block.new_zeros(len(x), len(x)))
                kernel[rows, columns] += product
                if columns != rows:
                    kernel[columns, rows] += product.T
    return kernels


def torch_func(model: nn.Module, x: Tensor, by_layer: bool) -> Thunk:
    """Plain ``torch.func``: vmap(jacrev) over all parameters, then einsum for each."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    n_outputs = _n_outputs(model, x)

    def output(params: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(model, params, (sample[None],))[0]

    jacobian = partial(vmap(jacrev(output), in_dims=(None, 0)), parameters)
    chunks = _chunks(model, x, n_outputs)

    def kernels() -> Kernels:
        total = _contract(jacobian, chunks, x, by_layer)
        return {name: kernel / n_outputs for name, kernel in total.items()}

    return kernels


def reference(model: nn.Module, x: Tensor, by_layer: bool) -> Kernels:
    """The kernel in float64 by Jacobian contraction, which the others are judged by."""
    model = model.double()
    return torch_func(model, x.double() if x.is_floating_point() else x, by_layer)()


def backpack(model: nn.Module, x: Tensor, by_layer: bool) -> Thunk:
    """BackPACK's ``BatchGrad``, one output after the other, and J J^T of its gradients."""
    from backpack import backpack as recording  # pyright: ignore[reportMissingImports]
    from backpack import extend  # pyright: ignore[reportMissingImports]
    from backpack.extensions import BatchGrad  # pyright: ignore[reportMissingImports]

    n_outputs = _n_outputs(model, x)
    named = dict(model.named_parameters())
    extend(model)
    chunks = _chunks(model, x, 1)

    def gradients(samples: Tensor, c: int) -> Jacobian:
        model.zero_grad()
        with recording(BatchGrad()):
            model(samples)[:, c].sum().backward()
        if missing := [name for name, p in named.items() if not hasattr(p, "grad_batch")]:
            raise NotImplementedError(f"BackPACK has no gradients of parameters {missing}")
        return {name: vars(p)["grad_batch"][:, None] for name, p in named.items()}

    def kernels() -> Kernels:
        sums: Kernels = {}
        for c in range(n_outputs):
            part = _contract(partial(gradients, c=c), chunks, x, by_layer)
            for name, kernel in part.items():
                sums[name] = sums[name] + kernel if name in sums else kernel
        return {name: kernel / n_outputs for name, kernel in sums.items()}

    return kernels


def nngeometry(model: nn.Module, x: Tensor, by_layer: bool) -> Thunk:
    """NN-geometry's Gram matrix of one output at a time, averaged over outputs."""
    from nngeometry import GramMatrix  # pyright: ignore[reportMissingImports]
    from nngeometry.layercollection import (  # pyright: ignore[reportMissingImports]
        LayerCollection,
    )

    n_outputs = _n_outputs(model, x)

    def gram(layers: object) -> Tensor:
        total = x.new_zeros(len(x), len(x))
        for c in range(n_outputs):
            matrix = GramMatrix(
                model,
                (x.clone(),),
                function=lambda inputs, c=c: model(inputs)[:, c : c + 1],
                layer_collection=layers,
            )
            total += matrix.to_torch()[0, :, 0, :]
        return total / n_outputs

    def each_layer() -> Iterator[tuple[str, object]]:
        for name, module in model.named_modules():
            if list(module.parameters(recurse=False)):
                layers = LayerCollection()
                layers.add_layer_from_model(model, module)
                yield name, layers

    if by_layer:
        return lambda: {name: gram(layers) for name, layers in each_layer()}
    return lambda: {"total": gram(LayerCollection.from_model(model))}  # pyright: ignore[reportArgumentType]


def _asdl(way: str, model: nn.Module, x: Tensor, by_layer: bool) -> Thunk:
    """ASDL's class-wise kernel by one of its two ways, averaged over outputs."""
    from asdl import kernel  # pyright: ignore[reportMissingImports]

    function = getattr(kernel, f"empirical_class_wise_{way}_ntk")

    def average() -> Tensor:
        return function(model, x).mean(-1)

    def only(layer: str) -> Tensor:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(layer_of(name) == layer)
        try:
            return average()
        finally:
            model.requires_grad_(True)

    layers = dict.fromkeys(layer_of(name) for name, _ in model.named_parameters())
    if by_layer:
        return lambda: {layer: only(layer) for layer in layers}
    return lambda: {"total": average()}


def entk_lib(model: nn.Module, x: Tensor, by_layer: bool) -> Thunk:
    """This library, beside its rivals."""
    import entk_lib as entk

    if by_layer:
        return lambda: entk.empirical_ntk(model, x, by_layer=True)
    return lambda: {"total": entk.empirical_ntk(model, x)}


TORCH_RIVALS = {
    "entk_lib": entk_lib,
    "torch.func": torch_func,
    "nngeometry": nngeometry,
    "asdl-hadamard": partial(_asdl, "hadamard"),
    "asdl-direct": partial(_asdl, "direct"),
    "backpack": backpack,
}
