"""Steps as they are meant: a step with a matrix stands for one step per combination of its values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyrite.pipeline.document import Faults
from pyrite.settings import Json

__all__ = ["RawStep", "expand_steps"]

_STEP_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_BRACES = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class RawStep:
    """A step of a file, not yet checked.

    Attributes:
        id: Its id after expansion.
        place: Its dotted path in the file, before expansion.
        body: What stands under it, without the matrix.
    """

    id: str
    place: str
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Its dotted path after expansion, as messages show it."""
        return f"steps.{self.id}"


def expand_steps(steps: Mapping[Any, Any], faults: Faults) -> dict[str, RawStep]:
    """Expand the steps of a file.

    `{name}` stands for the value of the matrix's `name` in keys and strings; a string that is exactly `{name}`
    becomes the value itself, with its type. Other braces stay.

    Args:
        steps: The steps by id, as the file has them.
        faults: Where to note a body that is no mapping, a bad id or matrix, two steps of one id.

    Returns:
        The steps by id, in the order of the file.
    """
    expanded: dict[str, RawStep] = {}
    for template, body in steps.items():
        place = f"steps.{template}"
        if not isinstance(template, str) or not isinstance(body, dict):
            faults.add(place, "wants a name (quoted where YAML reads it as something else) and a mapping with 'stage'")
            continue
        for step_id, filled in _combinations(template, body, place, faults):
            if not _STEP_ID.fullmatch(step_id):
                faults.add(place, f"{step_id!r} cannot be a step's id; wants letters, digits, '_', '-', '+' and '.'")
            elif step_id in expanded:
                faults.add(place, f"gives the id {step_id!r} twice; put every name of the matrix into the id")
            else:
                expanded[step_id] = RawStep(step_id, place, filled)
    return expanded


def _combinations(template: str, body: dict[str, Any], place: str, faults: Faults) -> list[tuple[str, dict[str, Any]]]:
    rest = {key: value for key, value in body.items() if key != "matrix"}
    matrix = body.get("matrix")
    if matrix is None:
        return [(template, rest)]
    if not _check_matrix(matrix, f"{place}.matrix", faults):
        return []
    used = {name for text in _strings([template, rest]) for name in _BRACES.findall(text)}
    for name in matrix:
        if name not in used:
            faults.add(f"{place}.matrix.{name}", f"is used nowhere in the step; write {{{name}}} where its value goes")
    combinations = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]
    return [(str(_fill(template, values)), _fill(rest, values)) for values in combinations]


def _check_matrix(matrix: Any, path: str, faults: Faults) -> bool:
    if not isinstance(matrix, dict) or not matrix:
        faults.add(path, "wants a mapping from names to lists of values")
        return False
    wrong = [
        name
        for name, values in matrix.items()
        if not (isinstance(name, str) and name.isidentifier() and isinstance(values, list) and values)
    ]
    for name in wrong:
        faults.add(f"{path}.{name}", "wants a name of letters, digits and '_', and a list of at least one value")
    return not wrong


def _strings(value: Any) -> list[str]:
    """Return every key and string in nested data."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in _strings(part)]
    return [text for item in value for text in _strings(item)] if isinstance(value, list) else []


def _fill(value: Any, names: Mapping[str, Json]) -> Any:
    if isinstance(value, dict):
        return {_fill_text(key, names) if isinstance(key, str) else key: _fill(v, names) for key, v in value.items()}
    if isinstance(value, list):
        return [_fill(item, names) for item in value]
    if not isinstance(value, str):
        return value
    whole = _BRACES.fullmatch(value)
    return names[whole[1]] if whole and whole[1] in names else _fill_text(value, names)


def _fill_text(text: str, names: Mapping[str, Json]) -> str:
    return _BRACES.sub(lambda match: str(names.get(match[1], match[0])), text)
