"""Time, memory and error of the class-averaged eNTK by this library and by its rivals.

``python benchmarks/rivals.py`` prints a table; ``python benchmarks/rivals.py ARCH RIVAL``
measures one pair in its own process and prints a line of JSON, which is what
:func:`measure` starts. The packages of the rivals are in ``requirements.txt`` beside this
file; a rival that is not installed gets a row that says so.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from architectures import ARCHITECTURES
from rivals_jax import JAX_RIVALS
from rivals_torch import TORCH_RIVALS, reference
from torch import Tensor, nn

Rival = Callable[[nn.Module, Tensor, bool], Callable[[], dict[str, Any]]]
RIVALS: dict[str, Rival] = {**TORCH_RIVALS, **JAX_RIVALS}

FRAMEWORKS = {
    "entk_lib": ("entk_lib",),
    "torch.func": ("torch.func",),
    "nngeometry": ("nngeometry",),
    "asdl-hadamard": ("asdl",),
    "asdl-direct": ("asdl",),
    "backpack": ("backpack",),
    **dict.fromkeys(JAX_RIVALS, ("jax", "neural_tangents")),
}
# What handles every gradient of every sample or pair takes minutes at the full size: the
# table uses fewer samples, and the time grows with their square.
FEWER_SAMPLES = {
    ("mnist_mlp", "torch.func"): 40,
    ("mnist_mlp", "asdl-direct"): 40,
    ("mnist_mlp", "backpack"): 40,
    ("mnist_mlp", "neural-tangents-jacobian"): 40,
    **{(name, "neural-tangents-products"): 40 for name in ARCHITECTURES},
}
TOLERANCE = 1e-3
N_REFERENCE = 128
MAX_SECONDS, MAX_REPEATS = 10.0, 5
ENVIRONMENT = {
    "GOMP_SPINCOUNT": "1000",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        architecture: Name in ``ARCHITECTURES``.
        rival: Name in ``RIVALS``.
        by_layer: Whether one kernel for each layer was computed, instead of their sum.
        n: Number of samples.
        status: ``"ok"``, ``"wrong"``, ``"failed"``, ``"out of memory"``, ``"timeout"`` or
            ``"not installed"``.
        seconds: Best of several warm repeats, without compilation.
        peak_gib: Largest resident memory above that after the imports.
        error: ``max |K - R| / max |R|`` over the layers, with R in float64 on up to
            128 of the samples, evenly spaced.
        note: What went wrong.
    """

    architecture: str
    rival: str
    by_layer: bool
    n: int
    status: str
    seconds: float | None = None
    peak_gib: float | None = None
    error: float | None = None
    note: str = ""


def _peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    # ru_maxrss may start from the parent's memory; the kernel's own record does not
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return int(line.split()[1]) * 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10


def _guard(max_gib: float, report: Callable[[], None]) -> None:
    """From a thread, report and end this process once its memory exceeds max_gib."""

    def watch() -> None:
        process = psutil.Process()
        while process.memory_info().rss < max_gib * 2**30:
            time.sleep(0.02)
        report()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _spread(n: int, k: int) -> Tensor:
    """At most k of n indices, evenly spaced."""
    return torch.linspace(0, n - 1, min(n, k), dtype=torch.float64).long()


def _error(kernels: dict[str, Any], exact: dict[str, Tensor], subset: Tensor) -> float:
    """Largest deviation from the reference, relative to its largest entry."""
    if set(kernels) != set(exact):
        raise ValueError(f"layers {sorted(kernels)} instead of {sorted(exact)}")
    errors = []
    for name, kernel in kernels.items():
        block = torch.from_numpy(np.array(kernel))[subset[:, None], subset].double()
        errors.append(float((block - exact[name]).abs().max() / exact[name].abs().max()))
    return max(errors)


def _measure_here(row: Row, max_gib: float) -> Row:
    """Measure in this process."""
    try:
        for framework in FRAMEWORKS[row.rival]:
            importlib.import_module(framework)
    except ModuleNotFoundError as missing:
        return replace(row, status="not installed", note=str(missing))
    before = psutil.Process().memory_info().rss
    gone = replace(row, status="out of memory", note=f"over {max_gib:g} GiB")
    _guard(max_gib, lambda: print(json.dumps(asdict(gone)), flush=True))

    model, x = ARCHITECTURES[row.architecture]()
    x = x[_spread(len(x), row.n)]
    run = RIVALS[row.rival](model, x, row.by_layer)
    start = time.perf_counter()
    kernels = run()
    first = time.perf_counter() - start
    # Without compilation, a first call that long is as good as a second.
    slow = first > MAX_SECONDS / 2 and row.rival not in JAX_RIVALS
    times = [first] if slow else []
    while not slow and len(times) < MAX_REPEATS and sum(times) < MAX_SECONDS:
        start = time.perf_counter()
        kernels = run()
        times.append(time.perf_counter() - start)
    peak = (_peak_bytes() - before) / 2**30

    subset = _spread(len(x), N_REFERENCE)
    model, _ = ARCHITECTURES[row.architecture]()
    error = _error(kernels, reference(model, x[subset], row.by_layer), subset)
    status = "ok" if error < TOLERANCE else "wrong"
    return replace(row, status=status, seconds=min(times), peak_gib=peak, error=error)


def measure(
    architecture: str,
    rival: str,
    *,
    by_layer: bool = False,
    n: int | None = None,
    max_gib: float = 16.0,
    timeout: float = 600.0,
) -> Row:
    """Measure one rival on one architecture in a process of its own.

    Args:
        architecture: Name in ``ARCHITECTURES``.
        rival: Name in ``RIVALS``.
        by_layer: Measure one kernel for each layer instead of their sum.
        n: Number of samples, evenly spaced among the architecture's. ``None``: all.
        max_gib: The process is ended once its memory exceeds this.
        timeout: And after this many seconds.

    Returns:
        The row, whatever happened to the process.
    """
    available = len(ARCHITECTURES[architecture]()[1])
    row = Row(architecture, rival, by_layer, min(n or available, available), "failed")
    command = [sys.executable, __file__, architecture, rival]
    command += ["--n", str(row.n), "--max-gib", str(max_gib)]
    command += ["--by-layer"] if by_layer else []
    try:
        done = subprocess.run(
            command,
            env=ENVIRONMENT | os.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return replace(row, status="timeout", note=f"over {timeout:g} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return Row(**json.loads(lines[-1]))
    note = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return replace(row, note=note[:200])


def table_line(row: Row) -> str:
    """One row of the printed table."""
    name = row.architecture + (" by layer" if row.by_layer else "")
    numbers = [
        "-".rjust(9) if value is None else format(value, f">9{spec}")
        for value, spec in ((row.seconds, ".3f"), (row.peak_gib, ".2f"), (row.error, ".0e"))
    ]
    result = f"{name:<31} {row.rival:<27} {row.n:>5} {' '.join(numbers)}  {row.status}"
    return f"{result}: {row.note}" if row.note else result


def main() -> None:
    """Measure the pair that the command line names, or print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", nargs="?", choices=ARCHITECTURES)
    parser.add_argument("rival", nargs="?", choices=RIVALS)
    parser.add_argument("--by-layer", action="store_true")
    parser.add_argument("--n", type=int, help="number of samples; all unless told")
    parser.add_argument("--max-gib", type=float, default=16.0)
    arguments = parser.parse_args()
    if arguments.architecture and arguments.rival:
        n = arguments.n or len(ARCHITECTURES[arguments.architecture]()[1])
        pair = arguments.architecture, arguments.rival
        row = Row(*pair, arguments.by_layer, n, "failed")
        print(json.dumps(asdict(_measure_here(row, arguments.max_gib))))
        return
    header = f"{'architecture':<31} {'rival':<27} {'n':>5}"
    print(f"{header} {'seconds':>9} {'GiB':>9} {'error':>9}")
    for architecture in (
        [arguments.architecture] if arguments.architecture else ARCHITECTURES
    ):
        for by_layer in (False, True) if architecture == "modular_mlp" else (False,):
            for rival in RIVALS:
                n = arguments.n or FEWER_SAMPLES.get((architecture, rival))
                row = measure(
                    architecture, rival, by_layer=by_layer, n=n, max_gib=arguments.max_gib
                )
                print(table_line(row), flush=True)


if __name__ == "__main__":
    main()
