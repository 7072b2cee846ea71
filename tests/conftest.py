"""Settings of the suite: hypothesis, a display-free backend, one seed for each test."""

# isort: off
import shape_checks

if shape_checks.asked_for():
    shape_checks.lighten()  # before what is checked is imported
from entk_lib import _checks  # before torch: how its threads wait

# isort: on
import collections

import jaxtyping
import matplotlib
import pytest
import torch
from hypothesis import settings
from matplotlib import pyplot as plt

from entk_lib.kernels import ntk_spectra

matplotlib.use("Agg")
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=2)
settings.load_profile("suite")
# Of each parametrised test, `make quick` runs so many cases.
_QUICK_CASES = 2


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="a few cases of each test")


def pytest_configure(config):
    if config.getoption("quick"):
        settings.load_profile("quick")


def pytest_collection_modifyitems(config, items):
    """With --quick, keep the first cases of each test."""
    if not config.getoption("quick"):
        return
    seen = collections.Counter()
    kept = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        seen[test] += 1
        if seen[test] <= _QUICK_CASES:
            kept.append(item)
    items[:] = kept


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_shape_checks(request):
    """Bad input must reach the library's own messages; and checks take memory and time."""
    unchecked = request.node.get_closest_marker("no_shape_checks") is not None
    jaxtyping.config.update("jaxtyping_disable", unchecked)


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def set_memory(monkeypatch):
    """A function that makes the library believe in so many free bytes."""
    return lambda n_bytes: monkeypatch.setattr(
        _checks, "available_memory", lambda device: n_bytes
    )


@pytest.fixture
def choose_side(monkeypatch):
    """A function that makes every spectrum come from one side."""
    return lambda side: monkeypatch.setattr(
        ntk_spectra.Size, "cheapest", lambda self, k, budget: side
    )
