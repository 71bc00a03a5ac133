"""The help of a stage command, made from the stage."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pyrite.pipeline.stage import Stage
from pyrite.settings import Json

__all__ = ["stage_help"]

_WIDTH = 78
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def stage_help(stage: Stage) -> str:
    """Return the description of a stage, its inputs and outputs with kinds, and its settings."""
    inputs = [f"  {name}: {spec}" for name, spec in stage.inputs.items()] or ["  none"]
    outputs = [f"  {name}: {artifact.kind}" for name, artifact in stage.outputs.items()] or ["  none"]
    settings = list(_Schema(stage.settings.model_json_schema()).lines()) or ["  none"]
    sections = [
        stage.description,
        "\n".join(["Inputs (--input NAME=REF, or NAME.KEY=REF for each of many)", *inputs]),
        "\n".join(["Outputs", *outputs]),
        "\n".join(["Settings (--set NAME=VALUE)", *settings]),
        "REF is latest:STEP.OUTPUT, RUN-FOLDER:STEP.OUTPUT or KIND/KEY.OUTPUT.",
    ]
    return "\n\n".join(sections)


class _Schema:
    """Reads the JSON schema of a settings class."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = schema
        self._definitions = schema.get("$defs", {})
        self._described: set[str] = set()

    def lines(self) -> Iterator[str]:
        yield from self._properties(self._root, "  ")

    def _properties(self, schema: dict[str, Any], indent: str) -> Iterator[str]:
        for name, field in schema.get("properties", {}).items():
            if "const" in field:
                continue
            required = name in schema.get("required", [])
            default = "required" if required else f"default {json.dumps(field.get('default'))}"
            yield from _wrapped(f"{name}: {self._type(field)}{_limits(field)}, {default}", indent, hanging=2)
            yield from _wrapped(field.get("description", ""), indent + "    ")
            yield from self._nested(field, indent + "    ")

    def _nested(self, field: dict[str, Any], indent: str) -> Iterator[str]:
        """Describe the settings inside a setting, each class once."""
        for name in self._references(field):
            inner = self._definitions[name]
            if "properties" not in inner:
                continue
            if name in self._described:
                yield from _wrapped(f"{self._name(inner)}: as above", indent)
                continue
            self._described.add(name)
            yield from _wrapped(f"{self._name(inner)}: {_first_sentence(inner)}".rstrip(": "), indent, hanging=2)
            yield from self._properties(inner, indent + "  ")

    def _references(self, field: Json) -> list[str]:
        """Return the names of the classes that a field may hold."""
        if isinstance(field, list):
            return [name for item in field for name in self._references(item)]
        if not isinstance(field, dict):
            return []
        if "$ref" in field:
            return [field["$ref"].rpartition("/")[2]]
        parts = [field.get(key) for key in ("anyOf", "oneOf", "allOf", "items", "additionalProperties", "prefixItems")]
        return [name for part in parts for name in self._references(part)]

    def _type(self, field: dict[str, Any]) -> str:
        if "$ref" in field:
            return self._name(self._definitions[field["$ref"].rpartition("/")[2]])
        if options := field.get("anyOf") or field.get("oneOf") or field.get("allOf"):
            return " | ".join(self._type(option) for option in options)
        if "enum" in field:
            return " | ".join(json.dumps(value) for value in field["enum"])
        if field.get("type") == "array":
            items = field.get("items") or field.get("prefixItems", [{}])[0]
            inner = self._type(items) if items else "any value"
            return f"list of ({inner})" if " | " in inner else f"list of {inner}"
        return str(field.get("format") or field.get("type") or "any value")

    def _name(self, schema: dict[str, Any]) -> str:
        """Return the tag of one member of a union, the values of an enumeration, or the class's name."""
        if "enum" in schema:
            return self._type(schema)
        tag = schema.get("properties", {}).get("type", {}).get("const")
        return f"type={tag}" if tag else str(schema.get("title", "settings"))


def _limits(field: dict[str, Any]) -> str:
    options = [field, *field.get("anyOf", [])]
    found = [f"{sign} {option[name]}" for option in options for name, sign in _LIMITS.items() if name in option]
    return f" ({', '.join(found)})" if found else ""


def _wrapped(text: str, indent: str, hanging: int = 0) -> list[str]:
    """Break a text into lines; those after the first are indented further by `hanging`."""
    following = indent + " " * hanging
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent=indent, subsequent_indent=following)


def _first_sentence(schema: dict[str, Any]) -> str:
    return str(schema.get("description", "")).partition("\n")[0]
