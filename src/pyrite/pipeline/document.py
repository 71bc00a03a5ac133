"""Pipeline files as they stand: YAML with lines, environment variables, and all faults at once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pyrite.errors import PlanError, Problem
from pyrite.pipeline.text import count
from pyrite.settings import Json

__all__ = ["Document", "Faults", "read_document"]

_VARIABLE = re.compile(r"\$(?P<literal>\$)?\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}")


@dataclass
class Faults:
    """Collects everything that is wrong with a file, so that one error names it all.

    Attributes:
        label: What to call the file.
        lines: The line of each place, from 1, by its dotted path.
        problems: What was found.
    """

    label: str
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: str, what: str, at: str | None = None) -> None:
        """Note a fault.

        Args:
            path: The dotted path of the place, as a user writes it; empty for the whole file.
            what: What is wrong there and what is allowed.
            at: The path as it stands in the file, where a matrix made `path` of it.
        """
        self.problems.append(Problem(self.label, self._line(at or path), f"{path}: {what}" if path else what))

    def raise_any(self) -> None:
        """Raise one error for everything that was found.

        Raises:
            PlanError: Something was found; one line for each fault, in the order of the file.
        """
        if self.problems:
            ordered = sorted(self.problems, key=lambda problem: problem.line or 0)
            shown = "\n".join(f"  {problem}" for problem in ordered)
            raise PlanError(f"{self.label}: {count(len(self.problems), 'fault')}\n{shown}")

    def _line(self, path: str) -> int | None:
        """Return the line of a place, or of the nearest place around it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path)


@dataclass(frozen=True)
class Document:
    """A file's content, with the environment's variables filled in.

    Attributes:
        text: The file as it stands.
        data: What it says.
        faults: What was wrong so far; whoever reads on adds to it.
    """

    text: str
    data: Json
    faults: Faults

    @classmethod
    def of(cls, data: Json, label: str) -> Document:
        """Make a document of data that no file holds."""
        return cls(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), data, Faults(label))


def read_document(path: Path) -> Document:
    """Read a YAML file.

    `${NAME}` in a string stands for an environment variable, `${NAME:-default}` for one with a
    default for where it is unset or empty, `$${NAME}` for the text `${NAME}`.

    Raises:
        PlanError: The file cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines, repeated = _survey(node) if node is not None else ({}, [])
        data = loader.construct_document(node) if node is not None else None
    except FileNotFoundError:
        raise PlanError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read ({error})") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise PlanError(f"{where}: no valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that is none
        raise PlanError(f"{path}: no valid YAML: {error}") from error
    faults = Faults(str(path), lines)
    for place in repeated:
        faults.add(place, "stands here twice; the keys of a mapping are unique")
    return Document(text, _fill_in(data, "", faults), faults)


def _survey(root: yaml.Node) -> tuple[dict[str, int], list[str]]:
    """Return the line of each place, and the places whose key stands twice in its mapping."""
    lines: dict[str, int] = {}
    repeated = []
    for path, node in _walk(root, ""):
        if path in lines:
            repeated.append(path)
        lines[path] = node.start_mark.line + 1
    return lines, repeated


def _walk(node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.Node]]:
    """Yield each place with the node that its line is taken from: the key of a mapping, the item of a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = _join(path, str(key.value))
            yield inner, key
            yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield _join(path, str(index)), item
            yield from _walk(item, _join(path, str(index)))


def _fill_in(value: Any, path: str, faults: Faults) -> Any:
    if isinstance(value, dict):
        return {key: _fill_in(item, _join(path, str(key)), faults) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill_in(item, _join(path, str(index)), faults) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match, path, faults), value)
    return value


def _variable(match: re.Match[str], path: str, faults: Faults) -> str:
    if match["literal"]:
        return match[0][1:]
    value = os.environ.get(match["name"])
    if not value and match["default"] is not None:
        return match["default"]
    if value is None:
        faults.add(
            path,
            f"the environment variable {match['name']} is not set; set it, or write ${{{match['name']}:-default}}",
        )
        return ""
    return value


def _join(path: str, part: str) -> str:
    return f"{path}.{part}" if path else part
