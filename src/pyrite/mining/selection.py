"""Choose negatives from candidates: masks, then filters in order, then one draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals
from pyrite.data.codes import decoded, find, positions, row_codes
from pyrite.errors import DataError, Problem
from pyrite.mining.audit import Audit, audit
from pyrite.mining.facts import Facts
from pyrite.mining.filters import FilterSettings, Outcome
from pyrite.mining.masking import Masking, masks
from pyrite.mining.pool import Pool, build_pool
from pyrite.mining.samplers import SamplerSettings, TopSampler
from pyrite.settings import Settings

__all__ = ["Masking", "Selection", "SelectionResult", "select_negatives"]


class Selection(Settings):
    """How candidates become negatives."""

    sources: tuple[str, ...] = ()
    """The sources to draw from; empty for all. Their order decides between equal ranks."""
    scorer: str | None = None
    """Whose scores the filters compare; empty for the scorer of the source that ranked best."""
    masking: Masking = Masking()
    """What can never be a negative: known positives, copies of them, the query itself."""
    filters: tuple[FilterSettings, ...] = ()
    """Applied in this order; each dropped candidate leaves a Removal with the first gate it met."""
    sampler: SamplerSettings = TopSampler()
    """Draws from what is left."""


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """Negatives, what was dropped and why, and the counts of both."""

    negatives: Negatives
    removals: Removals
    audit: Audit


class _Gates:
    """Notes at which gate each row of a pool was dropped, and with which numbers."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gate = np.zeros(len(pool), dtype=np.int16)
        self._names: list[str] = []
        self._numbers: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def kept(self) -> np.ndarray:
        """Return the rows that no gate has dropped."""
        return np.flatnonzero(self._gate == 0)

    def drop(self, gate: str, rows: np.ndarray, outcome: Outcome | None = None) -> None:
        """Note rows as dropped; those that an earlier gate dropped stay with it."""
        self._names.append(gate)
        rows = rows[self._gate[rows] == 0]
        self._gate[rows] = len(self._names)
        if outcome is not None:
            self._numbers[len(self._names)] = (outcome.values[~outcome.keep], outcome.thresholds[~outcome.keep])

    def counts(self) -> dict[str, int]:
        """Return {gate: rows}, in the order of the gates."""
        numbers = np.bincount(self._gate, minlength=len(self._names) + 1)[1:]
        counted = dict.fromkeys(self._names, 0)
        for name, number in zip(self._names, numbers.tolist(), strict=True):
            counted[name] += number
        return counted

    def removals(self, metadata: Mapping[str, Any]) -> Removals:
        """Return all removals, gate after gate."""
        rows = np.argsort(self._gate, kind="stable")[len(self.kept()) :]
        gates = self._gate[rows]
        numbers = np.full((2, len(rows)), np.nan)
        for gate, pair in self._numbers.items():
            numbers[:, np.searchsorted(gates, gate) : np.searchsorted(gates, gate, side="right")] = pair
        empty = ~np.isin(gates, list(self._numbers))
        names = self._pool.names
        columns = {
            "query_id": decoded(names.queries, self._pool.query[rows]),
            "doc_id": decoded(names.docs, self._pool.doc[rows]),
            "gate": decoded(pa.array(self._names, pa.string()), gates - 1),
            "value": pa.array(numbers[0], mask=empty),
            "threshold": pa.array(numbers[1], mask=empty),
        }
        return Removals.of_unique(pa.table(columns), metadata)


def select_negatives(
    candidates: Candidates, corpus: Corpus, queries: Queries, qrels: Qrels, settings: Selection
) -> SelectionResult:
    """Choose negatives.

    The result does not depend on the order of any table's rows. A query that keeps fewer
    candidates than the sampler wants gets fewer; the audit counts them.

    Args:
        candidates: What was mined, with the scores that the settings ask for.
        corpus: The documents, for copies.
        queries: The queries.
        qrels: The judgements.
        settings: Sources, scorer, masks, filters and sampler.

    Raises:
        DataError: A source or scorer is unknown, a score is missing, a candidate is not in the
            corpus or its query not among the queries, or the candidates were mined with another grade
            threshold or with judgements that know more positives.
    """
    _check_threshold(candidates, settings.masking.grade_threshold)
    _check_positives(candidates, qrels, settings.masking.grade_threshold)
    sources = settings.sources or tuple(sorted(candidates.codes("source")[1].to_pylist()))
    proposed = build_pool(candidates, sources, settings.scorer)
    facts = Facts(proposed.names, corpus, queries, qrels, settings.masking.grade_threshold)
    gates = _Gates(proposed)
    proposed, dropped = masks(replace(proposed, facts=facts), facts, settings.masking)
    for gate, mask in dropped:
        gates.drop(gate, np.flatnonzero(mask))
    for chosen in settings.filters:
        rows = gates.kept()
        outcome = chosen.apply(proposed.take(rows))
        gates.drop(chosen.type, rows[~outcome.keep], outcome)
    passed = proposed.take(gates.kept())
    drawn = passed.take(settings.sampler.draw(passed))
    counts = audit(proposed, gates.counts(), passed, drawn, settings.sampler.count)
    metadata = {
        "gates": list(counts.removed),
        "audit": counts.as_dict(),
        "sources": list(sources),
        "scorer": settings.scorer,
    }
    return SelectionResult(_negatives(drawn), gates.removals(metadata), counts)


def _check_threshold(candidates: Candidates, threshold: int) -> None:
    mined = candidates.metadata.get("grade_threshold", threshold)
    if mined != threshold:
        raise DataError(
            f"the candidates were mined with grade_threshold {mined}, and masking.grade_threshold is {threshold}: "
            "the positives that filters compare with would be others; use the same for both"
        )


def _check_positives(candidates: Candidates, qrels: Qrels, threshold: int) -> None:
    """Check that every positive that was mined with is judged one: masks know no other, and it would be a negative."""
    given = np.flatnonzero(candidates.column("is_positive").to_numpy())
    (query, queries), (doc, docs) = (candidates.codes(name) for name in ("query_id", "doc_id"))
    relevant = qrels.relevant(threshold)
    judged = [positions(relevant.column("query_id"), queries), positions(relevant.column("doc_id"), docs)]
    there = (judged[0] >= 0) & (judged[1] >= 0)
    sizes = (len(queries), len(docs))
    known = row_codes([(codes[there], size) for codes, size in zip(judged, sizes, strict=True)])
    wanted, first = np.unique(row_codes([(query[given], sizes[0]), (doc[given], sizes[1])]), return_index=True)
    unknown = given[first[find(known, wanted) < 0]]
    if len(unknown):
        pairs = sorted(
            (queries[q].as_py(), docs[d].as_py())
            for q, d in zip(query[unknown].tolist(), doc[unknown].tolist(), strict=True)
        )
        raise DataError(
            f"{len(pairs)} positives that the candidates were mined with are not judged {threshold} or more; "
            "give the judgements that they were mined with, or larger ones",
            [Problem("qrels", None, f"query {query_id!r}, document {doc_id!r}") for query_id, doc_id in pairs],
        )


def _negatives(pool: Pool) -> Negatives:
    best = pool.highest
    columns = {
        "query_id": decoded(pool.names.queries, pool.query),
        "doc_id": decoded(pool.names.docs, pool.doc),
        "source": decoded(pool.names.sources, pool.source),
        "rank": pool.ranks,
        "score": pool.scores,
        "positive_score": pa.array(best, mask=np.isnan(best)),
        "scorer": decoded(pool.names.scorers, pool.scorer),
        "weight": np.ones(len(pool)),
    }
    return Negatives.of_unique(pa.table(columns))
