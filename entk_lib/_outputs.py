"""What each word of ``outputs`` does to the output axes of a kernel.

Every way is a linear map on the outputs, followed by one of two layouts of the mapped
Jacobian as a matrix whose product with its transpose is the kernel.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from entk_lib import _checks

OutputWord = Literal["full", "flatten", "average", "mean_output"]
Outputs = OutputWord | tuple[int, int]


@dataclass(frozen=True)
class OutputMap:
    """Maps for the two sides of a kernel and the layout of their Jacobians.

    Attributes:
        left: Applied to the outputs on the side of x1, shape ``(mapped, outputs)``.
        right: The same on the side of x2; differs from ``left`` for a block (c, d) only.
        rows_per_sample: ``mapped`` where every mapped output is a row of the kernel, 1
            where the mapped outputs of a sample are summed.
    """

    left: Tensor
    right: Tensor
    rows_per_sample: int

    @property
    def symmetric(self) -> bool:
        """Whether both sides are mapped alike, so that K(x, x) is symmetric."""
        return torch.equal(self.left, self.right)


def output_map(
    outputs: Outputs,
    weights: Tensor | None,
    n_outputs: int,
    dtype: torch.dtype,
    device: torch.device,
) -> OutputMap:
    """The map for a word of ``outputs``; ``weights`` scale output c by ``sqrt(w_c)``.

    Raises:
        ValueError: If the word is unknown, an index is out of range or a weight is off.
    """
    _checks.check_output_weights(weights, n_outputs)
    scale = torch.ones(n_outputs, dtype=dtype, device=device)
    if weights is not None:
        scale = weights.to(dtype=dtype, device=device).sqrt()
    each = torch.diag(scale)
    if outputs in ("full", "flatten"):
        return OutputMap(each, each, n_outputs)
    if outputs == "average":
        average = each / n_outputs**0.5
        return OutputMap(average, average, 1)
    if outputs == "mean_output":
        mean = scale.unsqueeze(0) / n_outputs
        return OutputMap(mean, mean, 1)
    is_pair = (
        isinstance(outputs, tuple)
        and len(outputs) == 2
        and all(isinstance(i, int) and not isinstance(i, bool) for i in outputs)
    )
    if not is_pair:
        raise ValueError(
            'outputs must be "full", "flatten", "average", "mean_output" or a pair of '
            f"output indices (c, d), got {outputs!r}."
        )
    for index in outputs:
        if not -n_outputs <= index < n_outputs:  # pyright: ignore[reportOperatorIssue]
            raise ValueError(
                f"outputs must index {n_outputs} outputs, got {outputs!r}. Count from 0 "
                f"to {n_outputs - 1}."
            )
    c, d = outputs
    return OutputMap(each[c].unsqueeze(0), each[d].unsqueeze(0), 1)
