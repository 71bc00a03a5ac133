"""A store, a folder of runs and a log, for tests of the engine."""

from __future__ import annotations

from pathlib import Path

import number_stages as ns

from pyrite.pipeline.definition import Pipeline, read_pipeline
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.runner import Runner
from pyrite.pipeline.runs import FinishedRun, Runs
from pyrite.pipeline.store import Store


class Bench:
    """A store, a folder of runs, and a log of what ran, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        self.runs = Runs(folder / "runs")
        self.log = folder / "log.txt"
        self.file = folder / "numbers.yaml"
        self.file.write_text(ns.PIPELINE)

    def pipeline(self, text: str | None = None, overrides: tuple[str, ...] = ()) -> Pipeline:
        if text is not None:
            self.file.write_text(text)
        return read_pipeline(self.file, ns.CATALOG, overrides)

    def run(self, pipeline: Pipeline | None = None, targets: tuple[str, ...] = (), **runner: object) -> FinishedRun:
        plan = build_plan(pipeline or self.pipeline(), self.store, targets)
        return self.runs.run(Runner(self.store, **runner), plan)

    def ran(self) -> list[str]:
        """Return what ran since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines
