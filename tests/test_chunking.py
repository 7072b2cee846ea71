"""Results do not depend on how many samples fit into memory at once."""

import pytest
import torch
from assertions import assert_close, assert_eigenpairs
from cases import all_outputs, inputs
from torch import nn

from entk_lib import LinearizedPredictor, empirical_ntk, kernels, linearized, ntk_spectrum
from entk_lib.jacobians import sample_chunks
from entk_lib.models import TiedAutoencoder

BYTES_OF_A_ROW = 57 * 8


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()


@pytest.fixture
def batches(monkeypatch):
    """Sizes of the batches whose Jacobian is taken: proof that there was more than one."""
    sizes = []

    def spy(function):
        def spied(model, x, *args):
            sizes.append(len(x))
            return function(model, x, *args)

        return spied

    monkeypatch.setattr(kernels, "jacobian_blocks", spy(kernels.jacobian_blocks))
    for module in (kernels, linearized):
        monkeypatch.setattr(module, "jacobian_matrix", spy(module.jacobian_matrix))
    return sizes


def memory_for_two_samples(outputs):
    n_mapped = 1 if outputs == "mean_output" or isinstance(outputs, tuple) else 3
    return 2 * 8 * n_mapped * BYTES_OF_A_ROW + 100


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("outputs", all_outputs(3), ids=str)
@pytest.mark.parametrize("n_other", [None, 5], ids=["symmetric", "cross"])
def test_many_chunks_give_the_kernel_of_one(
    outputs, n_other, by_layer, model, batches, set_memory
):
    x1 = inputs(7, 5)
    x2 = None if n_other is None else inputs(n_other, 5, seed=2)
    whole = empirical_ntk(model, x1, x2, outputs=outputs, by_layer=by_layer)
    assert max(batches) == 7
    batches.clear()
    set_memory(memory_for_two_samples(outputs))
    parts = empirical_ntk(model, x1, x2, outputs=outputs, by_layer=by_layer)
    assert set(batches) == {2, 1}
    if by_layer:
        assert list(parts) == list(whole)
    for part, one in zip(
        parts.values() if by_layer else [parts],
        whole.values() if by_layer else [whole],
        strict=True,
    ):
        assert_close(part, one)


def test_weights_survive_chunking(model, batches, set_memory):
    x, weights = inputs(7, 5), torch.tensor([2.0, 0.1, 1.0])
    whole = empirical_ntk(model, x, outputs="flatten", output_weights=weights)
    batches.clear()
    set_memory(memory_for_two_samples("flatten"))
    parts = empirical_ntk(model, x, outputs="flatten", output_weights=weights)
    assert set(batches) == {2, 1}
    assert_close(parts, whole)


def test_many_chunks_give_the_spectrum_of_one_on_the_kernel_side(
    model, batches, set_memory
):
    x = inputs(7, 5)
    whole = ntk_spectrum(model, x, outputs="flatten")
    batches.clear()
    set_memory(memory_for_two_samples("flatten"))
    parts = ntk_spectrum(model, x, outputs="flatten")
    assert set(batches) == {2, 1}
    assert_close(parts.eigenvalues, whole.eigenvalues)


def test_many_chunks_give_the_spectrum_of_one_on_the_gram_side(batches, set_memory):
    model, x = nn.Linear(2, 2, dtype=torch.float64), inputs(7, 2)
    kernel = empirical_ntk(model, x, outputs="flatten")
    batches.clear()
    whole = ntk_spectrum(model, x, outputs="flatten")
    assert batches == [7]
    batches.clear()
    set_memory(900)
    parts = ntk_spectrum(model, x, outputs="flatten")
    assert set(batches) == {2, 1}
    assert_close(parts.eigenvalues, whole.eigenvalues)
    assert parts.trace == pytest.approx(whole.trace, rel=1e-12)
    assert_eigenpairs(kernel, parts.eigenvalues, parts.eigenvectors)


def test_samples_without_any_gradient_keep_their_zero_rows(batches, set_memory):
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
    set_memory(5500)
    parts = ntk_spectrum(model, x, outputs="flatten")
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
    for module, n_bytes in ((kernels, 2 * 2 * 6 * 8), (linearized, 2 * 3 * BYTES_OF_A_ROW)):
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


@pytest.mark.parametrize("n_samples", [1, 2, 6, 7])
def test_chunks_cover_each_sample_once_and_in_order(n_samples, set_memory):
    set_memory(100)
    chunks = sample_chunks(n_samples, 8, torch.device("cpu"))
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
