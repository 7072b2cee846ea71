r"""The last linear map of a model: below it, as many cotangents as it is wide.

Where the outputs are :math:`f = U h + b` with h of d < C numbers, the Jacobian of any
parameter below is :math:`U\, \partial h`. A kernel that sums mapped outputs M f needs
only R with :math:`R^\top R = (M U)^\top (M U)`, a d x d matrix:

.. math:: \sum_c (M U \partial h)_c \cdot (M U \partial h')_c
          = \sum_r (R\, \partial h)_r \cdot (R\, \partial h')_r .

The map's own parameters have a closed form, :math:`\alpha\, (h \cdot h' + 1)` with
:math:`\alpha` the sum of squares of M. Where the map's weight is a table of tokens too,
its two uses have products with each other, one backward pass for each place of a token.
Where every mapped output is a row of the kernel, `head_rows` spreads the kernel of h over
the outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib._outputs import Dense, OutputMap, Scaled
from entk_lib.kernels.engine.cut import Cut
from entk_lib.kernels.engine.layer_rules import Term
from entk_lib.kernels.engine.problem import Problem
from entk_lib.kernels.engine.prove import TOLERANCE, probe_of, random_cotangent
from entk_lib.kernels.engine.record import (
    ChangedError,
    Path,
    Recording,
    record,
)

# Numbers in the outputs of a batch on which the map is compared with the model.
_BATCH_NUMBERS = 2**25


@dataclass(frozen=True)
class Head:
    """What is known of a model's last linear map.

    Attributes:
        below: The problem below it, whose model returns h; None if nothing chosen is there.
        weight: U, shape ``(C, d)``, detached.
        bias: b, shape ``(C,)``, or None.
        names: Chosen parameters that are the map's weight and bias; None for others.
        factor: What the weight's entries were multiplied by.
        use: The map by the function's and the parameters' names.
        problem: The problem above.
        cut: The model that stops at h.
        tables: Places in the path of `below` where the weight is a table of tokens.
        path: That path; None where nothing depends on it.
    """

    below: Problem | None
    weight: Tensor
    bias: Tensor | None
    names: tuple[str | None, str | None]
    factor: float
    use: str
    problem: Problem
    cut: Cut
    tables: Sequence[int] = ()
    path: Path | None = None

    def hidden(self, x: Inputs) -> Tensor:
        """The map's inputs h on some samples, ``(n, d)``, in float64."""
        return torch.cat([h for _, h in _both(self.problem, self.cut, x, whole=False)])

    def add_own(
        self,
        kernels: dict[str, Tensor],
        x1: Inputs,
        x2: Inputs | None,
        dtype: torch.dtype | None = None,
    ) -> dict[str, Tensor]:
        """Kernels by layer with the map's own part added, in the problem's order."""
        weight, bias = self.names
        layers = self.problem.layers
        shape = (_inputs.n_samples(x1), _inputs.n_samples(x1 if x2 is None else x2))
        dtype, device = dtype or self.problem.dtype, self.problem.device
        found = {
            layer: kernels[layer]
            if layer in kernels
            else torch.zeros(shape, dtype=dtype, device=device)
            for layer in dict.fromkeys(layers.values())
        }
        if bias is not None:
            found[layers[bias]] += self.problem.maps.left.squares()
        if weight is not None:
            left, right = self._weight_factors(x1)
            if x2 is not None:
                right = self._weight_factors(x2)[1]
            kernel = found[layers[weight]]
            step = max(1, _BATCH_NUMBERS // shape[1])
            for start in range(0, shape[0], step):
                rows = slice(start, start + step)
                kernel[rows] += (left[rows] @ right.mT).to(dtype)
        return found

    def own_factors(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """The map's own part as a product L R^T, two matrices ``(n, r)`` in float64."""
        weight, bias = self.names
        left, right = torch.zeros(2, _inputs.n_samples(x), 0, dtype=torch.float64)
        left, right = left.to(self.weight.device), right.to(self.weight.device)
        if weight is not None:
            left, right = self._weight_factors(x)
        if bias is not None:
            ones = left.new_full((len(left), 1), self.problem.maps.left.squares() ** 0.5)
            left, right = torch.cat([left, ones], 1), torch.cat([right, ones], 1)
        return left, right

    def _weight_factors(self, x: Inputs) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(x)
        own = self.problem.maps.left.squares() ** 0.5 * self.factor * hidden
        if not self.tables:
            return own, own
        crossed = self._crossed(x)
        return torch.cat([own, hidden, crossed], 1), torch.cat([own, crossed, hidden], 1)

    def trace(self, x: Inputs) -> float:
        """Sum of the diagonal of the map's own part."""
        left, right = self.own_factors(x)
        return float((left * right).sum())

    def _crossed(self, x: Inputs) -> Tensor:
        """Products of the weight's gradient as a map, h apart, and as a table, ``(n, d)``.

        Row c of the first is h at output c; of the second, the gradient at each place of
        token c. So for each place one pass, with the cotangent that its token asks for.
        """
        assert self.below is not None
        maps, weight = self.problem.maps.left, self.weight.double()
        wanted = maps.apply_transposed(maps.apply(weight.mT.to(self.weight))).mT.double()
        parts = []
        for few in _batches(self.problem, x):
            run = record(self.below.model, self.below.parameters, few, self.path)
            total = 0.0
            for index in self.tables:
                term = run.event(index).call.terms[0]
                assert term.inputs is not None
                tokens = term.inputs()[:, 0]
                for place in range(tokens.shape[1]):
                    cotangent = wanted[tokens[:, place]].to(run.outputs)
                    gradient = run.gradients([index], cotangent)[0][:, 0, place]
                    total = total + gradient.double() * (term.weight.factor * self.factor)
            parts.append(total)
        return torch.cat(parts)


def find_head(
    problem: Problem, x1: Inputs, x2: Inputs | None = None, *, rows: bool = False
) -> Head | None:
    """The last linear map, if it saves cotangents and holds on all samples.

    Proven on a few samples: the outputs get the map's results unchanged, at one position;
    gradients below it, with its own, are autograd's. Compared by value on all samples.
    With ``rows``, also where every mapped output is a row of the kernel.
    """
    mapped, n_outputs = problem.n_mapped, problem.n_outputs
    maps = problem.maps
    known = maps.layout == "sum" or (rows and maps.layout == "rows")
    if not known or not maps.symmetric or problem.dtype not in TOLERANCE:
        return None
    if not any(
        n_outputs in p.shape and p.numel() < n_outputs * mapped
        for p in problem.model.parameters()
        if p.ndim == 2
    ):
        return None
    probe = probe_of(x1)
    # What is chosen, and what may be the map.
    everything = {
        name: p.detach()
        for name, p in problem.model.named_parameters()
        if name in problem.parameters or n_outputs in p.shape
    }
    try:
        run = record(problem.model, everything, probe)
        found = _candidate(problem, run)
        head = found and _proven(*found, run, probe, everything)
    except (ChangedError, RuntimeError, IndexError):
        return None
    if head is None:
        return None
    holds = all(_holds(head, x) for x in (x1, x2) if x is not None)
    return head if holds else None


def _candidate(problem: Problem, run: Recording) -> tuple[Head, Tensor] | None:
    """The last use that is a linear map to all outputs and reaches them unchanged.

    After it, no more may come than a bias of its own.
    """
    n, n_outputs = run.outputs.shape
    shift = None
    for index in reversed(range(len(run.events))):
        event = run.events[index]
        if event is None or not event.call.terms:
            continue
        term, call = event.call.terms[0], event.call
        if (call.groups, call.n_out) != (1, n_outputs):
            continue
        if term.inputs is not None:
            break
        if shift is None and len(_unchanged_at(run, index)) == 1:
            shift = term
    else:
        return None
    if term.vocabulary or not term.weight.distinct:
        return None
    # To spread a kernel over the outputs takes products, too: h must be much narrower.
    most = (problem.n_mapped - 1) // (2 if problem.maps.layout == "rows" else 1)
    if term.n_in > most:
        return None
    if event.argument is None or call.reads is None or len(call.terms) > 2:
        return None
    alive = _unchanged_at(run, index)
    biases = [*call.terms[1:], *([] if shift is None else [shift])]
    if len(alive) != 1 or len(biases) > 1:
        return None
    hidden = term.inputs()[:, 0]
    as_rows = call.reads.detach().reshape(n, -1, term.n_in)
    if as_rows.shape != hidden.shape or not torch.equal(as_rows, hidden):
        return None
    cut = Cut(problem.model, event.place, event.argument, alive[0], hidden.shape[1:])
    return _described(problem, run, index, biases, cut)


def _unchanged_at(run: Recording, index: int) -> list[int]:
    """The positions at which a use's results are the outputs; none if they are changed."""
    cotangent = random_cotangent(run.outputs)
    gradient = run.gradients([index], cotangent)[0][:, 0]
    alive = torch.nonzero((gradient != 0).sum((0, 2))).flatten().tolist()
    if len(alive) == 1 and not torch.equal(gradient[:, alive[0]], cotangent):
        return []
    return alive


def _described(
    problem: Problem, run: Recording, index: int, biases: list[Term], cut: Cut
) -> tuple[Head, Tensor] | None:
    """The map, and the places of its entries in the weight; None for other uses of it."""
    term = run.event(index).call.terms[0]
    name = term.weight.parameter
    bias = biases[0].weight.parameter if biases else None
    users = [i for i, names in enumerate(run.path.users) if name in names and i != index]
    if bias is not None and sum(bias in names for names in run.path.users) > 1:
        return None
    if any(part.weight.factor != 1 or not part.weight.distinct for part in biases):
        return None
    entries = term.weight.entries()[0]
    weight = run.leaves[name].detach().flatten()[entries] * term.weight.factor
    shift = None
    if bias is not None:
        shift = run.leaves[bias].detach().flatten()[biases[0].weight.entries().flatten()]
    chosen = problem.parameters
    if name in chosen and not all(_is_table(run, i, entries) for i in users):
        return None
    names = (name if name in chosen else None, bias if bias in chosen else None)
    rest = {n: p for n, p in chosen.items() if n != bias and (n != name or users)}
    below = None
    if rest and users and problem.maps.layout == "rows":
        return None  # a table's products with the map are known as a sum only
    if rest:
        below = replace(
            problem,
            model=cut,
            parameters=rest,
            maps=_maps_below(problem, weight),
            n_outputs=weight.shape[1],
            layers={n: problem.layers[n] for n in rest},
        )
    use = run.path.uses[index]
    head = Head(below, weight, shift, names, term.weight.factor, use, problem, cut)
    return head, entries


def _maps_below(problem: Problem, weight: Tensor) -> OutputMap:
    """What is asked of h: R where mapped outputs are summed, else every number."""
    if problem.maps.layout == "rows":
        every = Scaled(weight.new_ones(weight.shape[1]), range(weight.shape[1]))
        return OutputMap(every, every, "rows")
    values, vectors = torch.linalg.eigh(problem.maps.left.gram(weight.double()))
    kept = values > len(values) * torch.finfo(torch.float64).eps * values[-1]
    root = Dense((vectors * values.clamp_min(0).sqrt())[:, kept].mT.to(problem.dtype))
    return OutputMap(root, root, "sum")


def _is_table(run: Recording, index: int, entries: Tensor) -> bool:
    """Whether a use looks tokens up in the same table, a row for each output."""
    event = run.events[index]
    if event is None or len(event.call.terms) != 1:
        return False
    term = event.call.terms[0]
    return term.vocabulary > 0 and torch.equal(term.weight.entries()[0].mT, entries)


def _proven(
    head: Head,
    entries: Tensor,
    run: Recording,
    probe: Inputs,
    everything: dict[str, Tensor],
) -> Head | None:
    """The map, if gradients below it, and its own, add up to autograd's."""
    problem, tolerance = head.problem, TOLERANCE[head.problem.dtype]
    cotangent = random_cotangent(run.outputs)
    expected = dict(zip(everything, run.backward([], cotangent, leaves=True), strict=True))
    below = record(head.cut, everything, probe)
    found = dict(
        zip(
            everything,
            below.backward([], cotangent @ head.weight, leaves=True),
            strict=True,
        )
    )
    weight, bias = head.names
    if weight is not None:
        own = (cotangent.mT @ below.outputs.detach()).flatten() * head.factor
        total = found[weight].flatten().index_add(0, entries.flatten(), own)
        found[weight] = total.reshape(found[weight].shape)
    if bias is not None:
        found[bias] = found[bias] + cotangent.sum(0).reshape(found[bias].shape)
    for name in problem.parameters:
        error = (found[name] - expected[name]).abs().max()
        if not error <= tolerance * expected[name].abs().max():
            return None
    if weight is not None and head.below is not None:
        path = record(head.cut, head.below.parameters, probe).path
        tables = [i for i, names in enumerate(path.users) if weight in names]
        return replace(head, tables=tables, path=path)
    return head


def _holds(head: Head, x: Inputs) -> bool:
    """Whether the outputs are the map's on every sample."""
    bias = 0.0 if head.bias is None else head.bias.double()
    weight, largest, error = head.weight.double(), 0.0, 0.0
    for outputs, hidden in _both(head.problem, head.cut, x):
        largest = max(largest, float(outputs.abs().max()))
        error = max(error, float((hidden @ weight.mT + bias - outputs).abs().max()))
    return error <= TOLERANCE[head.problem.dtype] * largest


def _both(
    problem: Problem, cut: Cut, x: Inputs, *, whole: bool = True
) -> Iterator[tuple[Tensor, Tensor]]:
    """Outputs and h of a few samples after another, in float64."""
    with torch.no_grad(), torch.random.fork_rng():
        for few in _batches(problem, x):
            n = _inputs.n_samples(few)
            hidden = _inputs.call_model(cut, {}, few).double()
            outputs = hidden
            if whole:
                outputs = _inputs.call_model(problem.model, {}, few).double()
            yield outputs.reshape(n, -1), hidden


def _batches(problem: Problem, x: Inputs) -> Iterator[Inputs]:
    n, size = _inputs.n_samples(x), max(1, _BATCH_NUMBERS // problem.n_outputs)
    for start in range(0, n, size):
        yield _inputs.take(x, slice(start, start + size))
