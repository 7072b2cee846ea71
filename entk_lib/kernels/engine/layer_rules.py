r"""What a tensor operation does with a parameter, in one form for all of them.

The gradient of a sample's output with respect to a parameter of a linear layer, a
convolution, an embedding, a normalisation or a product with any weight is a sum over
positions s of outer products, within groups g:

.. math:: J[n, c][g, o, i] = \sum_s G[n, c, g, s, o]\, A[n, g, s, i] .

A comes from the operation's input, G from the gradient of the output with respect to the
operation's result. A rule says, for one operation, what A and G are; a `Term` names the
entry of the parameter that belongs to each (g, o, i). From A and G a kernel follows
without a Jacobian, as :math:`\sum_{g s t} (A A'^\top) (G G'^\top)`.

A rule that does not recognise what it is given returns None. It need not be sure:
nothing is used before `prove` has compared it with autograd.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Tracked:
    """A tensor whose entries are entries of one parameter, times a factor, plus a number.

    Attributes:
        parameter: The parameter's name.
        shape: The tensor's shape.
        entries: Gives the index in the flattened parameter of each entry, of the
            tensor's shape; made on demand, because most uses never need it.
        factor: What the parameter's entries were multiplied by.
        distinct: Whether no entry of the parameter appears twice.
    """

    parameter: str
    shape: torch.Size
    entries: Callable[[], Tensor]
    factor: float = 1.0
    distinct: bool = True

    def moved(
        self,
        function: Callable[[Tensor], Tensor],
        shape: Sequence[int],
        *,
        distinct: bool = True,
    ) -> "Tracked":
        """The same after a function that only moves, selects or repeats entries."""
        return replace(
            self,
            shape=torch.Size(shape),
            entries=lambda: function(self.entries()),
            distinct=self.distinct and distinct,
        )

    def reshaped(self, *shape: int) -> "Tracked":
        """The same entries, row-major, in another shape."""
        return self.moved(lambda entries: entries.reshape(shape), shape)

    def scaled(self, factor: float) -> "Tracked":
        """The same times a number."""
        return replace(self, factor=self.factor * factor)


@dataclass(frozen=True)
class Term:
    """One parameter's part in a call.

    Attributes:
        weight: The parameter, with ``entries`` in the order (groups, out, in).
        inputs: Gives A, shape ``(n, groups, positions, in)``; for ``vocabulary > 0``
            token numbers of shape ``(n, 1, positions)`` that stand for one-hot rows.
            None: A is one everywhere and has one column, as for a bias.
        vocabulary: Number of tokens, or 0.
    """

    weight: Tracked
    inputs: Callable[[], Tensor] | None = None
    vocabulary: int = 0

    @property
    def n_in(self) -> int:
        """Size of the last axis of A."""
        return self.weight.shape[2]


@dataclass(frozen=True)
class Call:
    """One operation on parameters.

    Attributes:
        terms: The parameters that take part, such as weight and bias.
        cotangents: Brings a gradient of the call's result to ``(n, groups, positions,
            out)``.
        groups: Number of groups.
        positions: Number of positions of a sample.
        n_out: Size of the last axis of G.
        reads: The tensor that the terms' inputs are made from, when asked for.
    """

    terms: tuple[Term, ...]
    cotangents: Callable[[Tensor], Tensor]
    groups: int
    positions: int
    n_out: int
    reads: Tensor | None = None

    def with_bias(self, bias: Tracked | None) -> "Call | None":
        """The same with a bias; None unless it has one entry for each (group, out)."""
        if bias is None:
            return self
        if math.prod(bias.shape) != self.groups * self.n_out:
            return None
        entries = bias.reshaped(self.groups, self.n_out, 1)
        return replace(self, terms=(*self.terms, Term(entries)))


def product(
    axes: tuple[str, str, str], x: Tensor, weight: Tracked, n: int, *, scale: float = 1.0
) -> Call | None:
    """A sum over products, ``axes`` of x, weight and result in einsum's letters.

    The first axis of x is samples; rows that hold positions too, sample-major, as in a
    batch of sequences flattened to ``(n * positions, in)``, are taken apart.
    """
    of_x, of_w, of_out = axes
    if x.ndim == 0 or (len(of_x), len(of_w)) != (x.ndim, len(weight.shape)):
        return None
    sizes = dict(zip(of_w, weight.shape, strict=True))
    same = all(
        sizes.get(a, length) == length for a, length in zip(of_x, x.shape, strict=True)
    )
    sizes |= dict(zip(of_x, x.shape, strict=True))
    once = all(len(set(letters)) == len(letters) for letters in axes)
    samples = of_x[0]
    only_in_weight = set(of_w) - set(of_x) - set(of_out)
    if not (once and same) or samples in of_w or samples not in of_out or only_in_weight:
        return None
    if x.shape[0] % n:
        return None
    groups = [a for a in of_w if a in of_x and a in of_out]
    ins = [a for a in of_w if a in of_x and a not in of_out]
    outs = [a for a in of_w if a not in of_x]
    places = [a for a in of_x[1:] if a in of_out and a not in of_w]
    summed = [i for i, a in enumerate(of_x) if a not in of_w and a not in of_out]
    kept = [a for i, a in enumerate(of_x) if i not in summed]

    def count(letters: Sequence[str]) -> int:
        return math.prod(sizes[a] for a in letters)

    positions = count(places) * (x.shape[0] // n)

    def arrange(tensor: Tensor, letters: Sequence[str], last: list[str]) -> Tensor:
        order = [letters.index(a) for a in (samples, *places, *groups, *last)]
        part = tensor.permute(order).reshape(n, positions, count(groups), count(last))
        return part.permute(0, 2, 1, 3)

    def inputs() -> Tensor:
        part = x.detach()
        return arrange(part.sum(summed) if summed else part, kept, ins)

    shape = (count(groups), count(outs), count(ins))
    order = [of_w.index(a) for a in (*groups, *outs, *ins)]
    entries = weight.moved(lambda e: e.permute(order).reshape(shape), shape)
    return Call(
        (Term(entries.scaled(scale), inputs),),
        lambda gradient: arrange(gradient, of_out, outs),
        shape[0],
        positions,
        shape[1],
        x,
    )


def _own_axes(shape: Sequence[int], out: Tensor) -> list[int] | None:
    """Axes of a result along which a parameter of this shape varies."""
    offset = out.ndim - len(shape)
    own = [offset + axis for axis, length in enumerate(shape) if length != 1]
    return None if 0 in own or out.ndim == 0 or offset < 0 else own


def shift(bias: Tracked, out: Tensor, n: int) -> Call | None:
    """A parameter added to a tensor, repeated along samples and maybe other axes."""
    own = _own_axes(bias.shape, out)
    if own is None or out.shape[0] % n:
        return None
    others = [axis for axis in range(out.ndim) if axis not in own]
    size = math.prod(out.shape[axis] for axis in own)
    positions = out.numel() // max(1, size) // n

    def cotangents(gradient: Tensor) -> Tensor:
        return gradient.permute(*others, *own).reshape(n, 1, positions, size)

    return Call((Term(bias.reshaped(1, size, 1)),), cotangents, 1, positions, size)


def scale(
    weight: Tracked | None,
    bias: Tracked | None,
    x: Tensor,
    normalise: Callable[[Tensor], Tensor],
    out: Tensor,
    n: int,
) -> Call | None:
    """A parameter times a tensor, entry by entry, and maybe a bias: each entry a group.

    ``normalise(x)`` is the tensor that the weight multiplies, of the result's shape.
    """
    shown = weight or bias
    own = None if shown is None else _own_axes(shown.shape, out)
    if own is None or out.shape[0] % n:
        return None
    others = [axis for axis in range(out.ndim) if axis not in own]
    size = math.prod(out.shape[axis] for axis in own)
    positions = out.numel() // max(1, size) // n

    def arrange(tensor: Tensor) -> Tensor:
        part = tensor.permute(*others, *own).reshape(n, positions, size, 1)
        return part.permute(0, 2, 1, 3)

    terms = []
    if weight is not None:
        terms.append(
            Term(weight.reshaped(size, 1, 1), lambda: arrange(normalise(x.detach())))
        )
    if bias is not None:
        terms.append(Term(bias.reshaped(size, 1, 1)))
    return Call(tuple(terms), arrange, size, positions, 1, x)


def lookup(
    table: Tracked, axis: int, tokens: Tensor, n: int, padding: int | None = None
) -> Call | None:
    """Rows of a table by token, along its ``axis``: one-hot inputs, never written out.

    A padding token's row gets no gradient, as in ``torch.nn.functional.embedding``.
    """
    if tokens.ndim == 0 or tokens.shape[0] % n:
        return None
    vocabulary = table.shape[axis]
    n_out = math.prod(table.shape) // max(1, vocabulary)
    positions = tokens.numel() // n
    token_axes = list(range(axis, axis + tokens.ndim))
    n_axes = len(table.shape) - 1 + tokens.ndim
    order = [*token_axes, *(i for i in range(n_axes) if i not in token_axes)]

    def inputs() -> Tensor:
        return tokens.remainder(vocabulary).reshape(n, 1, positions)

    def cotangents(gradient: Tensor) -> Tensor:
        part = gradient.permute(order).reshape(n, 1, positions, n_out)
        if padding is None:
            return part
        return part * (inputs() != padding % vocabulary).unsqueeze(3)

    shape = (1, n_out, vocabulary)
    entries = table.moved(lambda e: e.movedim(axis, -1).reshape(shape), shape)
    term = Term(entries, inputs, vocabulary)
    return Call((term,), cotangents, 1, positions, n_out, tokens)


def convolution(
    x: Tensor,
    weight: Tracked,
    out: Tensor,
    n: int,
    *,
    stride: int | Sequence[int],
    padding: int | str | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> Call | None:
    """Patches of the input times a kernel, at every place of the result."""
    n_axes, kernel = len(weight.shape) - 2, tuple(weight.shape[2:])
    if x.ndim != n_axes + 2 or x.shape[0] != n:
        return None
    steps, reach = _each(stride, n_axes), _each(dilation, n_axes)
    if padding == "same":
        margins = [divmod(d * (k - 1), 2) for d, k in zip(reach, kernel, strict=True)]
        pads = [(half, half + odd) for half, odd in margins]
    else:
        wide = (0,) * n_axes if isinstance(padding, str) else _each(padding, n_axes)
        pads = [(p, p) for p in wide]
    positions = math.prod(out.shape[2:])
    n_out, n_in = out.shape[1] // groups, math.prod(weight.shape[1:])

    def inputs() -> Tensor:
        part = _windows(x.detach(), pads, kernel, steps, reach)
        part = part.reshape(n, groups, weight.shape[1], positions, math.prod(kernel))
        return part.transpose(2, 3).reshape(n, groups, positions, n_in)

    def cotangents(gradient: Tensor) -> Tensor:
        return gradient.reshape(n, groups, n_out, positions).transpose(2, 3)

    term = Term(weight.reshaped(groups, n_out, n_in), inputs)
    return Call((term,), cotangents, groups, positions, n_out, x)


def transposed_convolution(
    x: Tensor,
    weight: Tracked,
    out: Tensor,
    n: int,
    *,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> Call | None:
    """A convolution, kernel turned around, of the input with zeros between its entries."""
    n_axes, kernel = len(weight.shape) - 2, tuple(weight.shape[2:])
    if x.ndim != n_axes + 2 or x.shape[0] != n:
        return None
    steps, reach = _each(stride, n_axes), _each(dilation, n_axes)
    pads = []
    for axis, cut in enumerate(_each(padding, n_axes)):
        wide, window = x.shape[2 + axis] - 1, reach[axis] * (kernel[axis] - 1)
        left = window - cut
        pads.append((left, out.shape[2 + axis] - 1 - wide * steps[axis] + cut))
    positions = math.prod(out.shape[2:])
    n_in, n_out = weight.shape[0] // groups, weight.shape[1]
    axes = list(range(2, 2 + n_axes))

    def inputs() -> Tensor:
        apart = x.new_zeros(
            *x.shape[:2],
            *(s * (length - 1) + 1 for s, length in zip(steps, x.shape[2:], strict=True)),
        )
        apart[(..., *(slice(None, None, s) for s in steps))] = x.detach()
        part = _windows(apart, pads, kernel, (1,) * n_axes, reach)
        part = part.reshape(n, groups, n_in, positions, math.prod(kernel))
        return part.transpose(2, 3).reshape(n, groups, positions, -1)

    def cotangents(gradient: Tensor) -> Tensor:
        return gradient.reshape(n, groups, n_out, positions).transpose(2, 3)

    def turned(entries: Tensor) -> Tensor:
        parts = entries.flip(axes).reshape(groups, n_in, n_out, -1)
        return parts.transpose(1, 2).reshape(shape)

    shape = (groups, n_out, n_in * math.prod(kernel))
    term = Term(weight.moved(turned, shape), inputs)
    return Call((term,), cotangents, groups, positions, n_out, x)


def _windows(
    x: Tensor,
    pads: Sequence[tuple[int, int]],
    kernel: Sequence[int],
    steps: Sequence[int],
    reach: Sequence[int],
) -> Tensor:
    """Windows of ``(n, channels, *places)``: ``(n, channels, *places, *kernel)``."""
    part = F.pad(x, [width for pair in reversed(pads) for width in pair])
    for axis in range(len(kernel)):
        window = reach[axis] * (kernel[axis] - 1) + 1
        part = part.unfold(2 + axis, window, steps[axis])
    # Of a dilated kernel's window, it sees every dilation-th entry.
    return part[(..., *(slice(None, None, d) for d in reach))]


def _each(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * count if len(values) == 1 else values
