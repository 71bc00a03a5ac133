"""Choose negatives from candidates: masks, then filters in order, then one draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals, Verdicts
from pyrite.data.codes import decoded, find, positions, row_codes
from pyrite.errors import DataError, Problem
from pyrite.mining.audit import Audit, audit
from pyrite.mining.facts import Facts
from pyrite.mining.filters import FilterSettings, LeakageFilter
from pyrite.mining.gates import Gates
from pyrite.mining.leakage import LeakingQuery, leaking_queries
from pyrite.mining.masking import Masking, masks
from pyrite.mining.pool import Pool, build_pool
from pyrite.mining.samplers import Drawn, SamplerSettings, TopSampler
from pyrite.mining.shortage import Shortage, drop_short, relax
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
    weigh_by: str | None = None
    """The scorer whose scores are the weights of the negatives in training, such as `cet-weight`; empty for what the
    sampler says, which is 1 but for `cet`."""
    shortage: Shortage = "fewer"
    """What happens to a query that has fewer candidates left than the sampler wants: `fewer`, it gets what is left;
    `relax`, it gets candidates back that a filter dropped for their scores, nearest to the threshold first; `drop`, it
    gets none."""

    @model_validator(mode="after")
    def _weighed_once(self) -> Self:
        if self.weigh_by is not None and self.sampler.type == "cet":
            raise ValueError("weigh_by: the sampler `cet` gives weights itself; with both, a pair would count twice")
        return self


@dataclass(frozen=True, slots=True)
class SelectionResult:
    """Negatives, what was dropped and why, and the counts of both."""

    negatives: Negatives
    removals: Removals
    audit: Audit


def select_negatives(
    candidates: Candidates,
    corpus: Corpus,
    queries: Queries,
    qrels: Qrels,
    settings: Selection,
    *,
    verdicts: Verdicts | None = None,
    evaluation: Mapping[str, Qrels] | None = None,
) -> SelectionResult:
    """Choose negatives.

    The result does not depend on the order of any table's rows. What happens to a query that keeps fewer candidates
    than the sampler wants is a setting, `shortage`; the audit counts them in any case.

    Args:
        candidates: What was mined, with the scores that the settings ask for.
        corpus: The documents, for copies.
        queries: The queries.
        qrels: The judgements.
        settings: Sources, scorer, masks, filters and sampler.
        verdicts: What judges said, for the filter `judged`.
        evaluation: {split: its judgements}, for the filter `leakage`. Training queries that a split asks as well are
            named in the removals' metadata, as `leaking_queries`.

    Raises:
        DataError: A source or scorer is unknown, a score is missing or not what the sampler or `weigh_by` wants, a
            candidate is not in the corpus or its query not among the queries, a filter lacks what it looks at, or the
            candidates were mined with another grade threshold or with judgements that know more positives.
    """
    _check_threshold(candidates, settings.masking.grade_threshold)
    _check_positives(candidates, qrels, settings.masking.grade_threshold)
    sources = settings.sources or tuple(sorted(candidates.codes("source")[1].to_pylist()))
    more = (*settings.sampler.scorers(), *filter(None, [settings.weigh_by]))
    proposed = build_pool(candidates, sources, settings.scorer, more)
    facts = Facts(proposed.names, corpus, queries, qrels, settings.masking.grade_threshold, verdicts, evaluation)
    gates = Gates(proposed)
    proposed, dropped = masks(replace(proposed, facts=facts), facts, settings.masking)
    for gate, mask in dropped:
        gates.drop(gate, np.flatnonzero(mask))
    chosen = _draw(proposed, gates, settings)
    drawn = proposed.take(chosen.rows)
    counts = audit(proposed, gates, drawn, settings.sampler.count)
    metadata = {
        "gates": list(counts.removed),
        "audit": counts.as_dict(),
        "sources": list(sources),
        "scorer": settings.scorer,
        "shortage": settings.shortage,
        "leaking_queries": [asdict(leak) for leak in _leaks(facts, settings)],
    }
    weights = _weights(drawn, chosen, settings.weigh_by)
    negatives = _negatives(drawn, gates.readmitted(chosen.rows), weights)
    return SelectionResult(negatives, gates.removals(metadata), counts)


def _leaks(facts: Facts, settings: Selection) -> list[LeakingQuery]:
    filters = [chosen for chosen in settings.filters if isinstance(chosen, LeakageFilter)]
    if not filters or facts.evaluation is None:
        return []
    return leaking_queries(facts.queries, facts.names.queries.to_pylist(), facts.evaluation, filters[0])


def _draw(proposed: Pool, gates: Gates, settings: Selection) -> Drawn:
    """Apply the filters, see to queries that have too little left, and draw.

    What comes back to a query that had too few counts once.
    """
    numbers = []
    for chosen in settings.filters:
        rows = gates.kept()
        numbers.append(gates.drop_failing(chosen.type, rows, chosen.apply(proposed.take(rows))))
    passed, count = gates.kept(), settings.sampler.count
    if settings.shortage == "drop":
        drop_short(proposed, gates, count)
        passed = gates.kept()
    back = np.zeros(0, dtype=np.int64)
    if settings.shortage == "relax":
        back = relax(proposed, gates, settings.filters, numbers, count)
    drawn = settings.sampler.draw(proposed.take(passed))
    rows = np.union1d(passed[drawn.rows], back)
    if drawn.weights is None:
        return Drawn(rows)
    weights = np.ones(len(rows))
    weights[np.searchsorted(rows, passed[drawn.rows])] = drawn.weights
    return Drawn(rows, weights)


def _weights(pool: Pool, drawn: Drawn, weigh_by: str | None) -> np.ndarray:
    if weigh_by is None:
        return np.ones(len(pool)) if drawn.weights is None else drawn.weights
    weights = pool.more[weigh_by]
    if len(weights) and weights.min() < 0:
        raise DataError(f"weigh_by: scores by {weigh_by!r} are no weights: the lowest is {weights.min():.4g}, below 0")
    return weights


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


def _negatives(pool: Pool, relaxed: pa.Array, weights: np.ndarray) -> Negatives:
    best = pool.highest
    columns = {
        "query_id": decoded(pool.names.queries, pool.query),
        "doc_id": decoded(pool.names.docs, pool.doc),
        "source": decoded(pool.names.sources, pool.source),
        "rank": pool.ranks,
        "score": pool.scores,
        "positive_score": pa.array(best, mask=np.isnan(best)),
        "scorer": decoded(pool.names.scorers, pool.scorer),
        "weight": weights,
        "relaxed": relaxed,
    }
    return Negatives.of_unique(pa.table(columns))
