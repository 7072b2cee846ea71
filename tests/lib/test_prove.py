"""Rules are used only where they hold: wrong rules and hostile models."""

import copy
import dataclasses
import functools

import pytest
import torch
from architectures import Functional, weights
from assertions import assert_close, relative_error
from cases import inputs
from oracles import loop_kernel, reduce_outputs
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from entk_lib import empirical_ntk, explain_ntk
from entk_lib.kernels.engine import assemble, contract, harvest, prove, recognise

pytestmark = [pytest.mark.sweep, pytest.mark.no_shape_checks]

WORDS = ["full", "average", "mean_output", (0, 1)]


def linear(n_in, n_out, **options):
    return nn.Linear(n_in, n_out, dtype=torch.float64, **options)


def ways(model, *args, **kwargs):
    return {line.parameter: line.way for line in explain_ntk(model, *args, **kwargs)}


def assert_right(model, x1, x2=None, words=WORDS):
    expected = loop_kernel(model, x1, x1 if x2 is None else x2)
    for word in words:
        if isinstance(word, tuple) and expected.shape[-1] < 2:
            continue
        kernel = empirical_ntk(model, x1, x2, outputs=word)
        assert_close(kernel, reduce_outputs(expected, word), tolerance=1e-12)


# Wrong rules


def altered(**changes):
    """A rule whose call has some of its attributes replaced by functions of it."""

    def plant(rule):
        @functools.wraps(rule)
        def wrong(site, *args, **kwargs):
            call = rule(site, *args, **kwargs)
            if call is None:
                return None
            new = {name: change(call) for name, change in changes.items()}
            return dataclasses.replace(call, **new)

        return wrong

    return plant


def with_terms(change):
    return altered(terms=lambda call: tuple(change(term) for term in call.terms))


def with_inputs(change):
    """Inputs of a term passed through a function; ones stay."""

    def of_term(term):
        if term.inputs is None:
            return term
        return dataclasses.replace(term, inputs=lambda: change(term.inputs()))

    return with_terms(of_term)


def with_cotangents(change):
    return altered(cotangents=lambda call: lambda g: change(call.cotangents(g)))


def with_options(**options):
    """A rule that is told something else than what the torch function was told."""

    def plant(rule):
        @functools.wraps(rule)
        def wrong(site, *args, **kwargs):
            names = list(recognise.inspect.signature(rule).parameters)[1:]
            given = dict(zip(names, args, strict=False)) | kwargs
            return rule(site, **(given | options))

        return wrong

    return plant


def transposed(term):
    if term.inputs is None:
        return term
    shape = term.weight.shape
    weight = term.weight.moved(lambda entries: entries.mT.reshape(shape), shape)
    return dataclasses.replace(term, weight=weight)


def both(*plants):
    return lambda rule: functools.reduce(lambda r, plant: plant(r), plants, rule)


def swap_positions(tensor):
    """Samples for positions; both have seven on the probe."""
    return tensor.transpose(0, 2)


class OverPositions(nn.Module):
    """A linear map at seven positions that the input's shape does not tell."""

    def __init__(self):
        super().__init__()
        self.linear = linear(3, 3)

    def forward(self, x):
        return torch.tanh(self.linear(torch.cat([x, x[:, :1]], 1))).cumsum(1).sum(1)


def _perceptron():
    return nn.Sequential(linear(3, 3), nn.Tanh(), linear(3, 2))


def _convolution():
    layer = nn.Conv1d(2, 2, 2, stride=2, padding=1, dilation=2, dtype=torch.float64)
    return nn.Sequential(layer, nn.Tanh(), nn.Flatten())


def _norm():
    layers = nn.Sequential(nn.LayerNorm(3), nn.Tanh()).double()
    nn.init.normal_(layers[0].weight)
    return layers


def _embedding():
    return nn.Sequential(
        nn.Embedding(5, 3, 1, dtype=torch.float64), nn.Tanh(), nn.Flatten()
    )


TOKENS = torch.tensor([[0, 1], [1, 1], [2, 4], [4, 0], [3, 3]])
VICTIMS = {
    "linear": (_perceptron, inputs(9, 3)),
    "positions": (OverPositions, inputs(7, 6, 3)),
    "conv1d": (_convolution, inputs(9, 2, 6)),
    "layer_norm": (_norm, inputs(9, 3)),
    "embedding": (_embedding, TOKENS),
}
# A victim, the rule's name, and what is done to the rule.
WRONG_RULES = {
    "gradient twice as large": ("linear", "linear", with_cotangents(lambda g: 2 * g)),
    "gradient of the other sign": ("linear", "linear", with_cotangents(lambda g: -g)),
    "gradient off by a millionth": (
        "linear",
        "linear",
        with_cotangents(lambda g: (1 + 1e-6) * g),
    ),
    "inputs doubled": ("linear", "linear", with_inputs(lambda a: 2 * a)),
    "inputs after the activation": ("linear", "linear", with_inputs(torch.tanh)),
    "inputs without the last sample": (
        "linear",
        "linear",
        with_inputs(lambda a: torch.cat([a[:-1], 0 * a[-1:]])),
    ),
    "weight transposed": ("linear", "linear", with_terms(transposed)),
    "weight's factor forgotten": (
        "linear",
        "linear",
        with_terms(lambda t: dataclasses.replace(t, weight=t.weight.scaled(3.0))),
    ),
    "bias lost": ("linear", "linear", altered(terms=lambda call: call.terms[:1])),
    "weight lost": ("linear", "linear", altered(terms=lambda call: call.terms[1:])),
    "bias twice": (
        "linear",
        "linear",
        altered(terms=lambda call: (*call.terms, call.terms[1])),
    ),
    "samples rolled by one": (
        "linear",
        "linear",
        both(with_inputs(lambda a: a.roll(1, 0)), with_cotangents(lambda g: g.roll(1, 0))),
    ),
    "samples in reverse": (
        "linear",
        "linear",
        both(with_inputs(lambda a: a.flip(0)), with_cotangents(lambda g: g.flip(0))),
    ),
    "samples and positions swapped": (
        "positions",
        "linear",
        both(with_inputs(swap_positions), with_cotangents(swap_positions)),
    ),
    "last position forgotten": (
        "positions",
        "linear",
        with_cotangents(lambda g: torch.cat([g[:, :, :-1], 0 * g[:, :, -1:]], 2)),
    ),
    "positions in reverse": ("positions", "linear", with_cotangents(lambda g: g.flip(2))),
    "stride ignored": ("conv1d", "conv1d", with_options(stride=1)),
    "dilation ignored": ("conv1d", "conv1d", with_options(dilation=1, padding=0, stride=1)),
    "padding forgotten": ("conv1d", "conv1d", with_options(padding=0)),
    "kernel in reverse": ("conv1d", "conv1d", with_inputs(lambda a: a.flip(3))),
    "not normalised": (
        "layer_norm",
        "layer_norm",
        with_inputs(lambda a: 0.9 * a),
    ),
    "another epsilon": ("layer_norm", "layer_norm", with_options(eps=1e-2)),
    "padding token forgotten": ("embedding", "embedding", with_options(padding_idx=None)),
    "another padding token": ("embedding", "embedding", with_options(padding_idx=0)),
    "next token": ("embedding", "embedding", with_inputs(lambda a: (a + 1) % 5)),
}
for_wrong_rules = pytest.mark.parametrize(
    ("victim", "name", "plant"), WRONG_RULES.values(), ids=WRONG_RULES
)


@for_wrong_rules
def test_wrong_rules_are_caught(victim, name, plant, monkeypatch):
    make, x = VICTIMS[victim]
    model = make()
    assert "autodiff" not in ways(model, x).values()
    monkeypatch.setitem(recognise._RULES, name, plant(recognise._RULES[name]))
    assert "autodiff" in ways(model, x).values()
    assert_right(model, x)


# A kernel knows neither signs nor the order of a parameter's entries.
HARMLESS = {
    "gradient of the other sign",
    "weight transposed",
    "kernel in reverse",
    "next token",
}


@pytest.mark.parametrize("rule", [name for name in WRONG_RULES if name not in HARMLESS])
def test_wrong_rules_would_do_harm_without_the_proof(rule, monkeypatch):
    victim, name, plant = WRONG_RULES[rule]
    make, x = VICTIMS[victim]
    model = make()
    expected = loop_kernel(model, x, x)
    monkeypatch.setitem(recognise._RULES, name, plant(recognise._RULES[name]))
    believed = _everything_believed(model, x)
    monkeypatch.setattr(assemble, "prove_rules", lambda *args: believed)
    # Nor with the second look, which every batch gets, at what is each sample's own.
    monkeypatch.setattr(harvest, "live_samples", lambda n: torch.ones(n, dtype=torch.bool))
    # Nor with another number of rows, in which a wrong reading of shapes would show.
    monkeypatch.setattr(harvest, "_SMALL_BYTES", 0)
    try:
        kernel = empirical_ntk(model, x, outputs="full")
    except RuntimeError:
        return  # shapes that do not fit: this one gives no kernel at all
    assert relative_error(kernel, expected) > 1e-8


def _everything_believed(model, x):
    """What `prove` returns if every recognised call is believed."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    probe = prove.probe_of(x)
    recording = prove.record(model, parameters, probe)
    uses, terms = {}, {name: [] for name in parameters}
    for i, event in enumerate(recording.events):
        if event is not None:
            places = torch.arange(event.call.positions)
            uses[i] = prove.Use(event.call, places, separable=False)
            for j, term in enumerate(event.call.terms):
                terms[term.weight.parameter].append((i, j))
    structure = prove.prove_rules(model, parameters, x)
    # With samples on the first axis: a swap of both would put a wrong rule right.
    path = dataclasses.replace(recording.path, second=[False] * len(recording.events))
    return dataclasses.replace(structure, path=path, uses=uses, terms=terms, autodiff=[])


# Models in which rules must not apply, or must be right


class SequenceFirst(nn.Module):
    """Positions on axis 0 inside, samples on axis 1."""

    def __init__(self, extra=0):
        super().__init__()
        self.first, self.norm = linear(3, 4), nn.LayerNorm(4, dtype=torch.float64)
        self.readout, self.extra = linear(4, 2), extra

    def forward(self, x):
        x = torch.cat([x, x[:, : self.extra]], 1).transpose(0, 1)
        return self.readout(torch.tanh(self.norm(self.first(x))).mean(0))


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(
    "shape", [(5, 5), (7, 7), (14, 7), (4, 14), (7, 6), (14, 6), (3, 2)]
)
def test_positions_on_the_first_axis_are_not_taken_for_samples(shape, extra):
    model, x = SequenceFirst(extra), inputs(*shape, 3)
    assert_right(model, x)
    assert "autodiff" not in ways(model, x).values()


@pytest.mark.parametrize("n", [1, 4, 5, 6, 7, 14])
@pytest.mark.parametrize("positions", [1, 3, 4, 5, 14])
@pytest.mark.parametrize("read", [1, None], ids=["the first position", "all"])
@pytest.mark.parametrize("sample_major", [True, False])
def test_rows_of_samples_and_positions_are_told_apart(sample_major, read, positions, n):
    """Though samples may seem apart in the wrong reading, if few positions matter."""

    def forward(self, x):
        rows = (x if sample_major else x.transpose(0, 1)).reshape(-1, 3)
        hidden = torch.tanh(self.norm(self.first(rows)))
        if sample_major:
            return self.readout(hidden.reshape(len(x), -1, 4)[:, :read].mean(1))
        return self.readout(hidden.reshape(-1, len(x), 4)[:read].mean(0))

    model = Functional(
        forward,
        first=linear(3, 4),
        norm=nn.LayerNorm(4, dtype=torch.float64),
        readout=linear(4, 2),
    )
    x = inputs(n, positions, 3)
    assert_right(model, x)
    assert "autodiff" not in ways(model, x).values()


def reversed_inside(self, x):
    return torch.tanh(self.linear(x.flip(0))).flip(0)


def sorted_inside(self, x):
    order = x[:, 0].argsort()
    return torch.tanh(self.linear(x[order]))[order.argsort()]


def test_models_that_turn_the_batch_around_are_right():
    assert_right(Functional(reversed_inside, linear=linear(3, 2)), inputs(9, 3))


def test_models_that_sort_the_batch_are_right_though_the_probe_is_in_order():
    x = inputs(40, 3)
    x[:, 0] = torch.arange(40)
    x[[3, 5], 0] = x[[5, 3], 0]
    assert_right(Functional(sorted_inside, linear=linear(3, 2)), x)


def added_in_place(self, x):
    hidden = self.first(x)
    hidden += x
    hidden = self.second(hidden)
    hidden.mul_(2).sub_(1)
    return torch.tanh(hidden)


def parameters_in_place(self, x):
    hidden = x @ self.weight
    hidden += self.shift
    hidden -= self.other
    hidden *= self.gain
    return torch.tanh(hidden)


def partly_without_gradient(self, x):
    with torch.no_grad():
        hidden = self.first(x)
    return self.second(torch.tanh(hidden))


def weight_detached_once(self, x):
    hidden = torch.tanh(F.linear(x, self.first.weight.detach()))
    return torch.tanh(self.second(self.first(hidden)))


def dead_the_first_time(self, x):
    return torch.tanh(self.first(torch.tanh(self.first(x)).detach()))


def clone_written_into(self, x):
    weight = self.weight.clone()
    weight.fill_diagonal_(0)
    return torch.tanh(x @ weight)


def written_into_a_buffer(self, x):
    weight = torch.zeros(3, 3, dtype=x.dtype)
    weight[:2] = self.weight[1:]
    weight[2] = self.weight[0] ** 2
    return torch.tanh(x @ weight)


def two_ways_by_data(self, x):
    return torch.where(x[:, :1] > 0, self.first(x), self.second(x).tanh())


def two_ways_by_size(self, x):
    if len(x) > 8:
        return torch.tanh(self.first(x))
    return torch.tanh(x @ self.first.weight.mT + self.first.bias)


def other_weights_by_size(self, x):
    return self.first(x) if len(x) < 0 else torch.tanh(self.second(self.first(x)))


def through_a_checkpoint(self, x):
    return self.second(
        checkpoint(lambda h: torch.tanh(self.first(h)), x, use_reentrant=False)
    )


def repeated_rows(self, x):
    return torch.tanh(F.linear(x, self.weight[[0, 0, 1]]))


def by_keyword(self, x):
    return torch.tanh(x @ torch.transpose(input=self.weight, dim0=0, dim1=1))


def constant(self, x):
    return self.weight[0].exp() + 0 * self.first(x)


def of_one_parameter_for_all(self, x):
    return torch.tanh(self.factor * x + self.factor**2)


def unused_parameter(self, x):
    return torch.tanh(self.first(x))


def reduced_inputs(self, x):
    return torch.tanh(torch.einsum("nd,do->no", x, self.weight)).sum(1)


def more_outputs_than_width(self, x):
    return torch.cat([self.second(torch.tanh(self.first(x)[:, :1]).expand(-1, 3))] * 3, 1)


def many_dead_outputs(self, x):
    return torch.cat([0 * self.first(x), self.second(x).detach(), self.third(x)], 1)


def _parts():
    return {
        "first": linear(3, 3),
        "second": linear(3, 3),
        "third": linear(3, 3),
        "weight": weights(3, 3),
        "shift": weights(3, seed=1),
        "other": weights(3, seed=2),
        "gain": weights(3, seed=3),
        "factor": torch.tensor(0.7, dtype=torch.float64),
    }


HOSTILE = [
    added_in_place,
    parameters_in_place,
    partly_without_gradient,
    weight_detached_once,
    dead_the_first_time,
    clone_written_into,
    written_into_a_buffer,
    two_ways_by_data,
    two_ways_by_size,
    other_weights_by_size,
    through_a_checkpoint,
    repeated_rows,
    by_keyword,
    constant,
    of_one_parameter_for_all,
    unused_parameter,
    reduced_inputs,
    more_outputs_than_width,
    many_dead_outputs,
]


@pytest.mark.parametrize("forward", HOSTILE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [1, 7, 12])
def test_models_that_rules_are_not_made_for_are_right(forward, n):
    assert_right(Functional(forward, **_parts()), inputs(n, 3), inputs(5, 3, seed=2))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.readout = linear(4, 12), linear(4, 4), linear(4, 2)

    def forward(self, x):
        n, length, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, 2, 2).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.readout(self.out(mixed.transpose(1, 2).flatten(2)).mean(1))


class Around(nn.Module):
    """A module of torch between the inputs and a readout."""

    def __init__(self, module, call, width):
        super().__init__()
        self.module, self.call = module.double().eval(), call
        self.readout = linear(width, 2)

    def forward(self, x):
        return self.readout(self.call(self.module, x))


MODULES = {
    "attention": lambda: (Attention(), inputs(5, 3, 4)),
    "multihead attention": lambda: (
        Around(
            nn.MultiheadAttention(4, 2, batch_first=True),
            lambda m, x: m(x, x, x)[0].mean(1),
            4,
        ),
        inputs(5, 3, 4),
    ),
    "transformer layer": lambda: (
        Around(
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
            lambda m, x: m(x).mean(1),
            4,
        ),
        inputs(5, 3, 4),
    ),
    "transformer layer, norm first": lambda: (
        Around(
            nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True),
            lambda m, x: m(x)[:, 0],
            4,
        ),
        inputs(5, 3, 4),
    ),
    "decoder layer": lambda: (
        Around(
            nn.TransformerDecoderLayer(4, 2, 8, batch_first=True),
            lambda m, x: m(x, x.flip(1)).mean(1),
            4,
        ),
        inputs(5, 3, 4),
    ),
    "LSTM": lambda: (
        Around(nn.LSTM(3, 4, batch_first=True), lambda m, x: m(x)[0][:, -1], 4),
        inputs(5, 3, 3),
    ),
    "GRU": lambda: (
        Around(nn.GRU(3, 4), lambda m, x: m(x.transpose(0, 1))[0][-1], 4),
        inputs(5, 3, 3),
    ),
    "RNN": lambda: (
        Around(nn.RNN(3, 4, batch_first=True), lambda m, x: m(x)[0][:, -1], 4),
        inputs(5, 3, 3),
    ),
    "GRU cell": lambda: (
        Around(nn.GRUCell(3, 4), lambda m, x: m(x[:, 1], m(x[:, 0])), 4),
        inputs(5, 3, 3),
    ),
    "bilinear": lambda: (
        Around(nn.Bilinear(3, 3, 4), lambda m, x: m(x, x.flip(1)), 4),
        inputs(5, 3),
    ),
    "spectral norm": lambda: (
        Around(parametrizations.spectral_norm(linear(3, 4)), lambda m, x: m(x).tanh(), 4),
        inputs(9, 3),
    ),
    "weight norm": lambda: (
        Around(parametrizations.weight_norm(linear(3, 4)), lambda m, x: m(x).tanh(), 4),
        inputs(9, 3),
    ),
    "orthogonal": lambda: (
        Around(parametrizations.orthogonal(linear(4, 4)), lambda m, x: m(x).tanh(), 4),
        inputs(9, 4),
    ),
    "ReLU in place": lambda: (
        nn.Sequential(
            linear(3, 4), nn.ReLU(inplace=True), linear(4, 4), nn.ReLU(True), linear(4, 2)
        ),
        inputs(9, 3),
    ),
    "ReLU on the inputs": lambda: (
        nn.Sequential(nn.ReLU(inplace=True), linear(3, 2), nn.Tanh()),
        inputs(9, 3),
    ),
    "embedding bag": lambda: (
        Around(nn.EmbeddingBag(5, 3), lambda m, x: m(x).tanh(), 3),
        TOKENS,
    ),
}


@pytest.mark.filterwarnings("ignore:.*performance drop")
@pytest.mark.filterwarnings("ignore:.*enable_nested_tensor")
@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_modules_of_torch_are_right(make):
    model, x = make()
    assert_right(model, x, words=["full", "average"])


class OldFunction(torch.autograd.Function):
    """Without what functorch asks for."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight.mT, x.mT @ gradient


class NewFunction(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, weight):
        return x @ weight

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    backward = OldFunction.backward


class Surprise(torch.autograd.Function):
    """Whose gradient is not that of its result."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def by_mask(self, x):
    mask, outputs = x[:, 0] > 0, torch.zeros(len(x), 3, dtype=x.dtype)
    outputs[mask], outputs[~mask] = self.first(x[mask]), self.second(x[~mask]).tanh()
    return outputs


FUNCTIONS = {
    "new": lambda self, x: torch.tanh(NewFunction.apply(x, self.weight)),
    "between": lambda self, x: Surprise.apply(torch.tanh(self.first(x))),
}
BEYOND_VMAP = {
    "function without setup_context": lambda self, x: OldFunction.apply(x, self.weight),
    "checkpoint around an unknown operation": lambda self, x: checkpoint(
        lambda h: torch.tanh(h @ self.weight**2), x, use_reentrant=False
    ),
    "rows by mask": by_mask,
    "numbers that leave torch": lambda self, x: (
        x * float(self.factor.detach()) + self.weight[0].exp()
    ),
}


@pytest.mark.parametrize("forward", FUNCTIONS.values(), ids=FUNCTIONS)
def test_custom_functions_are_right(forward):
    assert_right(Functional(forward, **_parts()), inputs(9, 3))


@pytest.mark.parametrize("forward", BEYOND_VMAP.values(), ids=BEYOND_VMAP)
def test_what_vmap_cannot_do_is_right_or_refused(forward):
    model, x = Functional(forward, **_parts()), inputs(9, 3)
    try:
        kernel = empirical_ntk(model, x, outputs="full")
    except (RuntimeError, ValueError) as error:
        message = str(error)
    else:
        assert_close(kernel, loop_kernel(model, x, x), tolerance=1e-12)
        return
    assert any(word in message for word in ("vmap", "functorch", "torch.func"))


# Dead on the probe, alive later


def rarely_open(x):
    return torch.relu(x[:, :1])


def open_for(n, sample):
    x = inputs(n, 3)
    x[:, 0] = -x[:, 0].abs()
    x[sample, 0] = 2.0
    return x


def unknown_use(self, x):
    return self.first(x) + rarely_open(x) * (x @ self.weight.exp())


def second_use_unknown(self, x):
    return x @ self.weight + rarely_open(x) * (x @ self.weight.exp())


def known_use(self, x):
    return self.first(x) + rarely_open(x) * torch.tanh(x @ self.weight)


def known_use_turned_around(self, x):
    rows = torch.tanh(x.roll(1, 0) @ self.weight)
    return self.first(x) + rarely_open(x) * rows.roll(-1, 0)


@pytest.mark.parametrize(
    "forward",
    [unknown_use, second_use_unknown, known_use, known_use_turned_around],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize(("n", "sample"), [(60, 41), (60, 1), (14, slice(2, None, 4))])
def test_parameters_that_only_samples_beside_the_probe_need_are_seen(forward, n, sample):
    model = Functional(forward, first=linear(3, 5), weight=weights(3, 5))
    x = open_for(n, sample)
    assert_right(model, x, words=["full", "average"])


@pytest.mark.parametrize("word", WORDS, ids=str)
def test_positions_that_are_dead_on_the_probe_come_alive(word):
    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return self.readout(hidden[:, 0] + hidden[:, 1] * torch.relu(x[:, 1, :1]))

    model = Functional(forward, first=linear(3, 4), readout=linear(4, 5))
    x = inputs(60, 3, 3)
    x[:, 1, 0] = -1
    x[41, 1, 0] = 2
    assert_right(model, x, words=[word])


@pytest.mark.parametrize("lengths", [(8, 5), (5, 8), (3, 1)])
def test_the_two_sides_may_have_different_numbers_of_positions(lengths):
    def forward(self, x):
        return torch.tanh(self.first(x)).mean(1)

    model = Functional(forward, first=linear(3, 5))
    x1, x2 = (inputs(4, length, 3) for length in lengths)
    assert_right(model, x1, x2)


def _one_hidden_unit_each(n):
    first = linear(n, n)
    with torch.no_grad():
        first.weight.copy_(torch.eye(n))
        first.bias.fill_(-0.5)
    return nn.Sequential(first, nn.ReLU(), linear(n, 6))


@pytest.mark.parametrize("working", [1, 50_000, 2**30])
def test_entries_alive_for_one_sample_only_are_not_lost(working, monkeypatch):
    monkeypatch.setattr(contract, "WORKING_BYTES", working)
    model, x = _one_hidden_unit_each(20), torch.eye(20, dtype=torch.float64)
    assert_right(model, x, x[5:], words=["average"])
    assert_right(model, x.repeat_interleave(3, 0), x, words=["average"])


class Gated(nn.Module):
    """One of two readouts, by the sign of an input: G has no common factor."""

    def __init__(self):
        super().__init__()
        self.first, self.one, self.two = linear(6, 20), linear(20, 5), linear(20, 5)

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return torch.where(x[:, :1] > 0, self.one(hidden), self.two(hidden))


def _slightly_bent():
    class Bent(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.readout = linear(6, 20), linear(20, 5)

        def forward(self, x):
            outputs = self.readout(torch.tanh(self.first(x)))
            return outputs + 1e-2 * outputs**3 * (x[:, :1] > 9)

    return Bent()


@pytest.mark.parametrize("working", [1, 30_000, 2**30])
@pytest.mark.parametrize("make", [Gated, _slightly_bent], ids=["gated", "bent"])
def test_outputs_that_the_probe_takes_for_separable_are_right(make, working, monkeypatch):
    monkeypatch.setattr(contract, "WORKING_BYTES", working)
    x = inputs(40, 6)
    x[:, 0] = 1
    x[17, 0] = 10 if make is not Gated else -1
    assert_right(make(), x, words=["average"])


def test_outputs_with_a_kink_that_the_probe_misses_are_right_batch_by_batch(monkeypatch):
    monkeypatch.setattr(contract, "WORKING_BYTES", 1)

    def forward(self, x):
        return torch.relu(self.readout(torch.tanh(self.first(x)) * x[:, :1].exp()))

    readout = linear(30, 5)
    nn.init.constant_(readout.bias, 40.0)
    x = inputs(40, 6)
    x[:, 0] = 0
    x[17, 0] = 7
    model = Functional(forward, first=linear(6, 30), readout=readout)
    assert_right(model, x, words=["average"])


def test_the_other_side_may_take_another_way():
    x1, x2 = inputs(20, 6), inputs(20, 6, seed=2)
    x1[:, 0], x2[:, 0] = 1, -1
    assert_right(Gated(), x1, x2)


# Shapes, numbers, inputs


@pytest.mark.parametrize("n", [1, 2, 7, 8])
@pytest.mark.parametrize("n_outputs", [1, 4, 9])
def test_few_samples_and_many_outputs_are_right(n, n_outputs):
    model = nn.Sequential(linear(3, 2), nn.ReLU(), linear(2, n_outputs))
    assert_right(model, inputs(n, 3), inputs(1, 3, seed=2))


def test_outputs_without_an_axis_are_right():
    model = Functional(lambda self, x: torch.tanh(self.first(x)).sum(1), first=linear(3, 4))
    assert_right(model, inputs(9, 3))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize("n_samples", [4, 40])
def test_tokens_of_any_integer_dtype_are_right(dtype, n_samples):
    model = Around(nn.Embedding(5, 3), lambda m, x: torch.tanh(m(x)).sum(1), 3)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(5, (n_samples, 3), generator=generator).to(dtype)
    assert_right(model, x, words=["full", "average"])


@pytest.mark.parametrize("word", ["full", "average"])
def test_parameters_without_entries_are_right(word):
    model = Functional(
        lambda self, x: self.first(x) + self.empty.sum(),
        first=linear(3, 2),
        empty=torch.empty(0, dtype=torch.float64),
    )
    assert_right(model, inputs(5, 3), words=[word])


class Named(nn.Module):
    """Two inputs, one of them integer."""

    def __init__(self):
        super().__init__()
        self.first, self.embed = linear(3, 4), nn.Embedding(5, 4, dtype=torch.float64)
        self.readout = linear(4, 2)

    def forward(self, x, tokens):
        return self.readout(torch.tanh(self.first(x) + self.embed(tokens).mean(1)))


@pytest.mark.parametrize("word", ["full", "average"])
def test_tuples_are_arguments_and_dicts_are_keywords(word):
    model, x = Named(), inputs(5, 3)
    packed = Functional(lambda self, z: self.model(z[:, :3], z[:, 3:].long()), model=model)
    z = torch.cat([x, TOKENS], 1)
    expected = reduce_outputs(loop_kernel(packed, z, z), word)
    for given in ((x, TOKENS), {"tokens": TOKENS, "x": x}):
        assert_close(empirical_ntk(model, given, outputs=word), expected, tolerance=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_right_by_the_rules_of_single_precision(dtype):
    model = _perceptron().to(dtype)
    x = inputs(5, 3).to(dtype)
    expected = loop_kernel(copy.deepcopy(model).double(), x.double(), x.double())
    kernel = empirical_ntk(model, x, outputs="full")
    assert kernel.dtype == torch.float32
    assert relative_error(kernel.double(), expected) < 1e-5
    assert "autodiff" not in ways(model, x).values()


def test_complex_parameters_are_refused():
    def forward(self, x):
        return torch.tanh((x.to(torch.complex128) @ self.weight).real)

    model = Functional(forward, weight=weights(3, 2).to(torch.complex128))
    with pytest.raises((RuntimeError, TypeError, ValueError), match=r"(?i)complex"):
        empirical_ntk(model, inputs(5, 3))


def test_complex_numbers_between_real_parameters_are_right():
    def forward(self, x):
        weight = torch.view_as_complex(self.weight)
        return torch.tanh((x.to(torch.complex128) @ weight).real)

    assert_right(Functional(forward, weight=weights(3, 2, 2)), inputs(9, 3))


# Nothing is changed


class Noisy(nn.Module):
    """Draws numbers that do not matter."""

    def __init__(self):
        super().__init__()
        self.first = linear(3, 2)

    def forward(self, x):
        return torch.tanh(self.first(x)) + 0 * torch.randn(len(x), 2, dtype=x.dtype)


class Counting(nn.Module):
    """Counts its calls in a buffer."""

    def __init__(self):
        super().__init__()
        self.first = linear(3, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return torch.tanh(self.first(x))


def _renormed():
    embed = nn.Embedding(5, 3, max_norm=0.5, dtype=torch.float64)
    with torch.no_grad():
        embed.weight.copy_(3 * inputs(5, 3))
    return Functional(
        lambda self, x: torch.tanh(x + self.embed(torch.arange(3))).sum(1), embed=embed
    )


PURE = {
    "perceptron": (_perceptron, inputs(9, 3)),
    "convolution": (_convolution, inputs(9, 2, 6)),
    "embedding": (_embedding, TOKENS),
    "spectral norm": (
        lambda: parametrizations.spectral_norm(linear(3, 2)).eval(),
        inputs(9, 3),
    ),
    "noise": (Noisy, inputs(9, 3)),
    "counter": (Counting, inputs(9, 3)),
    "largest norm": (_renormed, inputs(9, 3, 3)),
}


@pytest.mark.parametrize("call", [empirical_ntk, explain_ntk])
@pytest.mark.parametrize(("make", "x"), PURE.values(), ids=PURE)
def test_nothing_that_the_caller_holds_is_changed(make, x, call):
    model = make()
    fired = []
    handle = model.register_forward_hook(lambda *args: fired.append(1))
    for p in model.parameters():
        p.grad = torch.full_like(p, 3.0)
        p.register_hook(lambda gradient: fired.append("gradient"))
    state, kept = copy.deepcopy(model.state_dict()), x.clone()
    modes = [m.training for m in model.modules()]
    wanted = [(p, p.requires_grad, p._version, p.data_ptr()) for p in model.parameters()]
    hooks = [len(m._forward_hooks) for m in model.modules()]
    random = torch.get_rng_state()
    call(model, x)
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(kept, x)
    after = model.state_dict()
    assert state.keys() == after.keys()
    assert all(torch.equal(state[name], after[name]) for name in state)
    assert modes == [m.training for m in model.modules()]
    assert hooks == [len(m._forward_hooks) for m in model.modules()]
    for (before, flag, version, place), p in zip(wanted, model.parameters(), strict=True):
        assert before is p
        assert (flag, version, place) == (p.requires_grad, p._version, p.data_ptr())
        assert torch.equal(p.grad, torch.full_like(p, 3))
    assert "gradient" not in fired
    handle.remove()


def test_inputs_that_require_grad_get_none():
    model, x = _perceptron(), inputs(9, 3).requires_grad_()
    kernel = empirical_ntk(model, x)
    assert x.grad is None
    assert not kernel.requires_grad


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("forward", [unused_parameter, clone_written_into])
def test_the_surrounding_mode_does_not_matter(mode, forward):
    model, x = Functional(forward, **_parts()), inputs(9, 3)
    expected = empirical_ntk(model, x)
    with mode():
        inside = empirical_ntk(model, x.clone())
    assert torch.equal(expected, inside.clone())
