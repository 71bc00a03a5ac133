"""What each module offers: an exact `__all__`, documented errors, documented settings."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import pytest

import pyrite
from pyrite import errors
from pyrite.settings import Settings

MODULES = ["pyrite", *(found.name for found in pkgutil.walk_packages(pyrite.__path__, "pyrite."))]
ERRORS = {name for name in errors.__all__ if name.endswith("Error")}

each_module = pytest.mark.parametrize("name", MODULES)


def defined(module: ModuleType) -> dict[str, Any]:
    """Return the module's own public functions and classes."""
    kinds = (type, FunctionType)
    members = {name: value for name, value in vars(module).items() if isinstance(value, kinds)}
    return {k: v for k, v in members.items() if not k.startswith("_") and v.__module__ == module.__name__}


def public_functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Yield functions and methods by qualified name; not overrides, whose parent is documented."""
    for value in defined(module).values():
        if isinstance(value, FunctionType):
            yield value.__qualname__, value
            continue
        for name, member in vars(value).items():
            function = getattr(member, "__func__", member)
            inherited = any(name in vars(parent) for parent in value.__mro__[1:])
            written_here = isinstance(function, FunctionType) and function.__module__ == module.__name__
            if written_here and not name.startswith("_") and not inherited:
                yield function.__qualname__, function


def raised(function: FunctionType) -> set[str]:
    """Return the names of Pyrite's errors that a function raises itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)} & ERRORS


@each_module
def test_all_is_exact(name: str) -> None:
    module = importlib.import_module(name)
    public = defined(module)
    if not public and not hasattr(module, "__all__"):
        return
    assert len(set(module.__all__)) == len(module.__all__)
    assert [missing for missing in module.__all__ if not hasattr(module, missing)] == []
    assert sorted(set(public) - set(module.__all__)) == []


@each_module
def test_raised_errors_are_documented(name: str) -> None:
    undocumented = {}
    for qualified, function in public_functions(importlib.import_module(name)):
        _, _, section = (inspect.getdoc(function) or "").partition("Raises:")
        if missing := {error for error in raised(function) if f"{error}:" not in section}:
            undocumented[qualified] = missing
    assert undocumented == {}


@each_module
def test_settings_have_help_texts(name: str) -> None:
    module = importlib.import_module(name)
    models = [value for value in defined(module).values() if isinstance(value, type) and issubclass(value, Settings)]
    silent = [
        f"{model.__name__}.{field}"
        for model in models
        for field, info in model.model_fields.items()
        if field != "type" and not info.description
    ]
    assert silent == []
