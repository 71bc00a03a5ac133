"""One command for each stage: a pipeline of one step, through the same runner."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyrite.cli.options import Inputs, Options, ResourceOptions, RunFiles, Sets
from pyrite.cli.pipelines import execute
from pyrite.cli.replies import Reply
from pyrite.errors import SettingsError
from pyrite.pipeline.definition import define_pipeline
from pyrite.pipeline.document import Document, read_document
from pyrite.pipeline.overrides import assign, parse_assignment
from pyrite.pipeline.plan import PlannedStep, build_plan
from pyrite.pipeline.runs import FinishedRun, Runs
from pyrite.pipeline.store import Store
from pyrite.settings import Json
from pyrite.stages import CATALOG

__all__ = ["stage_command"]

_NO_OPTIONS = Options()
_NO_RESOURCES = ResourceOptions()


def stage_command(kind: str) -> Callable[..., Reply]:
    """Return the command of a stage."""

    def command(
        *,
        input_: Inputs = (),
        set_: Sets = (),
        settings: Path | None = None,
        options: Options = _NO_OPTIONS,
        resources: ResourceOptions = _NO_RESOURCES,
    ) -> Reply:
        """Run one stage.

        Args:
            input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
            set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
            settings: A YAML file with settings; --set comes on top.
            options: Common options.
            resources: Resources.
        """
        body = _body(kind, settings, set_, _inputs(input_, options.open_runs()))
        return _carry_out({kind: body}, kind, options, resources)

    return _mine_command if kind == "mine" else command


def _mine_command(
    *,
    input_: Inputs = (),
    run: RunFiles = (),
    set_: Sets = (),
    settings: Path | None = None,
    options: Options = _NO_OPTIONS,
    resources: ResourceOptions = _NO_RESOURCES,
) -> Reply:
    """Run one stage.

    Args:
        input_: NAME=REF: where an input comes from; NAME.KEY=REF for one of many.
        run: FILE or NAME=FILE: a run in TREC's format, as one more source; FILE goes by its own name.
        set_: NAME=VALUE: a setting, the value as in a pipeline file; NAME.0.INNER=VALUE inside lists.
        settings: A YAML file with settings; --set comes on top.
        options: Common options.
        resources: Resources.
    """
    inputs = _inputs(input_, options.open_runs())
    steps: dict[str, Json] = {}
    named = inputs.get("runs")
    taken = set(named) if isinstance(named, dict) else set()
    for text in run:
        name, file = _named_file(text)
        if name in taken:
            raise SettingsError(f"--run {text!r}: there is a run {name!r} already; give it a name, NAME=FILE")
        taken.add(name)
        step = f"load-run-{len(steps) + 1}"
        steps[step] = _body("load-run", None, (f"file={json.dumps(file)}",), {})
        assign(inputs, ["runs", name], f"{step}.run", f"--run {text}")
    return _carry_out({**steps, "mine": _body("mine", settings, set_, inputs)}, "mine", options, resources)


def _named_file(text: str) -> tuple[str, str]:
    """Take NAME=FILE apart; a file alone goes by its name without endings."""
    name, equals, file = text.partition("=")
    if not equals:
        name, file = Path(text).name.split(".")[0], text
    if not name or not file:
        raise SettingsError(f"--run {text!r}: wants FILE or NAME=FILE, such as elastic=elastic.run")
    return name, file


def _body(kind: str, settings: Path | None, assignments: Sequence[str], inputs: dict[str, Json]) -> Json:
    return {"stage": kind, "settings": _settings(settings, assignments), "inputs": inputs}


def _carry_out(steps: dict[str, Json], kind: str, options: Options, resources: ResourceOptions) -> Reply:
    document = Document.of({"name": kind, "steps": steps}, f"pyrite {kind}")
    plan = build_plan(define_pipeline(document, CATALOG), options.open_store())
    return _reply(execute(plan, options, resources), plan.steps[kind], options)


def _settings(file: Path | None, assignments: Sequence[str]) -> dict[str, Json]:
    settings: dict[str, Json] = {}
    if file is not None:
        document = read_document(file)
        document.faults.raise_any()
        if not isinstance(document.data, dict):
            raise SettingsError(f"{file}: wants a mapping from names of settings to values")
        settings |= document.data
    for text in assignments:
        path, value = parse_assignment(text)
        assign(settings, path.split("."), value, path)
    return settings


def _inputs(assignments: Sequence[str], runs: Runs) -> dict[str, Json]:
    inputs: dict[str, Any] = {}
    given = set()
    for text in assignments:
        name, equals, reference = text.partition("=")
        if not equals or not name or not reference:
            raise SettingsError(f"--input {text!r}: wants NAME=REF, such as corpus=latest:data.corpus")
        if name in given:
            raise SettingsError(f"--input {text!r}: {name} is given twice; give each once, NAME.KEY=REF for many")
        given.add(name)
        located = str(runs.locate(reference)) if ":" in reference else reference
        assign(inputs, name.split(".", 1), located, f"--input {name}")
    return inputs


def _reply(finished: FinishedRun, planned: PlannedStep, options: Options) -> Reply:
    outputs = _describe_outputs(options.open_store(), planned)
    result = finished.result.steps[-1]
    lines = [f"{planned.kind}: {result.status}, {result.seconds:.1f} s"]
    for name, output in outputs.items():
        facts = ", ".join(f"{key}={value}" for key, value in output["summary"].items())
        lines += ["", f"{name}  {output['ref']}", f"  {facts}", f"  {output['folder']}"]
    data = {
        "run": str(finished.folder.resolve()),
        "key": planned.key,
        "status": result.status,
        "seconds": result.seconds,
        "outputs": outputs,
    }
    return Reply("\n".join(lines), data, options.json)


def _describe_outputs(store: Store, planned: PlannedStep) -> Mapping[str, dict[str, Any]]:
    entry = store.resolve(f"{planned.kind}/{planned.key}")
    return {
        name: {
            "ref": str(planned.output(name)),
            "kind": record.kind,
            "fingerprint": record.fingerprint,
            "summary": record.summary,
            "folder": str(entry.output(name).resolve()),
        }
        for name, record in entry.manifest.outputs.items()
    }
