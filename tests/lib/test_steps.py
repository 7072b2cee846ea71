"""Functions made of others are run step by step: the same result, and rules for all."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence

from entk_lib import empirical_ntk, explain_ntk
from entk_lib.kernels.engine import record, steps

N = 6


class Read(nn.Module):
    """A module, what is done with its result, and a readout."""

    def __init__(self, module, call, width=3):
        super().__init__()
        self.module, self.call, self.readout = module, call, nn.Linear(width, 2)
        self.double().eval()

    def forward(self, x):
        return self.readout(torch.tanh(self.call(self.module, x)))


def made(call):
    torch.manual_seed(0)
    return call()


def over_time(module, x):
    hidden = x.new_zeros(len(x), 3)
    state = (hidden, hidden) if isinstance(module, nn.LSTMCell) else hidden
    for t in range(x.shape[1]):
        state = module(x[:, t], state)
    return state[0] if isinstance(state, tuple) else state


def sequence(module, x):
    found = module(x if module.batch_first else x.transpose(0, 1))[0]
    return (found if module.batch_first else found.transpose(0, 1))[:, 1:].mean(1)


def recurrent(kind, **options):
    width = 3 * (1 + options.get("bidirectional", False))
    return lambda: (Read(kind(4, 3, **options), sequence, width), inputs(N, 5, 4))


def attends(mask=None, padding=None, weights=False, **options):
    """Attention with what may come with it."""

    def call(module, x):
        given = x if module.batch_first else x.transpose(0, 1)
        hidden = None if padding is None else padding.expand(len(x), -1)
        found = module(given, given, given, hidden, weights, mask)[0]
        return (found if module.batch_first else found.transpose(0, 1)).mean(1)

    return lambda: (Read(nn.MultiheadAttention(4, 2, **options), call, 4), inputs(N, 5, 4))


def crossed():
    def call(module, x):
        return module(x[:, :2], x[:, 2:4], x[:, 1:3])[0][:, 0]

    return Read(nn.MultiheadAttention(4, 2, batch_first=True), call, 4), inputs(N, 5, 4)


def widths_apart():
    module = nn.MultiheadAttention(4, 2, kdim=3, vdim=2, batch_first=True)
    return (
        Read(module, lambda m, x: m(x, x[..., :3], x[..., 2:])[0].mean(1), 4),
        inputs(N, 5, 4),
    )


def transposed(axes, **options):
    kind = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]

    def make():
        module, x = kind(4, 6, 3, **options), inputs(N, 4, *(4, 3, 2)[:axes])
        return Read(module, lambda m, x: m(x).square().flatten(2).mean(2), 6), x

    return make


def layer(**options):
    def call(module, x):
        if options.get("batch_first"):
            return module(x)[:, 0]
        return module(x.transpose(0, 1))[-1]

    return lambda: (
        Read(nn.TransformerEncoderLayer(4, 2, 8, **options), call, 4),
        inputs(N, 5, 4),
    )


def decoder():
    def call(module, x):
        return module(x[:, :2], x[:, 2:])[:, -1]

    module = nn.TransformerDecoderLayer(4, 2, 8, batch_first=True)
    return Read(module, call, 4), inputs(N, 5, 4)


CAUSAL = torch.ones(5, 5).triu(1).bool()
CASES = {
    "GRU": recurrent(nn.GRU, batch_first=True),
    "GRU, time first": recurrent(nn.GRU),
    "GRU, two layers both ways": recurrent(nn.GRU, num_layers=2, bidirectional=True),
    "LSTM": recurrent(nn.LSTM, batch_first=True),
    "LSTM, two layers, no bias": recurrent(nn.LSTM, num_layers=2, bias=False),
    "LSTM both ways": recurrent(nn.LSTM, bidirectional=True, batch_first=True),
    "RNN": recurrent(nn.RNN, batch_first=True),
    "RNN, relu": recurrent(nn.RNN, nonlinearity="relu"),
    "GRUCell": lambda: (Read(nn.GRUCell(4, 3), over_time), inputs(N, 5, 4)),
    "LSTMCell": lambda: (Read(nn.LSTMCell(4, 3), over_time), inputs(N, 5, 4)),
    "RNNCell": lambda: (Read(nn.RNNCell(4, 3), over_time), inputs(N, 5, 4)),
    "RNNCell, relu": lambda: (
        Read(nn.RNNCell(4, 3, bias=False, nonlinearity="relu"), over_time),
        inputs(N, 5, 4),
    ),
    "attention": attends(batch_first=True),
    "attention, time first": attends(),
    "attention with its weights": attends(weights=True, batch_first=True),
    "attention, causal": attends(mask=CAUSAL, batch_first=True),
    "attention, padded": attends(
        padding=torch.tensor([[False] * 4 + [True]]), batch_first=True
    ),
    "attention without biases": attends(bias=False, batch_first=True),
    "attention to other things": crossed,
    "attention, other widths": widths_apart,
    "encoder layer": layer(batch_first=True),
    "encoder layer, norm first": layer(batch_first=True, norm_first=True),
    "encoder layer, time first": layer(),
    "decoder layer": decoder,
    "transposed 1d": transposed(1),
    "transposed 1d, all options": transposed(
        1, stride=3, padding=2, output_padding=1, dilation=2, groups=2
    ),
    "transposed 2d": transposed(2, stride=2, padding=1, output_padding=1),
    "transposed 2d, no bias": transposed(2, bias=False, dilation=(1, 2)),
    "transposed 3d": transposed(3, stride=(1, 2, 3), groups=2),
}


@pytest.mark.parametrize("name", CASES)
def test_all_parameters_have_a_rule_and_the_kernel_is_the_definition_s(name):
    model, x = made(CASES[name])
    assert {line.way for line in explain_ntk(model, x)} <= {"pairs", "gradient"}
    # Five samples of five positions, too: there no shape tells them apart.
    for n in (N, 5):
        kernel = empirical_ntk(model, x[:n], outputs="full")
        assert_close(kernel, loop_kernel(model, x[:n], x[:n]), tolerance=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_steps_give_what_the_function_gives(name):
    model, x = made(CASES[name])
    parameters = {k: p.detach() for k, p in model.named_parameters()}
    recording = record.record(model, parameters, x)
    assert_close(recording.outputs.detach(), model(x).detach(), tolerance=1e-13)
    assert not {use.partition("(")[0] for use in recording.path.uses} & set(steps._STEPS)


def in_pieces(module, x):
    packed = pack_sequence([*x[:, :3]])
    return module(packed)[1][0]


LEFT = {
    "packed sequences": lambda: (Read(nn.GRU(4, 3), in_pieces), inputs(N, 5, 4)),
    "projections": lambda: (
        Read(nn.LSTM(4, 5, proj_size=3, batch_first=True), sequence),
        inputs(N, 5, 4),
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_has_no_steps_is_left_to_autodiff(name):
    model, x = made(LEFT[name])
    ways = {line.parameter: line.way for line in explain_ntk(model, x)}
    assert ways["module.weight_ih_l0"] == "autodiff"
    kernel = empirical_ntk(model, x, outputs="full")
    assert_close(kernel, loop_kernel(model, x, x), tolerance=1e-12)


def test_a_frozen_module_is_not_run_in_steps(monkeypatch):
    model, x = made(CASES["GRU"])
    model.module.requires_grad_(False)

    def never(*_):
        raise AssertionError("run in steps")

    monkeypatch.setitem(steps._STEPS, "gru", never)
    assert empirical_ntk(model, x).shape == (N, N)


def test_calls_inside_steps_do_not_shift_where_the_last_map_is_found():
    """The calls that a model makes itself are counted, as where it is cut they are."""

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.readout = nn.Linear(4, 30)

        def forward(self, x):
            return self.readout(self.attention(x, x, x)[0].mean(1))

    torch.manual_seed(0)
    asked, x = Wide().double(), inputs(N, 5, 4)
    assert any("head" in line.way for line in explain_ntk(asked, x))
    kernel = empirical_ntk(asked, x)
    full = loop_kernel(asked, x, x)
    assert_close(kernel, full.diagonal(0, 2, 3).mean(2), tolerance=1e-12)


def shifted(form):
    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4))

        def forward(self, x):
            x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
            return form(x, self.weight)

    return Norm()


FORMS = {
    "1 + w": lambda x, w: x * (1 + w),
    "w + 1": lambda x, w: (w + 1.0) * x,
    "cast": lambda x, w: x * (1.0 + w.double()),
    "1 - w": lambda x, w: x * (1 - w),
    "w - 1": lambda x, w: x * (w - 1),
    "2 (1 - w / 3)": lambda x, w: x * (2 * (1 - w / 3)),
    "a weight of a map": lambda x, w: F.linear(x, 1 + w.expand(4, 4)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_beside_a_number_has_a_rule(form):
    torch.manual_seed(0)
    model = Read(shifted(FORMS[form]), lambda m, x: m(x).mean(1), 4)
    x = inputs(N, 5, 4)
    ways = {line.parameter: line.way for line in explain_ntk(model, x)}
    assert ways["module.weight"] in ("pairs", "gradient")
    kernel = empirical_ntk(model, x, outputs="full")
    assert_close(kernel, loop_kernel(model, x, x), tolerance=1e-12)


def test_a_last_map_beside_a_number_is_right():
    class Shifted(nn.Linear):
        def forward(self, x):
            return F.linear(x, 1 + self.weight, self.bias - 2)

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), Shifted(3, 40)).double()
    x = inputs(N, 4)
    full = loop_kernel(model, x, x)
    assert_close(empirical_ntk(model, x), full.diagonal(0, 2, 3).mean(2), tolerance=1e-12)


def test_tokens_on_the_second_axis_have_a_rule():
    class TimeFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.places = nn.Embedding(9, 4), nn.Embedding(8, 4)
            self.readout = nn.Linear(4, 2)

        def forward(self, tokens):
            tokens = tokens.mT
            places = self.places(torch.arange(len(tokens))).unsqueeze(1)
            return self.readout(torch.tanh(self.table(tokens) + places)[-2:].mean(0))

    torch.manual_seed(0)
    model = TimeFirst().double()
    x = torch.randint(9, (N, 5), generator=torch.Generator().manual_seed(1))
    assert {line.way for line in explain_ntk(model, x)} <= {"pairs", "gradient"}
    for n in (N, 5, 4, 1):
        kernel = empirical_ntk(model, x[:n], outputs="full")
        assert_close(kernel, loop_kernel(model, x[:n], x[:n]), tolerance=1e-12)


def test_a_use_that_comes_alive_in_a_batch_is_not_left_out():
    """In the proof nothing depended on it, so it was compared with nothing."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.readout = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            hidden = torch.tanh(self.linear(x))
            late = torch.tanh(self.linear(hidden)) * torch.relu(x[:, :1] - 5)
            return self.readout(hidden + late)

    torch.manual_seed(0)
    model, x = Twice().double(), inputs(60, 3)
    assert float(x[:, 0].max()) < 5
    assert {line.way for line in explain_ntk(model, x)} <= {"pairs", "gradient"}
    x[1, 0] = 7.0  # no sample of the proof
    kernel = empirical_ntk(model, x, outputs="full")
    assert_close(kernel, loop_kernel(model, x, x), tolerance=1e-12)
