"""A kernel on a machine whose cores have other work, by how OpenMP's threads wait.

Run as ``python benchmarks/busy.py``. Two processes keep two cores busy; another computes
the kernel of the modular-addition network, with the library's own setting, with torch's
default, and on one thread. Compare within a run.
"""

import os
import statistics
import subprocess
import sys
import time

N_BUSY, N_KERNELS, N_ROUNDS = 2, 15, 3
# None: the variable is not set at all. The library leaves alone what is set.
WAYS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "the library's setting": {},
    "torch's default": {"GOMP_SPINCOUNT": "30000000000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
}
_NAMES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")


def kernels() -> None:
    """Print the median seconds of a kernel in this process."""
    import entk_lib as entk  # before torch, whose threads read the setting
    from entk_lib.toys.models import QuadraticMLP
    from entk_lib.toys.tasks import modular_addition

    x = modular_addition.one_hot(modular_addition.all_pairs(29), 29)
    model = QuadraticMLP(58, 29, 512, seed=0)
    entk.empirical_ntk(model, x)
    seconds = []
    for _ in range(N_KERNELS):
        start = time.perf_counter()
        entk.empirical_ntk(model, x)
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds))


def measured(settings: dict[str, str]) -> float:
    """Seconds of a kernel in a fresh process with these variables."""
    environment = {k: v for k, v in os.environ.items() if k not in _NAMES}
    done = subprocess.run(
        [sys.executable, __file__, "kernels"],
        env={**environment, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print the ways, quiet and busy, beside one thread."""
    for n_busy in (0, N_BUSY):
        busy = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(n_busy)
        ]
        try:
            found = {
                way: statistics.median(measured(settings) for _ in range(N_ROUNDS))
                for way, settings in WAYS.items()
            }
        finally:
            for process in busy:
                process.kill()
        print(f"{n_busy} busy processes beside it, on {os.cpu_count()} cores:")
        for way, seconds in found.items():
            print(f"  {way}: {seconds:.3f} s, {seconds / found['one thread']:.2f} x")


if __name__ == "__main__":
    kernels() if sys.argv[1:] == ["kernels"] else main()
