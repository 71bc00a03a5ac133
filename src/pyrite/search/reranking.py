"""Order the first documents of a ranking anew, by another scorer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Queries, Run, ScoreKind
from pyrite.search.rescoring import IdScorer
from pyrite.search.retriever import Pairs

__all__ = ["first_ranks", "reordered", "rerank", "run_pairs"]

_BEST_FIRST = [("query_id", "ascending"), ("score", "descending"), ("doc_id", "descending")]


def rerank(run: Run, queries: Queries, scorer: IdScorer, *, name: str, depth: int = 50) -> Run:
    """Score the first documents of each query and order them by that; documents behind them are left out.

    Args:
        run: The ranking.
        queries: Holds its queries.
        scorer: Gives the scores, such as a `TextPairScorer` of a cross-encoder and the corpus.
        name: What the new ranking calls its scorer.
        depth: Ranks that are looked at, from 1.

    Raises:
        DataError: A query is not among the queries, or a document not in the corpus.
    """
    first = first_ranks(run, depth)
    return reordered(first, scorer.score(queries, run_pairs(first)), name=name, kind=scorer.score_kind)


def first_ranks(run: Run, depth: int) -> Run:
    """Return the first `depth` ranks of each query."""
    return Run(run.arrow.filter(pc.less_equal(run.column("rank"), depth)), run.metadata)


def run_pairs(run: Run) -> Pairs:
    """Return the queries and documents of a ranking, in the order of its rows."""
    return Pairs(run.column("query_id").to_pylist(), run.column("doc_id").to_pylist())


def reordered(run: Run, scores: np.ndarray, *, name: str, kind: ScoreKind) -> Run:
    """Return a ranking in the order of other scores; ties by document id, descending.

    Args:
        run: The ranking.
        scores: One for each of its rows.
        name: What gave the scores.
        kind: What they mean.
    """
    schema = run.arrow.schema
    table = run.arrow.set_column(schema.get_field_index("score"), "score", pa.array(scores, pa.float64()))
    table = table.sort_by(_BEST_FIRST)
    queries = table.column("query_id").combine_chunks().dictionary_encode().indices.to_numpy()
    ranks = np.arange(len(queries)) - np.searchsorted(queries, queries) + 1
    table = table.set_column(schema.get_field_index("rank"), "rank", pa.array(ranks, pa.int32()))
    return Run(table.cast(schema), {"scorer": name, "score_kind": str(kind)})
