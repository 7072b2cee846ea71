"""Models that hide what they do: their outputs look well, their gradients do not."""

import itertools

import pytest
import torch
from assertions import assert_close
from cases import inputs
from hypothesis import given
from hypothesis import strategies as st
from oracles import loop_kernel, reduce_outputs
from torch import nn
from torch.nn import functional as F

from entk_lib import NTKOperator, empirical_ntk, jacobian, ntk_spectrum

X = inputs(8, 4)
PUBLIC = [
    empirical_ntk,
    jacobian,
    lambda *a, **k: ntk_spectrum(*a, k=2, outputs="flatten", **k),
    NTKOperator,
]


class Gated(nn.Module):
    """A linear map, and a branch behind a gate that starts at zero."""

    def __init__(self, branch: nn.Module, gate: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.base, self.branch = nn.Linear(4, 3), branch
        self.g = nn.Parameter(torch.tensor(gate))
        self.double()

    def forward(self, x):
        return self.base(x) + self.g * self.branch(x)


class Adapter(nn.Module):
    """A linear map with an adapter as it starts: the second matrix is zero."""

    def __init__(self, dropout: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.base, self.dropout = nn.Linear(4, 3), dropout
        self.down, self.up = nn.Linear(4, 2, bias=False), nn.Linear(2, 3, bias=False)
        nn.init.zeros_(self.up.weight)
        self.double()

    def forward(self, x):
        return self.base(x) + self.up(self.down(self.dropout(x)))


class Mapped(nn.Module):
    """A module made from a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def attention(z):
    return F.scaled_dot_product_attention(*[z[:, None]] * 3, dropout_p=1e-6)[:, 0]


# Numbers that torch's random state knows nothing of.
NOISE = itertools.cycle([0.3, 1.7, 0.9, 2.2, 1.1])


def branch(last):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 3), last)


def standardised(z):
    return (z - z.mean(0)) / (z.std(0) + 1)


@pytest.mark.sweep
@pytest.mark.parametrize("call", PUBLIC, ids=["ntk", "jacobian", "spectrum", "operator"])
@pytest.mark.parametrize("parameters", [["g"], None], ids=["gate", "all"])
@pytest.mark.parametrize(
    ("last", "pattern"),
    [
        (lambda: nn.BatchNorm1d(3), r"BatchNorm in training mode.*'branch\.1'.*eval\(\)"),
        (lambda: nn.SyncBatchNorm(3), r"BatchNorm in training mode"),
        (lambda: nn.BatchNorm1d(3, track_running_stats=False), "no running statistics"),
        (lambda: nn.Dropout(1e-3), r"Dropout in training mode.*'branch\.1'.*eval\(\)"),
        (lambda: nn.AlphaDropout(0.2), "Dropout in training mode"),
        (lambda: nn.RReLU(), "RReLU in training mode"),
        (lambda: Mapped(standardised), "samples independently, but gradients of a batch"),
        (lambda: Mapped(lambda z: z.cumsum(0)), "samples independently, but gradients"),
        (lambda: Mapped(lambda z: z.flip(0).cumsum(0)), "independently, but gradients"),
        (
            lambda: Mapped(lambda z: F.dropout(z, 0.3)),
            r"Dropout in training mode \(a call of dr",
        ),
        (lambda: Mapped(lambda z: F.dropout(z, 1e-6)), r"call of dropout with p = 1e-06\)"),
        (
            lambda: Mapped(lambda z: F.alpha_dropout(z, 1e-6, training=True)),
            "alpha_dropout",
        ),
        (lambda: Mapped(attention), "call of scaled_dot_product_attention"),
        (lambda: Mapped(lambda z: z + torch.randn_like(z)), "deterministic, got gradients"),
        (lambda: Mapped(lambda z: z * next(NOISE)), "deterministic, got gradients"),
    ],
)
def test_what_a_closed_gate_hides_is_refused(last, pattern, parameters, call):
    model = Gated(branch(last()))
    with pytest.raises(ValueError, match=pattern):
        call(model, X, parameters=parameters)


@pytest.mark.parametrize("p", [0.1, 1e-3])
def test_an_adapter_with_dropout_is_refused_and_right_without(p):
    model = Adapter(nn.Dropout(p))
    for _ in range(20):
        with pytest.raises(ValueError, match="Dropout in training mode"):
            empirical_ntk(model, X)
    model.eval()
    expected = reduce_outputs(loop_kernel(model, X, X), "average")
    assert_close(empirical_ntk(model, X), expected)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.GRU(4, 3, 2, dropout=0.1, batch_first=True), (8, 5, 4)),
        (lambda: nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True), (8, 5, 4)),
        (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (8, 5, 4)),
    ],
)
def test_dropout_inside_other_modules_is_seen(make, shape):
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = make().double()

        def forward(self, x):
            args = (x, x, x) if isinstance(self.module, nn.MultiheadAttention) else (x,)
            found = self.module(*args)
            return (found[0] if isinstance(found, tuple) else found)[:, -1]

    model, x = Around(), inputs(*shape)
    with pytest.raises(ValueError, match="Dropout in training mode"):
        empirical_ntk(model, x)
    expected = reduce_outputs(loop_kernel(model.eval(), x, x), "average")
    assert_close(empirical_ntk(model, x), expected)


class Seeded(nn.Module):
    """Draws the same numbers each time."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.own, self.layer = own, nn.Linear(4, 3).double()

    def forward(self, x):
        generator = torch.Generator().manual_seed(0) if self.own else torch.manual_seed(0)
        directions = torch.randn(4, 4, generator=generator, dtype=x.dtype)
        return self.layer(x @ directions)


def test_dropout_that_drops_nothing_is_taken():
    def function(z):
        z = F.dropout(F.dropout(z, 0.0, training=True), 0.5, training=False)
        z = F.alpha_dropout(z)  # which does not train unless it is told
        return F.scaled_dot_product_attention(*[z[:, None]] * 3)[:, 0]

    model = Gated(branch(Mapped(function)), 1.0)
    expected = reduce_outputs(loop_kernel(model, X, X), "average")
    assert_close(empirical_ntk(model, X), expected)


@pytest.mark.parametrize("own", [True, False])
def test_draws_with_a_fixed_seed_are_taken(own):
    model = Seeded(own)
    expected = reduce_outputs(loop_kernel(model, X, X), "average")
    assert_close(empirical_ntk(model, X), expected)


def test_autocast_is_refused_and_a_model_s_own_is_not_touched():
    model = nn.Linear(4, 3)
    operator = NTKOperator(model, X.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(
            RuntimeError, match=r"outside of torch\.autocast.*Leave its block"
        ):
            empirical_ntk(model, X.float())
        with pytest.raises(RuntimeError, match="outside of"):
            operator @ torch.ones(8)
    assert_close(operator @ torch.ones(8), empirical_ntk(model, X.float()) @ torch.ones(8))


def test_what_draws_nothing_is_taken_in_training_mode():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.0), nn.LayerNorm(3)).double()
    expected = reduce_outputs(loop_kernel(model, X, X), "average")
    assert_close(empirical_ntk(model.train(), X), expected)


def test_an_embedding_whose_gradient_counts_tokens_is_refused():
    model = nn.Sequential(nn.Embedding(5, 3, scale_grad_by_freq=True), nn.Flatten())
    tokens = torch.tensor([[0, 0, 1], [2, 2, 2]])
    with pytest.raises(ValueError, match=r"Embedding '0' with scale_grad_by_freq=True"):
        NTKOperator(model, tokens)


class ByFrequency(nn.Module):
    """A table whose gradient counts tokens, without a module that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(inputs(5, 3))

    def forward(self, x):
        return F.embedding(x, self.table, scale_grad_by_freq=True).flatten(1)


def test_a_function_whose_gradient_counts_tokens_is_refused():
    with pytest.raises(ValueError, match="independently, but gradients"):
        empirical_ntk(ByFrequency(), torch.tensor([[0, 0, 1], [2, 2, 2]]))


class InAList(nn.Module):
    """Layers that torch does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3).double()
        self.layers = [nn.Linear(4, 4).double()]

    def forward(self, x):
        return self.last(self.layers[0](x))


def test_layers_in_a_plain_list_are_not_left_out_in_silence():
    model = InAList()
    with pytest.raises(ValueError, match=r"must own all .*plain list\? Use nn\.ModuleList"):
        empirical_ntk(model, X)
    names = ["last.weight", "last.bias"]
    expected = reduce_outputs(loop_kernel(model, X, X, names), "average")
    assert_close(empirical_ntk(model, X, parameters="last"), expected)
    model.layers[0].requires_grad_(False)
    assert_close(empirical_ntk(model, X.clone().requires_grad_()), expected)


def test_advice_for_a_model_of_a_single_sample_works():
    torch.manual_seed(0)
    gru = nn.GRU(4, 3).double()

    class Single(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = gru

        def forward(self, x):
            return self.gru(x)[1].flatten()

    class Batched(Single):
        def forward(self, x):
            single = super().forward
            return torch.stack([single(sample) for sample in x])

    x = inputs(5, 6, 4)
    with pytest.raises(ValueError, match=r"torch\.stack.*sample in x.*x\.unsqueeze\(0\)"):
        empirical_ntk(Single(), x)
    expected = reduce_outputs(loop_kernel(Batched(), x, x), "average")
    assert_close(empirical_ntk(Batched(), x), expected)


def gated(name, gate):
    return Gated(branch(LASTS[name][0]()), gate)


def adapted(name, gate):
    model = Adapter(branch(LASTS[name][0]()))
    model.down = nn.Linear(3, 2, bias=False).double()
    with torch.no_grad():
        model.up.weight.mul_(0).add_(gate)
    return model


LASTS = {
    "tanh": (nn.Tanh, True),
    "layer norm": (lambda: nn.LayerNorm(3), True),
    "batch norm": (lambda: nn.BatchNorm1d(3), None),
    "dropout": (lambda: nn.Dropout(0.3), None),
    "mixing": (lambda: Mapped(standardised), False),
    "noise": (lambda: Mapped(lambda z: z * torch.rand_like(z)), False),
}


@pytest.mark.sweep
@given(
    st.sampled_from(sorted(LASTS)),
    st.sampled_from([0.0, 1.0]),
    st.booleans(),
    st.sampled_from([(gated, None), (gated, ["g"]), (adapted, None), (adapted, ["up"])]),
)
def test_gates_and_modes_are_right_or_refused(name, gate, training, made):
    make, parameters = made
    model = make(name, gate).train(training)
    always = LASTS[name][1]
    if (not training) if always is None else always:
        names = [
            n
            for n, _ in model.named_parameters()
            if parameters is None or n.split(".")[0] in parameters
        ]
        expected = reduce_outputs(loop_kernel(model, X, X, names), "average")
        assert_close(empirical_ntk(model, X, parameters=parameters), expected)
    else:
        with pytest.raises(ValueError, match=r"independently|deterministic"):
            empirical_ntk(model, X, parameters=parameters)
