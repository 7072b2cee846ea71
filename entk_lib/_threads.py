"""Threads that wait without spinning, set before torch reads the setting.

OpenMP's threads wait for one another in a loop that keeps their cores busy. On a machine
with other work they then wait for cores that wait: a kernel that takes 0.03 s on two quiet
cores took 0.6 to 0.9 s beside two busy processes, 0.1 s with a short spin.
"""

import os
import sys

# Whoever has set one of these has decided how threads wait.
_DECIDED = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
_SPINS = "1000"


def wait_without_spinning() -> bool:
    """Shorten the spin, unless the user has decided or it is too late.

    Returns:
        Whether the setting was made: not once torch is imported, which has read it.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _DECIDED):
        return False
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    return True


wait_without_spinning()
