"""What a spectrum costs is told before it is spent, and the advice is true."""

import re
import sys

import pytest
import torch
from assertions import refused
from cases import inputs, mlp
from torch import nn

from entk_lib import SpectrumCost, ntk_spectrum, spectrum_cost
from entk_lib.reports import kernel_report

NTK_SPECTRA = sys.modules[ntk_spectrum.__module__]
WIDE = nn.Linear(2000, 10).double()  # 20,010 parameters
X = inputs(300, 2000)


def test_the_cost_counts_both_sides_and_their_bytes():
    cost = spectrum_cost(nn.Linear(2, 3), torch.ones(50, 2), outputs="flatten")
    assert (cost.rows, cost.columns, cost.way) == (150, 9, "gram")
    assert cost.gib == {"kernel": 24 * 150**2 / 2**30, "gram": 24 * 9**2 / 2**30}
    assert cost.advice == ()


def test_few_eigenpairs_may_be_had_from_products():
    cost = spectrum_cost(WIDE, X, 10, outputs="flatten", memory=0.02)
    assert cost.way == "products"
    assert cost.gib["products"] == pytest.approx(24 * 21 * 3000 / 2**30)


def test_where_nothing_fits_all_that_is_advised_does():
    memory = 0.01
    cost = spectrum_cost(WIDE, X, outputs="flatten", memory=memory)
    assert cost.way is None
    told = "\n".join(cost.advice)
    k = int(re.search(r"k=(\d+)", told)[1])
    assert spectrum_cost(WIDE, X, k, outputs="flatten", memory=memory).way == "products"
    assert 'outputs="average": 300 rows' in told
    assert spectrum_cost(WIDE, X, outputs="average", memory=memory).way == "kernel"
    samples = int(re.search(r"at most (\d+) samples", told)[1])
    step = int(re.search(r"x\[::(\d+)\]", told)[1])
    for count, way in ((samples, "kernel"), (samples + 1, None)):
        cost = spectrum_cost(WIDE, X[:count], outputs="flatten", memory=memory)
        assert cost.way == way
    assert len(X[::step]) <= samples


def test_a_smaller_k_is_advised_only_where_it_is_smaller():
    cost = spectrum_cost(WIDE, X, 20, outputs="flatten", memory=2e-3)
    assert cost.advice[0].startswith("k=10:")
    cost = spectrum_cost(WIDE, X, 5, outputs="flatten", memory=1e-5)
    assert not any(line.startswith("k=") for line in cost.advice)
    assert not any("samples" in line for line in spectrum_cost(WIDE, X, memory=1e-9).advice)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: spectrum_cost(WIDE, X), r"300 rows, its Gram matrix 200,100.*itself"),
        (lambda: spectrum_cost(*mlp()[:2], memory=1e-9), r"None of them fits.*\n- param"),
    ],
)
def test_it_reads_as_sentences(call, told):
    assert re.search(told, repr(call()), re.DOTALL)


@pytest.mark.parametrize("k", [None, 3])
def test_the_way_told_is_the_way_taken(k, monkeypatch):
    taken = []
    for way in ("_from_kernel_side", "_from_gram_side", "_from_products"):
        own = getattr(NTK_SPECTRA, way)
        monkeypatch.setattr(
            NTK_SPECTRA,
            way,
            lambda *args, own=own, way=way: taken.append(way) or own(*args),
        )
    model, x = nn.Linear(40, 2).double(), inputs(120, 40)
    for outputs in ("average", "flatten"):
        cost = spectrum_cost(model, x, k, outputs=outputs)
        ntk_spectrum(model, x, k, outputs=outputs)
        assert cost.way in taken[-1]


REFUSED = [
    refused(TypeError, r"k must be an int", lambda: spectrum_cost(WIDE, X, 2.0)),
    refused(
        ValueError, r"symmetric matrix", lambda: spectrum_cost(WIDE, X, outputs="full")
    ),
    refused(
        ValueError, r"memory must be a positive", lambda: spectrum_cost(WIDE, X, memory=0)
    ),
]


@pytest.mark.parametrize(("error", "pattern", "call"), REFUSED)
@pytest.mark.no_shape_checks
def test_bad_arguments_are_refused(error, pattern, call):
    with pytest.raises(error, match=pattern):
        call()


def test_a_report_takes_its_cost_from_here():
    x = torch.linspace(-1, 1, 20).reshape(20, 1)
    report = kernel_report(nn.Linear(1, 1), x)
    assert isinstance(report.cost, SpectrumCost)
    assert report.cost.rows == 20
