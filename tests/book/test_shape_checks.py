"""Shape checks of the suite: every function that has a shape, and torch compiled once."""

import ast
import importlib

import jaxtyping
import pytest
import shape_checks
import torch
from jaxtyping import _import_hook as hook

import address

MODULE = """
import importlib._bootstrap_external as machinery
from jaxtyping import Float
from torch import Tensor

CACHED = machinery.cache_from_source("other.py")


def outer(x: Float[Tensor, "n 2"]):
    def inner(y: int):
        return y
    return inner


class Thing:
    def method(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return x
"""


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """A module whose shapes are checked as `make unit` has those of ours checked."""
    for thing, name in (
        (hook.JaxtypingTransformer, "visit_FunctionDef"),
        (hook._JaxtypingLoader, "exec_module"),
    ):
        monkeypatch.setattr(thing, name, getattr(thing, name))
    monkeypatch.setattr(hook._JaxtypingLoader, "get_code", None, raising=False)
    shape_checks.lighten()
    (tmp_path / "with_shapes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    with jaxtyping.install_import_hook("with_shapes", "beartype.beartype"):
        return importlib.import_module("with_shapes")


def test_functions_and_methods_are_checked_and_inner_functions_left(checked):
    with pytest.raises(jaxtyping.TypeCheckError):
        checked.outer(torch.zeros(3))
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        checked.Thing().method(torch.zeros(3, 2))
    inner = checked.outer(torch.zeros(3, 2))
    assert inner("no number") == "no number"


def test_bytecode_of_others_has_its_usual_name(checked):
    assert "jaxtyping" not in checked.CACHED


def inner_functions(node, inside=False):
    """Functions that are defined in functions."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef)
        if is_function and inside:
            yield child
        yield from inner_functions(child, inside or is_function)


def test_no_inner_function_has_a_shape_that_would_not_be_checked():
    shapes = {"Float", "Int", "Integer", "Bool", "Shaped", "Num", "Complex", "Inexact"}
    n_inner = 0
    for package in ("entk_lib", "entk_book"):
        for path in sorted((address.ROOT / package).rglob("*.py")):
            for function in inner_functions(ast.parse(path.read_text())):
                n_inner += 1
                head = " ".join(map(ast.unparse, (function.args, function.returns or [])))
                for shape in shapes:
                    assert f"{shape}[" not in head, f"{path}: {function.name}"
    assert n_inner > 100
