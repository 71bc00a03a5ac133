"""Write the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pyrite.data import (
    Candidates,
    Comparisons,
    Corpus,
    Negatives,
    Qrels,
    Queries,
    QueryScores,
    Removals,
    Run,
    TrainingLog,
)
from pyrite.errors import SettingsError
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.report import Contrast, MiningRecord, ReportData, ReportPage, render_report
from pyrite.settings import Json, Settings
from pyrite.stages.artifacts import Choice
from pyrite.stages.systems import gather

__all__ = ["ReportInputs", "ReportOutputs", "ReportSettings", "report"]


class ReportSettings(Settings):
    """What the page shows beyond its inputs."""

    title: str = "Retrieval report"
    """The heading."""
    before: str | None = None
    """The system that the chosen one is set beside, query by query; empty for none."""
    measure: str = "nDCG@10"
    """The measure that decides which queries are shown."""
    shown: int = Field(default=5, ge=0)
    """How many gains and how many losses are shown."""


@dataclass(frozen=True)
class ReportInputs:
    """Everything that was measured. What is left out is left out of the page.

    `negatives` and `removals` carry the same names: those of the mining methods. `logs` are named
    as the page is to call them.
    """

    corpus: Corpus
    queries: Queries
    qrels: Qrels
    scores: Mapping[str, QueryScores]
    comparisons: Comparisons | None = None
    runs: Mapping[str, Run] | None = None
    negatives: Mapping[str, Negatives] | None = None
    removals: Mapping[str, Removals] | None = None
    logs: Mapping[str, TrainingLog] | None = None
    candidates: Candidates | None = None
    choice: Choice | None = None


@dataclass(frozen=True)
class ReportOutputs:
    """The page and its numbers."""

    page: ReportPage


@stage("report", version=1)
def report(settings: ReportSettings, inputs: ReportInputs, context: Context) -> ReportOutputs:
    """Write one self-contained HTML page on everything measured."""
    manifests = context.manifests()
    data = ReportData(
        title=settings.title,
        dataset=str(inputs.corpus.metadata.get("collection", "")),
        scores=gather(inputs.scores),
        comparisons=Comparisons.empty() if inputs.comparisons is None else inputs.comparisons,
        chosen=inputs.choice.chosen if inputs.choice else None,
        mining=_mining_records(inputs),
        logs=inputs.logs or {},
        contrast=_contrast(settings, inputs),
        corpus=inputs.corpus,
        queries=inputs.queries,
        manifests=manifests,
        made_by=_makers(inputs.scores, manifests),
    )
    return ReportOutputs(render_report(data))


def _makers(scores: Mapping[str, QueryScores], manifests: Mapping[str, Mapping[str, Json]]) -> dict[str, list[str]]:
    """Return {system: the steps that measured it}, one for each seed.

    Args:
        scores: The scores under any names.
        manifests: {step id: manifest} of everything that the report was made from.
    """
    made = {record["fingerprint"]: step for step, one in manifests.items() for record in one["outputs"].values()}
    steps: dict[str, list[str]] = {}
    for table in scores.values():
        if step := made.get(table.fingerprint()):
            steps.setdefault(table.system, []).append(step)
    return steps


def _mining_records(inputs: ReportInputs) -> dict[str, MiningRecord]:
    """Return how each method came to its negatives: the candidates of its own sources alone.

    Raises:
        SettingsError: Negatives and removals are not of the same methods.
    """
    chosen, removed = inputs.negatives or {}, inputs.removals or {}
    if chosen.keys() != removed.keys():
        raise SettingsError(
            f"inputs.negatives and inputs.removals name different methods: {sorted(chosen)} and {sorted(removed)}"
        )
    if inputs.candidates is None:
        return {}
    return {
        name: MiningRecord(
            _of_sources(inputs.candidates, removed[name].metadata["sources"]),
            negatives,
            removed[name],
        )
        for name, negatives in chosen.items()
    }


def _contrast(settings: ReportSettings, inputs: ReportInputs) -> Contrast | None:
    """Return the chosen system beside the one of the settings, or None where one is missing."""
    if settings.before is None or inputs.choice is None:
        return None
    after = inputs.choice.chosen
    return Contrast(
        before=settings.before,
        after=after,
        before_run=_run_of(settings.before, inputs.runs or {}),
        after_run=_run_of(after, inputs.runs or {}),
        qrels=inputs.qrels,
        measure=settings.measure,
        shown=settings.shown,
    )


def _run_of(system: str, runs: Mapping[str, Run]) -> Run:
    """Return the system's run; of several seeds, the first."""
    for run in runs.values():
        if run.scorer == system:
            return run
    known = sorted({run.scorer for run in runs.values()})
    raise SettingsError(f"inputs.runs: no run of the system {system!r}; there are: {', '.join(known) or 'none'}")


def _of_sources(candidates: Candidates, sources: Sequence[str]) -> Candidates:
    chosen = pc.is_in(candidates.column("source"), pa.array(sources, pa.string()))
    return Candidates(candidates.arrow.filter(chosen), candidates.metadata)
