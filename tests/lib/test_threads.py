"""Threads wait without spinning, unless the user has decided or torch has read it."""

import os
import subprocess
import sys

import pytest

from entk_lib import _threads


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported torch and in which nobody has set anything."""
    monkeypatch.delitem(sys.modules, "torch")
    for name in _threads._DECIDED:
        monkeypatch.delenv(name, raising=False)


def test_the_spin_is_shortened(fresh, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "to be restored")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert _threads.wait_without_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.parametrize("name", _threads._DECIDED)
def test_what_the_user_has_set_is_left_alone(fresh, monkeypatch, name):
    monkeypatch.setenv(name, "7")
    before = dict(os.environ)
    assert not _threads.wait_without_spinning()
    assert dict(os.environ) == before


def test_once_torch_is_imported_it_is_too_late(monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert not _threads.wait_without_spinning()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.sweep
@pytest.mark.parametrize("package", ["entk_lib", "entk_book"])
def test_each_package_sets_it_before_it_imports_torch(package):
    clean = {k: v for k, v in os.environ.items() if k not in _threads._DECIDED}
    code = f"import {package}, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1000"
