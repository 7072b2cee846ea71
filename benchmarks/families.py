"""How often `find_families` finds families: where there are none, and where some are.

Run as ``python benchmarks/families.py [MINUTES]``, two by default; prints Markdown tables.
"""

import collections
import sys
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from entk_lib import find_families

UNITS = (32, 64, 128, 256, 512, 1024)
DIMENSIONS = (2, 3, 4, 5, 6, 8, 10, 14, 20, 30, 60)
PLANTED = ((2, 2), (3, 2), (4, 2), (7, 2), (14, 2), (2, 4), (4, 4), (7, 4), (14, 4))
SIGNALS = (1.0, 0.8, 0.5)


def normal(*shape: int, generator: torch.Generator) -> Tensor:
    """Normal numbers in float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def laplace(k: int, m: int, generator: torch.Generator) -> Tensor:
    """Heavier tails, along the axes."""
    uniform = torch.rand(k, m, generator=generator, dtype=torch.float64) - 0.5
    return -uniform.sign() * torch.log1p(-2 * uniform.abs())


def student(k: int, m: int, generator: torch.Generator) -> Tensor:
    """Tails that fall with the third power."""
    scale = normal(3, k, m, generator=generator).square().mean(0).sqrt()
    return normal(k, m, generator=generator) / scale


def unequal(k: int, m: int, generator: torch.Generator) -> Tensor:
    """Variances over four decades."""
    scales = torch.logspace(0, -2, k, dtype=torch.float64).unsqueeze(1)
    return scales * normal(k, m, generator=generator)


CLOUDS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "Gaussian": lambda k, m, generator: normal(k, m, generator=generator),
    "Laplace": laplace,
    "Student t, 3": student,
    "unequal variances": unequal,
}


def planted(
    count: int, size: int, m: int, signal: float, generator: torch.Generator
) -> Tensor:
    """Directions in one of ``count`` subspaces each, and noise in the whole span."""
    weights = normal(size, m, generator=generator)
    inside = torch.zeros(count, size, m, dtype=torch.float64)
    which = torch.arange(m)
    inside[which % count, :, which] = (weights / weights.norm(dim=0)).mT
    noise = normal(count * size, m, generator=generator) / (count * size) ** 0.5
    return signal**0.5 * inside.flatten(0, 1) + (1 - signal) ** 0.5 * noise


def noise_cases(seed: int) -> Iterator[tuple[str, int, int, Tensor]]:
    """Clouds of every kind and size, once each."""
    for kind, cloud in CLOUDS.items():
        for k in DIMENSIONS:
            for m in UNITS:
                if m >= 2 * k:
                    generator = torch.Generator().manual_seed(7919 * seed + 31 * k + m)
                    yield kind, k, m, cloud(k, m, generator)


def main() -> None:
    """Print both tables."""
    budget = 60 * float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    start, seed = time.monotonic(), 0
    found: collections.Counter[str] = collections.Counter()
    drawn: collections.Counter[str] = collections.Counter()
    scores: dict[str, float] = {}
    while time.monotonic() - start < budget:
        for kind, k, _, cloud in noise_cases(seed):
            if time.monotonic() - start > budget:
                break
            result = find_families(torch.eye(k).double(), cloud)
            found[kind] += result.found
            drawn[kind] += 1
            scores[kind] = max(scores.get(kind, 0.0), result.score)
        seed += 1
    print("| no families | clouds | found | largest score |\n|---|---|---|---|")
    for kind in CLOUDS:
        print(f"| {kind} | {drawn[kind]} | {found[kind]} | {scores[kind]:.2f} |")
    print("\nFound, with the right number, of 4 draws:\n")
    print("| families | of | signal | " + " | ".join(map(str, UNITS)) + " units |")
    print("|" + "---|" * (3 + len(UNITS)))
    for count, size in PLANTED:
        for signal in SIGNALS:
            cells = []
            for m in UNITS:
                if m < 2 * count * size:
                    cells.append("-")
                    continue
                right = 0
                for draw in range(4):
                    generator = torch.Generator().manual_seed(draw)
                    cloud = planted(count, size, m, signal, generator)
                    result = find_families(torch.eye(count * size).double(), cloud)
                    right += result.found and len(result.bases) == count
                cells.append(str(right))
            row = [str(count), f"{size} dimensions", str(signal), *cells]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
