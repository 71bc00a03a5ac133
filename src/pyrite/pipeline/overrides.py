"""Values given beside a file: `steps.select.settings.filters.0.margin=0.1`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from pyrite.errors import SettingsError
from pyrite.pipeline.text import did_you_mean
from pyrite.settings import Json

__all__ = ["assign", "parse_assignment"]


def parse_assignment(text: str) -> tuple[str, Json]:
    """Split "PATH=VALUE"; the value is read as in a pipeline file.

    Raises:
        SettingsError: There is no "=", no path, or the value is no YAML.

    Example:
        >>> parse_assignment("depth=200")
        ('depth', 200)
        >>> parse_assignment('filters=[{"type": "margin"}]')
        ('filters', [{'type': 'margin'}])
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise SettingsError(f"{text!r}: wants PATH=VALUE, such as depth=200")
    try:
        return path, yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or number that is none
        raise SettingsError(f"{path}: the value {value!r} is no valid YAML or JSON") from error


def assign(data: Json, parts: Iterable[str], value: Json, where: str) -> None:
    """Set one value inside nested dictionaries and lists; missing dictionaries are made.

    Args:
        data: What to change in place.
        parts: The path: keys, and indices from 0 in lists.
        value: The new value.
        where: What to call the path in an error.

    Raises:
        SettingsError: The path leads through something that is neither, or past the end of a list.

    Example:
        >>> data = {"filters": [{"type": "margin", "margin": 0.05}]}
        >>> assign(data, ["filters", "0", "margin"], 0.1, "filters.0.margin")
        >>> data
        {'filters': [{'type': 'margin', 'margin': 0.1}]}
    """
    *through, last = parts
    for part in through:
        data = _enter(data, part, where)
    if isinstance(data, list):
        data[_index(data, last, where)] = value
    elif isinstance(data, dict):
        data[last] = value
    else:
        raise SettingsError(f"{where}: {last!r} lies in a value that is no mapping and no list ({data!r})")


def _enter(data: Any, part: str, where: str) -> Any:
    if isinstance(data, list):
        return data[_index(data, part, where)]
    if isinstance(data, dict):
        if data.get(part) is None:
            data[part] = {}
        return data[part]
    raise SettingsError(f"{where}: {part!r} lies in a value that is no mapping and no list ({data!r})")


def _index(items: list[Any], part: str, where: str) -> int:
    allowed = [str(index) for index in range(len(items))]
    if part not in allowed:
        raise SettingsError(f"{where}: the list has no item {part!r}{did_you_mean(part, allowed)}")
    return int(part)
