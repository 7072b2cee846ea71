"""Products, traces and Lanczos of a kernel that is never stored."""

from dataclasses import replace

import pytest
import torch
from assertions import assert_close, assert_eigenpairs, refused
from cases import for_every_case, inputs, mlp, shared, tokens, with_dtype
from torch import nn

from entk_lib import NTKOperator, empirical_ntk, ntk_spectrum
from entk_lib.kernels import ntk_spectra, operators
from entk_lib.spectra import lanczos

SYMMETRIC = ["flatten", "average", "mean_output", (1, 1)]


@for_every_case
@pytest.mark.parametrize("outputs", ["flatten", "average", "mean_output", (0, 0)], ids=str)
def test_products_are_those_of_the_kernel(case, outputs):
    model, x, _ = case()
    kernel = empirical_ntk(model, x, outputs=outputs)
    operator = NTKOperator(model, x, outputs=outputs)
    assert operator.shape == kernel.shape
    assert operator.dtype == kernel.dtype
    vectors = inputs(len(kernel), 3, seed=5)
    assert_close(operator @ vectors, kernel @ vectors)
    assert_close(operator @ vectors[:, 0], kernel @ vectors[:, 0])


@for_every_case
@pytest.mark.parametrize("outputs", ["flatten", "average"])
def test_the_trace_is_that_of_the_kernel(case, outputs):
    model, x, _ = case()
    kernel = empirical_ntk(model, x, outputs=outputs)
    trace = NTKOperator(model, x, outputs=outputs).trace()
    assert trace == pytest.approx(float(kernel.trace()), rel=1e-12)


def test_weights_and_chosen_parameters_count():
    model, x, _ = mlp()
    options = {
        "output_weights": torch.tensor([2.0, 0.0, 0.5], dtype=torch.float64),
        "parameters": ["2"],
    }
    kernel = empirical_ntk(model, x, **options)
    operator = NTKOperator(model, x, **options)
    vector = inputs(5, seed=3)
    assert_close(operator @ vector, kernel @ vector)
    assert operator.trace() == pytest.approx(float(kernel.trace()))


def test_float32_stays_float32():
    model, x, _ = with_dtype(mlp(), torch.float32)
    operator = NTKOperator(model, x)
    assert operator.dtype == torch.float32
    product = operator @ inputs(5, dtype=torch.float32)
    assert_close(product, empirical_ntk(model, x) @ inputs(5, dtype=torch.float32))


def test_tokens_and_shared_layers_have_products():
    for case in (tokens, shared):
        model, x, _ = case()
        vector = inputs(5, seed=3)
        assert_close(NTKOperator(model, x) @ vector, empirical_ntk(model, x) @ vector)


def test_attention_has_products():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True).double()
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(18, 2).double()).eval()
    x, vector = inputs(4, 3, 6), inputs(4, seed=3)
    kernel = empirical_ntk(model, x)
    assert_close(NTKOperator(model, x) @ vector, kernel @ vector)


@pytest.mark.sweep
def test_estimated_traces_surround_the_trace_and_come_closer_with_products():
    model = nn.Sequential(nn.Linear(6, 30), nn.Tanh(), nn.Linear(30, 4)).double()
    operator = NTKOperator(model, inputs(40, 6), outputs="flatten")
    exact = operator.trace()

    def spread(products):
        estimates = [operator.trace(products=products, seed=s) / exact for s in range(12)]
        return float(torch.tensor(estimates).sub(1).square().mean().sqrt())

    few, many = spread(6), spread(60)
    assert few < 0.3
    assert many < few / 5
    mean = sum(operator.trace(products=6, seed=s) for s in range(12)) / 12
    assert mean == pytest.approx(exact, rel=0.15)


def test_an_estimate_with_as_many_products_as_rows_is_exact():
    model, x, _ = mlp()
    operator = NTKOperator(model, x)
    assert operator.trace(products=30) == pytest.approx(operator.trace(), rel=1e-10)


def test_one_seed_gives_one_estimate():
    operator = NTKOperator(mlp()[0], inputs(20, 4))
    assert operator.trace(products=6, seed=1) == operator.trace(products=6, seed=1)
    assert operator.trace(products=6, seed=1) != operator.trace(products=6, seed=2)


MODEL, X, _ = mlp()
REFUSED = [
    refused(TypeError, r"multiplies a tensor, got list", lambda op: op @ [1.0]),
    refused(
        ValueError, r"shape \(5,\) or \(5, k\), got \(4,\)", lambda op: op @ torch.ones(4)
    ),
    refused(ValueError, r"got \(5, 1, 1\)", lambda op: op @ torch.ones(5, 1, 1)),
    refused(
        ValueError, r"vectors must be finite", lambda op: op @ torch.full((5,), torch.nan)
    ),
    refused(ValueError, r"products must be at least 3", lambda op: op.trace(products=2)),
    refused(TypeError, r"products must be an int", lambda op: op.trace(products=9.0)),
    refused(
        ValueError,
        r"symmetric matrix, got \(0, 1\)",
        lambda _: NTKOperator(MODEL, X, outputs=(0, 1)),
    ),
    refused(
        MemoryError,
        r"products with the kernel would need \S+ GiB for one sample",
        lambda _: NTKOperator(MODEL, X, memory=1e-7),
    ),
]


@pytest.mark.parametrize(("error", "pattern", "call"), REFUSED)
@pytest.mark.no_shape_checks
def test_bad_arguments_are_refused(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call(NTKOperator(MODEL, X))


@pytest.mark.parametrize("outputs", SYMMETRIC, ids=str)
@pytest.mark.parametrize("side", ["kernel", "gram", "products"])
def test_every_side_gives_the_same_spectrum(side, outputs, choose_side):
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = inputs(30, 4)
    kernel = empirical_ntk(model, x, outputs=outputs)
    choose_side(side)
    spectrum = ntk_spectrum(model, x, 6, outputs=outputs)
    expected = torch.linalg.eigvalsh(kernel).flip(0)[:6]
    assert_close(spectrum.eigenvalues, expected)
    assert_eigenpairs(kernel, spectrum.eigenvalues, spectrum.eigenvectors)
    assert spectrum.trace == pytest.approx(float(kernel.trace()), rel=1e-10)


def test_float32_products_give_the_spectrum_to_single_precision(choose_side):
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    x = inputs(30, 4, dtype=torch.float32)
    expected = ntk_spectrum(model, x, 6).eigenvalues
    choose_side("products")
    assert_close(ntk_spectrum(model, x, 6).eigenvalues, expected, tolerance=1e-5)


def test_copies_of_degenerate_eigenvalues_are_all_found(choose_side):
    # A linear layer with five outputs: the flattened kernel's eigenvalues are fivefold.
    model, x = nn.Linear(3, 5, bias=False).double(), inputs(12, 3)
    choose_side("products")
    spectrum = ntk_spectrum(model, x, 12, outputs="flatten")
    distinct = torch.linalg.eigvalsh(x @ x.mT).flip(0)[:3]
    assert_close(spectrum.eigenvalues, distinct.repeat_interleave(5)[:12])


def test_a_copy_that_the_first_search_misses_is_found_by_the_next(monkeypatch):
    values = torch.tensor([5.0, 5.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.2], dtype=torch.float64)
    basis = torch.linalg.qr(inputs(8, 8)).Q
    matrix = (basis * values) @ basis.mT
    original, calls = lanczos.eigsh, []

    def forgetful(operator, count, **options):
        calls.append(count)
        found, vectors = original(
            operator, count + 1 if len(calls) == 1 else count, **options
        )
        if len(calls) == 1:  # one of the copies of 5 is lost
            keep = [i for i in range(count + 1) if i != count - 1]
            return found[keep], vectors[:, keep]
        return found, vectors

    monkeypatch.setattr(lanczos, "eigsh", forgetful)
    found, vectors = lanczos.few_largest_of_product(
        lambda v: matrix @ v, 8, 4, torch.float64
    )
    assert len(calls) > 1
    assert_close(found, values[:4])
    assert_eigenpairs(matrix, found, vectors)


@pytest.mark.parametrize(
    ("rows", "columns", "k", "gib", "side"),
    [
        (1000, 50_000, None, 10, "kernel"),
        (25_000, 550, None, 10, "gram"),
        (25_000, 550, 80, 10, "gram"),
        (25_000, 550, 5, 10, "gram"),
        (60_000, 50_000, 10, 10, "products"),
        (3_000, 44_000, 5, 0.1, "products"),
    ],
)
def test_the_cheapest_side_that_fits_is_chosen(rows, columns, k, gib, side, monkeypatch):
    model = nn.Linear(columns, 1, bias=False)
    problem = ntk_spectra.prepare(model, torch.ones(1, columns), "flatten", None, None)
    size = ntk_spectra.Size(problem, rows)
    assert (size.rows, size.columns) == (rows, columns)
    assert size.cheapest(k, int(gib * 2**30)) == side


def test_no_side_that_fits_is_an_error_that_names_a_way_out():
    with pytest.raises(MemoryError, match=r"5 x 5 kernel .* few eigenpairs with k="):
        ntk_spectrum(MODEL, X, memory=1e-8)


def test_more_pairs_than_the_rank_are_refused_on_products(choose_side):
    choose_side("products")
    x = inputs(12, 2) @ inputs(2, 3, seed=2)
    with pytest.raises(ValueError, match="numerical rank 2 of the kernel, got 3"):
        ntk_spectrum(nn.Linear(3, 1, bias=False).double(), x, 3)


class Old(torch.autograd.Function):
    """A function in the old style, which has no forward mode."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.cos()


class LastState(nn.Module):
    """A recurrent layer's last state."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0][:, -1]


class Sines(nn.Linear):
    """A linear layer with an old function after it."""

    def forward(self, x):
        return Old.apply(super().forward(x))


WITHOUT_FORWARD_MODE = {
    "bag": (lambda: nn.Sequential(nn.EmbeddingBag(5, 3), nn.Tanh()), "tokens"),
    "bag of largest": (lambda: nn.EmbeddingBag(5, 3, mode="max"), "tokens"),
    "sparse": (
        lambda: nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Flatten()),
        "tokens",
    ),
    "lstm": (lambda: LastState(nn.LSTM(4, 3, batch_first=True)), "sequences"),
    "gru": (lambda: LastState(nn.GRU(4, 3, batch_first=True)), "sequences"),
    "old": (lambda: Sines(4, 3), "vectors"),
}


@pytest.mark.sweep
@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("outputs", ["flatten", "average"])
@pytest.mark.parametrize("name", WITHOUT_FORWARD_MODE)
def test_products_need_no_forward_mode(name, outputs, remembers, monkeypatch):
    torch.manual_seed(0)
    make, kind = WITHOUT_FORWARD_MODE[name]
    x = {
        "tokens": torch.randint(5, (6, 4)),
        "sequences": torch.randn(6, 5, 4),
        "vectors": torch.randn(6, 4),
    }[kind]
    if not remembers:
        original = operators.chunks_of
        monkeypatch.setattr(
            operators, "chunks_of", lambda *a: replace(original(*a), remembered=False)
        )
    model = make()
    kernel = empirical_ntk(model, x, outputs=outputs)
    vector = torch.randn(len(kernel))
    operator = NTKOperator(model, x, outputs=outputs)
    for _ in range(2):
        assert_close(operator @ vector, kernel @ vector)
    spectrum = ntk_spectrum(model, x, 3, outputs=outputs)
    values = torch.linalg.eigvalsh(kernel.double()).flip(0)[:3].float()
    assert_close(spectrum.eigenvalues, values)


@pytest.mark.parametrize("remembers", [True, False])
def test_a_frozen_table_with_a_largest_norm_is_not_written_to(remembers, monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 3, max_norm=0.5), nn.Flatten(), nn.Linear(12, 2))
    model, x = model.double(), torch.randint(5, (6, 4))
    if not remembers:
        original = operators.chunks_of
        monkeypatch.setattr(
            operators, "chunks_of", lambda *a: replace(original(*a), remembered=False)
        )
    before = model[0].weight.detach().clone()
    kernel = empirical_ntk(model, x, parameters="2")
    product = NTKOperator(model, x, parameters="2") @ torch.ones(6).double()
    assert torch.equal(model[0].weight, before)
    assert_close(product, kernel.sum(1))
