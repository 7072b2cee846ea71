"""Models in half precision: the same parameters, all arithmetic in float32."""

import pytest
import torch
from assertions import assert_close
from cases import inputs
from oracles import loop_kernel, reduce_outputs
from torch import nn

from entk_lib import (
    LinearizedPredictor,
    NTKOperator,
    empirical_ntk,
    explain_ntk,
    jacobian,
    kernel_report,
    ntk_spectrum,
)

HALVES = [torch.bfloat16, torch.float16]
# In bfloat16, 256 + 1 is 256; and the square of this is beyond float16.
MANY = 300


class Scalars(nn.Module):
    """Many parameters, each of which has the gradient one."""

    def __init__(self, dtype: torch.dtype, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.each = nn.ParameterList(
            [nn.Parameter(torch.zeros((), dtype=dtype)) for _ in range(MANY)]
        )

    def forward(self, x):
        return x + self.scale * sum(self.each)


class OneOften(nn.Module):
    """One parameter, many times."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.zeros((), dtype=dtype))

    def forward(self, x):
        return x + sum(self.one for _ in range(MANY))


class Chain(nn.Module):
    """Many layers of one unit, each added to what comes before."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1, 1, dtype=dtype) for _ in range(MANY))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x)
        return x


class Mixed(nn.Module):
    """Layers of several dtypes."""

    def __init__(self, *dtypes: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(4, 4, dtype=dtype) for dtype in dtypes)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x.to(layer.weight.dtype)).tanh()
        return self.norm(x.to(self.norm.weight.dtype))


def zeros(dtype):
    return torch.zeros(4, 1, dtype=dtype)


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", HALVES)
def test_sums_go_on_where_half_precision_stops(dtype):
    model, x = Scalars(dtype), zeros(dtype)
    expected = torch.full((4, 4), float(MANY))
    assert torch.equal(empirical_ntk(model, x), expected)
    assert torch.equal(empirical_ntk(model, x, parameters="each.7"), expected / MANY)
    assert torch.equal(NTKOperator(model, x) @ torch.ones(4), expected.sum(1))
    assert NTKOperator(model, x).trace() == 4 * MANY
    assert ntk_spectrum(model, x, 1).eigenvalues.tolist() == [pytest.approx(4 * MANY)]
    assert torch.equal(empirical_ntk(OneOften(dtype), x), expected * MANY)
    assert torch.equal(jacobian(OneOften(dtype), x)["one"], expected[:, :1])
    assert torch.equal(empirical_ntk(Chain(dtype), x), expected)
    ones = torch.ones(4, 1, dtype=dtype)
    assert torch.equal(empirical_ntk(Chain(dtype), ones), expected * 2)


@pytest.mark.sweep
def test_numbers_beyond_the_dtype_are_right():
    model, x = Scalars(torch.float16, scale=50.0), zeros(torch.float16)
    expected = torch.full((4, 4), MANY * 2500.0)  # 65,504 is the largest of float16
    assert torch.equal(empirical_ntk(model, x), expected)
    assert NTKOperator(model, x).trace() == pytest.approx(4 * MANY * 2500)


@pytest.mark.sweep
@pytest.mark.parametrize("outputs", ["average", "flatten", "mean_output", (1, 1)])
@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float16),
        (torch.float16, torch.bfloat16, torch.float64),
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
    ],
    ids=str,
)
def test_parameters_of_several_dtypes(dtypes, outputs):
    model, x = Mixed(*dtypes), inputs(6, 4).float()
    exact = Mixed(*[torch.float64] * len(dtypes)).double()
    exact.load_state_dict(model.state_dict())
    expected = reduce_outputs(loop_kernel(exact, x.double(), x.double()), outputs)
    found = empirical_ntk(model, x, outputs=outputs)
    assert found.dtype in (torch.float32, torch.float64)
    assert_close(found.double(), expected, tolerance=1e-5)
    operator = NTKOperator(model, x, outputs=outputs)
    vector = torch.ones(len(expected))
    assert_close((operator @ vector).double(), expected @ vector.double(), tolerance=1e-5)
    spectrum = ntk_spectrum(model, x, 3, outputs=outputs)
    values = torch.linalg.eigvalsh(expected).flip(0)[:3]
    assert_close(spectrum.eigenvalues.double(), values, tolerance=1e-4)


@pytest.mark.parametrize("dtype", HALVES)
def test_every_public_function_takes_half_precision(dtype):
    torch.manual_seed(0)
    half = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)
    ).eval()
    half = half.to(dtype)
    wide = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
    wide.load_state_dict(half.float().state_dict())
    wide, half = wide.eval(), half.to(dtype)
    x = inputs(10, 4).to(dtype)
    state = {name: tensor.clone() for name, tensor in half.state_dict().items()}
    assert_close(empirical_ntk(half, x), empirical_ntk(wide, x.float()))
    for name, block in jacobian(half, x).items():
        assert_close(block, jacobian(wide, x.float())[name])
    y = torch.ones(10, 2)
    predicted = LinearizedPredictor(half, x, y, ridge=1e-2)(x)
    assert_close(predicted, LinearizedPredictor(wide, x.float(), y, ridge=1e-2)(x.float()))
    assert [row.way for row in explain_ntk(half, x)] == [
        row.way for row in explain_ntk(wide, x.float())
    ]
    spectra = [kernel_report(m, v).spectrum for m, v in ((half, x), (wide, x.float()))]
    assert_close(spectra[0].eigenvalues, spectra[1].eigenvalues)
    assert all(torch.equal(t, state[name]) for name, t in half.state_dict().items())
    assert next(half.parameters()).dtype == dtype


def test_an_operator_of_a_model_that_changed_in_half_precision_says_so():
    model = nn.Linear(3, 2, dtype=torch.bfloat16)
    operator = NTKOperator(model, inputs(4, 3).bfloat16())
    operator @ torch.ones(4)
    with torch.no_grad():
        model.weight.mul_(2)
    with pytest.raises(RuntimeError, match=r"half precision, has changed.*new NTKOperator"):
        operator @ torch.ones(4)
