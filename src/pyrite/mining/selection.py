"""Choose negatives from candidates: masks, then filters in order, then one draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals
from pyrite.data.codes import pair_keys
from pyrite.errors import DataError, Problem
from pyrite.mining.audit import Audit, audit
from pyrite.mining.filters import FilterSettings
from pyrite.mining.masking import Known, Masking, masks
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


class _Drops:
    """Gathers removals as columns."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []
        self.gates: dict[str, int] = {}

    def add(
        self, gate: str, pool: Pool, values: np.ndarray | None = None, thresholds: np.ndarray | None = None
    ) -> None:
        """Note the rows of a pool as dropped at a gate."""
        count = len(pool)
        self.gates.setdefault(gate, 0)
        self.gates[gate] += count
        empty = pa.nulls(count, pa.float64())
        self._parts.append(
            pa.table(
                {
                    "query_id": pa.array(pool.query_ids, pa.string()),
                    "doc_id": pa.array(pool.doc_ids, pa.string()),
                    "gate": pa.array([gate] * count, pa.string()),
                    "value": empty if values is None else pa.array(values),
                    "threshold": empty if thresholds is None else pa.array(thresholds),
                }
            )
        )

    def table(self, counts: Audit, sources: Sequence[str], scorer: str | None) -> Removals:
        """Return all removals; the metadata say what was selected from and where it went."""
        metadata = {"gates": list(self.gates), "audit": counts.as_dict(), "sources": list(sources), "scorer": scorer}
        return Removals(pa.concat_tables(self._parts), metadata)


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
    sources = settings.sources or tuple(sorted(pc.unique(candidates.column("source")).to_pylist()))
    pool = build_pool(candidates, sources, settings.scorer)
    proposed = pool
    drops = _Drops()
    known = Known.of(corpus, queries, qrels, settings.masking.grade_threshold)
    pool = _apply_masks(pool, known, settings.masking, drops)
    for chosen in settings.filters:
        outcome = chosen.apply(pool)
        out = ~outcome.keep
        drops.add(chosen.type, pool.take(out), outcome.values[out], outcome.thresholds[out])
        pool = pool.take(outcome.keep)
    drawn = pool.take(settings.sampler.draw(pool))
    counts = audit(proposed, drops.gates, pool, drawn, settings.sampler.count)
    return SelectionResult(_negatives(drawn), drops.table(counts, sources, settings.scorer), counts)


def _check_threshold(candidates: Candidates, threshold: int) -> None:
    mined = candidates.metadata.get("grade_threshold", threshold)
    if mined != threshold:
        raise DataError(
            f"the candidates were mined with grade_threshold {mined}, and masking.grade_threshold is {threshold}: "
            "the positives that filters compare with would be others; use the same for both"
        )


def _check_positives(candidates: Candidates, qrels: Qrels, threshold: int) -> None:
    """Check that every positive that was mined with is judged one: masks know no other, and it would be a negative."""
    given = candidates.arrow.filter(candidates.column("is_positive")).select(["query_id", "doc_id"])
    judged = pair_keys(qrels.relevant(threshold).arrow)
    unknown = given.filter(pc.invert(pc.is_in(pair_keys(given), value_set=judged)))
    if unknown.num_rows:
        lacking = unknown.group_by(["query_id", "doc_id"]).aggregate([])
        shown = lacking.sort_by([("query_id", "ascending"), ("doc_id", "ascending")]).slice(0, 20).to_pylist()
        raise DataError(
            f"{lacking.num_rows} positives that the candidates were mined with are not judged {threshold} or more; "
            "give the judgements that they were mined with, or larger ones",
            [Problem("qrels", None, f"query {row['query_id']!r}, document {row['doc_id']!r}") for row in shown],
        )


def _apply_masks(pool: Pool, known: Known, settings: Masking, drops: _Drops) -> Pool:
    pool, dropped = masks(pool, known, settings)
    staying = np.ones(len(pool), dtype=bool)
    for gate, rows in dropped:
        drops.add(gate, pool.take(rows & staying))
        staying &= ~rows
    return pool.take(staying)


def _negatives(pool: Pool) -> Negatives:
    return Negatives.from_columns(
        query_id=pool.query_ids,
        doc_id=pool.doc_ids,
        source=pool.sources,
        rank=pool.ranks,
        score=pool.scores,
        positive_score=pool.highest,
        scorer=pool.scorers,
        weight=np.ones(len(pool)),
    )
