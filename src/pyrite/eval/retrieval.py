"""Measure how well a ranking, or an index that gives one, answers the judged queries."""

from __future__ import annotations

from collections.abc import Sequence

from pyrite.data import Qrels, Queries, QueryScores, Run
from pyrite.metrics.ranking import DEFAULT_MEASURES, measure_run
from pyrite.search.retriever import Index

__all__ = ["evaluate", "evaluate_index"]


def evaluate(
    run: Run, qrels: Qrels, measures: Sequence[str] = DEFAULT_MEASURES, *, system: str | None = None
) -> QueryScores:
    """Measure a ranking by BEIR's rules.

    A document with the query's own id does not count; see `pyrite.metrics.measure_run` for the rest.

    Args:
        run: The ranking.
        qrels: The judgements; its queries are those that count.
        measures: Names such as "nDCG@10" or "mrr@10".
        system: What to call the measured system; the run's scorer where None.

    Raises:
        DataError: There are no judgements, or not one query of the run is judged.
        SettingsError: A measure is unknown.

    Example:
        >>> from pyrite.data import Judgment, ScoreKind
        >>> run = Run.build(
        ...     "bm25", ScoreKind.BM25, query_id=["q", "q"], doc_id=["d1", "d2"], rank=[1, 2], score=[2.0, 1.0]
        ... )
        >>> evaluate(run, Qrels.from_rows([Judgment("q", "d2", 1)]), ["mrr@10"]).means()
        {'RR@10': 0.5}
    """
    return measure_run(run, qrels, measures, system=system, drop_same_id=True)


def evaluate_index(
    index: Index,
    queries: Queries,
    qrels: Qrels,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    depth: int = 100,
) -> tuple[Run, QueryScores]:
    """Search with the judged queries and measure what comes back.

    Args:
        index: What is measured.
        queries: At least the judged ones; the others are not searched for.
        qrels: The judgements.
        measures: Names such as "nDCG@10" or "mrr@10".
        depth: How many documents count for a query. One more is asked for, since one that has the query's own id is
            left out.

    Returns:
        The ranking and its scores; the system has the index's name.

    Raises:
        DataError: A judged query is not among the queries, or there are no judgements.
        SettingsError: A measure is unknown.
    """
    run = index.search(queries.select(qrels.query_ids()), depth + 1)
    return run, evaluate(run, qrels, measures, system=index.name)
