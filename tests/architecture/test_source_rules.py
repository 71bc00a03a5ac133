"""Rules of style that ruff has no code for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "pyrite"
FILES = sorted(SOURCE.rglob("*.py"))
FUNCTION_LINES = 60
MODULE_LINES = 400
VAGUE_NAMES = {"utils", "util", "base", "manager", "helpers", "helper", "common", "misc"}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(SOURCE).as_posix())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count lines from the signature to the end, the docstring apart."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_there_is_source() -> None:
    assert len(FILES) > 10


@each_file
def test_functions_are_short(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    long = {node.name: size for node in functions(tree) if (size := code_lines(node)) > FUNCTION_LINES}
    assert long == {}


@each_file
def test_modules_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES


@each_file
def test_names_say_what_a_module_holds(file: Path) -> None:
    assert not VAGUE_NAMES & set(file.relative_to(SOURCE).with_suffix("").parts)


@each_file
def test_nothing_prints(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert [call.lineno for call in calls if call.func.id == "print"] == []


@each_file
def test_annotations_are_not_evaluated_at_import(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
        return
    futures = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert [alias.name for node in futures for alias in node.names] == ["annotations"]


def test_docstring_lines_do_not_count_as_code() -> None:
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n')
    assert [code_lines(node) for node in functions(tree)] == [2]
