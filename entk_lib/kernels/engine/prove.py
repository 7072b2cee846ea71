"""Which parameters the rules understand: proven on a few samples, against autograd."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine.layer_rules import Call, Term
from entk_lib.kernels.engine.record import ChangedError, Path, Recording, record

# A rule and autograd add the same products in another order.
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4}
# The probe's size divides no other axis, so that samples are not taken for positions.
_PROBE_SIZES = (7, 11, 13, 17, 19, 23)


@dataclass(frozen=True)
class Use:
    """A proven call on a model's parameters.

    Attributes:
        call: The call on the probe, for its shapes.
        alive: Positions at which any output depends on the call's result, ``(s',)``;
            none for a call that no output of the probe depends on.
        separable: Whether G looks like D[n, ...] U[c, ...], one factor without outputs
            and one without samples.
    """

    call: Call
    alive: Tensor
    separable: bool


@dataclass(frozen=True)
class Structure:
    """What is known of a model after the probe.

    Attributes:
        path: What every batch must do again.
        uses: Proven calls by their place in the path.
        terms: For each proven parameter its terms, as (use, term).
        autodiff: Parameters that no rule could be proven for.
        saved_bytes: Memory of the graph for each sample.
    """

    path: Path
    uses: dict[int, Use]
    terms: dict[str, list[tuple[int, int]]]
    autodiff: list[str]
    saved_bytes: int

    def without_shortcuts(self) -> "Structure":
        """The same where no position is left out and no common factor is looked for.

        Uses that nothing depended on were compared with nothing: they are not used.
        """
        every = {
            i: torch.arange(u.call.positions).to(u.alive)
            for i, u in self.uses.items()
            if len(u.alive)
        }
        uses = {i: Use(self.uses[i].call, every[i], separable=False) for i in every}
        terms = {
            name: own for name, own in self.terms.items() if all(i in uses for i, _ in own)
        }
        autodiff = [*self.autodiff, *(name for name in self.terms if name not in terms)]
        return replace(self, uses=uses, terms=terms, autodiff=autodiff)

    def without_rules(self) -> "Structure":
        """The same with every parameter left to autodiff."""
        names = [*self.terms, *self.autodiff]
        return Structure(self.path, {}, {}, names, self.saved_bytes)


def prove_rules(model: nn.Module, parameters: dict[str, Tensor], x: Inputs) -> Structure:
    """Record a few samples and keep the rules that agree with autograd.

    A parameter is proven if every use of it is recognised and has a gradient, if for a
    random cotangent the sum of its terms is autograd's gradient, and if samples without
    a cotangent get exactly no gradient: else the rule takes something else for samples.
    """
    probe = probe_of(x)
    n = _inputs.n_samples(probe)
    sizes: dict[int, int] = {}
    try:
        with _counting(sizes):
            recording = record(model, parameters, probe)
    except RuntimeError:
        # Older versions of torch allow no counting around torch.func inside a model, such
        # as torch.vmap: what is saved there is not counted. Other errors are raised again.
        sizes.clear()
        recording = record(model, parameters, probe)
    for weight in model.parameters():  # saved too, but once for all samples
        sizes.pop(weight.untyped_storage().data_ptr(), None)
    saved = sum(sizes.values()) // n
    tolerance = TOLERANCE.get(recording.outputs.dtype)
    if tolerance is None:  # in half precision nothing can be told from rounding
        return Structure(recording.path, {}, {}, list(parameters), saved)
    cotangents = _cotangents(recording.outputs)
    events = {i: event for i, event in enumerate(recording.events) if event is not None}
    first, *others = (
        recording.backward(list(events.values()), c, leaves=c is cotangents[0])
        for c in cotangents
    )
    expected = dict(zip(parameters, first[len(events) :], strict=True))
    uses: dict[int, Use] = {}
    second = [False] * len(recording.events)
    gradients: dict[int, Tensor] = {}
    for index, event, *raw in zip(events, events.values(), first, *others, strict=False):
        # Samples may lie along the first axis or along the second: where they are apart.
        for call in filter(None, (event.turned, event.call)):
            with contextlib.suppress(ChangedError, RuntimeError):
                event.check()
                found = [call.cotangents(g) for g in raw]
                if _isolated(*found[:2]):
                    gradients[index] = found[0]
                    uses[index] = _describe(call, found)
                    second[index] = call is event.turned
    terms: dict[str, list[tuple[int, int]]] = {}
    hidden = _used_out_of_sight(recording)
    for name, parameter in parameters.items():
        seen = {i for i, users in enumerate(recording.path.users) if name in users}
        if name in hidden or not seen <= set(uses):
            continue
        own_terms = [
            (i, j)
            for i in sorted(seen)
            for j, term in enumerate(uses[i].call.terms)
            if term.weight.parameter == name
        ]
        total = torch.zeros_like(parameter).flatten()
        with contextlib.suppress(RuntimeError, IndexError):
            for i, j in own_terms:
                term = uses[i].call.terms[j]
                _add_gradient(total, term, gradients[i])
            error = (total - expected[name].flatten()).abs().max() if len(total) else 0.0
            compared = any(len(uses[i].alive) for i, _ in own_terms)
            if compared and error <= tolerance * expected[name].abs().max():
                terms[name] = own_terms
    needed = {i for pairs in terms.values() for i, _ in pairs}
    uses = {i: use for i, use in uses.items() if i in needed}
    autodiff = [name for name in parameters if name not in terms]
    path = replace(recording.path, second=second)
    return Structure(path, uses, terms, autodiff, saved)


Result = TypeVar("Result")


def first_that_holds(
    structure: Structure, compute: Callable[[Structure], Result]
) -> Result:
    """Compute by the rules; where a batch breaks what the probe proved, by autodiff."""
    for attempt in (structure, structure.without_shortcuts()):
        try:
            return compute(attempt)
        except ChangedError:
            continue
    return compute(structure.without_rules())


def live_samples(n: int) -> Tensor:
    """Half of a batch, by no pattern that turning it around or sorting it would keep."""
    drawn = torch.rand(n, generator=torch.Generator().manual_seed(n)) < 0.5
    drawn[0], drawn[-1] = True, n == 1
    return drawn


def _used_out_of_sight(recording: Recording) -> set[str]:
    """Parameters that enter a custom autograd function, which no record shows."""
    leaves = {id(leaf): name for name, leaf in recording.leaves.items()}
    found: set[str] = set()
    nodes, seen = [recording.outputs.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        following = [parent for parent, _ in node.next_functions]
        nodes += following
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            for parent in following:
                # A view of a parameter has one origin.
                while parent is not None and len(parent.next_functions) == 1:
                    parent = parent.next_functions[0][0]
                found.add(leaves.get(id(getattr(parent, "variable", None)), ""))
    return found


def random_cotangent(outputs: Tensor) -> Tensor:
    """One that differs by sample, the same for outputs of the same shape."""
    drawn = torch.randn(
        outputs.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    return drawn.to(outputs)


def probe_of(x: Inputs) -> Inputs:
    """A few samples of a batch from all over it, out of order, twice if too few."""
    n = _inputs.n_samples(x)
    lengths = [length for leaf in _inputs.leaves(x) for length in leaf.shape[1:]]
    fitting = [s for s in _PROBE_SIZES if all(length % s for length in lengths if length)]
    size = fitting[0] if fitting else _PROBE_SIZES[0]
    if n < size:
        index = torch.arange(size) % n
    else:
        index = torch.linspace(0, n - 1, size).round().long()
    index = index[torch.randperm(size, generator=torch.Generator().manual_seed(0))]
    return _inputs.take(x, index.to(_inputs.device_of(x)))


def _scales(n: int) -> Tensor:
    """Another power of two for each sample, zero for half of them."""
    return live_samples(n) * 2.0 ** torch.arange(n)


def _isolated(one: Tensor, scaled: Tensor) -> bool:
    """Whether each sample's G follows its own cotangent, and no other sample's.

    Of samples that are taken for others some may seem apart, if only some of their
    positions matter; none keeps a scale that is another's.
    """
    n = len(one)
    if bool(scaled[~live_samples(n)].any()):
        return False
    expected = one * _scales(n).to(one).reshape(-1, *[1] * (one.ndim - 1))
    error = (scaled - expected).abs().flatten(1).amax(1)
    return bool((error <= 1e-3 * expected.abs().flatten(1).amax(1)).all())


def _cotangents(outputs: Tensor) -> list[Tensor]:
    """One, the same with a scale for each sample, and two that are alike for all."""
    generator = torch.Generator().manual_seed(0)
    n, n_outputs = outputs.shape

    def normal(rows: int) -> Tensor:
        drawn = torch.randn(rows, n_outputs, generator=generator, dtype=torch.float64)
        return drawn.to(outputs)

    first = normal(n)
    return [
        first,
        first * _scales(n).to(first).unsqueeze(1),
        *(normal(1).expand(n, -1) for _ in range(2)),
    ]


def _describe(call: Call, gradients: list[Tensor]) -> Use:
    alive = torch.stack([(g != 0).sum((0, 1, 3)) for g in gradients]).sum(0)
    one, two = gradients[-2:]
    # Where G = D U, the two gradients are in one ratio for all samples.
    n = len(one)
    size = one.abs() + two.abs()
    best = size.flatten(1).argmax(0)
    at = torch.arange(len(best), device=one.device)
    one, two = one.reshape(n, -1), two.reshape(n, -1)
    crossed = one * two[best, at] - two * one[best, at]
    bound = 1e-3 * size.max() ** 2
    separable = bool(alive.any()) and bool(crossed.abs().max() <= bound)
    return Use(call, torch.nonzero(alive).squeeze(1), separable)


def _add_gradient(total: Tensor, term: Term, gradients: Tensor) -> None:
    """Add what a term says of its parameter's gradient, summed over samples."""
    if term.inputs is None:
        canonical = gradients.sum((0, 2)).unsqueeze(2)
    elif term.vocabulary:
        rows = gradients.new_zeros(term.vocabulary, gradients.shape[3])
        rows.index_add_(0, term.inputs().flatten(), gradients.flatten(0, 2))
        canonical = rows.mT
    else:
        canonical = torch.einsum("ngso,ngsi->goi", gradients, term.inputs())
    entries = term.weight.entries().flatten()
    total.index_add_(0, entries, canonical.flatten() * term.weight.factor)


@contextlib.contextmanager
def _counting(sizes: dict[int, int]) -> Generator[None, None, None]:
    """Note the memory of every tensor that autograd saves, by its storage."""

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield
