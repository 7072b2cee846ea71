"""Which rule fits a call of a torch function, by the function's name and signature."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from entk_lib.kernels.engine import layer_rules
from entk_lib.kernels.engine.layer_rules import Call, Tracked

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Site:
    """Where a call happens: its result, the batch's size and the tracked parameters."""

    out: Tensor
    n: int
    tracked: dict[int, Tracked]

    def of(self, tensor: object) -> Tracked | None:
        """What is known of a tensor's entries: None for data."""
        return self.tracked.get(id(tensor))


# Rules take a site and then what the torch function takes, under the same names.
Rule = Callable[..., Call | None]


def recognise(
    name: str, site: Site, args: Sequence[Any], kwargs: dict, *, second: bool = False
) -> Call | None:
    """The call in canonical form, or None where no rule fits.

    Samples lie along the first axis of the call's tensors, or, with ``second``, along the
    second, ``(positions, n, ...)``, of which the first two may be one.
    """
    rule = _RULES.get(name)
    if rule is None:
        return None
    try:
        inspect.signature(rule).bind(site, *args, **kwargs)
    except TypeError:
        return None  # the signature of another version of torch
    return _turned(rule, site, args, kwargs) if second else rule(site, *args, **kwargs)


def _turned(rule: Rule, site: Site, args: Sequence[Any], kwargs: dict) -> Call | None:
    """What a rule finds when the first two axes of all data are exchanged."""
    turned: dict[int, tuple[Tensor, Tensor]] = {}
    tracked = dict(site.tracked)

    def turn(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        found, known = value, site.of(value)
        if known is None:
            found = _samples_first(value, site.n)
        elif value.ndim == site.out.ndim >= 3 and value.shape[1] == 1:
            # One entry for all samples, as of a table of positions.
            found = value.transpose(0, 1)
            tracked[id(found)] = known.moved(lambda e: e.transpose(0, 1), found.shape)
        turned[id(found)] = found, value
        return found

    new_args = [turn(value) for value in args]
    new_kwargs = {key: turn(value) for key, value in kwargs.items()}
    turned_site = Site(turn(site.out), site.n, tracked)
    call = rule(turned_site, *new_args, **new_kwargs)
    if call is None:
        return None
    _, reads = turned.get(id(call.reads), (None, call.reads))
    return replace(
        call,
        reads=reads,
        cotangents=lambda gradient: call.cotangents(_samples_first(gradient, site.n)),
    )


def _samples_first(value: Tensor, n: int) -> Tensor:
    """Data ``(positions, n, ...)``, or its rows ``(positions * n, width)``, turned.

    Which of them it is follows from its kind alone, never from the size of a batch.
    """
    numbers = value.is_floating_point()
    if value.ndim >= 2 + numbers and value.shape[1] == n:
        return value.transpose(0, 1)
    if value.ndim == 1 + numbers and value.shape[0] % n == 0:
        return value.unflatten(0, (-1, n)).transpose(0, 1)
    return value


def _linear(site: Site, input, weight, bias=None):
    w, b = site.of(weight), site.of(bias)
    if w is None:
        return None if b is None else layer_rules.shift(b, site.out, site.n)
    lead = _LETTERS[: input.ndim - 1]
    call = layer_rules.product((lead + "y", "zy", lead + "z"), input, w, site.n)
    return call and call.with_bias(b)


def _matmul(site: Site, input, other):
    # Batch axes are counted from the right; a vector has none.
    batch = _LETTERS[: max(input.ndim, other.ndim, 2) - 2]
    left = batch[len(batch) - max(input.ndim - 2, 0) :] + "xy"[-input.ndim :]
    right = batch[len(batch) - max(other.ndim - 2, 0) :] + "yz"[: other.ndim]
    out = batch + "x" * (input.ndim > 1) + "z" * (other.ndim > 1)
    return _pair(site, (left, right, out), input, other)


def _pair(site: Site, axes: tuple[str, str, str], left: Tensor, right: Tensor):
    """A product of one tracked and one other tensor."""
    of_left, of_right, of_out = axes
    a, b = site.of(left), site.of(right)
    if (a is None) == (b is None):
        return None
    if b is not None:
        return layer_rules.product((of_left, of_right, of_out), left, b, site.n)
    return a and layer_rules.product((of_right, of_left, of_out), right, a, site.n)


def _addmm(site: Site, input, mat1, mat2, *, beta=1, alpha=1):
    b, product = site.of(input), _matmul(site, mat1, mat2)
    if beta != 1 or alpha != 1:
        return None
    if product is None:
        # A frozen weight with a bias that is not.
        untracked = site.of(mat1) is None and site.of(mat2) is None
        return layer_rules.shift(b, site.out, site.n) if b and untracked else None
    return product.with_bias(b) if input.ndim == 1 else None


def _einsum(site: Site, equation, *operands):
    if not isinstance(equation, str) or len(operands) != 2:
        return None
    inputs, arrow, out = equation.replace(" ", "").partition("->")
    letters = inputs.split(",")
    if not arrow:
        every = [c for c in inputs if c.isalpha()]
        once = sorted(c for c in set(every) if every.count(c) == 1)
        out = "..." * ("..." in inputs) + "".join(once)
    # "..." stands for axes counted from the right.
    free = [c for c in _LETTERS.upper() + _LETTERS if c not in equation]
    widths = [
        t.ndim - len(s.replace("...", "")) for s, t in zip(letters, operands, strict=True)
    ]
    dots = "".join(free[: max(widths)])
    left, right = (
        s.replace("...", dots[len(dots) - width :])
        for s, width in zip(letters, widths, strict=True)
    )
    return _pair(site, (left, right, out.replace("...", dots)), *operands)


def _add(site: Site, input, other, *, alpha=1):
    return _sum(site, input, other, alpha)


def _sub(site: Site, input, other, *, alpha=1):
    return _sum(site, input, other, -alpha)


def _rsub(site: Site, input, other, *, alpha=1):
    return _sum(site, other, input, -alpha)


def _sum(site: Site, input, other, alpha):
    a, b = site.of(input), site.of(other)
    if (a is None) == (b is None):
        return None
    weight = a if b is None else b.scaled(float(alpha))
    return weight and layer_rules.shift(weight, site.out, site.n)


def _mul(site: Site, input, other):
    a, b = site.of(input), site.of(other)
    x = input if a is None else other
    if (a is None) == (b is None) or not isinstance(x, Tensor):
        return None
    shape = site.out.shape
    return layer_rules.scale(
        b if a is None else a, None, x, lambda x: x.expand(shape), site.out, site.n
    )


def _embedding(
    site: Site,
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    table = site.of(weight)
    if table is None or max_norm is not None or scale_grad_by_freq or sparse:
        return None
    return layer_rules.lookup(table, 0, input, site.n, padding_idx)


def _getitem(site: Site, input, index):
    table, found = site.of(input), token_axis(index)
    if table is None or found is None:
        return None
    axis, tokens = found
    return layer_rules.lookup(table, axis, tokens, site.n)


def token_axis(index: Any) -> tuple[int, Tensor] | None:
    """The axis and the tokens of an index like ``[:, tokens]``; None for any other."""
    parts = index if isinstance(index, tuple) else (index,)
    tensors = [i for i, part in enumerate(parts) if isinstance(part, Tensor)]
    if len(tensors) != 1:
        return None
    (axis,) = tensors
    tokens = parts[axis]
    full = all(part == slice(None) for i, part in enumerate(parts) if i != axis)
    return (axis, tokens) if full and tokens.dtype in (torch.int64, torch.int32) else None


def _convolution(
    site: Site, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1
):
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    return _convolved(layer_rules.convolution, site, input, weight, bias, **options)


def _transposed(
    site: Site,
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
):
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    return _convolved(
        layer_rules.transposed_convolution, site, input, weight, bias, **options
    )


def _convolved(
    rule: Callable[..., Call | None], site: Site, input, weight, bias, **options
):
    """A convolution of either direction and its bias; of a frozen weight the bias."""
    w, b = site.of(weight), site.of(bias)
    if w is None:
        channels = (-1, *[1] * (site.out.ndim - 2))
        return b and layer_rules.shift(_spread(b, channels), site.out, site.n)
    call = rule(input, w, site.out, site.n, **options)
    return call and call.with_bias(b)


def _spread(weight: Tracked, shape: tuple[int, ...]) -> Tracked:
    """A vector over channels, aligned with the channel axis."""
    return weight.reshaped(*(math.prod(weight.shape) if s == -1 else s for s in shape))


def _layer_norm(site: Site, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    def normalise(x: Tensor) -> Tensor:
        return F.layer_norm(x, normalized_shape, eps=eps)

    w, b = site.of(weight), site.of(bias)
    return layer_rules.scale(w, b, input, normalise, site.out, site.n)


def _rms_norm(site: Site, input, normalized_shape, weight=None, eps=None):
    def normalise(x: Tensor) -> Tensor:
        return F.rms_norm(x, normalized_shape, eps=eps)

    return layer_rules.scale(site.of(weight), None, input, normalise, site.out, site.n)


def _group_norm(site: Site, input, num_groups, weight=None, bias=None, eps=1e-5):
    def normalise(x: Tensor) -> Tensor:
        return F.group_norm(x, num_groups, eps=eps)

    return _by_channel(site, input, weight, bias, normalise)


def _batch_norm(
    site: Site,
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    if training:
        return None

    def normalise(x: Tensor) -> Tensor:
        return F.batch_norm(x, running_mean, running_var, eps=eps)

    return _by_channel(site, input, weight, bias, normalise)


def _by_channel(site: Site, input, weight, bias, normalise: Callable[[Tensor], Tensor]):
    channels = (-1, *[1] * (site.out.ndim - 2))
    w, b = (t and _spread(t, channels) for t in (site.of(weight), site.of(bias)))
    return layer_rules.scale(w, b, input, normalise, site.out, site.n)


_RULES: dict[str, Rule] = {
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "bmm": _matmul,
    "mv": _matmul,
    "addmm": _addmm,
    "einsum": _einsum,
    "add": _add,
    "add_": _add,
    "sub": _sub,
    "sub_": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "embedding": _embedding,
    "__getitem__": _getitem,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "conv_transpose1d": _transposed,
    "conv_transpose2d": _transposed,
    "conv_transpose3d": _transposed,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
}
