"""Is this machine ready for the book? One line says so."""

import os
import time
from dataclasses import dataclass
from importlib import metadata
from itertools import product

import psutil
import torch
from packaging.version import Version
from torch import nn

from entk_lib import _versions
from entk_lib.kernels import empirical_ntk

_NEEDED_GIB = 2.0  # what the heaviest chapter takes, rounded up


@dataclass(frozen=True)
class Preflight:
    """What `preflight` found.

    Attributes:
        ready: Whether the chapters will run here.
        message: One line: what is here, or what is wrong and what to do.
    """

    ready: bool
    message: str

    def __repr__(self) -> str:
        return self.message


def preflight() -> Preflight:
    """Check versions, memory, and a tiny kernel against its definition.

    Returns:
        Whether the machine is ready, and one line that says so.

    Example:
        >>> preflight().ready
        True
    """
    problem = _old_package() or _little_memory() or _wrong_kernel()
    if problem:
        return Preflight(False, f"Not ready: {problem}")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "numpy"))
    start = time.perf_counter()
    _kernels()
    seconds = time.perf_counter() - start
    return Preflight(
        True,
        f"Ready: {versions}, {os.cpu_count()} cores, {_free_gib():.0f} GiB free; a tiny "
        f"kernel is right, in {1000 * seconds:.0f} ms.",
    )


def _old_package() -> str:
    # The lower bounds that the package states are those that its tests were run with.
    for name, oldest in _versions.oldest().items():
        try:
            here = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            return f"{name} is missing. Run pip install {name}."
        if here < oldest:
            return (
                f"{name} {here} is older than {oldest}, the oldest that the library has "
                f'been tried with. Run pip install --upgrade "{name}>={oldest}", then '
                "restart the kernel."
            )
    return ""


def _free_gib() -> float:
    return psutil.virtual_memory().available / 2**30


def _little_memory() -> str:
    free = _free_gib()
    if free >= _NEEDED_GIB:
        return ""
    return (
        f"{free:.1f} GiB of memory are free, the largest chapter needs {_NEEDED_GIB:.0f}. "
        "Close other programs, or shut down other kernels."
    )


def _kernels() -> tuple[torch.Tensor, torch.Tensor]:
    # The library's kernel, and the sum over parameters of products of derivatives.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        x = torch.randn(5, 3, dtype=torch.float64)
    parameters = list(model.parameters())
    rows = torch.zeros(5, 2, sum(p.numel() for p in parameters), dtype=torch.float64)
    for n, c in product(range(5), range(2)):
        derivatives = torch.autograd.grad(model(x[n : n + 1])[0, c], parameters)
        rows[n, c] = torch.cat([d.flatten() for d in derivatives])
    by_hand = torch.einsum("ncp,mcp->nm", rows, rows) / 2
    return empirical_ntk(model, x), by_hand


def _wrong_kernel() -> str:
    kernel, by_hand = _kernels()
    error = float((kernel - by_hand).abs().max() / by_hand.abs().max())
    if error < 1e-10:
        return ""
    return (
        f"a tiny kernel is off by {error:.0e} from its definition. Please report this, "
        f"with the versions torch {torch.__version__}, numpy {metadata.version('numpy')}."
    )
