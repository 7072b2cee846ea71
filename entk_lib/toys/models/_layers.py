"""Layers without torch's own start, which would draw from the global random state."""

import torch
from torch import nn


def linear(n_in: int, n_out: int, dtype: torch.dtype) -> nn.Linear:
    """A linear layer without bias; its weight is not set."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=False, dtype=dtype)
    assert isinstance(layer, nn.Linear)
    return layer


def table(rows: int, width: int, dtype: torch.dtype) -> nn.Embedding:
    """An embedding; its weight is not set."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width, dtype=dtype))
