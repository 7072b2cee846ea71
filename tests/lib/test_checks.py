"""Bad input is refused with what was expected, what came, and the fix."""

import math

import pytest
import torch
from assertions import refused
from cases import inputs, mlp
from torch import nn

from entk_lib import (
    LinearizedPredictor,
    NTKOperator,
    empirical_ntk,
    jacobian,
    ntk_spectrum,
)

pytestmark = pytest.mark.no_shape_checks  # every test passes what annotations forbid

X, Y = inputs(5, 4), inputs(5, 3, seed=3)
NAN = torch.full((5, 4), math.nan, dtype=torch.float64)


class Function(nn.Module):
    """A linear layer with a function after it."""

    def __init__(self, function, n_outputs=3):
        super().__init__()
        self.linear = nn.Linear(4, n_outputs, dtype=torch.float64)
        self.function = function

    def forward(self, x):
        return self.function(self.linear(x))


def model():
    return mlp()[0]


def changed(change):
    network = model()
    with torch.no_grad():
        change(network)
    return network


def norm_layer(n_samples=5):
    layers = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    return layers.double().train(), X[:n_samples]


MODELS = [
    refused(
        ValueError,
        r"deterministic, got Dropout in training mode.*'function'.*Call model\.eval\(\)",
        lambda f: f(Function(nn.Dropout()), X),
    ),
    refused(
        ValueError,
        r"samples independently, but outputs of a batch .* differ by .*model\.eval\(\)",
        lambda f: f(Function(lambda out: out - out.mean(0)), X),
    ),
    refused(
        ValueError,
        r"got BatchNorm in training mode \(BatchNorm1d '1'\)\. Call model\.eval\(\)",
        lambda f: f(*norm_layer()),
    ),
    refused(
        ValueError,
        r"accept a batch .*\(4, 3\) and torch\.float64 .*raised RuntimeError.*first axis",
        lambda f: f(model(), X[:, :3]),
    ),
    refused(
        ValueError,
        r"torch\.float32 \(parameters are torch\.float64\).*do the dtypes agree\?",
        lambda f: f(model(), X.float()),
    ),
    refused(
        ValueError,
        r"return \(batch,\) or \(batch, outputs\), got shape \(4, 3, 1\).*flatten",
        lambda f: f(Function(lambda out: out.unsqueeze(2)), X),
    ),
    refused(
        ValueError,
        r"return \(batch,\) or \(batch, outputs\), got shape \(12,\) for a batch of 4",
        lambda f: f(Function(torch.flatten), X),
    ),
    refused(
        TypeError,
        r"return one tensor, got tuple\. Wrap it",
        lambda f: f(Function(lambda out: (out, out)), X),
    ),
    refused(
        ValueError,
        r"model\(x\) must be finite, got 12 NaN or infinite entries of 12",
        lambda f: f(Function(lambda out: out / 0), X),
    ),
    refused(
        ValueError,
        r"parameter '2\.bias' must be finite, got 3 NaN .* of 3",
        lambda f: f(changed(lambda m: m[2].bias.fill_(math.nan)), X),
    ),
    refused(
        ValueError,
        r"the (kernel|Jacobian).* must be finite, got \d+ NaN",
        lambda f: f(Function(lambda out: (0 * out).sqrt()), X),
    ),
    refused(
        ValueError,
        r"trainable parameter, got 4 parameters of which none .*model\.requires_grad_\(\)",
        lambda f: f(model().requires_grad_(False), X),
    ),
    refused(
        TypeError,
        r"model must be a torch\.nn\.Module, got function\. Wrap",
        lambda f: f(lambda x: x, X),
    ),
    refused(
        TypeError,
        r"must be a tensor, or a tuple or dict of tensors, got list\. .*as_tensor",
        lambda f: f(model(), [[1.0]]),
    ),
    refused(
        ValueError,
        r"at least one sample on its first axis, got shape \(0, 4\)",
        lambda f: f(model(), X[:0]),
    ),
    refused(
        ValueError,
        r"at least one sample on its first axis, got shape \(\)\. .*unsqueeze\(0\)",
        lambda f: f(model(), X[0, 0]),
    ),
    refused(
        ValueError,
        r"must be finite, got 20 NaN or infinite entries of 20\. .*torch\.isfinite",
        lambda f: f(model(), NAN),
    ),
    refused(
        ValueError,
        r"names in model\.named_parameters\(\), got '0\.wieght'\..* '0\.weight'\?",
        lambda f: f(model(), X, parameters="0.wieght"),
    ),
    refused(
        ValueError,
        r"name at least one parameter, got none\. Leave it out .*0\.weight, 0\.bias",
        lambda f: f(model(), X, parameters=[]),
    ),
]
FUNCTIONS = {
    "NTKOperator": lambda model, x, **options: NTKOperator(model, x, **options).trace(),
    "empirical_ntk": empirical_ntk,
    "ntk_spectrum": ntk_spectrum,
    "jacobian": jacobian,
    "LinearizedPredictor": lambda model, x, **options: LinearizedPredictor(
        model, x, Y, ridge=1.0, **options
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize(("error", "pattern", "call"), MODELS)
def test_models_and_inputs_without_a_kernel_are_refused(error, pattern, call, function):
    with pytest.raises(error, match=pattern):
        call(function)


@pytest.mark.parametrize("name", ["1", "2"], ids=["no parameters", "tied"])
def test_a_name_is_never_suggested_in_place_of_itself(name):
    network = nn.Sequential(
        nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4, bias=False)
    ).double()
    network[2].weight = network[0].weight
    with pytest.raises(ValueError, match=f"got '{name}'") as refusal:
        empirical_ntk(network, X, parameters=name)
    assert f"Did you mean '{name}'" not in str(refusal.value)


OUTPUTS = [
    refused(
        ValueError,
        r'"diagonal", "average", "mean_output" or a pair .*got \'trace\'',
        lambda f: f(model(), X, outputs="trace"),
    ),
    refused(
        ValueError, r"a pair .*got \(0, 1, 2\)", lambda f: f(model(), X, outputs=(0, 1, 2))
    ),
    refused(
        ValueError, r"a pair .*got \(0, 1\.0\)", lambda f: f(model(), X, outputs=(0, 1.0))
    ),
    refused(
        ValueError,
        r"index 3 outputs, got \(0, 3\)\. Count from 0 to 2",
        lambda f: f(model(), X, outputs=(0, 3)),
    ),
    refused(
        ValueError,
        r"output_weights must have shape \(3,\).*got \(2,\)\. Use torch\.ones\(3\)",
        lambda f: f(model(), X, output_weights=torch.ones(2)),
    ),
    refused(
        ValueError,
        r"output_weights must be finite, got 1 NaN",
        lambda f: f(model(), X, output_weights=torch.tensor([1, 1, math.inf])),
    ),
    refused(
        ValueError,
        r"output_weights must not be negative, got -2",
        lambda f: f(model(), X, output_weights=torch.tensor([1.0, -2, 1])),
    ),
    refused(
        (TypeError, ValueError),
        r"output_weights must be a tensor, got list",
        lambda f: f(model(), X, output_weights=[1.0, 1.0, 1.0]),
    ),
]


@pytest.mark.parametrize("function", [empirical_ntk, ntk_spectrum])
@pytest.mark.parametrize(("error", "pattern", "call"), OUTPUTS)
def test_output_words_and_weights_without_meaning_are_refused(
    error, pattern, call, function
):
    with pytest.raises(error, match=pattern):
        call(function)


MEMORY = {
    "empirical_ntk": (empirical_ntk, r"the kernel \(n1=5, n2=5, outputs=3\).*ntk_spectrum"),
    "ntk_spectrum": (
        ntk_spectrum,
        r"the spectrum of a 5 x 5 kernel or of its 129 x 129 Gram matrix.*fewer samples",
    ),
    "jacobian": (jacobian, r"the Jacobian \(n=5, outputs=3, 43 parameters\).*in chunks"),
    "LinearizedPredictor": (FUNCTIONS["LinearizedPredictor"], r"the regression on 15 rows"),
}


@pytest.mark.parametrize(("function", "pattern"), MEMORY.values(), ids=MEMORY.keys())
def test_what_will_not_fit_is_refused_with_its_size(function, pattern, set_memory):
    set_memory(100)
    fits = r".*would need \S+ GiB, expected at most \S+ GiB"
    with pytest.raises(MemoryError, match=fits) as refusal:
        function(model(), X)
    assert refusal.match(pattern)


def test_a_single_sample_that_will_not_fit_is_refused_with_what_would():
    with pytest.raises(MemoryError, match=r"one sample's part .*smallest .* is \S+ GiB"):
        empirical_ntk(model(), X, memory=1e-6)


@pytest.mark.parametrize(
    ("error", "memory"), [(ValueError, 0), (ValueError, -1.0), (TypeError, "2")]
)
def test_memory_is_a_positive_number_of_gib(error, memory):
    for function in (empirical_ntk, ntk_spectrum):
        with pytest.raises(error, match=r"memory must be a (positive )?number of GiB"):
            function(model(), X, memory=memory)


class TwoInputs(nn.Module):
    """A function of two arguments."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x, scale):
        return self.linear(x) * scale


SEVERAL_INPUTS = [
    refused(ValueError, r"x must hold at least one tensor, got none", lambda f: f(())),
    refused(TypeError, r"x\[1\] must be a tensor, got float", lambda f: f((X, 2.0))),
    refused(
        ValueError,
        r"one number of samples .* x\['x'\] has 5, x\['scale'\] has 1\. .*expand",
        lambda f: f({"x": X, "scale": torch.ones(1, 1, dtype=torch.float64)}),
    ),
    refused(ValueError, r"x\[1\] must be finite", lambda f: f((X, NAN))),
    refused(ValueError, r"missing 1 required .*keyword arguments", lambda f: f({"x": X})),
]


@pytest.mark.parametrize(("error", "pattern", "call"), SEVERAL_INPUTS)
@pytest.mark.parametrize("function", [empirical_ntk, ntk_spectrum, NTKOperator, jacobian])
def test_several_inputs_that_are_no_batch_are_refused(error, pattern, call, function):
    with pytest.raises(error, match=pattern):
        call(lambda x: function(TwoInputs(), x))


SECOND_SET = [
    refused(
        ValueError,
        r"as many outputs on x2 as on x1.*4.*5",
        lambda: empirical_ntk(PerColumn(), X, torch.ones(5, 5, dtype=torch.float64)),
    ),
    refused(ValueError, r"finite, got 20 NaN", lambda: empirical_ntk(model(), X, NAN)),
    refused(
        TypeError,
        r"x2 must be a tensor, .*got list",
        lambda: empirical_ntk(model(), X, [1]),
    ),
]


class PerColumn(nn.Module):
    """As many outputs as inputs."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def forward(self, x):
        return self.factor * x


@pytest.mark.parametrize(("error", "pattern", "call"), SECOND_SET)
def test_a_second_set_that_does_not_match_is_refused(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call()
