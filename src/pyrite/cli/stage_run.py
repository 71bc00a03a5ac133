"""What commands of single stages share: from options to steps, and from a finished run to its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrite.cli.options import Options, ResourceOptions
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

__all__ = ["FinishedStage", "body_of", "carry_out", "inputs_of"]


@dataclass(frozen=True)
class FinishedStage:
    """A stage that a command ran.

    Attributes:
        run: The run.
        planned: The step.
        outputs: {output: its reference, kind, fingerprint, summary and folder}.
    """

    run: FinishedRun
    planned: PlannedStep
    outputs: Mapping[str, dict[str, Any]]

    @property
    def status(self) -> str:
        """Whether it was executed or found."""
        return self.run.result.steps[-1].status

    def data(self) -> dict[str, Json]:
        """Return everything as JSON values."""
        return {
            "run": str(self.run.folder.resolve()),
            "key": self.planned.key,
            "status": self.status,
            "seconds": self.run.result.steps[-1].seconds,
            "outputs": dict(self.outputs),
        }

    def reply(self, as_json: bool) -> Reply:
        """Return the usual answer: where each output lies and what is known of it."""
        lines = [f"{self.planned.kind}: {self.status}, {self.run.result.steps[-1].seconds:.1f} s"]
        for name, output in self.outputs.items():
            facts = ", ".join(f"{key}={value}" for key, value in output["summary"].items())
            lines += ["", f"{name}  {output['ref']}", f"  {facts}", f"  {output['folder']}"]
        return Reply("\n".join(lines), self.data(), as_json)


def body_of(kind: str, settings: Path | None, assignments: Sequence[str], inputs: dict[str, Json]) -> Json:
    """Return a step as a pipeline file has it.

    Args:
        kind: The stage.
        settings: A YAML file with settings, or None.
        assignments: NAME=VALUE, on top of the file.
        inputs: {input: reference}.

    Raises:
        SettingsError: The file is no mapping, or an assignment is none.
    """
    return {"stage": kind, "settings": _settings(settings, assignments), "inputs": inputs}


def carry_out(steps: dict[str, Json], kind: str, options: Options, resources: ResourceOptions) -> FinishedStage:
    """Run the steps of a command, of which the one named as its kind gives the outputs.

    Raises:
        PyriteError: The steps are none, or one of them fails.
    """
    document = Document.of({"name": kind, "steps": steps}, f"pyrite {kind}")
    plan = build_plan(define_pipeline(document, CATALOG), options.open_store())
    finished = execute(plan, options, resources)
    return FinishedStage(finished, plan.steps[kind], _described(options.open_store(), plan.steps[kind]))


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


def inputs_of(assignments: Sequence[str], runs: Runs) -> dict[str, Json]:
    """Return {input: reference} of NAME=REF and NAME.KEY=REF.

    Raises:
        SettingsError: One is neither, or is given twice.
        PipelineError: A run or step that one names is not there.
    """
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


def _described(store: Store, planned: PlannedStep) -> Mapping[str, dict[str, Any]]:
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
