"""The partial decomposition of large matrices: proven complete, or not used."""

import pytest
import torch

from entk_lib import kernel_spectrum
from entk_lib.spectra import lanczos

SIZE = 1000


def planted(eigenvalues, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(SIZE, SIZE, dtype=torch.float64, generator=generator)
    basis = torch.linalg.qr(noise).Q
    return (basis * eigenvalues) @ basis.mT


def decaying():
    return 2.0 ** -torch.linspace(0, 20, SIZE, dtype=torch.float64)


def degenerate():
    values = decaying()
    values[3:9] = values[3]
    values[15:40] = values[15]
    return values


@pytest.mark.parametrize("eigenvalues", [decaying(), degenerate()])
def test_few_eigenpairs_equal_those_of_the_full_decomposition(eigenvalues):
    kernel = planted(eigenvalues)
    kernel = (kernel + kernel.mT) / 2
    spectrum = kernel_spectrum(kernel, 20)
    torch.testing.assert_close(spectrum.eigenvalues, eigenvalues[:20], rtol=1e-9, atol=0)
    residual = kernel @ spectrum.eigenvectors - spectrum.eigenvectors * spectrum.eigenvalues
    assert float(residual.norm(dim=0).max()) < 1e-9
    gram = spectrum.eigenvectors.mT @ spectrum.eigenvectors
    torch.testing.assert_close(gram, torch.eye(20, dtype=torch.float64), rtol=0, atol=1e-9)


def test_the_partial_decomposition_is_used_for_few_pairs_of_a_large_matrix(monkeypatch):
    calls = []
    original = lanczos.eigsh
    monkeypatch.setattr(
        lanczos, "eigsh", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    kernel_spectrum(planted(decaying()), 20)
    assert calls == [1]
    kernel_spectrum(planted(decaying()), 500)
    assert calls == [1]


def test_the_partial_decomposition_is_accepted_where_it_is_complete():
    assert lanczos.few_largest(planted(degenerate()), 20) is not None


@pytest.mark.sweep
def test_a_missed_eigenvalue_is_noticed(monkeypatch):
    original = lanczos.eigsh

    def forgetful(matrix, k, **options):
        values, vectors = original(matrix, k + 1, **options)
        keep = [i for i in range(k + 1) if i != k - 2]
        return values[keep], vectors[:, keep]

    monkeypatch.setattr(lanczos, "eigsh", forgetful)
    assert lanczos.few_largest(planted(decaying()), 20) is None
    eigenvalues = decaying()
    spectrum = kernel_spectrum(planted(eigenvalues), 20)
    torch.testing.assert_close(spectrum.eigenvalues, eigenvalues[:20], rtol=1e-9, atol=0)


def test_more_pairs_than_the_rank_are_refused_by_name():
    eigenvalues = torch.zeros(SIZE, dtype=torch.float64)
    eigenvalues[:10] = 1.0
    with pytest.raises(ValueError, match="numerical rank 10 of the kernel, got 20"):
        kernel_spectrum(planted(eigenvalues), 20)
