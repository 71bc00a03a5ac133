"""What each module offers: an exact `__all__`, documented errors, documented settings.

Modules are read, not imported, so that a check does not wait for torch.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrite import errors
from pyrite.data import Table
from pyrite.settings import Settings

SOURCE = Path(__file__).resolve().parents[2] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
ERRORS = {name for name in errors.__all__ if name.endswith("Error")}
OVERRIDDEN = vars(Table).keys() | vars(Settings).keys()
HEAVY = {"sentence_transformers", "torch", "transformers"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module binds at its top level."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def exported(tree: ast.Module) -> list[str] | None:
    """Return the module's `__all__`, or None where it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return ast.literal_eval(node.value)
    return None


def public_functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield functions and methods by qualified name; not overrides, whose parent is documented."""
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body, f"{prefix}{node.name}.")
        elif not prefix or node.name not in OVERRIDDEN:
            yield prefix + node.name, node


def raised(function: Function) -> set[str]:
    """Return the names of Pyrite's errors that a function raises itself."""
    calls = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)} & ERRORS


def imports_heavy(tree: ast.Module) -> bool:
    """Say whether importing the module loads a library that takes seconds."""
    plain = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    return bool({name.partition(".")[0] for name in plain | named} & HEAVY)


@each_file
def test_all_is_exact(file: Path) -> None:
    tree = parse(file)
    names, listed = list(bound(tree)), exported(tree)
    public = {node.name for node in tree.body if isinstance(node, Definition) and not node.name.startswith("_")}
    assert listed is not None or not public
    assert len(set(listed or [])) == len(listed or [])
    assert set(listed or []) - set(names) == set()
    assert public - set(listed or []) == set()


@each_file
def test_raised_errors_are_documented(file: Path) -> None:
    undocumented = {}
    for qualified, function in public_functions(parse(file).body):
        _, _, section = (ast.get_docstring(function) or "").partition("Raises:")
        if missing := {error for error in raised(function) if f"{error}:" not in section}:
            undocumented[qualified] = missing
    assert undocumented == {}


@each_file
def test_settings_have_help_texts(file: Path) -> None:
    tree = parse(file)
    if imports_heavy(tree):
        assert not any("Settings" in ast.unparse(c) for c in tree.body if isinstance(c, ast.ClassDef) for c in c.bases)
        return
    name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    own = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == name]
    silent = [
        f"{model.__name__}.{field}"
        for model in own
        if issubclass(model, Settings)
        for field, info in model.model_fields.items()
        if field != "type" and not info.description
    ]
    assert silent == []
