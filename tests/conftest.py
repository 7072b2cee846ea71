"""Settings of the suite: hypothesis, a display-free backend, one seed for each test."""

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
