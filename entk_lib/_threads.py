"""Threads that wait without spinning, set before the libraries that read the settings.

Threads of a library wait for one another in a loop that keeps their cores busy. That of
OpenMP, which torch uses: on a machine with other work they then wait for cores that wait;
a kernel that takes 0.03 s on two quiet cores took 0.6 to 0.9 s beside two busy processes,
0.1 s with a short spin. That of OpenBLAS, which numpy and scipy use: after each of their
products its threads keep cores for some 25 ms, from torch's threads among others; an
iteration of scipy's on products of torch's took twice as long on two cores.
"""

import os
import sys
from typing import NamedTuple


class _Setting(NamedTuple):
    name: str
    value: str
    decided: tuple[str, ...]  # whoever has set one of these has decided how threads wait
    readers: tuple[str, ...]  # once all are imported it is too late


SETTINGS = (
    _Setting(
        "GOMP_SPINCOUNT",
        "1000",
        ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"),
        ("torch",),
    ),
    # As a power of two of processor cycles, whose default is 26; scipy and numpy each have
    # an OpenBLAS of their own.
    _Setting(
        "OPENBLAS_THREAD_TIMEOUT",
        "16",
        ("OPENBLAS_THREAD_TIMEOUT", "OPENBLAS_NUM_THREADS"),
        ("numpy", "scipy"),
    ),
)


def wait_without_spinning() -> list[str]:
    """Shorten the spins, unless the user has decided or it is too late.

    Returns:
        The names of the settings that were made.
    """
    made = []
    for setting in SETTINGS:
        late = all(module in sys.modules for module in setting.readers)
        if not late and not any(name in os.environ for name in setting.decided):
            os.environ[setting.name] = setting.value
            made.append(setting.name)
    return made


wait_without_spinning()
