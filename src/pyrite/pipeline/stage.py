"""A stage: a typed function with a kind, a version, settings, named inputs and named outputs."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyrite.errors import PlanError
from pyrite.pipeline.artifact import Artifact, is_artifact_class
from pyrite.pipeline.context import Context, Resources
from pyrite.pipeline.text import did_you_mean
from pyrite.settings import Settings

__all__ = ["Catalog", "Context", "InputSpec", "Resources", "Stage", "stage"]

_KIND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PARAMETERS = ["settings", "inputs", "context"]


@dataclass(frozen=True)
class InputSpec:
    """What one input of a stage accepts.

    Attributes:
        types: The artifact classes, one of which is given.
        optional: Whether it may be left out; the stage then sees None.
        many: Whether it is a mapping from names to artifacts.
    """

    types: tuple[type[Artifact], ...]
    optional: bool = False
    many: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of artifact accepted."""
        return tuple(artifact.kind for artifact in self.types)

    def __str__(self) -> str:
        return " | ".join(self.kinds) + (" (many)" if self.many else "") + (" (optional)" if self.optional else "")


@dataclass(frozen=True)
class Stage:
    """What `@stage` makes of a function; calling it calls the function.

    Attributes:
        kind: The name that pipelines use.
        version: Bumped when the same settings and inputs come to mean another result.
        settings: The class of the first argument.
        inputs: The inputs by name: the fields of the second argument.
        outputs: The class of each output by name: the fields of the result.
        input_class: The dataclass of the second argument.
        output_class: The dataclass of the result.
        function: The function.
        description: The first line of its docstring.
    """

    kind: str
    version: int
    settings: type[Settings]
    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, type[Artifact]]
    input_class: type[Any]
    output_class: type[Any]
    function: Callable[..., Any]
    description: str

    def __call__(self, settings: Any, inputs: Any, context: Context) -> Any:
        """Run the function, with no store in sight."""
        return self.function(settings, inputs, context)


def stage(kind: str, version: int) -> Callable[[Callable[..., Any]], Stage]:
    """Make a stage of a function `(settings, inputs, context) -> outputs`.

    The annotations say everything: `settings` is a `Settings` class; `inputs` and the result are
    dataclasses whose fields are artifact classes. An input field may also be `A | B` (one of several
    classes), `A | None` (may be left out) or `Mapping[str, A]` (any number, by name).

    Args:
        kind: The name that pipelines use: lower case, words joined by hyphens.
        version: From 1; bump it when the same settings and inputs come to mean another result.

    Raises:
        TypeError: The function or one of its annotations is not of that form.
    """

    def decorate(function: Callable[..., Any]) -> Stage:
        where = f"stage {kind!r} ({function.__module__}.{function.__qualname__})"
        if not _KIND.fullmatch(kind) or version < 1:
            raise TypeError(f"{where}: wants a kind of lower-case words joined by hyphens and a version from 1")
        if list(inspect.signature(function).parameters) != _PARAMETERS:
            raise TypeError(f"{where}: wants the parameters {', '.join(_PARAMETERS)}")
        hints = _resolve(function, where)
        settings, inputs, outputs = (hints.get(name) for name in ("settings", "inputs", "return"))
        if not (isinstance(settings, type) and issubclass(settings, Settings)):
            raise TypeError(f"{where}: 'settings' is to be annotated with a class of Settings, not {settings!r}")
        return Stage(
            kind=kind,
            version=version,
            settings=settings,
            inputs={name: _input_spec(hint, f"{where}, input {name!r}") for name, hint in _fields(inputs, where)},
            outputs={name: _output_type(hint, f"{where}, output {name!r}") for name, hint in _fields(outputs, where)},
            input_class=typing.cast("type[Any]", inputs),
            output_class=typing.cast("type[Any]", outputs),
            function=function,
            description=_first_line(function, where),
        )

    return decorate


def _resolve(annotated: Any, where: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(annotated)
    except NameError as error:
        raise TypeError(
            f"{where}: the annotation {error.name!r} cannot be resolved; import it at run time, not for checkers only"
        ) from error


def _fields(annotation: Any, where: str) -> list[tuple[str, Any]]:
    if not (isinstance(annotation, type) and dataclasses.is_dataclass(annotation)):
        raise TypeError(f"{where}: 'inputs' and the result are to be annotated with dataclasses, not {annotation!r}")
    hints = _resolve(annotation, where)
    return [(field.name, hints[field.name]) for field in dataclasses.fields(annotation)]


def _input_spec(hint: Any, where: str) -> InputSpec:
    optional, members = _members(hint)
    many = len(members) == 1 and typing.get_origin(members[0]) is Mapping
    if many:
        _, members = _members(typing.get_args(members[0])[1])
    return InputSpec(tuple(_output_type(member, where) for member in members), optional, many)


def _members(hint: Any) -> tuple[bool, list[Any]]:
    """Split a union into whether None is one of its members, and the others."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return False, [hint]
    members = list(typing.get_args(hint))
    return types.NoneType in members, [member for member in members if member is not types.NoneType]


def _output_type(hint: Any, where: str) -> type[Artifact]:
    if not is_artifact_class(hint):
        raise TypeError(
            f"{where}: {hint!r} is no artifact class; wants `kind`, `open`, `save`, `fingerprint` and `summary`"
        )
    return typing.cast("type[Artifact]", hint)


def _first_line(function: Callable[..., Any], where: str) -> str:
    lines = (inspect.getdoc(function) or "").splitlines()
    if not lines:
        raise TypeError(f"{where}: wants a docstring; its first line describes the stage to users")
    return lines[0]


class Catalog(Mapping[str, Stage]):
    """The stages by kind, each imported when it is first asked for.

    Args:
        places: Where each stage lies, as "module:attribute".
        summaries: One line on each, for lists that must not import anything.
    """

    def __init__(self, places: Mapping[str, str], summaries: Mapping[str, str] | None = None) -> None:
        self._places = dict(places)
        self._summaries = dict(summaries or {})
        self._loaded: dict[str, Stage] = {}

    def __getitem__(self, kind: str) -> Stage:
        """Return a stage.

        Raises:
            PlanError: There is none of that kind.
        """
        if kind not in self._places:
            raise PlanError(f"unknown stage {kind!r}{did_you_mean(kind, self._places)}")
        if kind not in self._loaded:
            self._loaded[kind] = self._load(kind)
        return self._loaded[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def summary(self, kind: str) -> str:
        """Return one line on a stage, importing it only where no summary was given."""
        return self._summaries.get(kind) or self[kind].description

    def _load(self, kind: str) -> Stage:
        module, _, attribute = self._places[kind].partition(":")
        loaded = getattr(importlib.import_module(module), attribute)
        if not isinstance(loaded, Stage) or loaded.kind != kind:
            raise TypeError(f"{self._places[kind]} is not a stage of the kind {kind!r}")
        return loaded
