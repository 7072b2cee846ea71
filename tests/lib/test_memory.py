"""A budget of memory is kept, and changes nothing else."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from assertions import assert_close
from cases import inputs
from torch import nn

from entk_lib import empirical_ntk

# A check of shapes takes memory of its own.
pytestmark = [pytest.mark.no_shape_checks, pytest.mark.sweep]

MIB = 2**20
TOLERANCE = 60 * MIB
# The C library keeps what was freed, and it would count as used: here it gives it back.
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_TRIM_THRESHOLD_": "100000"}

# Each is run in a process of its own: a peak of resident memory cannot be reset.
PRELUDE = """
    import json, resource, sys, threading, time
    import psutil, torch
    from torch import nn
    from entk_lib import empirical_ntk, tangent_edit

    torch.manual_seed(0)
    torch.set_num_threads(2)

    class Squared(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(n_out, n_in) / n_in**0.5)

        def forward(self, x):
            return x @ (self.weight**2).mT

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(2000, 64)
            self.norm = nn.LayerNorm(64)
            self.first, self.readout = nn.Linear(64, 256), nn.Linear(256, 10)

        def forward(self, x):
            return self.readout(torch.relu(self.first(self.norm(self.embed(x)))).mean(1))

    def watched(work):
        process = psutil.Process()
        before, peak, running = process.memory_info().rss, [0], [True]

        def watch():
            while running:
                peak[0] = max(peak[0], process.memory_info().rss)
                time.sleep(0.001)

        thread = threading.Thread(target=watch)
        thread.start()
        found = work()
        running.clear()
        thread.join()
        return peak[0] - before, found

    def jacobian_of(model, x):
        n_outputs = model(x[:1]).shape[1]
        return len(x) * n_outputs * sum(p.numel() for p in model.parameters()) * 4

    def measured(model, x, n_mib, outputs):
        model.eval()
        empirical_ntk(model, x[:3], outputs=outputs)  # libraries and buffers of torch
        peak, kernel = watched(
            lambda: empirical_ntk(model, x, outputs=outputs, memory=n_mib / 1024)
        )
        whole = empirical_ntk(model, x, outputs=outputs)
        error = float((kernel - whole).abs().max() / whole.abs().max())
        print(json.dumps([peak, jacobian_of(model, x), error]))

    def edited(model, x, n_mib):
        change = torch.randn(len(x), 10)
        tangent_edit(model, x[:3], change[:3], max_products=4)  # libraries
        options = dict(tolerance=1e-6, max_products=8)
        peak, edit = watched(
            lambda: tangent_edit(model, x, change, memory=n_mib / 1024, **options)
        )
        whole = tangent_edit(model, x, change, **options)
        gap = (edit.predicted - whole.predicted).abs().max()
        error = float(gap / whole.predicted.abs().max())
        print(json.dumps([peak, jacobian_of(model, x), error]))
"""
ARCHITECTURES = {
    "perceptron": (
        """
        layers = [nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(512, 10))
        measured(model, torch.randn(400, 256), 100, "average")
        """,
        100,
    ),
    "perceptron in full": (
        """
        layers = [nn.Linear(128, 512), nn.Tanh(), nn.Linear(512, 512), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(512, 5))
        measured(model, torch.randn(300, 128), 100, "flatten")
        """,
        100,
    ),
    "convolutions": (
        """
        layers = [nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(32, 64, 3, stride=2), nn.ReLU(), nn.Flatten()]
        model = nn.Sequential(*layers, nn.Linear(64 * 36, 10))
        measured(model, torch.randn(120, 3, 16, 16), 90, "average")
        """,
        90,
    ),
    "tokens": (
        """
        measured(Tokens(), torch.randint(2000, (150, 24)), 120, "average")
        """,
        120,
    ),
    "autodiff": (
        """
        model = nn.Sequential(Squared(128, 256), nn.Tanh(), Squared(256, 10))
        measured(model, torch.randn(120, 128), 60, "average")
        """,
        60,
    ),
    "edit by products": ("edited(Tokens(), torch.randint(2000, (3000, 24)), 60)", 60),
    "edit, preconditioned": (
        """
        layers = [nn.Linear(128, 1024), nn.Tanh(), nn.Linear(1024, 10)]
        edited(nn.Sequential(*layers), torch.randn(600, 128), 60)
        """,
        60,
    ),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_peak_memory_stays_within_the_budget(name):
    body, n_mib = ARCHITECTURES[name]
    source = textwrap.dedent(PRELUDE) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | RETURNED,
    )
    assert done.returncode == 0, done.stderr
    peak, jacobian, error = json.loads(done.stdout)
    assert jacobian > 2 * n_mib * MIB  # the budget binds
    assert peak <= n_mib * MIB + TOLERANCE
    assert error <= 1e-5  # single precision; a sum in another order


def _perceptron():
    layers = [nn.Linear(5, 40), nn.Tanh(), nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 6)]
    return nn.Sequential(*layers).double(), inputs(9, 5)


def _convolution():
    layers = [nn.Conv2d(2, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(200, 4)]
    return nn.Sequential(*layers).double(), inputs(7, 2, 5, 5)


class Squared(nn.Linear):
    """No rule knows the square of a weight."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight**2, self.bias)


def _by_autodiff():
    layers = [Squared(5, 30), nn.Tanh(), nn.Linear(30, 3)]
    return nn.Sequential(*layers).double(), inputs(9, 5)


SMALL = {"perceptron": _perceptron, "convolution": _convolution, "autodiff": _by_autodiff}
for_small = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)
for_words = pytest.mark.parametrize("outputs", ["full", "average", "mean_output", (0, 1)])


@for_words
@for_small
def test_too_small_a_budget_names_the_smallest_that_works(make, outputs):
    model, x = make()
    whole = empirical_ntk(model, x, outputs=outputs)
    too_small = whole.numel() * 8 * 1.01 / 2**30
    with pytest.raises(MemoryError, match="smallest memory that works is") as caught:
        empirical_ntk(model, x, outputs=outputs, memory=too_small)
    named = float(re.search(r"that works is (\S+) GiB", str(caught.value)).group(1))
    assert_close(empirical_ntk(model, x, outputs=outputs, memory=named), whole)
    with pytest.raises(MemoryError):
        empirical_ntk(model, x, outputs=outputs, memory=0.5 * named)


@for_words
@for_small
@pytest.mark.parametrize("factor", [1, 1.5, 4])
def test_the_kernel_does_not_depend_on_the_budget(make, outputs, factor):
    model, x = make()
    x1, x2 = x[:5], x[3:]
    whole = empirical_ntk(model, x1, x2, outputs=outputs, by_layer=True)
    numel = sum(k.numel() for k in whole.values())
    with pytest.raises(MemoryError) as caught:
        empirical_ntk(
            model, x1, x2, outputs=outputs, by_layer=True, memory=numel * 8.1 / 2**30
        )
    named = float(re.search(r"that works is (\S+) GiB", str(caught.value)).group(1))
    parts = empirical_ntk(
        model, x1, x2, outputs=outputs, by_layer=True, memory=factor * named
    )
    for layer, kernel in whole.items():
        assert_close(parts[layer], kernel)


def test_a_budget_below_the_result_says_what_stores_no_kernel():
    model, x = _perceptron()
    with pytest.raises(MemoryError, match="ntk_spectrum"):
        empirical_ntk(model, x, outputs="full", memory=1e-6)


def test_every_budget_gives_the_kernel_or_is_refused():
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    x = inputs(16, 5)
    whole = empirical_ntk(model, x)
    for memory in torch.logspace(-5, -3, 5).tolist():
        try:
            part = empirical_ntk(model, x, memory=memory)
        except MemoryError:
            continue
        assert_close(part, whole)
