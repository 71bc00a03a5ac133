"""Runs: what was run when, with which keys, and what came out of it.

```
RUNS/20260131T120000Z-scifact/run.json        steps, keys, the file's text; written first, and again at the end
RUNS/20260131T120000Z-scifact/summary.json    what was measured
RUNS/20260131T120000Z-scifact/report.page/    a copy of each published output
RUNS/latest                                   a link to the latest run that finished
```
"""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from pyrite.errors import StoreError
from pyrite.pipeline.files import replace_symlink, write_json
from pyrite.pipeline.plan import Plan
from pyrite.pipeline.references import StepOutput, StoredOutput, parse_reference
from pyrite.pipeline.runner import Runner, RunResult
from pyrite.pipeline.store import Store
from pyrite.pipeline.text import did_you_mean

__all__ = ["FinishedRun", "RecordedStep", "RunRecord", "Runs"]

_RECORD = "run.json"
_SUMMARY = "summary.json"
_PAGE = "report.html"
_LATEST = "latest"


@dataclass(frozen=True)
class RecordedStep:
    """A step of a run.

    Attributes:
        id: Its id.
        kind: Its stage's kind.
        key: Its key.
        status: "executed", "cached", or "planned" as long as the run has not finished.
        seconds: How long it took.
    """

    id: str
    kind: str
    key: str
    status: Literal["executed", "cached", "planned"] = "planned"
    seconds: float = 0.0


@dataclass(frozen=True)
class RunRecord:
    """What `run.json` says.

    Attributes:
        name: The pipeline's name.
        file: The pipeline file.
        started: UTC, ISO 8601.
        steps: The steps in order.
        text: The pipeline file as it stood.
        status: "running" also says that a run was killed.
        seconds: The wall time of the run.
        error: Why it failed, or None.
    """

    name: str
    file: str
    started: str
    steps: tuple[RecordedStep, ...]
    text: str
    status: Literal["running", "finished", "failed"] = "running"
    seconds: float = 0.0
    error: str | None = None

    def key_of(self, step_id: str) -> RecordedStep | None:
        """Return the step of an id, or None."""
        return next((step for step in self.steps if step.id == step_id), None)


@dataclass(frozen=True)
class FinishedRun:
    """A run that finished.

    Attributes:
        folder: Its folder.
        result: What became of each step.
        summary: What `summary.json` says.
    """

    folder: Path
    result: RunResult
    summary: dict[str, Any] = field(default_factory=dict)


class Runs:
    """The folder that holds one folder for each run.

    Args:
        root: The folder; made when the first run starts.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser()

    def run(self, runner: Runner, plan: Plan) -> FinishedRun:
        """Run a plan and record it.

        The record is written before the first step, so that what a killed or failed run did is not
        taken for garbage.

        Raises:
            StageError: A stage failed; the record says so.
            StoreError: The folder cannot be written to.
        """
        started = time.monotonic()
        folder, record = self._start(plan)
        try:
            result = runner.run_plan(plan)
            steps = tuple(RecordedStep(s.id, s.kind, s.key, s.status, round(s.seconds, 3)) for s in result.steps)
            published = _copy_published(plan, runner.store, folder)
        except BaseException as error:
            failed = replace(record, status="failed", error=str(error) or type(error).__name__)
            _write(folder, replace(failed, seconds=round(time.monotonic() - started, 3)))
            raise
        seconds = round(time.monotonic() - started, 3)
        summary = {**_summary(published), "seconds": seconds}
        write_json(folder / _SUMMARY, summary)
        _write(folder, replace(record, steps=steps, status="finished", seconds=seconds))
        replace_symlink(self.root / _LATEST, folder.name)
        return FinishedRun(folder, result, summary)

    def records(self) -> Iterator[tuple[Path, RunRecord]]:
        """Yield the folder and the record of each run, the latest first.

        Raises:
            StoreError: A record is damaged.
        """
        paths = [path for path in self.root.glob(f"*/{_RECORD}") if not path.parent.is_symlink()]
        for path in sorted(paths, key=lambda path: path.parent.name, reverse=True):
            yield path.parent, _read(path)

    def locate(self, text: str) -> StoredOutput:
        """Return where an output of a run lies in the store.

        Args:
            text: "latest:STEP.OUTPUT" for the latest finished run that has the step, so that single stages chain; or
                "FOLDER:STEP.OUTPUT" with the path or the name of a run's folder.

        Raises:
            StoreError: There is no such run, or it has no such step.
            PlanError: It is not of that form.
        """
        name, _, rest = text.rpartition(":")
        reference = parse_reference(rest)
        wanted = reference.step if isinstance(reference, StepOutput) else ""
        looked_at = [record for _, record in self._finished()] if name == _LATEST else [self._record(name, text)]
        if not looked_at:
            raise StoreError(f"{text!r}: there is no run {name!r} in {self.root}: none has finished")
        for record in looked_at:
            if step := record.key_of(wanted):
                return StoredOutput(step.kind, step.key, reference.output)
        known = dict.fromkeys(step.id for record in looked_at for step in record.steps)
        where = "no finished run has such a step" if name == _LATEST else "the run has no such step"
        raise StoreError(f"{text!r}: {where}{did_you_mean(wanted or rest, known)}")

    def _record(self, name: str, text: str) -> RunRecord:
        folder = self.root / name if (self.root / name).is_dir() else Path(name)
        if not (folder / _RECORD).is_file():
            known = [_LATEST, *(path.name for path, _ in self.records())][:10]
            raise StoreError(f"{text!r}: there is no run {name!r} in {self.root}{did_you_mean(name, known)}")
        return _read(folder / _RECORD)

    def _finished(self) -> Iterator[tuple[Path, RunRecord]]:
        """Yield the finished runs: the one that `latest` points at, then the others, the latest first."""
        latest = (self.root / _LATEST).resolve()
        # Runs of one second have names that say nothing of their order; the time of their record does.
        runs = [(path, record) for path, record in self.records() if record.status == "finished"]
        yield from sorted(runs, key=lambda run: (run[0] == latest, (run[0] / _RECORD).stat().st_mtime_ns), reverse=True)

    def _start(self, plan: Plan) -> tuple[Path, RunRecord]:
        now = datetime.now(UTC)
        steps = tuple(RecordedStep(step.id, step.kind, step.key) for step in plan.steps.values())
        pipeline = plan.pipeline
        record = RunRecord(pipeline.name, pipeline.label, now.isoformat(timespec="seconds"), steps, text=pipeline.text)
        folder = self._make_folder(f"{now:%Y%m%dT%H%M%S}Z-{pipeline.name}")
        _write(folder, record)
        return folder, record

    def _make_folder(self, name: str) -> Path:
        latest = self.root / _LATEST
        if latest.is_dir() and not latest.is_symlink():
            raise StoreError(f"{latest}: is a folder, where the link to the latest run goes; rename it")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for number in range(1, 1000):
                folder = self.root / (name if number == 1 else f"{name}-{number}")
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue
                return folder
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written to ({error.strerror}); choose another folder") from error
        raise StoreError(f"{self.root}: too many runs named {name!r} in one second")


def _copy_published(plan: Plan, store: Store, folder: Path) -> list[Path]:
    """Copy what the pipeline publishes, and every report, into the folder of a run."""
    copies = []
    for step in plan.steps.values():
        for name in step.step.stage.outputs:
            reference = StepOutput(step.id, name)
            source = store.root / step.kind / step.key / name
            if reference in plan.pipeline.publish or (source / _PAGE).is_file():
                if not source.is_dir():
                    raise StoreError(
                        f"{source}: is gone; remove the folder {source.parent} to have the step done again"
                    )
                copies.append(folder / str(reference))
                shutil.copytree(source, copies[-1])
    return copies


def _summary(published: list[Path]) -> dict[str, Any]:
    """Return what the last report among the published folders sums up, and where it lies."""
    summary: dict[str, Any] = {"dataset": None, "metrics": {}, "comparisons": [], "report": None}
    for folder in published:
        page = folder / _PAGE
        if page.is_file() and (folder / _SUMMARY).is_file():
            summary |= _read_summary(folder / _SUMMARY)
            summary["report"] = str(page.resolve())
    return summary


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{path}: is no summary ({error}); the store holds a damaged report: see pyrite verify"
        ) from error


@functools.cache
def _adapter() -> TypeAdapter[RunRecord]:
    return TypeAdapter(RunRecord)


def _write(folder: Path, record: RunRecord) -> None:
    write_json(folder / _RECORD, _adapter().dump_python(record, mode="json"))


def _read(path: Path) -> RunRecord:
    try:
        return _adapter().validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path}: is no record of a run that this version can read; remove its folder") from error
