"""A plan: the steps of a pipeline in order, each with its key and whether the store has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pyrite.errors import PlanError, PyriteError
from pyrite.pipeline.definition import Pipeline, Step
from pyrite.pipeline.document import Faults
from pyrite.pipeline.key import InputSources, step_key
from pyrite.pipeline.references import Reference, StepOutput, StoredOutput
from pyrite.pipeline.stage import InputSpec
from pyrite.pipeline.store import Store
from pyrite.pipeline.text import did_you_mean
from pyrite.settings import Json, canonical

__all__ = ["Plan", "PlannedStep", "build_plan"]


@dataclass(frozen=True)
class PlannedStep:
    """A step with its key.

    Attributes:
        step: The step.
        key: The key of the step.
        identity: What its settings mean.
        sources: Where each input lies in the store, or will lie.
        cached: Whether the store had it when the plan was made.
    """

    step: Step
    key: str
    identity: Json
    sources: InputSources
    cached: bool

    @property
    def id(self) -> str:
        """The id of the step."""
        return self.step.id

    @property
    def kind(self) -> str:
        """The kind of its stage."""
        return self.step.stage.kind

    def output(self, name: str) -> StoredOutput:
        """Return where an output lies, or will lie."""
        return StoredOutput(self.kind, self.key, name)


@dataclass(frozen=True)
class Plan:
    """The steps to do, in order.

    Attributes:
        pipeline: The pipeline.
        steps: By id; a step stands after those that it needs.
    """

    pipeline: Pipeline
    steps: Mapping[str, PlannedStep]


def build_plan(pipeline: Pipeline, store: Store, targets: Sequence[str] = ()) -> Plan:
    """Give each step its key, and see what the store has.

    Args:
        pipeline: The pipeline.
        store: The store.
        targets: Ids of steps, wildcards allowed: these and what they need are planned. All, where
            none is given.

    Raises:
        PlanError: A target is unknown, an input from the store is not there or of a kind that does not
            fit, or the settings of a step name something that is not there.
    """
    faults = Faults(pipeline.label)
    wanted = _wanted(pipeline, targets)
    planner = _Planner(store, faults)
    for step in pipeline.steps.values():
        if step.id in wanted:
            planner.add(step)
    faults.raise_any()
    return Plan(pipeline, planner.planned)


class _Planner:
    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self.planned: dict[str, PlannedStep] = {}

    def add(self, step: Step) -> None:
        """Plan a step, unless something that it needs has a fault."""
        if any(needed not in self.planned for needed in step.needs()):
            return
        try:
            identity = canonical(step.settings.identity())
        except PyriteError as error:
            self._faults.add(f"steps.{step.id}.settings", str(error))
            return
        sources: dict[str, StoredOutput | Mapping[str, StoredOutput]] = {}
        for name, source in step.inputs.items():
            path, spec = f"steps.{step.id}.inputs.{name}", step.stage.inputs[name]
            if isinstance(source, Mapping):
                located = {key: self._locate(one, spec, f"{path}.{key}") for key, one in source.items()}
                sources[name] = {key: one for key, one in located.items() if one is not None}
            elif (found := self._locate(source, spec, path)) is not None:
                sources[name] = found
        key = step_key(step.stage.kind, step.stage.version, identity, sources)
        cached = self._store.find(step.stage.kind, key) is not None
        self.planned[step.id] = PlannedStep(step, key, identity, sources, cached)

    def _locate(self, source: Reference, spec: InputSpec, path: str) -> StoredOutput | None:
        if isinstance(source, StepOutput):
            return self.planned[source.step].output(source.output)
        try:
            entry = self._store.resolve(f"{source.kind}/{source.key}")
            entry.output(source.output)
        except PyriteError as error:
            self._faults.add(path, str(error))
            return None
        kind = entry.manifest.outputs[source.output].kind
        if kind not in spec.kinds:
            self._faults.add(path, f"'{source}' is of the kind {kind!r}; wants: {' | '.join(spec.kinds)}")
        return StoredOutput(entry.kind, entry.key, source.output)


def _wanted(pipeline: Pipeline, targets: Sequence[str]) -> set[str]:
    if not targets:
        return set(pipeline.steps)
    open_ids: list[str] = []
    for target in targets:
        found = [step_id for step_id in pipeline.steps if fnmatchcase(step_id, target)]
        if not found:
            raise PlanError(f"{pipeline.label}: unknown step {target!r}{did_you_mean(target, pipeline.steps)}")
        open_ids += found
    wanted: set[str] = set()
    while open_ids:
        step_id = open_ids.pop()
        if step_id not in wanted:
            wanted.add(step_id)
            open_ids += pipeline.steps[step_id].needs()
    return wanted
