"""Fields of JSON objects and table rows: checked for their type, faults noted at their line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyrite.data.formats.lines import Line, describe

__all__ = [
    "EXAMPLE_WEIGHT",
    "id_field",
    "ids_field",
    "names_field",
    "numbers_field",
    "sources_field",
    "text_field",
    "texts_field",
    "weight_field",
    "weights_field",
]

EXAMPLE_WEIGHT = "example_weight"
"""Under what name a file that has no place for it of its own says how often a query counts."""

Row = Mapping[str, Any]


def text_field(line: Line, record: Row, name: str) -> str | None:
    """Return a text field; an absent or null one is empty, one of another type is noted and None."""
    value = record.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    line.fault(f"`{name}` is {describe(value)}, wants a string")
    return None


def id_field(line: Line, record: Row, name: str) -> str | None:
    """Return an id as a string; integers are taken too. A missing, empty or odd one is noted and None."""
    value = record.get(name)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name not in record:
        line.fault(f"`{name}` is missing, wants a string")
    else:
        line.fault(f"`{name}` is {'empty' if value == '' else describe(value)}, wants a string")
    return None


def texts_field(line: Line, record: Row, name: str) -> list[str]:
    """Return a list of texts; an absent or null one is empty, and so is one that is noted as odd."""
    values = _list(line, record, name)
    for position, value in enumerate(values, start=1):
        if not isinstance(value, str):
            line.fault(f"item {position} of `{name}` is {describe(value)}, wants a string")
    return values if line.valid else []


def ids_field(line: Line, record: Row, name: str, count: int) -> list[str | None]:
    """Return one id, or None where there is none, for each of `count` texts."""
    values = _list_of(line, record, name, count)
    items = {f"{name}[{position}]": value for position, value in enumerate(values)}
    return [None if value is None else id_field(line, items, item) for item, value in items.items()]


def names_field(line: Line, record: Row, name: str) -> list[str]:
    """Return a list of ids, integers as strings; an absent or null one is empty, and so is one that is noted as odd."""
    items = {f"{name}[{position}]": value for position, value in enumerate(_list(line, record, name))}
    found = [id_field(line, items, item) for item in items]
    return [row_id for row_id in found if row_id is not None] if line.valid else []


def sources_field(line: Line, record: Row, name: str, count: int) -> list[tuple[str, ...]]:
    """Return the names of sources, () where there are none, for each of `count` texts."""
    values = _list_of(line, record, name, count)
    items = {f"{name}[{position}]": value for position, value in enumerate(values)}
    return [tuple(texts_field(line, items, item)) for item in items]


def numbers_field(line: Line, record: Row, name: str, count: int, what: str = "texts") -> list[float | None]:
    """Return one finite number, or None where there is none, for each of `count` texts, or what they are called."""
    return _numbers(line, name, _list_of(line, record, name, count, what), "a finite number")


def weights_field(line: Line, record: Row, name: str, count: int) -> list[float | None]:
    """Return a weight, finite and from 0 up, or None where there is none, for each of `count` texts."""
    return _numbers(line, name, _list_of(line, record, name, count), "a finite number from 0 up", lowest=0.0)


def _numbers(
    line: Line, name: str, values: Sequence[Any], wanted: str, lowest: float = -math.inf
) -> list[float | None]:
    for position, value in enumerate(values, start=1):
        if value is not None and not (_is_number(value) and value >= lowest):
            shown = value if isinstance(value, float) or _is_number(value) else describe(value)
            line.fault(f"item {position} of `{name}` is {shown}, wants {wanted} or null")
            return [None] * len(values)
    return [None if value is None else float(value) for value in values]


def weight_field(line: Line, record: Row) -> float | None:
    """Return how often a query counts, None where that is not said; what is no number from 0 up is noted and None."""
    value = record.get(EXAMPLE_WEIGHT)
    if value is None:
        return None
    if _is_number(value) and value >= 0:
        return float(value)
    shown = value if isinstance(value, int | float) else describe(value)
    line.fault(f"`{EXAMPLE_WEIGHT}` is {shown}, wants a finite number from 0 up")
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _list(line: Line, record: Row, name: str) -> list[Any]:
    value = record.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    line.fault(f"`{name}` is {describe(value)}, wants a list")
    return []


def _list_of(line: Line, record: Row, name: str, count: int, what: str = "texts") -> list[Any]:
    """Return a list of `count` values, all None where the field is absent, null or odd."""
    values = _list(line, record, name)
    if record.get(name) is not None and line.valid and len(values) != count:
        line.fault(f"`{name}` has {len(values)} items for {count} {what}")
    return values if len(values) == count else [None] * count
