"""The preflight says ready on a ready machine, and names what is wrong on another."""

import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest
import torch

import entk_lib as entk

module = sys.modules["entk_lib.preflight"]


def test_a_ready_machine_is_told_so_in_one_line():
    found = entk.preflight()
    assert found.ready
    assert repr(found) == found.message
    assert found.message.startswith(f"Ready: torch {metadata.version('torch')}, numpy ")
    assert "\n" not in found.message


@pytest.mark.parametrize(("name", "old"), [("torch", "2.3.1"), ("numpy", "1.23.5")])
def test_an_old_package_is_named_with_the_oldest_that_works(monkeypatch, name, old):
    true = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: old if n == name else true(n))
    found = entk.preflight()
    assert not found.ready
    assert f"Not ready: {name} {old} is older than" in found.message
    assert f'pip install --upgrade "{name}>=' in found.message


def test_the_oldest_that_the_message_names_is_the_one_that_ci_tries(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda n: "0.1")
    first = entk.preflight().message
    lines = (Path(__file__).parents[1] / "oldest.txt").read_text().split()
    tried = dict(line.split("==") for line in lines if "==" in line)
    assert f"is older than {tried['torch'].removesuffix('.0')}," in first


def test_a_missing_package_is_named(monkeypatch):
    true = metadata.version

    def version(name):
        if name == "tqdm":
            raise metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(metadata, "version", version)
    assert entk.preflight().message == "Not ready: tqdm is missing. Run pip install tqdm."


def test_extras_are_not_asked_for(monkeypatch):
    true = metadata.version

    def version(name):
        if name == "anywidget":
            raise metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(metadata, "version", version)
    assert entk.preflight().ready


def test_little_memory_is_told_in_gib(monkeypatch):
    memory = namedtuple("Memory", "available")(0.5 * 2**30)
    monkeypatch.setattr(module.psutil, "virtual_memory", lambda: memory)
    found = entk.preflight()
    assert not found.ready
    assert "0.5 GiB of memory are free, the largest chapter needs 2" in found.message


def test_a_wrong_kernel_is_noticed(monkeypatch):
    def wrong(model, x):
        return entk.empirical_ntk(model, x) * (1 + 1e-6)

    monkeypatch.setattr(module, "empirical_ntk", wrong)
    found = entk.preflight()
    assert not found.ready
    assert "off by 1e-06 from its definition" in found.message


def test_an_import_with_a_torch_that_is_too_old_says_so():
    code = (
        "import importlib.metadata as m; true = m.version\n"
        "m.version = lambda n: '2.0.1' if n == 'torch' else true(n)\n"
        "import entk_lib"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "ImportError: entk_lib needs torch 2.4 or newer, got 2.0.1" in done.stderr


def test_the_preflight_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    entk.preflight()
    assert torch.equal(before, torch.random.get_rng_state())
