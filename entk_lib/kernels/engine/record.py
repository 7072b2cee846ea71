"""A forward pass that remembers what it did with each parameter."""

import collections
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.overrides import TorchFunctionMode

from entk_lib import _inputs
from entk_lib._inputs import Inputs
from entk_lib.kernels.engine.convolve import InputGradients, is_wide
from entk_lib.kernels.engine.layer_rules import Call, Tracked
from entk_lib.kernels.engine.recognise import Site, recognise, token_axis
from entk_lib.kernels.engine.steps import Steps, steps_of

# Functions that only move, select or repeat the entries of their first argument.
_MOVES = set(
    "T mT t transpose swapaxes swapdims permute movedim moveaxis reshape view flatten "
    "unflatten squeeze unsqueeze contiguous clone select narrow chunk split unbind "
    "__getitem__ expand expand_as broadcast_to".split()
)
_CASTS = {"to", "float", "double", "type"}
_REPEATS = {"expand", "expand_as", "broadcast_to"}


class ChangedError(Exception):
    """A batch did not do what the probe did: what was proven there does not hold here."""


@dataclass(frozen=True)
class Event:
    """A recognised call, and where gradients of its result can be asked for.

    Attributes:
        call: The call in canonical form.
        edge: Where the graph holds its result.
        shape: Of the result.
        version: Of the tensor that it read, at the time.
        place: The function's name, and which of its calls this is, from 1.
        argument: Which of the call's tensors it read; None if none of them, or where
            the call is a step of another.
        turned: The same call if samples lie along the second axis; only on a probe.
    """

    call: Call
    edge: GradientEdge
    shape: torch.Size
    version: int
    place: tuple[str, int]
    argument: int | None
    turned: Call | None = None

    def check(self) -> None:
        """Raise ChangedError if the input that the call read was written over since."""
        reads = self.call.reads
        if reads is not None and reads._version != self.version:
            raise ChangedError("an input was changed in place")


@dataclass(frozen=True)
class Path:
    """What a model did with its parameters, without the data.

    Attributes:
        uses: Each use by the function's and the parameters' names, in order.
        users: The parameters of each use.
        per_sample: For each lookup in a table whether its tokens differ by sample.
        second: For each use whether samples lie along the second axis of its tensors.
    """

    uses: list[str]
    users: list[frozenset[str]]
    per_sample: list[bool]
    second: list[bool]


@dataclass(frozen=True)
class Recording:
    """Outputs ``(n, C)`` with their graph, and the uses of parameters, in order.

    Attributes:
        outputs: The model's outputs.
        leaves: The chosen parameters, as leaves of the graph.
        events: The uses of a parameter; None where no rule fits.
        path: The same without the data, to compare with another batch.
        wide: Whether it holds convolutions that `convolve` takes by frequency.
    """

    outputs: Tensor
    leaves: dict[str, Tensor]
    events: list[Event | None]
    path: Path
    wide: bool = False

    def event(self, index: int) -> Event:
        """The recognised use at ``index``; ChangedError where it is not recognised."""
        event = self.events[index]
        if event is None:
            raise ChangedError(f"{self.path.uses[index]} is not recognised")
        event.check()
        return event

    def gradients(self, chosen: Sequence[int], cotangent: Tensor) -> list[Tensor]:
        """G of the chosen events for one cotangent ``(n, C)``: ``(n, g, s, o)`` each."""
        events = [self.event(i) for i in chosen]
        found = self.backward(events, cotangent)
        return [event.call.cotangents(g) for event, g in zip(events, found, strict=True)]

    def backward(
        self, events: Sequence[Event], cotangent: Tensor, *, leaves: bool = False
    ) -> list[Tensor]:
        """Gradients of the events' results, and of the parameters where asked for."""
        inputs: list[Any] = [event.edge for event in events]
        shapes = [event.shape for event in events]
        if leaves:
            inputs += list(self.leaves.values())
            shapes += [leaf.shape for leaf in self.leaves.values()]
        found: Sequence[Tensor | None] = [None] * len(inputs)
        if self.outputs.requires_grad and inputs:
            cotangent = cotangent.to(self.outputs.dtype)
            with InputGradients() if self.wide else contextlib.nullcontext():
                found = torch.autograd.grad(
                    self.outputs, inputs, cotangent, retain_graph=True, allow_unused=True
                )
        return [
            cotangent.new_zeros(shape) if g is None else g
            for g, shape in zip(found, shapes, strict=True)
        ]


def record(
    model: nn.Module,
    parameters: dict[str, Tensor],
    x: Inputs,
    like: Path | None = None,
) -> Recording:
    """Run a model on a batch and remember its uses of the parameters.

    Args:
        model: The model; not changed.
        parameters: The parameters that gradients are wanted of, detached.
        x: The batch.
        like: What the model must do again.

    Raises:
        ChangedError: If the model did something else than in ``like``.
    """
    n = _inputs.n_samples(x)
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng():
        leaves = _inputs.leaves_of(model, parameters)
        frozen = _inputs.frozen_of(model, parameters)
        recorder = _Recorder(n, leaves, like)
        with recorder:
            outputs = _inputs.call_model(model, {**frozen, **leaves}, x)
        outputs = outputs.reshape(n, -1)
    path = Path(recorder.uses, recorder.users, recorder.per_sample, recorder.second)
    if like is not None and path != like:
        raise ChangedError("the model took another path")
    return Recording(outputs, leaves, recorder.events, path, recorder.wide)


class _Recorder(TorchFunctionMode):
    """Sees every torch function while a model runs."""

    def __init__(self, n: int, leaves: dict[str, Tensor], like: Path | None) -> None:
        super().__init__()
        self.n = n
        self.tracked = {
            id(leaf): Tracked(name, leaf.shape, _numbered(leaf))
            for name, leaf in leaves.items()
        }
        # Tensors are known by their identity: they may not be freed meanwhile.
        self._alive: list[object] = [leaves]
        self._known = None if like is None else iter(like.per_sample)
        self._known_second = None if like is None else iter(like.second)
        self._within: str | None = None
        self.counts: collections.Counter[str] = collections.Counter()
        self.per_sample: list[bool] = []
        self.events: list[Event | None] = []
        self.uses: list[str] = []
        self.users: list[frozenset[str]] = []
        self.second: list[bool] = []
        self.wide = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        called = name_of(func)
        if self._within is None:
            self.counts[called] += 1
        given = list(tensors_in((*args, *kwargs.values())))
        names = [self.tracked[id(t)].parameter for t in given if id(t) in self.tracked]
        if names and called != self._within and (steps := steps_of(called)) is not None:
            out = self._run(called, steps, args, kwargs)
            if out is not None:
                return out
        out = func(*args, **kwargs)
        if called == "conv1d":
            self.wide |= any(map(is_wide, given))
        if names:
            self._see(called, names, func, args, kwargs, out)
        return out

    def _run(self, called: str, steps: Steps, args, kwargs) -> Any:
        """A function's result by steps that are seen; None where it has none for this."""
        outer, self._within = self._within, called
        try:
            with self:
                return steps(*args, **kwargs)
        finally:
            self._within = outer

    def _see(self, name, parameters, func, args, kwargs, out) -> None:
        results = list(tensors_in([out]))
        if not results or not results[0].is_floating_point():
            return  # a size, a device, a comparison
        if self._follow(name, func, args, kwargs, out):
            return
        if not any(result.requires_grad for result in results):
            return  # no gradient passes here, as after detach()
        self.uses.append(f"{name}({', '.join(parameters)})")
        self.users.append(frozenset(parameters))
        second = self._known_second is not None and next(self._known_second, False)
        self.second.append(second)
        call = turned = None
        if isinstance(out, Tensor):
            site = Site(out, self.n, self.tracked)
            call = recognise(name, site, args, kwargs, second=second)
            if self._known_second is None:
                turned = recognise(name, site, args, kwargs, second=True)
                call = call or turned
        if call is None:
            self.events.append(None)
            return
        version = 0 if call.reads is None else call.reads._version
        given = tensors_in((*args, *kwargs.values()))
        argument = next((i for i, t in enumerate(given) if t is call.reads), None)
        if self._within is not None:
            argument = None  # only calls of the model's own are counted
        self.events.append(
            Event(
                call,
                get_gradient_edge(out),
                out.shape,
                version,
                (name, self.counts[name]),
                argument,
                turned,
            )
        )

    def _follow(self, name, func, args, kwargs, out) -> bool:
        """Keep track of a tensor that holds a parameter's entries and nothing else."""
        tensors = list(tensors_in((*args, *kwargs.values())))
        known = self.tracked.get(id(tensors[0]))
        if known is not None and len(tensors) == 1:
            if name in _MOVES:
                self._move(known, tensors[0], func, args, kwargs, out)
                return True
            factor = _factor(name, args, kwargs)
            if factor is not None:
                self._track(out, known.scaled(factor))
                return True
            sign = _shift_sign(name, args, kwargs)
            if sign is not None:
                self._track(out, known.scaled(sign))
                return True
            if name in _CASTS and isinstance(out, Tensor) and out.dtype == tensors[0].dtype:
                self._track(out, known)
                return True
        return self._follow_lookup(name, args, kwargs, out)

    def _move(self, known: Tracked, tensor: Tensor, func, args, kwargs, out) -> None:
        """Track the results of a function that moves, selects or repeats entries."""

        def moved(entries: Tensor) -> list[Tensor]:
            new_args = [entries if a is tensor else a for a in args]
            new_kwargs = {k: entries if v is tensor else v for k, v in kwargs.items()}
            return list(tensors_in([func(*new_args, **new_kwargs)]))

        for i, result in enumerate(tensors_in([out])):
            part = known.moved(
                lambda e, i=i: moved(e)[i], result.shape, distinct=_selects_once(func, args)
            )
            self._track(result, part)

    def _follow_lookup(self, name, args, kwargs, out) -> bool:
        """Rows picked by an index that is the same for all samples are a new weight."""
        plain = not any(kwargs.get(k) for k in ("max_norm", "scale_grad_by_freq", "sparse"))
        plain = plain and kwargs.get("padding_idx") is None
        if name == "embedding" and len(args) == 2 and plain:
            axis, tokens, table = 0, args[0], self.tracked.get(id(args[1]))
        elif name == "__getitem__" and (found := token_axis(args[1])) is not None:
            (axis, tokens), table = found, self.tracked.get(id(args[0]))
        else:
            return False
        if table is None:
            return False
        if self._known is None:
            per_sample = any(length % self.n == 0 for length in tokens.shape[:2])
        else:
            per_sample = next(self._known, False)
        self.per_sample.append(per_sample)
        if per_sample:
            return False
        index = (*[slice(None)] * axis, tokens.detach().clone())
        distinct = len(tokens.unique()) == tokens.numel()
        self._track(out, table.moved(lambda e: e[index], out.shape, distinct=distinct))
        return True

    def _track(self, tensor: Tensor, known: Tracked) -> None:
        self.tracked[id(tensor)] = known
        self._alive.append(tensor)


def _numbered(leaf: Tensor) -> Callable[[], Tensor]:
    return lambda: torch.arange(leaf.numel(), device=leaf.device).reshape(leaf.shape)


def _selects_once(func: Callable, args: Sequence[Any]) -> bool:
    """Whether a move names no entry twice, as a list of rows may."""
    name = name_of(func)
    if name != "__getitem__":
        return name not in _REPEATS
    parts = args[1] if isinstance(args[1], tuple) else (args[1],)
    return all(
        part is None or isinstance(part, (int, slice, EllipsisType)) for part in parts
    )


def tensors_in(arguments: Sequence[Any]) -> Iterator[Tensor]:
    """The tensors among arguments, those of lists and tuples too, in order."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, (tuple, list)):
            yield from tensors_in(argument)


def name_of(func: Callable) -> str:
    """A function's name; for an attribute such as ``T``, the attribute's."""
    name = getattr(func, "__name__", "")
    if name == "__get__":
        return getattr(getattr(func, "__self__", None), "__name__", "")
    return name


def _shift_sign(name: str, args: Sequence[Any], kwargs: dict) -> float | None:
    """What the one tensor of a sum or difference with a number counts for."""
    if kwargs or len(args) != 2 or not any(isinstance(a, (int, float)) for a in args):
        return None
    if name in ("rsub", "__rsub__"):
        return -1.0
    if name == "sub":
        return 1.0 if isinstance(args[0], Tensor) else -1.0
    return 1.0 if name in ("add", "radd", "__radd__") else None


def _factor(name: str, args: Sequence[Any], kwargs: dict) -> float | None:
    """What a call multiplies its one tensor by, if that is all it does."""
    numbers = [a for a in args if isinstance(a, (int, float)) and not isinstance(a, bool)]
    if name == "neg":
        return -1.0
    if kwargs or len(args) != 2 or len(numbers) != 1:
        return None
    if name == "mul":
        return float(numbers[0])
    divides = name in {"div", "true_divide"} and args[1] is numbers[0] and numbers[0]
    return 1 / numbers[0] if divides else None
