"""Runs a plan: what the store has is left alone, everything else is done once and published."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pyrite.errors import PyriteError, StageError
from pyrite.pipeline.context import Context, Resources
from pyrite.pipeline.definition import Pipeline
from pyrite.pipeline.events import Event, Observer, ignore
from pyrite.pipeline.files import clear
from pyrite.pipeline.key import format_sources
from pyrite.pipeline.lineage import lineage
from pyrite.pipeline.manifest import Manifest, OutputRecord, describe_environment
from pyrite.pipeline.plan import Plan, PlannedStep, build_plan
from pyrite.pipeline.references import StoredOutput
from pyrite.pipeline.stage import Stage
from pyrite.pipeline.store import Store, Workspace
from pyrite.settings import Json

__all__ = ["RunResult", "Runner", "StepResult", "StepStatus"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# numpy's words, then those of torch, then of safetensors.
_NO_ROOM_IN_WORDS = re.compile(
    r"requested and \d+ written|PytorchStreamWriter failed writing|inline_container\.cc:\d+\] \. unexpected pos|"
    rf"\(os error ({'|'.join(map(str, sorted(_NO_ROOM)))})\)"
)

StepStatus = Literal["executed", "cached"]


@dataclass(frozen=True)
class StepResult:
    """What became of a step.

    Attributes:
        id: Its id.
        kind: Its stage's kind.
        key: Its key.
        status: "executed", or "cached" where the store had it.
        seconds: How long it took; 0 where it was cached.
    """

    id: str
    kind: str
    key: str
    status: StepStatus
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """What became of a run.

    Attributes:
        steps: In the order in which they were done.
        seconds: How long the whole took.
    """

    steps: tuple[StepResult, ...]
    seconds: float

    @property
    def executed(self) -> int:
        """How many steps were done, and not found."""
        return sum(step.status == "executed" for step in self.steps)


@dataclass(frozen=True)
class Runner:
    """Runs pipelines on a store.

    Attributes:
        store: Where results lie.
        resources: With what to compute; None for what the pipeline says.
        observe: Receives events.
    """

    store: Store
    resources: Resources | None = None
    observe: Observer = field(default=ignore)

    def run(self, pipeline: Pipeline, targets: Sequence[str] = ()) -> RunResult:
        """Do every step that the store does not have.

        Args:
            pipeline: The pipeline.
            targets: Ids of steps, wildcards allowed: these and what they need. All, where none is given.

        Raises:
            PlanError: The pipeline does not fit the store or its inputs.
            StageError: A stage failed; the cause is chained, and what it finished is kept.
        """
        return self.run_plan(build_plan(pipeline, self.store, targets))

    def run_plan(self, plan: Plan) -> RunResult:
        """Do every step of a plan that the store does not have.

        Raises:
            StageError: A stage failed; the cause is chained, and what it finished is kept.
        """
        started = time.monotonic()
        steps = tuple(self._ensure(planned, plan) for planned in plan.steps.values())
        return RunResult(steps, time.monotonic() - started)

    def _ensure(self, planned: PlannedStep, plan: Plan) -> StepResult:
        if self.store.find(planned.kind, planned.key):
            self.store.tidy(planned.key)
            return self._cached(planned)
        waiting = Event("step-waiting", planned.id, planned.key)
        with self.store.workspace(planned.key, lambda: self.observe(waiting)) as place:
            if self.store.find(planned.kind, planned.key):
                return self._cached(planned)
            return _Execution(self, planned, plan, place).run()

    def _cached(self, planned: PlannedStep) -> StepResult:
        self.observe(Event("step-cached", planned.id, planned.key))
        return StepResult(planned.id, planned.kind, planned.key, "cached", 0.0)


@dataclass(frozen=True)
class _Execution:
    """One step being done, in a workspace that no other process holds."""

    runner: Runner
    planned: PlannedStep
    plan: Plan
    place: Workspace

    def run(self) -> StepResult:
        planned, started = self.planned, time.monotonic()
        self._tell("step-started", planned.key)
        try:
            outputs = self._save(self._call())
            seconds = time.monotonic() - started
            self._tell("publishing", "manifest")
            self.runner.store.publish(self.place, self._manifest(outputs, seconds))
        except Exception as error:
            raise StageError(
                f"step {planned.id!r} (stage {planned.kind!r}) failed: {_describe(error)}\n"
                "What was finished is kept: the next run goes on from there."
            ) from _cause(error)
        self.runner.observe(Event("published", planned.id, planned.key, seconds=seconds))
        self.runner.store.clear_work(planned.key)
        return StepResult(planned.id, planned.kind, planned.key, "executed", seconds)

    @property
    def _stage(self) -> Stage:
        return self.planned.step.stage

    @property
    def _resources(self) -> Resources:
        return self.runner.resources or self.plan.pipeline.resources

    def _tell(self, kind: Literal["step-started", "publishing"], text: str) -> None:
        self.runner.observe(Event(kind, self.planned.id, text))

    def _call(self) -> dict[str, Any]:
        """Run the stage and return its outputs by name."""
        self.place.work.mkdir(parents=True, exist_ok=True)
        context = Context(
            self.place.work,
            self._resources,
            self.planned.id,
            self.runner.observe,
            self._manifests,
            self.runner.store.shared,
            self.runner.store.curves(self.planned.id, self.planned.key),
        )
        result = self._stage(self.planned.step.settings, self._inputs(), context)
        if not isinstance(result, self._stage.output_class):
            raise TypeError(f"returned {result!r}, wants a {self._stage.output_class.__name__}")
        return {name: getattr(result, name) for name in self._stage.outputs}

    def _manifests(self) -> dict[str, Json]:
        ids = {planned.key: planned.id for planned in self.plan.steps.values()}
        return lineage(self.runner.store, self.planned.sources, ids)

    def _inputs(self) -> Any:
        opened: dict[str, Any] = {}
        for name, spec in self._stage.inputs.items():
            source = self.planned.sources.get(name)
            if isinstance(source, StoredOutput):
                opened[name] = self.runner.store.open_output(source, spec.types)
            elif source is not None:
                opened[name] = {key: self.runner.store.open_output(one, spec.types) for key, one in source.items()}
            else:
                opened[name] = None
        return self._stage.input_class(**opened)

    def _save(self, outputs: Mapping[str, Any]) -> dict[str, OutputRecord]:
        clear(self.place.publish)
        self.place.publish.mkdir()
        records = {}
        for name, artifact in outputs.items():
            wanted = self._stage.outputs[name].kind
            if getattr(artifact, "kind", None) != wanted:
                raise TypeError(f"the output {name!r} is {artifact!r}, wants an artifact of the kind {wanted!r}")
            folder = self.place.publish / name
            folder.mkdir()
            self._tell("publishing", name)
            artifact.save(folder)
            records[name] = OutputRecord(wanted, artifact.fingerprint(), artifact.summary())
        return records

    def _manifest(self, outputs: dict[str, OutputRecord], seconds: float) -> Manifest:
        planned = self.planned
        return Manifest(
            key=planned.key,
            step=planned.id,
            pipeline=self.plan.pipeline.name,
            kind=planned.kind,
            version=self._stage.version,
            settings=planned.step.settings.model_dump(mode="json"),
            identity=planned.identity,
            inputs=format_sources(planned.sources),
            outputs=outputs,
            environment=describe_environment(self._resources),
            seconds=round(seconds, 3),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _describe(error: Exception) -> str:
    if isinstance(error, PyriteError):
        return str(error)
    if _is_full(error):
        return f"there is no room to write ({error}); make room or give another --store, then run again"
    return f"{type(error).__name__}: {error}"


def _cause(error: Exception) -> Exception:
    """Return an error as it is, or as the system's where a library tells of a full disk by one of its own."""
    if isinstance(error, OSError | PyriteError) or not _is_full(error):
        return error
    refused = OSError(errno.ENOSPC, str(error))
    refused.__cause__ = error
    return refused


def _is_full(error: Exception) -> bool:
    """Return whether a write failed for want of room; libraries tell of it by an errno, or in words alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _NO_ROOM
    return _NO_ROOM_IN_WORDS.search(str(error)) is not None
