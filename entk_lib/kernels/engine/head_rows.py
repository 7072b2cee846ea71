r"""The last linear map where every mapped output is a row of the kernel.

With :math:`K_h` the kernel of the map's inputs h, whose rows are (sample, number of h),
the parameters below the map have the kernel :math:`(M U)\, K_h\, (M U)^\top` for each pair
of samples; the map's own weight and bias have
:math:`(h \cdot h' + 1)\, M M^\top`.
"""

import torch
from torch import Tensor

from entk_lib._inputs import Inputs
from entk_lib.kernels.engine.head import Head


def spread_operations(head: Head, n1: int, n2: int) -> int:
    """Multiply-adds of spreading a kernel of h over the mapped outputs."""
    mapped, width = head.problem.n_mapped, head.weight.shape[1]
    return n1 * n2 * mapped * width * (mapped + width)


def spread_over_outputs(
    head: Head,
    hidden: dict[str, Tensor],
    x1: Inputs,
    x2: Inputs | None,
    kernels: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Kernels by layer of every mapped output, from those of the map's inputs.

    Args:
        head: The map.
        hidden: Kernels of h by layer, ``(n1 d, n2 d)``; layers without one have none.
        x1: Samples of the rows.
        x2: Samples of the columns; None for x1 again.
        kernels: Where the result is written, ``(n1 mapped, n2 mapped)`` a layer.
    """
    maps, width = head.problem.maps.left, head.weight.shape[1]
    sides = head.hidden(x1), head.hidden(x1 if x2 is None else x2)
    inner = sides[0] @ sides[1].mT
    matrix = maps.matrix()
    own = matrix.double() @ matrix.double().mT
    for layer, kernel in kernels.items():
        n1, n2 = inner.shape
        factors = _own_factors(head, layer, inner)
        rows = maps.apply(head.weight.mT.to(matrix)).mT.to(kernel)  # M U
        whole = kernel.view(n1, len(matrix), n2, len(matrix))
        below = hidden.get(layer)
        for i in range(n1):
            last = i + 1 if x2 is None else n2
            block = (factors[i, :last, None] * own.unsqueeze(1)).to(kernel)
            if below is not None:
                part = below.view(n1, width, n2, width)[i, :, :last]
                part = (part.to(kernel) @ rows.mT).flatten(1)
                block = block + (rows @ part).view(len(matrix), last, len(matrix))
            if x2 is None:
                block[:, i] = (block[:, i] + block[:, i].mT) / 2  # equal to the last bit
                whole[:i, :, i] = block[:, :i].permute(1, 2, 0)
            whole[i, :, :last] = block
    return kernels


def _own_factors(head: Head, layer: str, inner: Tensor) -> Tensor:
    """What M M^T is multiplied by for each pair of samples, for the map's own part."""
    layers, total = head.problem.layers, torch.zeros_like(inner)
    weight, bias = head.names
    if weight is not None and layers[weight] == layer:
        total += head.factor**2 * inner
    if bias is not None and layers[bias] == layer:
        total += 1
    return total
