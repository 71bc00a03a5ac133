"""Commands on pipeline files."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyrite
from pyrite.cli.options import Options, ResourceOptions, Sets, Steps
from pyrite.cli.progress import show_progress
from pyrite.cli.replies import Reply, table
from pyrite.errors import PipelineError
from pyrite.pipeline.definition import read_pipeline
from pyrite.pipeline.explain import explain
from pyrite.pipeline.plan import Plan, build_plan
from pyrite.pipeline.runner import Runner
from pyrite.pipeline.runs import FinishedRun
from pyrite.pipeline.text import count
from pyrite.stages import CATALOG

__all__ = ["demo", "execute", "plan", "run", "validate", "why"]

_NO_OPTIONS = Options()
_NO_RESOURCES = ResourceOptions()


def run(
    file: Path,
    *,
    step: Steps = (),
    set_: Sets = (),
    options: Options = _NO_OPTIONS,
    resources: ResourceOptions = _NO_RESOURCES,
) -> Reply:
    """Run a pipeline file: what the store has is left alone.

    Args:
        file: The pipeline file.
        step: Run only this step and what it needs; wildcards allowed.
        set_: Replace a value of the file, such as steps.select.settings.filters.0.margin=0.1.
        options: Common options.
        resources: Resources.
    """
    pipeline = read_pipeline(file, CATALOG, set_)
    finished = execute(build_plan(pipeline, options.open_store(), step), options, resources)
    return Reply(_describe_run(finished), _run_data(finished), options.json)


def plan(file: Path, *, step: Steps = (), set_: Sets = (), options: Options = _NO_OPTIONS) -> Reply:
    """Show the steps of a pipeline file with their keys, and which would run.

    Args:
        file: The pipeline file.
        step: Show only this step and what it needs; wildcards allowed.
        set_: Replace a value of the file.
        options: Common options.
    """
    planned = build_plan(read_pipeline(file, CATALOG, set_), options.open_store(), step)
    steps = [
        {"id": s.id, "kind": s.kind, "key": s.key, "status": "cached" if s.cached else "to run"}
        for s in planned.steps.values()
    ]
    rows = [[s["id"], s["kind"], s["key"][:12], s["status"]] for s in steps]
    waiting = sum(not s.cached for s in planned.steps.values())
    text = f"{table(['step', 'stage', 'key', 'status'], rows)}\n\n{count(len(steps), 'step')}, {waiting} to run"
    return Reply(text, {"name": planned.pipeline.name, "steps": steps}, options.json)


def why(file: Path, step: str | None = None, *, set_: Sets = (), options: Options = _NO_OPTIONS) -> Reply:
    """Say why each step of a pipeline file would run, or need not.

    Args:
        file: The pipeline file.
        step: Only this step; wildcards allowed.
        set_: Replace a value of the file.
        options: Common options.
    """
    store = options.open_store()
    planned = build_plan(read_pipeline(file, CATALOG, set_), store, [step] if step else [])
    shown = [one for one in explain(planned, store, options.open_runs()) if fnmatchcase(one.id, step or "*")]
    lines = []
    for one in shown:
        lines.append(f"{one.id}: {'cached' if one.cached else 'will run'}")
        lines += [f"  {reason}" for reason in one.reasons]
    return Reply("\n".join(lines), [asdict(one) for one in shown], options.json)


def validate(file: Path, *, set_: Sets = (), options: Options = _NO_OPTIONS) -> Reply:
    """Check a pipeline file without looking at any data, and list every fault.

    Args:
        file: The pipeline file.
        set_: Replace a value of the file.
        options: Common options.
    """
    pipeline = read_pipeline(file, CATALOG, set_)
    text = f"{file}: pipeline {pipeline.name!r} is valid, {count(len(pipeline.steps), 'step')}"
    return Reply(text, {"name": pipeline.name, "valid": True, "steps": list(pipeline.steps)}, options.json)


def demo(*, options: Options = _NO_OPTIONS, resources: ResourceOptions = _NO_RESOURCES) -> Reply:
    """Mine, train and measure on the standard library of this Python: no network needed, minutes on two cores."""
    return run(_demo_file(), options=options, resources=resources)


def execute(planned: Plan, options: Options, resources: ResourceOptions) -> FinishedRun:
    """Run a plan, show its progress and record it."""
    used = resources.over(planned.pipeline.resources)
    with show_progress(options.quiet) as observe:
        return options.open_runs().run(Runner(options.open_store(), used, observe), planned)


def _demo_file() -> Path:
    packaged = Path(str(importlib.resources.files(pyrite) / "examples" / "demo.yaml"))
    checkout = Path(pyrite.__file__).resolve().parents[2] / "examples" / "demo.yaml"
    for path in (packaged, checkout):
        if path.is_file():
            return path
    raise PipelineError(f"{packaged}: the demonstration's file is missing; install Pyrite again")


def _run_data(finished: FinishedRun) -> dict[str, Any]:
    return {
        "run": str(finished.folder.resolve()),
        "steps": [asdict(step) for step in finished.result.steps],
        "summary": finished.summary,
    }


def _describe_run(finished: FinishedRun) -> str:
    summary, result = finished.summary, finished.result
    parts = [_metrics(summary["metrics"]), _comparisons(summary["comparisons"])]
    parts.append(
        f"{count(len(result.steps), 'step')}, {result.executed} executed, in {summary['seconds']:.1f} s\n"
        f"run: {finished.folder}"
    )
    text = "\n\n".join(part for part in parts if part)
    return f"{text}\nreport: {summary['report']}" if summary["report"] else text


def _metrics(metrics: dict[str, dict[str, float]]) -> str:
    if not metrics:
        return ""
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    rows = [[system, *(_number(values.get(name)) for name in names)] for system, values in metrics.items()]
    return table(["system", *names], rows)


def _comparisons(comparisons: Sequence[dict[str, Any]]) -> str:
    """Return a table of the comparisons by the first measure; the report has them all."""
    if not comparisons:
        return ""
    measure = comparisons[0]["metric"]
    rows = [
        [
            f"{one['a']} - {one['b']}",
            f"{one['delta']:+.4f}",
            f"[{one['low']:+.4f}, {one['high']:+.4f}]",
            f"{one['p']:.2g}",
        ]
        for one in comparisons
        if one["metric"] == measure
    ]
    return table(["difference", measure, "95 % interval", "p"], rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
