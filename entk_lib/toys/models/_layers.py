"""What the Transformers share: checked sizes, and layers without torch's own start.

That start would draw from the global random state.
"""

import torch
from torch import nn

from entk_lib import _checks


def linear(n_in: int, n_out: int, dtype: torch.dtype) -> nn.Linear:
    """A linear layer without bias; its weight is not set."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=False, dtype=dtype)
    assert isinstance(layer, nn.Linear)
    return layer


def table(rows: int, width: int, dtype: torch.dtype) -> nn.Embedding:
    """An embedding; its weight is not set."""
    return nn.Embedding(rows, width, _weight=torch.empty(rows, width, dtype=dtype))


def check_sizes(d_model: int, n_heads: int, **others: int) -> None:
    """Counts, the model's width shared out evenly among its heads."""
    for name, size in {"d_model": d_model, "n_heads": n_heads, **others}.items():
        _checks.require_count(name, size)
    if d_model % n_heads:
        raise ValueError(
            f"d_model must be a multiple of n_heads, got {d_model} and {n_heads}. "
            f"d_model={-(-d_model // n_heads) * n_heads} works."
        )
