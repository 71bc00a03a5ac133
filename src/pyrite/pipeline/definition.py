"""A pipeline: steps with their stages, checked settings and linked inputs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

from pyrite.errors import PlanError, SettingsError
from pyrite.pipeline.context import Resources
from pyrite.pipeline.document import Document, Faults, read_document
from pyrite.pipeline.expansion import RawStep, expand_steps
from pyrite.pipeline.linking import Linker
from pyrite.pipeline.overrides import assign, parse_assignment
from pyrite.pipeline.references import Reference, StepOutput
from pyrite.pipeline.stage import Stage
from pyrite.pipeline.text import did_you_mean
from pyrite.settings import Settings, parse_settings

__all__ = ["Pipeline", "Step", "define_pipeline", "read_pipeline"]

_Model = TypeVar("_Model", bound=Settings)

_TOP = ("name", "publish", "resources", "steps")
_STEP = ("inputs", "matrix", "settings", "stage")


@dataclass(frozen=True)
class Step:
    """One step, checked.

    Attributes:
        id: Its id.
        stage: What it does.
        settings: With which settings.
        inputs: From where; a mapping for an input of many. An optional input not given is absent.
    """

    id: str
    stage: Stage
    settings: Settings
    inputs: Mapping[str, Reference | Mapping[str, Reference]]

    def needs(self) -> list[str]:
        """Return the ids of the steps that it takes outputs of, each once."""
        sources = [s for source in self.inputs.values() for s in _sources(source)]
        return list(dict.fromkeys(source.step for source in sources if isinstance(source, StepOutput)))


@dataclass(frozen=True)
class Pipeline:
    """Steps that were checked against their stages and each other.

    Attributes:
        name: Its name.
        steps: By id; a step stands after those that it needs, otherwise in the order of the file.
        resources: With what it computes.
        publish: Outputs to be copied into the folder of a run.
        text: The file as it stands.
        label: What to call the file in messages.
    """

    name: str
    steps: Mapping[str, Step]
    resources: Resources
    publish: tuple[StepOutput, ...]
    text: str
    label: str


def read_pipeline(path: Path, catalog: Mapping[str, Stage], overrides: Sequence[str] = ()) -> Pipeline:
    """Read a pipeline file.

    Args:
        path: The file; `define_pipeline` says what may stand in it.
        catalog: The stages that it may use.
        overrides: Values that replace those of the file, such as
            "steps.select.settings.filters.0.margin=0.1"; steps by their ids after expansion.

    Raises:
        PlanError: The file cannot be read, or something in it is wrong; every fault is listed.
    """
    return define_pipeline(read_document(path), catalog, overrides)


def define_pipeline(document: Document, catalog: Mapping[str, Stage], overrides: Sequence[str] = ()) -> Pipeline:
    """Make a pipeline of a document.

    The document is a mapping with `name`, `steps`, and perhaps `resources` and `publish`. A step has `stage`, and
    perhaps `settings`, `inputs` and `matrix`. An input is "STEP.OUTPUT" or "KIND/KEY.OUTPUT"; one that takes many is
    a list of those, wildcards allowed, keyed by step id, or a mapping from names to them.

    Args:
        document: The document.
        catalog: The stages that it may use.
        overrides: As in `read_pipeline`.

    Raises:
        PlanError: Something is wrong; every fault is listed.
    """
    faults = document.faults
    top = _mapping(document.data, "", faults)
    _check_keys(top, _TOP, "", faults)
    name = _name(top.get("name"), faults)
    raw = expand_steps(_mapping(top.get("steps"), "steps", faults), faults)
    if not raw:
        faults.add("steps", "there is no step; wants a mapping from ids to steps")
    given = copy.deepcopy(_mapping(top.get("resources"), "resources", faults))
    _override(raw, given, overrides, faults)
    resources = _settings(Resources, given, ("resources", "resources"), faults)
    stages = {step.id: _stage(step, catalog, faults) for step in raw.values()}
    linker = Linker(stages, faults)
    published = linker.outputs(top.get("publish") or [], "publish")
    steps = {step.id: made for step in raw.values() if (made := _step(step, stages[step.id], linker, faults))}
    faults.raise_any()
    ordered = _in_order(steps, faults)
    faults.raise_any()
    return Pipeline(name, ordered, resources or Resources(), published, document.text, faults.label)


def _name(name: Any, faults: Faults) -> str:
    if not isinstance(name, str) or not name or "/" in name or name.startswith(".") or not name.isprintable():
        faults.add("name", f"wants a printable name without '/' that does not start with '.' (given: {name!r})")
    return str(name)


def _stage(step: RawStep, catalog: Mapping[str, Stage], faults: Faults) -> Stage | None:
    kind = step.body.get("stage")
    if isinstance(kind, str) and kind in catalog:
        return catalog[kind]
    what = "is missing" if kind is None else f"unknown stage {kind!r}"
    faults.add(f"{step.path}.stage", what + did_you_mean(str(kind), catalog), f"{step.place}.stage")
    return None


def _step(step: RawStep, stage: Stage | None, linker: Linker, faults: Faults) -> Step | None:
    _check_keys(step.body, _STEP, step.path, faults, step.place)
    if stage is None:
        return None
    place = f"{step.path}.settings", f"{step.place}.settings"
    settings = _settings(stage.settings, step.body.get("settings") or {}, place, faults)
    inputs = linker.inputs(step)
    return None if settings is None else Step(step.id, stage, settings, inputs)


def _settings(model: type[_Model], data: Any, place: tuple[str, str], faults: Faults) -> _Model | None:
    """Validate settings; each line of the error names its own place inside the dotted path `place`."""
    path, at = place
    try:
        return parse_settings(model, data, path)
    except SettingsError as error:
        for line in str(error).splitlines():
            where, _, what = line.partition(": ")
            if not where.startswith(path):
                where, what = path, line
            faults.add(where, what, at + where.removeprefix(path))
        return None


def _override(raw: Mapping[str, RawStep], resources: dict[str, Any], texts: Sequence[str], faults: Faults) -> None:
    for text in texts:
        try:
            path, value = parse_assignment(text)
            if path.startswith("resources."):
                assign(resources, path.split(".")[1:], value, path)
            else:
                step, parts = _overridden_step(raw, path)
                assign(step.body, parts, value, path)
        except (SettingsError, PlanError) as error:
            faults.add("", f"override {error}")


def _overridden_step(raw: Mapping[str, RawStep], path: str) -> tuple[RawStep, list[str]]:
    """Find the step that "steps.ID.rest" means; an id may hold dots, so the longest that fits is taken."""
    fitting = [step for step in raw.values() if path.startswith(f"{step.path}.")]
    if not fitting:
        allowed = ["resources", *(step.path for step in raw.values())]
        raise PlanError(f"{path}: leads nowhere{did_you_mean('.'.join(path.split('.')[:2]), allowed)}")
    step = max(fitting, key=lambda candidate: len(candidate.id))
    return step, path.removeprefix(f"{step.path}.").split(".")


def _mapping(value: Any, path: str, faults: Faults) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if value is not None or not path:
        faults.add(path, f"wants a mapping (given: {value!r})")
    return {}


def _check_keys(
    mapping: Mapping[Any, Any], allowed: Iterable[str], path: str, faults: Faults, place: str | None = None
) -> None:
    for key in mapping:
        if key not in allowed:
            at = f"{place}.{key}" if place else None
            faults.add(f"{path}.{key}" if path else str(key), f"unknown key{did_you_mean(str(key), allowed)}", at)


def _in_order(steps: Mapping[str, Step], faults: Faults) -> dict[str, Step]:
    """Put each step after those that it needs; a circle is a fault."""
    sorter = TopologicalSorter[str]()
    for step_id in steps:
        sorter.add(step_id)
    for step_id, step in steps.items():
        sorter.add(step_id, *step.needs())
    try:
        return {step_id: steps[step_id] for step_id in sorter.static_order()}
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        faults.add(f"steps.{circle[0]}", f"needs its own output: {' needs '.join(circle)}")
        return {}


def _sources(source: Reference | Mapping[str, Reference]) -> list[Reference]:
    return list(source.values()) if isinstance(source, Mapping) else [source]
