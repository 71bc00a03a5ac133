"""Why a step will run, or why it need not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pyrite.pipeline.key import flat_sources
from pyrite.pipeline.manifest import Manifest
from pyrite.pipeline.plan import Plan, PlannedStep
from pyrite.pipeline.references import StoredOutput
from pyrite.pipeline.runs import RunRecord, Runs
from pyrite.pipeline.store import Store
from pyrite.settings import Json

__all__ = ["Explanation", "explain"]

_ABSENT = object()


@dataclass(frozen=True)
class Explanation:
    """Why a step will run, or why it need not.

    Attributes:
        id: The id of the step.
        key: Its key.
        cached: Whether the store has it.
        reasons: One sentence for each reason.
    """

    id: str
    key: str
    cached: bool
    reasons: tuple[str, ...]


def explain(plan: Plan, store: Store, runs: Runs) -> list[Explanation]:
    """Compare each step of a plan with the last time that it was done.

    A step is compared with the step of the same id in the latest run of the same pipeline; where there
    is none, with the latest one of that id in the store.
    """
    history = [record for _, record in runs.records() if record.name == plan.pipeline.name]
    return [_explain(step, plan, store, history) for step in plan.steps.values()]


def _explain(step: PlannedStep, plan: Plan, store: Store, history: list[RunRecord]) -> Explanation:
    entry = store.find(step.kind, step.key)
    if entry is not None:
        manifest = entry.manifest
        reasons = [f"done before: {manifest.created}, in {manifest.seconds:.1f} s"]
    elif (earlier := _earlier(step, plan, store, history)) is not None:
        reasons = list(_differences(step, plan, earlier))
    elif _was_done(step, history):
        reasons = ["done before, but its result is no longer in the store"]
    else:
        reasons = ["never run before"]
    return Explanation(step.id, step.key, entry is not None, tuple(reasons))


def _earlier(step: PlannedStep, plan: Plan, store: Store, history: list[RunRecord]) -> Manifest | None:
    for record in history:
        recorded = record.key_of(step.id)
        entry = store.find(recorded.kind, recorded.key) if recorded else None
        if entry is not None:
            return entry.manifest
    found = [entry.manifest for entry in store.entries() if entry.kind == step.kind]
    found = [manifest for manifest in found if manifest.step == step.id]
    return max(found, key=lambda m: (m.pipeline == plan.pipeline.name, m.created), default=None)


def _was_done(step: PlannedStep, history: list[RunRecord]) -> bool:
    return any(
        recorded.key == step.key and recorded.status != "planned"
        for record in history
        if (recorded := record.key_of(step.id))
    )


def _differences(step: PlannedStep, plan: Plan, earlier: Manifest) -> Iterator[str]:
    if step.kind != earlier.kind:
        yield f"stage changed: {earlier.kind} -> {step.kind}"
        return
    if step.step.stage.version != earlier.version:
        yield f"version of the stage {step.kind!r} changed: {earlier.version} -> {step.step.stage.version}"
    for path, old, new in _changes(earlier.identity, step.identity, "settings"):
        yield f"setting changed: {path}: {_show(old)} -> {_show(new)}"
    producers = {other.key: other.id for other in plan.steps.values()}
    before, now = earlier.sources(), flat_sources(step.sources)
    for name in [*now, *(name for name in before if name not in now)]:
        if name not in now:
            yield f"input {name} is no longer given"
        elif name not in before:
            yield f"input {name} is new: {_producer(now[name], producers)}"
        elif before[name] != now[name]:
            yield f"input {name} changed: {_producer(now[name], producers)}"


def _changes(old: Json, new: Json, path: str) -> Iterator[tuple[str, Json, Json]]:
    """Yield the path, the old and the new value of each leaf that differs."""
    if isinstance(old, list) and isinstance(new, list):
        old, new = ({str(index): item for index, item in enumerate(items)} for items in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _changes(old.get(name, _ABSENT), new.get(name, _ABSENT), f"{path}.{name}")
    elif old is _ABSENT or new is _ABSENT or (type(old), old) != (type(new), new):
        yield path, old, new


def _show(value: Json) -> str:
    return "not set" if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _producer(source: StoredOutput, producers: dict[str, str]) -> str:
    step_id = producers.get(source.key)
    place = f"step {step_id!r}" if step_id else f"{source.kind}/{source.key[:12]}"
    return f"output {source.output!r} of {place}"
