"""Time and memory over the number of samples, with the fitted exponents.

Run as ``python benchmarks/growth.py``. Each measurement runs in a process of its own.
"""

import subprocess
import sys
import time
from collections.abc import Sequence

import torch
from architectures import mnist_mlp
from rivals import _peak_bytes

import entk_lib as entk

SIZES = (100, 300, 1000, 3000)
N_PRODUCTS = 3


def kernel(n: int) -> None:
    """The class-averaged kernel."""
    entk.empirical_ntk(*mnist_mlp(n))


def products(n: int) -> None:
    """A few products with the flattened kernel, which is never stored."""
    operator = entk.NTKOperator(*mnist_mlp(n), outputs="flatten")
    vectors = torch.ones(operator.shape[0], N_PRODUCTS)
    _ = operator @ vectors


WAYS = {"kernel": kernel, "products": products}


def run(way: str, n: int) -> None:
    """Measure one way at one size and print seconds and bytes."""
    WAYS[way](50)
    before, start = _peak_bytes(), time.perf_counter()
    WAYS[way](n)
    print(time.perf_counter() - start, _peak_bytes() - before)


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Slope of a straight line through the points, both axes logarithmic."""
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y = torch.tensor(values, dtype=torch.float64).clamp_min(1e-9).log()
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def main() -> None:
    """Print the table, or, given a way and a size, one measurement."""
    if len(sys.argv) == 3:
        run(sys.argv[1], int(sys.argv[2]))
        return
    print(f"MLP 784-1024-1024-10, {torch.get_num_threads()} threads, float32")
    print(f"{'way':<10} {'N':>5} {'seconds':>9} {'MiB':>9}")
    for way in WAYS:
        seconds, sizes = [], []
        for n in SIZES:
            command = [sys.executable, __file__, way, str(n)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            second, size = map(float, done.stdout.split()[-2:])
            seconds.append(second)
            sizes.append(size)
            print(f"{way:<10} {n:>5} {second:>9.3f} {size / 2**20:>9.1f}", flush=True)
        # From the second size on: the first is overhead.
        tail = list(SIZES[1:])
        print(
            f"{way:<10} grows like N^{exponent(tail, seconds[1:]):.2f} in time and "
            f"N^{exponent(tail, sizes[1:]):.2f} in memory"
        )


if __name__ == "__main__":
    main()
