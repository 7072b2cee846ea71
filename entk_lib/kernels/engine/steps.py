"""Functions of torch that are made of others: run step by step, so that each is seen.

A recorder sees a call and what goes into it, not what is done inside. Packed attention and
recurrent layers do several things with their parameters in one call; here each of them is
a function of the same arguments that does the same by calls that `recognise` knows.
"""

import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Takes what the torch function takes; None where it has no steps for that.
Steps = Callable[..., Any]


def steps_of(name: str) -> Steps | None:
    """The same function in steps, by its name; None where it is a step itself."""
    return _STEPS.get(name)


def _body_of(function: types.FunctionType) -> Steps:
    """A function of torch's own, without the look at who watches: its calls are seen."""
    seen = {**function.__globals__, "has_torch_function": lambda _: False}
    copied = types.FunctionType(
        function.__code__, seen, function.__name__, function.__defaults__
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


# What a cell makes of its two linear maps and its state: the next output and state.
State = tuple[Tensor, ...]
Cell = Callable[[Tensor, Tensor, State], State]


def _gru(of_input: Tensor, of_state: Tensor, state: State) -> State:
    reset, update, new = of_input.chunk(3, -1)
    own_reset, own_update, own_new = of_state.chunk(3, -1)
    gate = torch.sigmoid(update + own_update)
    new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
    return ((1 - gate) * new + gate * state[0],)


def _lstm(of_input: Tensor, of_state: Tensor, state: State) -> State:
    take, forget, new, show = (of_input + of_state).chunk(4, -1)
    kept = torch.sigmoid(forget) * state[1] + torch.sigmoid(take) * torch.tanh(new)
    return torch.sigmoid(show) * torch.tanh(kept), kept


def _tanh(of_input: Tensor, of_state: Tensor, state: State) -> State:
    return (torch.tanh(of_input + of_state),)


def _relu(of_input: Tensor, of_state: Tensor, state: State) -> State:
    return (torch.relu(of_input + of_state),)


def _as_state(hx: Tensor | Sequence[Tensor]) -> State:
    return (hx,) if isinstance(hx, Tensor) else tuple(hx)


def _one_step(cell: Cell) -> Steps:
    """A cell such as ``torch.gru_cell``."""

    def steps(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        state = _as_state(hx)
        of_state = F.linear(state[0], w_hh, b_hh)
        first, *others = cell(F.linear(input, w_ih, b_ih), of_state, state)
        return (first, *others) if others else first

    return steps


def _all_steps(cell: Cell) -> Steps:
    """A layer or several such as ``torch.gru``, on sequences of one length."""

    def steps(
        input,
        hx,
        params,
        has_biases,
        num_layers,
        dropout,
        train,
        bidirectional,
        batch_first,
    ):
        if not isinstance(has_biases, bool) or (train and dropout):
            return None  # packed sequences, and what is drawn
        directions, each = 1 + bidirectional, 2 + 2 * has_biases
        if len(params) != num_layers * directions * each:
            return None  # projections
        axis, x, ends = int(batch_first), input, []
        for layer in range(num_layers):
            found = []
            for direction in range(directions):
                index = layer * directions + direction
                weights = params[index * each : (index + 1) * each]
                w_ih, w_hh = weights[:2]
                b_ih, b_hh = weights[2:] if has_biases else (None, None)
                state = tuple(part[index] for part in _as_state(hx))
                of_input = F.linear(x, w_ih, b_ih).unbind(axis)
                outputs = []
                for part in reversed(of_input) if direction else of_input:
                    state = cell(part, F.linear(state[0], w_hh, b_hh), state)
                    outputs.append(state[0])
                found.append(torch.stack(outputs[:: -1 if direction else 1], axis))
                ends.append(state)
            x = torch.cat(found, -1) if bidirectional else found[0]
        return x, *(torch.stack(parts) for parts in zip(*ends, strict=True))

    return steps


_CELLS: dict[str, Cell] = {
    "gru": _gru,
    "lstm": _lstm,
    "rnn_tanh": _tanh,
    "rnn_relu": _relu,
}
_STEPS: dict[str, Steps] = {
    "multi_head_attention_forward": _body_of(F.multi_head_attention_forward),
    **{name: _all_steps(cell) for name, cell in _CELLS.items()},
    **{f"{name}_cell": _one_step(cell) for name, cell in _CELLS.items()},
}
