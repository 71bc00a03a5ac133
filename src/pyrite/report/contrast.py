"""Per-query wins and losses: what two systems returned, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import QueryScores, Run
from pyrite.errors import DataError
from pyrite.report.examples import Mined, mined
from pyrite.report.passages import Passage, Passages
from pyrite.report.plots import difference_plot
from pyrite.report.records import Contrast, MiningRecord
from pyrite.report.text import Excerpt, number, signed

__all__ = ["Case", "Hit", "Positive", "Sides", "sides"]

_HITS, _POSITIVES = 5, 5


@dataclass(frozen=True, slots=True)
class Hit:
    """A returned document; `grade` is None where nobody judged it."""

    passage: Passage
    rank: int
    grade: int | None


@dataclass(frozen=True, slots=True)
class Positive:
    """A relevant document and the rank that each system gave it, None where it returned it not at all."""

    passage: Passage
    grade: int
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """One query: its values, its relevant documents and what both systems returned."""

    query: Excerpt
    query_id: str
    before: str
    after: str
    delta: str
    positives: Sequence[Positive]
    more_positives: int
    hits_before: Sequence[Hit]
    hits_after: Sequence[Hit]
    mined: Sequence[Mined]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two systems against each other, query by query.

    Attributes:
        before: The baseline.
        after: The other system.
        measure: What is compared.
        wins: How many queries have a higher value with `after`.
        ties: How many have the same.
        losses: How many have a lower one.
        gained: The largest gains.
        lost: The largest losses.
        plot: All differences, as an `<svg>` element.
        averaged: Whether values are means over seeds, while rankings are of one seed.
    """

    before: str
    after: str
    measure: str
    wins: int
    ties: int
    losses: int
    gained: Sequence[Case]
    lost: Sequence[Case]
    plot: str
    averaged: bool


def sides(
    contrast: Contrast, scores: Sequence[QueryScores], mining: Mapping[str, MiningRecord], passages: Passages
) -> Sides:
    """Set two systems side by side.

    Args:
        contrast: The systems, their rankings and the judgements.
        scores: The scores of both, among others.
        mining: Where a shown query was trained on, its negatives are shown too.
        passages: The texts.

    Raises:
        DataError: The measure was not taken, or the two share no query.
    """
    before, after = (_of(scores, name, contrast.measure) for name in (contrast.before, contrast.after))
    deltas = {query_id: after[query_id] - before[query_id] for query_id in sorted(before.keys() & after.keys())}
    if not deltas:
        raise DataError(f"{contrast.before!r} and {contrast.after!r} were measured on no query in common")
    gained = sorted((q for q in deltas if deltas[q] > 0), key=lambda q: (-deltas[q], q))
    lost = sorted((q for q in deltas if deltas[q] < 0), key=lambda q: (deltas[q], q))
    shown_gained, shown_lost = gained[: contrast.shown], lost[: contrast.shown]
    builder = _Cases(contrast, [*shown_gained, *shown_lost], mining, passages)
    counts = len(gained), len(deltas) - len(gained) - len(lost), len(lost)
    description = (
        f"Change of {contrast.measure} from {contrast.before} to {contrast.after} for each query: "
        "{} better, {} equal, {} worse.".format(*counts)
    )
    return Sides(
        contrast.before,
        contrast.after,
        contrast.measure,
        *counts,
        [builder.case(q, before[q], after[q]) for q in shown_gained],
        [builder.case(q, before[q], after[q]) for q in shown_lost],
        difference_plot("differences", description, np.array(list(deltas.values()))),
        any(
            table.metadata.get("seeds", 1) > 1 for table in scores if table.system in (contrast.before, contrast.after)
        ),
    )


def _of(scores: Sequence[QueryScores], system: str, measure: str) -> dict[str, float]:
    return next(table for table in scores if table.system == system).of(measure)


class _Cases:
    """Builds cases; reads the two runs and the judgements once, for the shown queries only."""

    def __init__(
        self, contrast: Contrast, query_ids: list[str], mining: Mapping[str, MiningRecord], passages: Passages
    ) -> None:
        self._mining = mining
        self._passages = passages
        self._before = _ranked(contrast.before_run, query_ids)
        self._after = _ranked(contrast.after_run, query_ids)
        shown = contrast.qrels.arrow.filter(_is_in(contrast.qrels.column("query_id"), query_ids))
        self._grades = type(contrast.qrels)(shown).by_query()

    def case(self, query_id: str, before: float, after: float) -> Case:
        grades = self._grades.get(query_id, {})
        ranked_before, ranked_after = self._before.get(query_id, []), self._after.get(query_id, [])
        relevant = sorted((doc for doc in grades if grades[doc] > 0), key=lambda doc: (-grades[doc], doc))
        positives = [
            Positive(self._passages.document(doc), grades[doc], _rank(doc, ranked_before), _rank(doc, ranked_after))
            for doc in relevant[:_POSITIVES]
        ]
        return Case(
            self._passages.query(query_id),
            query_id,
            number(before),
            number(after),
            signed(after - before),
            positives,
            len(relevant) - len(positives),
            self._hits(ranked_before, grades),
            self._hits(ranked_after, grades),
            mined(self._mining, query_id, self._passages),
        )

    def _hits(self, ranked: list[str], grades: Mapping[str, int]) -> list[Hit]:
        top = enumerate(ranked[:_HITS], start=1)
        return [Hit(self._passages.document(doc), rank, grades.get(doc)) for rank, doc in top]


def _ranked(run: Run, query_ids: list[str]) -> dict[str, list[str]]:
    """Return the documents of these queries in the order in which they were measured."""
    rows = run.arrow.filter(_is_in(run.column("query_id"), query_ids))
    rows = rows.sort_by([("query_id", "ascending"), ("score", "descending"), ("doc_id", "descending")])
    ranked: dict[str, list[str]] = {}
    for query_id, doc_id in zip(rows.column("query_id").to_pylist(), rows.column("doc_id").to_pylist(), strict=True):
        if query_id != doc_id:
            ranked.setdefault(query_id, []).append(doc_id)
    return ranked


def _rank(doc_id: str, ranked: list[str]) -> int | None:
    return ranked.index(doc_id) + 1 if doc_id in ranked else None


def _is_in(column: pa.ChunkedArray, ids: list[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(ids, pa.string()))
