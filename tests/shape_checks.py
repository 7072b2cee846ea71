"""The same shape checks from jaxtyping's import hook, without what costs most of its time.

The hook decorates every function, and beartype writes a program for each: for a function
inside of a function again at every call of the outer one. Those are internal, and none is
annotated with a shape, which a test asks; they are left as they are.

While it imports a module of ours, the hook looks for every module's bytecode under a name
of its own, so that all of torch is compiled again. Here it does so for ours alone.
"""

import ast
import functools
import sys
from importlib.machinery import SourceFileLoader
from unittest.mock import patch

from jaxtyping import _import_hook as hook

_LIGHT = (
    "outermost"  # of the name of our bytecode: what was written without this is not read
)
_decorate = hook.JaxtypingTransformer.visit_FunctionDef


def _decorate_outermost(self, node):
    inside = any(isinstance(parent, ast.FunctionDef) for parent in self._parents)
    return node if inside else _decorate(self, node)


def _exec_module(self, module):
    SourceFileLoader.exec_module(self, module)


def _get_code(self, fullname):
    renamed = functools.partial(
        hook._optimized_cache_from_source, f"{_LIGHT}{self._typechecker.get_hash()}"
    )
    with patch("importlib._bootstrap_external.cache_from_source", renamed):
        return SourceFileLoader.get_code(self, fullname)


def asked_for():
    """Whether pytest was started with ``--jaxtyping-packages``."""
    return any(isinstance(finder, hook._JaxtypingFinder) for finder in sys.meta_path)


def lighten():
    """Change the hook, for all modules that are imported from now on."""
    hook.JaxtypingTransformer.visit_FunctionDef = _decorate_outermost
    hook._JaxtypingLoader.exec_module = _exec_module
    hook._JaxtypingLoader.get_code = _get_code
