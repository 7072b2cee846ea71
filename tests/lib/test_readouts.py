"""A part of what a model returns, or an inner result, as the output that is asked for."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel, reduce_outputs
from torch import nn

from entk_lib import NTKOperator, Readout, empirical_ntk, jacobian, ntk_spectrum

X = inputs(5, 3)


class Result(dict):
    """What libraries of language models return: a dict with attributes."""

    def __getattr__(self, name):
        return self[name]


class Language(nn.Module):
    """Keyword arguments in, one of them a mask; a result with several entries out."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(11, 4)
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.layers = nn.ModuleList([layer, nn.Linear(4, 4)])
        self.readout = nn.Linear(4, 11)

    def forward(self, input_ids, attention_mask):
        hidden = self.tokens(input_ids)
        hidden = self.layers[0](hidden, src_key_padding_mask=attention_mask == 0)
        hidden = torch.tanh(self.layers[1](hidden))
        return Result(logits=self.readout(hidden), hidden=hidden)


@pytest.fixture
def language():
    return Language().double().eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(11, (6, 5), generator=generator)
    mask = torch.ones(6, 5, dtype=torch.long)
    mask[::2, :2] = 0  # padded on the left
    return {"input_ids": ids, "attention_mask": mask}


class ByHand(nn.Module):
    """The same by a module of one's own, from tokens and mask side by side."""

    def __init__(self, model, pick):
        super().__init__()
        self.model, self.pick = model, pick

    def forward(self, both):
        return self.pick(self.model, both[:, 0], both[:, 1])


def side_by_side(batch):
    return torch.stack([batch["input_ids"], batch["attention_mask"]], 1)


def test_logits_at_the_last_place_in_one_line(language, batch):
    asked = Readout(language, lambda result: result.logits[:, -1])
    by_hand = ByHand(language, lambda m, ids, mask: m(ids, mask).logits[:, -1])
    expected = reduce_outputs(loop_kernel(by_hand, *[side_by_side(batch)] * 2), "average")
    assert_close(empirical_ntk(asked, batch), expected, tolerance=1e-12)
    values = ntk_spectrum(asked, batch, 3).eigenvalues
    assert_close(values, torch.linalg.eigvalsh(expected).flip(0)[:3])


def test_a_hidden_state_within_the_model_in_one_line(language, batch):
    asked = Readout(language, lambda hidden: hidden[:, -1], at="layers.0")

    def pick(model, ids, mask):
        hidden = model.tokens(ids)
        return model.layers[0](hidden, src_key_padding_mask=mask == 0)[:, -1]

    expected = loop_kernel(ByHand(language, pick), *[side_by_side(batch)] * 2)
    assert_close(empirical_ntk(asked, batch, outputs="full"), expected, tolerance=1e-12)
    vector = inputs(24, seed=3)
    flat = NTKOperator(asked, batch, outputs="flatten")
    assert_close(flat @ vector, reduce_outputs(expected, "flatten") @ vector)


def test_what_comes_after_the_submodule_is_not_run():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("must not be run")

    model = nn.Sequential(nn.Linear(3, 2), Broken()).double()
    expected = empirical_ntk(model[0], X)
    assert_close(empirical_ntk(Readout(model, at="0"), X), expected)


def test_layers_and_parameters_have_the_model_s_names():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    asked = Readout(model, lambda hidden: hidden[:, :2], at="1")
    kernels = empirical_ntk(asked, X, by_layer=True)
    assert list(kernels) == ["0", "2"]
    assert not kernels["2"].any()
    assert list(jacobian(asked, X, parameters=["0.weight"])) == ["0.weight"]


def test_no_name_of_the_model_is_in_the_way():
    model = nn.ModuleDict({n: nn.Linear(3, 3) for n in ("at", "select", "place", "whole")})
    model.forward = lambda x: [module(x) for module in model.values()]
    asked = Readout(model.double(), lambda results: results[1])
    assert_close(empirical_ntk(asked, X), empirical_ntk(model["select"], X))


def test_the_model_stays_as_it_was(language, batch):
    state = {name: t.clone() for name, t in language.state_dict().items()}
    asked = Readout(language, lambda hidden: hidden[:, 0], at="layers.1")
    empirical_ntk(asked, batch)
    assert not language.layers[1]._forward_hooks
    assert all(torch.equal(state[name], t) for name, t in language.state_dict().items())
    assert not language.training
    assert asked.train().training
    assert language.training
    assert not asked.eval().training
    assert not language.layers[0].training


def test_a_hook_is_removed_after_an_error(language):
    asked = Readout(language, at="layers.1")
    with pytest.raises(ValueError, match="must accept a batch"):
        empirical_ntk(asked, X)
    assert not language.layers[1]._forward_hooks


@pytest.mark.parametrize("call", [1, 7, 8], ids=["checks", "proof", "kernel"])
def test_an_interrupt_leaves_the_model_as_it_was(call):
    class Interrupted(nn.Module):
        count = 0

        def forward(self, x):
            Interrupted.count += 1
            if Interrupted.count == call:
                raise KeyboardInterrupt
            return x

    layers = [nn.Linear(3, 4), nn.Dropout(), nn.Tanh(), nn.Linear(4, 2), Interrupted()]
    model = nn.Sequential(*layers).double().eval()
    before, state = dict(model.named_parameters()), torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        empirical_ntk(Readout(model, at="4"), X)
    assert all(p is before[name] for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())
    assert not any(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)
    assert empirical_ntk(model, X).isfinite().all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m: Readout(len), TypeError, "must be a torch.nn.Module, got builtin"),
        (lambda m: Readout(m, 3), TypeError, "select must be a function.*got int"),
        (lambda m: Readout(m, at="O"), ValueError, "got 'O'.*Did you mean '0'"),
    ],
)
@pytest.mark.no_shape_checks
def test_what_cannot_be_read_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(nn.Sequential(nn.Linear(3, 2)))


def test_a_submodule_that_is_not_called_is_named():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match=r"got 'idle', which is not called"):
        empirical_ntk(Readout(Idle().double(), at="idle"), X)


@pytest.mark.no_shape_checks
@pytest.mark.parametrize(
    ("wrap", "advice"),
    [
        (nn.DataParallel, r"got DataParallel around it\. Pass model\.module"),
        (torch.jit.script, r"got RecursiveScriptModule.*Pass the original module"),
        (
            lambda m: torch.jit.trace(m, X),
            r"got TopLevelTracedModule.*Pass the original module",
        ),
    ],
    ids=["data parallel", "scripted", "traced"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_models_around_models_say_what_to_pass(wrap, advice):
    wrapped = wrap(nn.Linear(3, 2).double())
    with pytest.raises(TypeError, match=advice):
        empirical_ntk(wrapped, X)


@pytest.mark.filterwarnings("ignore:.*sparse.*:UserWarning")
def test_a_sparse_table_gives_the_kernel_of_a_dense_one():
    model = nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 2)).double()
    x, vector = torch.randint(7, (5, 2)), inputs(5, seed=4)
    dense = empirical_ntk(model, x), NTKOperator(model, x) @ vector
    model[0].sparse = True
    assert_close(empirical_ntk(model, x), dense[0], tolerance=1e-12)
    assert_close(NTKOperator(model, x) @ vector, dense[1], tolerance=1e-12)
    assert_close(
        ntk_spectrum(model, x, 2).eigenvalues, torch.linalg.eigvalsh(dense[0]).flip(0)[:2]
    )
