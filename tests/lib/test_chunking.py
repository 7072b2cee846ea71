"""Results do not depend on how many samples fit into memory at once."""

import re

import pytest
import torch
from assertions import assert_close, assert_eigenpairs
from cases import all_outputs, inputs
from torch import nn

from entk_lib import (
    LinearizedPredictor,
    NTKOperator,
    empirical_ntk,
    linearized,
    ntk_spectrum,
)
from entk_lib.kernels import jacobians, ntk_spectra, tangents
from entk_lib.kernels.engine import contract, factors
from entk_lib.kernels.jacobians import sample_chunks
from entk_lib.toys.models import TiedAutoencoder

# A check of shapes takes memory of its own.
pytestmark = [pytest.mark.no_shape_checks, pytest.mark.sweep]

BYTES_OF_A_ROW = 57 * 8


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()


class Functional(nn.Module):
    """A weight that a rule covers, and one that only autodiff does."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(5, 6)
        self.second = nn.Parameter(torch.randn(3, 6))

    def forward(self, x):
        return torch.tanh(self.first(x)) @ self.second.exp().mT


class Positions(nn.Module):
    """A layer at four positions, of which the outputs see three."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, x):
        repeated = torch.stack([x, x.sin(), x.cos(), x.exp()], 1)
        return self.last(torch.tanh(self.first(repeated))[:, :3].prod(1))


MODELS = {
    "rules": lambda: nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)),
    "rules and autodiff": Functional,
    "positions": Positions,
    "relu": lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4)),
}


@pytest.fixture
def batches(monkeypatch):
    """Sizes of the batches at work: proof that there was more than one."""
    sizes = []

    def spy(module, name):
        function = getattr(module, name)

        def spied(problem, plan, x, maps, *kept):
            sizes.append(len(x))
            return function(problem, plan, x, maps, *kept)

        monkeypatch.setattr(module, name, spied)

    spy(contract, "harvest")
    spy(jacobians, "harvest_jacobians")
    return sizes


def smallest_memory(call, whole):
    """What the error names as the smallest memory that works, in GiB.

    Just above the size of the results, so that they themselves are not what is refused.
    """
    n_bytes = sum(kernel.nbytes for kernel in whole)
    with pytest.raises(MemoryError) as refusal:
        call(1.01 * n_bytes / 2**30)
    return float(re.search(r"memory that works is (\S+) GiB", str(refusal.value))[1])


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
@pytest.mark.parametrize("outputs", all_outputs(3), ids=str)
@pytest.mark.parametrize("n_other", [None, 5], ids=["symmetric", "cross"])
def test_many_blocks_give_the_kernel_of_one(outputs, n_other, make, by_layer, batches):
    model = make().double()
    x1 = inputs(7, 5)
    x2 = None if n_other is None else inputs(n_other, 5, seed=2)

    def kernels(memory):
        found = empirical_ntk(
            model, x1, x2, outputs=outputs, by_layer=by_layer, memory=memory
        )
        return found if by_layer else {"": found}

    whole = kernels(None)
    assert max(batches) == 7
    smallest = smallest_memory(kernels, whole.values())
    sizes = set()
    for memory in (smallest, 3 * smallest, 9 * smallest):
        batches.clear()
        parts = kernels(memory)
        sizes.add(max(batches))
        assert list(parts) == list(whole)
        for name, part in parts.items():
            assert_close(part, whole[name])
    assert min(sizes) < 3
    assert len(sizes) > 1


def test_weights_survive_blocks(model, batches):
    x, weights = inputs(7, 5), torch.tensor([2.0, 0.1, 1.0])

    def kernel(memory):
        return empirical_ntk(
            model, x, outputs="flatten", output_weights=weights, memory=memory
        )

    whole = kernel(None)
    batches.clear()
    parts = kernel(smallest_memory(kernel, [whole]))
    assert max(batches) < 7
    assert_close(parts, whole)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_small_tiles_and_batches_give_the_kernel_of_large_ones(make, batches, monkeypatch):
    model, x1, x2 = make().double(), inputs(9, 5), inputs(5, 5, seed=2)
    whole = empirical_ntk(model, x1), empirical_ntk(model, x1, x2)
    batches.clear()
    monkeypatch.setattr(contract, "_TILE_ROWS", 2)
    monkeypatch.setattr(contract, "WORKING_BYTES", 1000)
    parts = empirical_ntk(model, x1), empirical_ntk(model, x1, x2)
    assert max(batches) < 5
    for part, one in zip(parts, whole, strict=True):
        assert_close(part, one)


@pytest.mark.parametrize("outputs", ["average", "mean_output", (0, 2)], ids=str)
@pytest.mark.parametrize("n_other", [None, 5], ids=["symmetric", "cross"])
def test_tokens_one_by_one_give_the_kernel_of_all_places(outputs, n_other, monkeypatch):
    model = nn.Sequential(nn.Embedding(900, 4), nn.Tanh(), nn.Flatten(), nn.Linear(20, 3))
    model = model.double()
    generator = torch.Generator().manual_seed(0)
    x1 = torch.randint(6, (9, 5), generator=generator)  # some tokens twice in a sample
    x2 = None if n_other is None else torch.randint(4, (n_other, 5), generator=generator)
    options = {"outputs": outputs, "parameters": "0"}
    expected = empirical_ntk(model, x1, x2, **options)
    calls, original = [], factors.Pairs._held
    monkeypatch.setattr(
        factors.Pairs, "_held", lambda *args: calls.append(1) or original(*args)
    )
    monkeypatch.setattr(contract, "_DIAGONAL_ROWS", 4)
    monkeypatch.setattr(factors, "_TOKEN_COST", 0)
    assert_close(empirical_ntk(model, x1, x2, **options), expected)
    assert calls


def test_many_blocks_give_the_spectrum_of_one_on_the_kernel_side(model, batches):
    x = inputs(7, 5)
    whole = ntk_spectrum(model, x, outputs="flatten")
    batches.clear()
    parts = ntk_spectrum(model, x, outputs="flatten", memory=1.4e-5)
    assert 0 < max(batches) < 7
    assert_close(parts.eigenvalues, whole.eigenvalues)


def test_many_chunks_give_the_spectrum_of_one_on_the_gram_side(batches):
    model, x = nn.Linear(2, 2, dtype=torch.float64), inputs(7, 2)
    kernel = empirical_ntk(model, x, outputs="flatten")
    batches.clear()
    whole = ntk_spectrum(model, x, outputs="flatten")
    assert batches == [7]
    batches.clear()
    parts = ntk_spectrum(model, x, outputs="flatten", memory=900 / 2**30)
    assert set(batches) == {2, 1}
    assert_close(parts.eigenvalues, whole.eigenvalues)
    assert parts.trace == pytest.approx(whole.trace, rel=1e-12)
    assert_eigenpairs(kernel, parts.eigenvalues, parts.eigenvectors)


def test_samples_without_any_gradient_keep_their_zero_rows(batches):
    model = TiedAutoencoder(5, 2, seed=0, dtype=torch.float64)
    with torch.no_grad():
        model.bias.fill_(-0.3)
    x = 2 * inputs(9, 5)
    x[2:5] = 0  # at least one chunk of two is silent
    kernel = empirical_ntk(model, x, outputs="flatten")
    assert 0.5 < (kernel.diagonal() == 0).double().mean() < 1
    whole = ntk_spectrum(model, x, outputs="flatten")
    assert_eigenpairs(kernel, whole.eigenvalues, whole.eigenvectors)
    batches.clear()
    parts = ntk_spectrum(model, x, outputs="flatten", memory=5500 / 2**30)
    assert set(batches) == {2, 1}
    assert_close(parts.eigenvalues, whole.eigenvalues)
    assert_eigenpairs(kernel, parts.eigenvalues, parts.eigenvectors)


def test_small_pieces_that_are_kept_give_the_spectrum_and_regression_of_one(
    model, batches, monkeypatch
):
    linear, x = nn.Linear(2, 2, dtype=torch.float64), inputs(7, 2)
    whole = ntk_spectrum(linear, x, outputs="flatten")
    x_train, y, x_new = inputs(7, 5), inputs(7, 3, seed=3), inputs(9, 5, seed=2)
    one = LinearizedPredictor(model, x_train, y, ridge=0.1)(x_new)
    batches.clear()
    for module, n_bytes in (
        (ntk_spectra, 2 * 2 * 6 * 8),
        (linearized, 2 * 3 * BYTES_OF_A_ROW),
    ):
        monkeypatch.setattr(module, "CACHE_BYTES", n_bytes)
    parts = ntk_spectrum(linear, x, outputs="flatten")
    assert batches == [2, 2, 2, 1]
    assert_close(parts.eigenvalues, whole.eigenvalues)
    kernel = empirical_ntk(linear, x, outputs="flatten")
    assert_eigenpairs(kernel, parts.eigenvalues, parts.eigenvectors)
    assert_close(LinearizedPredictor(model, x_train, y, ridge=0.1)(x_new), one)
    assert batches[-5:] == [2, 2, 2, 2, 1]


def test_many_chunks_give_the_regression_of_one(model, batches, set_memory):
    x, x_new = inputs(7, 5), inputs(9, 5, seed=2)
    y = inputs(7, 3, seed=3)
    whole = LinearizedPredictor(model, x, y, ridge=0.1)(x_new)
    batches.clear()
    set_memory(22_000)
    parts = LinearizedPredictor(model, x, y, ridge=0.1)(x_new)
    assert max(batches) == 4
    assert_close(parts, whole)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_chunks_of_the_operator_give_its_whole(make, monkeypatch):
    model, x, vector = make().double(), inputs(7, 5), inputs(7, seed=3)
    whole = NTKOperator(model, x)
    expected = whole @ vector, whole.trace()
    monkeypatch.setattr(tangents, "WORKING_BYTES", 1)
    monkeypatch.setattr(contract, "WORKING_BYTES", 1)
    parts = NTKOperator(model, x)
    assert len(parts._whole_chunks.slices) == 7
    assert_close(parts @ vector, expected[0])
    assert parts.trace() == pytest.approx(expected[1], rel=1e-12)


@pytest.mark.parametrize("n_samples", [1, 2, 6, 7])
def test_chunks_cover_each_sample_once_and_in_order(n_samples):
    chunks = sample_chunks(n_samples, 8, 100)
    assert [i for chunk in chunks for i in range(n_samples)[chunk]] == list(
        range(n_samples)
    )
    assert all(0 < chunk.stop - chunk.start <= 3 for chunk in chunks)


def test_small_rows_are_kept_on_the_gram_side():
    model = TiedAutoencoder(4, 2, seed=0, dtype=torch.float64)
    with torch.no_grad():
        model.bias += 1.0  # every output is active, every row counts
    x = torch.rand(40, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.tensor([1.0, 1e-5, 1e-5, 1e-5], dtype=torch.float64)
    spectrum = ntk_spectrum(model, x, outputs="flatten", output_weights=weights)
    kernel = empirical_ntk(model, x, outputs="flatten", output_weights=weights)
    assert len(spectrum) > 6
    image = kernel @ spectrum.eigenvectors
    residual = image - spectrum.eigenvectors * spectrum.eigenvalues
    assert float((residual.norm(dim=0) / spectrum.eigenvalues).max()) < 1e-6
