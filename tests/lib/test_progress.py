"""A bar on what takes longer than two seconds, silence on what does not."""

import pytest
from cases import inputs, mlp

from entk_lib import NTKOperator, _progress, empirical_ntk, ntk_spectrum
from entk_lib.kernels import ntk_spectra


def products(model, x):
    return NTKOperator(model, x) @ inputs(len(x), seed=2)


def by_lanczos(model, x):
    return ntk_spectrum(model, x, 2)


CALLS = {
    "kernel": empirical_ntk,
    "trace": lambda model, x: NTKOperator(model, x).trace(),
    "products": products,
    "Gram matrix": lambda model, x: ntk_spectrum(model, x, 2, outputs="flatten"),
    "Lanczos": by_lanczos,
}


@pytest.mark.parametrize(("name", "call"), CALLS.items(), ids=CALLS.keys())
def test_long_computations_show_a_bar_and_short_ones_nothing(
    name, call, monkeypatch, capsys
):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    side = {"Gram matrix": "gram", "Lanczos": "products"}.get(name)
    if side:
        monkeypatch.setattr(ntk_spectra.Size, "cheapest", lambda self, k, budget: side)
    model, x, _ = mlp()
    call(model, x)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_progress, "SECONDS_BEFORE_BAR", 0)
    call(model, x)
    captured = capsys.readouterr()
    assert name in captured.err
    assert captured.out == ""


def test_parts_that_end_a_last_digit_above_their_sum_give_no_warning(monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(_progress, "SECONDS_BEFORE_BAR", 0)
    with _progress.progress("kernel", 0.3) as bar:
        bar.mininterval = 0
        for _ in range(3):
            bar.update(0.1)  # in all 0.30000000000000004
        bar.refresh()
    assert "100%" in capsys.readouterr().err
