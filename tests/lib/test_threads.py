"""Threads wait without spinning, unless the user has decided or it is too late."""

import os
import subprocess
import sys

import pytest

from entk_lib import _threads

NAMES = [setting.name for setting in _threads.SETTINGS]
DECIDED = [(s.name, name) for s in _threads.SETTINGS for name in s.decided]


@pytest.fixture
def fresh(monkeypatch):
    """A process with none of the readers imported, and where nobody has set anything."""
    for setting in _threads.SETTINGS:
        for module in setting.readers:
            monkeypatch.delitem(sys.modules, module)
        for name in setting.decided:
            # Set first, so that what the test makes of it is undone.
            monkeypatch.setenv(name, "to be restored")
            monkeypatch.delenv(name)


def test_the_spins_are_shortened(fresh):
    assert _threads.wait_without_spinning() == NAMES
    assert os.environ["GOMP_SPINCOUNT"] == "1000"
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "16"


@pytest.mark.parametrize(("setting", "name"), DECIDED)
def test_what_the_user_has_set_is_left_alone(fresh, monkeypatch, setting, name):
    monkeypatch.setenv(name, "7")
    before = {n: os.environ.get(n) for n in (setting, name)}
    assert _threads.wait_without_spinning() == [n for n in NAMES if n != setting]
    assert {n: os.environ.get(n) for n in (setting, name)} == before


def test_once_its_readers_are_imported_it_is_too_late(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    monkeypatch.setitem(sys.modules, "numpy", object())
    assert _threads.wait_without_spinning() == ["OPENBLAS_THREAD_TIMEOUT"]  # scipy is not
    monkeypatch.delenv("OPENBLAS_THREAD_TIMEOUT")
    monkeypatch.setitem(sys.modules, "scipy", object())
    assert _threads.wait_without_spinning() == []


@pytest.mark.sweep
@pytest.mark.parametrize("package", ["entk_lib", "entk_book"])
def test_each_package_sets_them_before_it_imports_torch(package):
    decided = {name for setting in _threads.SETTINGS for name in setting.decided}
    clean = {k: v for k, v in os.environ.items() if k not in decided}
    code = f"import {package}, os; print(*(os.environ.get(n) for n in {NAMES}))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1000", "16"]
