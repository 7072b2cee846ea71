"""How long a kernel takes is told before it is computed, and the bar keeps to it."""

import warnings

import pytest
import torch
from cases import inputs, mlp
from torch import nn

from entk_lib import (
    KernelPlan,
    _inputs,
    _progress,
    empirical_ntk,
    explain_ntk,
    ntk_spectrum,
    spectrum_cost,
)
from entk_lib.kernels import costs, ntk_spectra, operators
from entk_lib.kernels.engine import assemble, explain, predict

EACH = 0.25  # seconds of a sample, on the clock of these tests


@pytest.fixture
def clock(monkeypatch):
    """Calls that take a quarter of a second for each sample, and products that take none.

    Returns the sizes of the batches that were timed.
    """
    timed = []

    def seconds(call, x, *others):
        n = _inputs.n_samples(x)
        call(x, *others)
        timed.append(n)
        return EACH * n

    monkeypatch.setattr(predict, "_seconds", seconds)
    monkeypatch.setattr(predict, "_speed", lambda *_: 1e30)
    monkeypatch.setattr(explain.time, "perf_counter", lambda: 0.0)
    return timed


def blocks_of(monkeypatch, call):
    """What `largest_part` finds in a call."""
    found, original = [], assemble.largest_part

    def spied(*args):
        found.append(original(*args))
        return found[-1]

    for module in (assemble, explain):
        monkeypatch.setattr(module, "largest_part", spied)
    result = call()
    return found[-1][1], result


@pytest.mark.parametrize("x2", [None, 5])
def test_seconds_are_those_of_a_sample_times_samples(x2, clock):
    model, x = mlp()[:2]
    x2 = None if x2 is None else inputs(x2, x.shape[1], seed=3)
    plan = explain_ntk(model, x, x2, outputs="flatten")
    n = len(x) + (0 if x2 is None else len(x2))
    assert plan.seconds == pytest.approx(EACH * n)
    assert max(clock) == 1  # one sample takes long enough to be timed


def test_samples_that_are_harvested_again_count_again(clock, monkeypatch):
    model = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 4)).double()
    x = inputs(60, 30)
    blocks, plan = blocks_of(
        monkeypatch, lambda: explain_ntk(model, x, outputs="flatten", memory=6e-4)
    )
    assert blocks.times > 3
    assert plan.seconds == pytest.approx(EACH * len(x) * blocks.times)


def test_parts_of_the_outputs_that_run_the_model_once_are_not_charged_for_it(
    clock, monkeypatch
):
    monkeypatch.setattr(assemble, "_ENOUGH_BYTES", 1)
    monkeypatch.setattr(assemble, "_MARGIN", 1e9)
    layers = [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 12), nn.Tanh()]
    model, x = nn.Sequential(*layers).double(), inputs(6, 3)
    blocks, plan = blocks_of(monkeypatch, lambda: explain_ntk(model, x))
    assert blocks.keeps_recordings
    assert blocks.parts > 2
    # On this clock the model's run takes as long as everything: half stays at least.
    assert plan.seconds == pytest.approx(EACH * len(x) * blocks.parts / 2)
    monkeypatch.setattr(blocks, "keeps_recordings", False)
    whole = predict.predicted_seconds(blocks)
    assert whole == pytest.approx(EACH * len(x) * blocks.parts)


def test_a_head_is_charged_for_its_own_samples(clock):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 40)).double()
    plan = explain_ntk(model, inputs(7, 3))
    assert any("head" in line.way for line in plan)
    assert plan.seconds == pytest.approx(2 * EACH * 7)  # below it, and its own


def test_products_are_charged_at_the_speed_of_a_product(monkeypatch):
    monkeypatch.setattr(predict, "_seconds", lambda *_: 0.0)
    monkeypatch.setattr(explain.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(predict, "_speed", lambda *_: 1000.0)
    blocks, plan = blocks_of(
        monkeypatch, lambda: explain_ntk(nn.Linear(30, 20), torch.ones(40, 30))
    )
    # 820 pairs of samples: 20 numbers of G, 30 of A, and one product of both for each of
    # the two parameters, which counts for fifteen.
    assert plan.seconds == pytest.approx(820 * (20 + 30 + 2 * 15) / 1000)
    assert blocks.plan.contraction == 820 * (20 + 30 + 2 * 15)


def test_the_speed_of_a_product_is_that_of_its_multiply_adds(monkeypatch):
    monkeypatch.setattr(predict, "_seconds", lambda *_: 2.0)
    predict._speed.cache_clear()
    speed = predict.multiply_adds_per_second(torch.float32, torch.device("cpu"))
    predict._speed.cache_clear()
    assert speed == pytest.approx(512**3 / 2)


def test_a_plan_is_a_sequence_of_lines_with_a_time_and_reads_as_a_table(clock):
    model, x, _ = mlp()
    plan = explain_ntk(model, x)
    assert isinstance(plan, KernelPlan)
    names = [name for name, _ in model.named_parameters()]
    assert [line.parameter for line in plan] == names
    assert len(plan) == len(names)
    assert plan[0].parameter == names[0]
    told = repr(plan)
    assert all(name in told for name in names)
    assert told.endswith(f"about {_progress.told(plan.seconds)}")


def test_a_plan_that_does_not_fit_has_no_time():
    plan = explain_ntk(*mlp()[:2], outputs="full", memory=1e-9)
    assert plan.seconds is None
    assert "does not fit" in repr(plan)


@pytest.mark.parametrize(
    ("memory", "outputs", "n1", "n2"),
    [
        (None, "average", 600, None),  # tiles of which the mirror is not computed
        (6e-4, "flatten", 60, None),  # blocks that are harvested again
        (2e-3, "flatten", 100, 40),
        (None, "diagonal", 20, 30),  # a part for each output
    ],
)
def test_the_bar_ends_where_its_total_is(memory, outputs, n1, n2, monkeypatch):
    bars, original = [], assemble.progress

    def spied(*args):
        bars.append(original(*args))
        return bars[-1]

    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(assemble, "progress", spied)
    model = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 4)).double()
    x2 = None if n2 is None else inputs(n2, 30, seed=2)
    empirical_ntk(model, inputs(n1, 30), x2, outputs=outputs, memory=memory)
    assert bars[0].n == pytest.approx(bars[0].total, rel=1e-6)


class TestAnnouncements:
    """What takes longer than ten minutes says so, before it starts."""

    @pytest.fixture
    def long(self, clock, monkeypatch):
        monkeypatch.setattr(predict, "SURELY_SHORT", 0)
        monkeypatch.setattr(ntk_spectra, "SURELY_SHORT", 0)
        monkeypatch.setattr(_progress, "SECONDS_ANNOUNCED", 1.0)

    def test_a_long_kernel_with_what_would_be_cheaper(self, long, monkeypatch):
        model, x, _ = mlp()

        def never(*_):
            raise AssertionError("it had started")

        monkeypatch.setattr(assemble.Blocks, "add_to", never)
        monkeypatch.setattr(assemble, "find_head", lambda *_, **__: None)
        with (
            pytest.warns(UserWarning, match="the kernel is predicted to take") as told,
            pytest.raises(AssertionError, match="it had started"),
        ):
            empirical_ntk(model, x)
        message = str(told[0].message)
        n_outputs = model(x).shape[1]
        assert f"{_progress.told(EACH * len(x))}. Cheaper: outputs=(c, c)" in message
        assert f"one of the {n_outputs} outputs" in message
        for call in ("NTKOperator", "ntk_spectrum", "parameters=["):
            assert call in message

    def test_a_short_one_is_neither_announced_nor_timed(self, clock):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            empirical_ntk(*mlp()[:2])
        assert clock == []

    def test_one_below_ten_minutes_is_not_announced(self, long, monkeypatch):
        monkeypatch.setattr(_progress, "SECONDS_ANNOUNCED", 600.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            empirical_ntk(*mlp()[:2])

    @pytest.mark.parametrize("side", ["kernel", "gram", "products"])
    def test_a_long_spectrum(self, side, long, monkeypatch):
        monkeypatch.setattr(ntk_spectra.Size, "cheapest", lambda *_: side)
        monkeypatch.setattr(costs, "multiply_adds_per_second", lambda *_: 1.0)
        monkeypatch.setattr(operators.NTKOperator, "product_seconds", lambda _: 1.0)
        with pytest.warns(UserWarning, match=r"predicted to take") as told:
            ntk_spectrum(*mlp()[:2], 2)
        assert any("tolerance" in str(m.message) for m in told) == (side == "products")


@pytest.mark.parametrize("k", [None, 3])
def test_the_cost_of_a_spectrum_has_its_seconds(k, monkeypatch):
    monkeypatch.setattr(costs, "multiply_adds_per_second", lambda *_: 100.0)
    model, x = nn.Linear(2, 1).double(), inputs(50, 2)
    seconds = spectrum_cost(model, x, k).seconds
    decomposed = 9 * 27 if k is None else min(9 * 27, 20 * (60 + 4 * k) * 9)
    assert seconds == pytest.approx((decomposed + 50 * 3 * (1 + 3)) / 100)


def test_the_cost_of_products_is_that_of_one_times_their_number(monkeypatch):
    monkeypatch.setattr(operators.NTKOperator, "product_seconds", lambda _: 0.5)
    model, x = nn.Linear(300, 10).double(), inputs(64, 300)
    cost = spectrum_cost(model, x, 10, outputs="flatten", memory=2e-3)
    assert cost.way == "products"
    assert cost.seconds == pytest.approx(0.5 * 2 * (60 + 4 * 10))


def test_a_product_is_timed_when_the_model_has_run(monkeypatch):
    ticks = iter([0.0, 10.0, 20.0, 21.0])
    monkeypatch.setattr(operators.time, "perf_counter", lambda: next(ticks))
    model, x, _ = mlp()
    assert operators.NTKOperator(model, x).product_seconds() == pytest.approx(1.0)
