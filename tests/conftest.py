"""Settings of the suite: hypothesis, a display-free backend, one seed for each test."""

import jaxtyping
import matplotlib
import pytest
import torch
from hypothesis import settings
from matplotlib import pyplot as plt

from entk_lib import _checks

matplotlib.use("Agg")
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_shape_checks_for_bad_input(request):
    """Bad input must reach the library's own messages, not the checker of shapes."""
    is_bad = request.node.get_closest_marker("bad_input") is not None
    jaxtyping.config.update("jaxtyping_disable", is_bad)


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
