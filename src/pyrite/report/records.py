"""What a report is made of: tables of the data layer, gathered and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
from pyrite.settings import Json

__all__ = ["Contrast", "MiningRecord", "ReportData"]


@dataclass(frozen=True, slots=True)
class MiningRecord:
    """How one method came to its negatives.

    Attributes:
        candidates: What its sources proposed, with the positives scored by the same scorers.
        negatives: What was chosen.
        removals: Every candidate that a gate took out. Where the metadata give {"gates": [...]}, the funnel shows the
            gates in that order, else the largest first; where they give {"audit": {"not_drawn": n}}, it checks that
            the counts add up.
    """

    candidates: Candidates
    negatives: Negatives
    removals: Removals


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two systems to set side by side, query by query.

    Attributes:
        before: The baseline's name; its scores are among the report's.
        after: The other's name, likewise.
        before_run: What the baseline returned.
        after_run: What the other returned.
        qrels: The judgements that both were measured on.
        measure: The measure whose gains and losses decide which queries are shown.
        shown: How many gains, and how many losses, are shown.
    """

    before: str
    after: str
    before_run: Run
    after_run: Run
    qrels: Qrels
    measure: str = "nDCG@10"
    shown: int = 5


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report shows. Whatever is left empty is left out of the page.

    Attributes:
        title: The heading.
        dataset: What was searched.
        scores: One table for each system, in the order of the headline table; means over seeds as `average_seeds`
            gives them.
        comparisons: Pairs of those systems.
        chosen: The system that was chosen on dev, if one was.
        mining: {method: how it mined}.
        logs: {system: what was noted while it was trained}.
        contrast: Two systems to show query by query.
        corpus: The documents that the page quotes; an id that it does not hold is shown without a text.
        queries: The queries that the page quotes, training queries included; likewise.
        manifests: {name: a manifest}: which settings and inputs made a result, as a mapping with any of the keys
            "step", "kind", "version", "key", "settings", "inputs", "outputs", "environment" and "seconds".
        made_by: {system or method: names of the manifests behind its numbers}, one for each seed. Whatever is not in
            it links to the manifest of its own name, where there is one.
    """

    title: str
    dataset: str
    scores: Sequence[QueryScores]
    comparisons: Comparisons
    chosen: str | None = None
    mining: Mapping[str, MiningRecord] = field(default_factory=dict)
    logs: Mapping[str, TrainingLog] = field(default_factory=dict)
    contrast: Contrast | None = None
    corpus: Corpus | None = None
    queries: Queries | None = None
    manifests: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    made_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
