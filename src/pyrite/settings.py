"""Settings: validated, frozen, and the same object for YAML, flags, API and documentation.

A settings class is a frozen pydantic model; its field docstrings are its help texts. `canonical`
gives the form that enters a cache key. A class whose meaning is not in its own fields (a folder of
weights, a file of data) overrides `identity`, so that a changed file means a changed key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pyrite.errors import SettingsError

__all__ = ["Json", "Settings", "canonical", "canonical_hash", "content_hash", "parse_settings"]

Json = Any
"""A value that JSON can hold."""

_Model = TypeVar("_Model", bound="Settings")


class Settings(BaseModel):
    """The parent of every settings class: frozen, no unknown fields, help texts from docstrings."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    def identity(self) -> Json:
        """Return what these settings mean, as JSON: the part of a cache key that they give.

        The default is every field, defaults and the tags of unions included.
        """
        return {name: canonical(getattr(self, name)) for name in type(self).model_fields}


def canonical(value: object) -> Json:
    """Return the JSON form of a settings value that two equal meanings share.

    Args:
        value: A `Settings` object, or a value that a field of one can hold.

    Returns:
        Nested dictionaries with string keys, lists, strings, numbers, booleans and None.

    Raises:
        TypeError: The value has no canonical form.

    Example:
        >>> canonical({"b": (1, 2.0), "a": None})
        {'a': None, 'b': [1, 2.0]}
    """
    if isinstance(value, Settings):
        return value.identity()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, Sequence):
        return [canonical(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be part of a settings identity")


def canonical_hash(value: object) -> str:
    """Return the SHA-256, in hexadecimal, of the canonical form of a value.

    Example:
        >>> canonical_hash({"a": 1, "b": 2}) == canonical_hash({"b": 2, "a": 1})
        True
    """
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(path: Path) -> str:
    """Return the SHA-256, in hexadecimal, of a file, or of a folder's relative names and files.

    Times, owners and the folder's own name do not count; files whose name starts with a dot are
    left out.

    Raises:
        SettingsError: Nothing is there.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    if not path.is_dir():
        raise SettingsError(f"{path}: no such file or folder")
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        if file.is_file() and not any(part.startswith(".") for part in relative.parts):
            digest.update(relative.as_posix().encode() + b"\0" + content_hash(file).encode())
    return digest.hexdigest()


def parse_settings(model: type[_Model], data: object, where: str) -> _Model:
    """Validate data, as YAML or flags give it, into a settings object.

    Args:
        model: The settings class.
        data: Usually a mapping.
        where: What to call the place in an error, such as "pipeline.yaml: steps.mine.settings".

    Returns:
        The settings.

    Raises:
        SettingsError: With one line for each fault: path, what is wrong, what is allowed.

    Example:
        >>> class Window(Settings):
        ...     last: int = 200
        >>> parse_settings(Window, {"last": "many"}, "here")
        Traceback (most recent call last):
        pyrite.errors.SettingsError: here.last: input should be a valid integer, unable to parse \
string as an integer (given: 'many')
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SettingsError("\n".join(_describe(model, error, where))) from error


def _describe(model: type[BaseModel], error: ValidationError, where: str) -> list[str]:
    """Turn pydantic's faults into lines of "path: what is wrong (given: value)"."""
    lines = []
    for fault in error.errors(include_url=False):
        path = ".".join([where, *(str(part) for part in fault["loc"])])
        message = fault["msg"][0].lower() + fault["msg"][1:]
        if fault["type"] == "extra_forbidden":
            message = "unknown setting"
            if len(fault["loc"]) == 1:
                message += f"; allowed: {', '.join(sorted(model.model_fields))}"
        elif fault["type"] == "union_tag_not_found":
            message = f"wants {fault['ctx']['discriminator']}, which says the kind (given: {fault['input']!r})"
        elif fault["type"] != "missing":
            message += f" (given: {fault['input']!r})"
        lines.append(f"{path}: {message}")
    return lines
