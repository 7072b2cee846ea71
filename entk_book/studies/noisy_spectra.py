"""Chapter 1, what a spectrum means: eigenvectors under noise, cliffs planted and absent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

import entk_lib as entk
from entk_book.studies.tangent_kernel import EXACT
from entk_lib import Spectrum

N_POINTS = 60
RING = torch.linspace(0, 2 * math.pi, N_POINTS + 1, **EXACT)[:-1]


def ring_kernel() -> Float[Tensor, "n n"]:
    """A kernel on a ring, whose eigenvectors are cosines and sines in pairs.

    Returns:
        Similarities of 60 points, that of a point with itself being 1.
    """
    return torch.exp(2 * torch.cos(RING[:, None] - RING[None, :]) - 2)


def noisy_copy(seed: int, size: float = 1e-3) -> Float[Tensor, "n n"]:
    """The ring's kernel with positive semi-definite noise.

    Args:
        seed: Of the noise.
        size: Of the noise, relative to the kernel.

    Returns:
        A kernel.
    """
    kernel = ring_kernel()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(N_POINTS, 200, generator=generator, **EXACT)
    noise = noise @ noise.T
    return kernel + size * kernel.norm() / noise.norm() * noise


def agreement(
    copies: Sequence[Spectrum],
) -> tuple[Float[Tensor, " others"], Float[Tensor, " others"]]:
    """How the second eigenvector, and the leading pair, agree with those of other copies.

    Args:
        copies: Spectra; the first is compared with all others.

    Returns:
        Absolute cosines of eigenvector 2, and shared dimensions of 2 and 3.
    """
    first, others = copies[0].eigenvectors, [copy.eigenvectors for copy in copies[1:]]
    cosines = [entk.feature_alignment(first[:, 1:2], v[:, 1:2]).item() for v in others]
    shared = [entk.subspace_overlap(first[:, 1:3], v[:, 1:3]) for v in others]
    return torch.tensor(cosines), torch.tensor(shared)


def decaying(n: int, power: float, generator: torch.Generator) -> Float[Tensor, " n"]:
    """A spectrum with random gaps around a power law.

    Args:
        n: Number of eigenvalues.
        power: With which they fall.
        generator: Of the gaps.

    Returns:
        Descending eigenvalues.
    """
    jitter = 1 + 0.5 * torch.rand(n, generator=generator, **EXACT)
    steps = jitter / torch.arange(1, n + 1, **EXACT)
    return torch.exp(-power * torch.cumsum(steps, 0))


def with_cliff(
    eigenvalues: Float[Tensor, " n"], stop: int, ratio: float
) -> Float[Tensor, " n"]:
    """The same spectrum with a drop.

    Args:
        eigenvalues: Descending.
        stop: Number of eigenvalues above the drop.
        ratio: By which the rest is divided.

    Returns:
        Descending eigenvalues.
    """
    return torch.cat([eigenvalues[:stop], eigenvalues[stop:] / ratio])


@dataclass(frozen=True)
class Detections:
    """How often the detector of cliffs is right and wrong.

    Attributes:
        n: Spectra of each kind.
        hits: Planted cliffs that were found.
        alarms: Spectra without the cliff in which one was found.
        random_alarms: Kernels of random factors in which one was found.
    """

    n: int
    hits: int
    alarms: int
    random_alarms: int


def detections(n: int = 200, seed: int = 1) -> Detections:
    """Plant weak cliffs, and draw spectra that have none.

    Args:
        n: Spectra of each kind.
        seed: Of all draws.

    Returns:
        Counts.
    """
    generator = torch.Generator().manual_seed(seed)

    def stops(eigenvalues: Tensor) -> list[int]:
        return [cliff.stop for cliff in entk.find_cliffs(eigenvalues)]

    def random_kernel() -> Spectrum:
        factor = torch.randn(200, 400, generator=generator, **EXACT)
        return entk.kernel_spectrum(factor @ factor.T, k=100)

    hits = sum(
        30 in stops(with_cliff(decaying(80, 0.5, generator), 30, 1.5)) for _ in range(n)
    )
    alarms = sum(bool(stops(decaying(80, 0.5, generator)[5:])) for _ in range(n))
    random_alarms = sum(bool(stops(random_kernel().eigenvalues)) for _ in range(n))
    return Detections(n, hits, alarms, random_alarms)
