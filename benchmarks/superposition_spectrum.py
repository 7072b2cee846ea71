"""Top eigenpairs of the flattened superposition kernel: time, peak memory, residual.

Run as ``python benchmarks/superposition_spectrum.py [LARGEST]``. Each case runs in a
process of its own, so that peaks do not mix. The dense way builds the kernel and decomposes
it, at two sizes up to LARGEST samples (300 unless told: that takes minutes), beside ours at
the same sizes.
"""

import resource
import subprocess
import sys
import time

import torch

import entk_lib as entk
from entk_lib.toys.models import TiedAutoencoder
from entk_lib.toys.tasks import superposition

N_FEATURES, N_HIDDEN, SPARSITY, K = 50, 10, 0.9, 80
SIZES = (100, 300)


def peak_gib() -> float:
    """Largest memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def residual(spectrum: entk.Spectrum, jacobian: torch.Tensor) -> float:
    """Largest ``|K v - l v| / l``, with K applied as the product of its factors."""
    vectors, values = spectrum.eigenvectors, spectrum.eigenvalues
    image = jacobian @ (jacobian.mT @ vectors)
    return float(((image - vectors * values).norm(dim=0) / values).max())


def run(way: str, n_samples: int) -> None:
    """Time one way at one size, after a warm-up, and print a row of the table."""
    model = TiedAutoencoder(N_FEATURES, N_HIDDEN, seed=0, dtype=torch.float64)
    x = superposition.sample(n_samples, N_FEATURES, SPARSITY, seed=0, dtype=torch.float64)
    before = peak_gib()

    def spectrum() -> entk.Spectrum:
        if way == "dense":
            kernel = entk.empirical_ntk(model, x, outputs="flatten")
            values, vectors = torch.linalg.eigh(kernel)
            top = values.flip(0)[:K], vectors.flip(1)[:, :K]
            return entk.Spectrum(*top, float(kernel.trace()))
        return entk.ntk_spectrum(model, x, K, outputs="flatten")

    times = []
    for _ in range(1 if way == "dense" else 4):
        start = time.perf_counter()
        result = spectrum()
        times.append(time.perf_counter() - start)
    peak = peak_gib()
    blocks = entk.jacobian(model, x)
    jacobian = torch.cat([b.flatten(2) for b in blocks.values()], dim=2).flatten(0, 1)
    print(
        f"{way:<11} {n_samples:>5} {n_samples * N_FEATURES:>7} {times[0]:>9.2f} "
        f"{min(times):>9.2f} {peak:>9.2f} {before:>9.2f} "
        f"{residual(result, jacobian):>9.0e}",
        flush=True,
    )


def main() -> None:
    """Print the table, or, given a way and a size, one row of it."""
    if len(sys.argv) == 3:
        run(sys.argv[1], int(sys.argv[2]))
        return
    largest = int(sys.argv[1]) if len(sys.argv) == 2 else SIZES[-1]
    cases = [("small side", 500)]
    cases += [(way, n) for n in SIZES if n <= largest for way in ("small side", "dense")]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float64, top {K}")
    print(
        f"{'way':<11} {'D':>5} {'rows':>7} {'first s':>9} {'best s':>9} {'peak GiB':>9} "
        f"{'import':>9} {'residual':>9}"
    )
    for way, n_samples in cases:
        subprocess.run([sys.executable, __file__, way, str(n_samples)], check=True)


if __name__ == "__main__":
    main()
