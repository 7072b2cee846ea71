"""One rank of a test of several: run by test_distributed.py, which starts two of these."""

import os
import threading
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from tqdm import tqdm

from entk_lib import NTKOperator, ntk_spectrum
from entk_lib.kernels import ntk_spectra


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def samples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(41, 5, generator=generator, dtype=torch.float64)


def share(rank):
    """Half of the samples, one more for the second rank."""
    return samples()[:20] if rank == 0 else samples()[20:]


def spectra(rank, group):
    """Eigenvalues, projector and trace by each of the three ways."""
    choose, found = ntk_spectra.Size.cheapest, {}
    for outputs in ("flatten", "average"):
        for side in ("kernel", "gram", "products"):
            ntk_spectra.Size.cheapest = lambda self, k, budget, side=side: side
            spectrum = ntk_spectrum(
                model(), share(rank), 6, outputs=outputs, process_group=group, timeout=30
            )
            projector = spectrum.eigenvectors @ spectrum.eigenvectors.mT
            found[f"{outputs} {side}"] = {
                "eigenvalues": spectrum.eigenvalues.tolist(),
                "projector": projector.tolist(),
                "trace": spectrum.trace,
            }
    ntk_spectra.Size.cheapest = choose
    return found


def operator(rank, group):
    """A product, a trace and its estimate."""
    kernel = NTKOperator(model(), (share(rank),), process_group=group, timeout=30)
    vector = torch.linspace(-1, 1, 41, dtype=torch.float64)
    return {
        "shape": kernel.shape,
        "product": (kernel @ vector).tolist(),
        "trace": kernel.trace(),
        "estimate": kernel.trace(products=12, seed=3),
    }


def bad_share(rank, group):
    """One rank's samples hold NaN."""
    x = share(rank)
    if rank == 1:
        x[3, 2] = float("nan")
    ntk_spectrum(model(), x, process_group=group, timeout=30)


def not_converging(rank, group):
    """Rank 0, which leads the iteration, fails."""
    ntk_spectra.Size.cheapest = lambda self, k, budget: "products"

    def fail(*_):
        raise RuntimeError("no convergence")

    ntk_spectra.spectra.few_largest_of_product = fail
    ntk_spectrum(model(), share(rank), 3, process_group=group, timeout=30)


def dying(rank, group):
    """One rank is gone when the other asks for a product."""
    kernel = NTKOperator(model(), share(rank), process_group=group, timeout=30)
    if rank == 1:
        os._exit(0)
    return (kernel @ torch.ones(41)).tolist()


def late(rank, group):
    """One rank lives on but does not join in; the test ends it."""
    kernel = NTKOperator(model(), share(rank), process_group=group, timeout=1.5)
    if rank == 1:
        time.sleep(90)
    return (kernel @ torch.ones(41)).tolist()


SCENARIOS = {
    f.__name__: f for f in (spectra, operator, bad_share, not_converging, dying, late)
}


def join(rank, store, scenario, said):
    """Join the other rank, run one scenario and send how it ended."""
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own, of processes, os._exit would leave behind
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    start = time.monotonic()
    try:
        answer = {"result": SCENARIOS[scenario](rank, dist.group.WORLD)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    answer["seconds"] = time.monotonic() - start
    said.send(answer)
    os._exit(0)
