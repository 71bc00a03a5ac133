"""How negatives change from one round to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyrite.data import Candidates, Negatives, Qrels, Queries
from pyrite.data.codes import find, positions, row_codes
from pyrite.search.rescoring import IdScorer
from pyrite.search.retriever import Pairs

__all__ = ["Drift", "above_positive", "drift", "judged_false", "mean_overlap", "ranks_of"]


@dataclass(frozen=True, slots=True)
class Drift:
    """What became of a round's negatives under the next model.

    Attributes:
        overlap: The share of a query's negatives that both rounds have, intersection over union, mean over the
            queries that have some in either; in [0, 1].
        rank_before: The median rank of the earlier round's negatives in the search that they were drawn from, from 1;
            None where there were none.
        rank_after: Their median rank in the search by the next model; one beyond the depth counts as depth + 1.
    """

    overlap: float
    rank_before: float | None
    rank_after: float | None


def drift(
    before: tuple[Negatives, Candidates], after: tuple[Negatives, Candidates], *, source: str, depth: int
) -> Drift:
    """Compare two rounds' negatives.

    Args:
        before: The earlier round's negatives and the candidates that they were drawn from.
        after: The next round's.
        source: The dense source, whose ranks are compared.
        depth: How deep both were searched.
    """
    negatives = before[0]
    overlap = mean_overlap(negatives, after[0])
    if len(negatives) == 0:
        return Drift(overlap, None, None)
    ranks = (ranks_of(negatives, found, source, depth) for found in (before[1], after[1]))
    return Drift(overlap, *(float(np.median(of_one)) for of_one in ranks))


def mean_overlap(a: Negatives, b: Negatives) -> float:
    """Return intersection over union of each query's negatives, mean over the queries that have some in either."""
    left, right = a.by_query(), b.by_query()
    pairs = [(set(left.get(query, ())), set(right.get(query, ()))) for query in left.keys() | right.keys()]
    return float(np.mean([len(one & other) / len(one | other) for one, other in pairs])) if pairs else 1.0


def ranks_of(negatives: Negatives, candidates: Candidates, source: str, depth: int) -> np.ndarray:
    """Return the rank of each negative in a source's search, depth + 1 where it was not reached: float64, (rows,)."""
    sources = np.array(candidates.codes("source")[1].to_pylist(), dtype=object)[candidates.codes("source")[0]]
    ranks = candidates.column("rank").to_numpy().astype(np.float64)
    ranked = np.flatnonzero((sources == source) & np.isfinite(ranks))
    (query, queries), (doc, docs) = (candidates.codes(name) for name in ("query_id", "doc_id"))
    sizes = (len(queries), len(docs))
    known = row_codes([(query[ranked], sizes[0]), (doc[ranked], sizes[1])])
    asked = [positions(negatives.column(name), ids) for name, ids in (("query_id", queries), ("doc_id", docs))]
    there = (asked[0] >= 0) & (asked[1] >= 0)
    found = np.full(len(negatives), depth + 1, dtype=np.float64)
    places = find(known, row_codes([(codes[there], size) for codes, size in zip(asked, sizes, strict=True)]))
    found[np.flatnonzero(there)[places >= 0]] = ranks[ranked[places[places >= 0]]]
    return found


def above_positive(negatives: Negatives) -> float:
    """Return the share of negatives that the model which mined them puts at or above the query's best positive.

    In [0, 1]; 0 without negatives. Those without a score of their positive count as below.
    """
    scores, best = (negatives.column(name).to_numpy().astype(np.float64) for name in ("score", "positive_score"))
    return float((scores >= best).mean()) if len(scores) else 0.0


def judged_false(negatives: Negatives, relevant: Qrels, queries: Queries, scorer: IdScorer) -> float:
    """Return the share of negatives that a judge of its own scores at least as high as the query's lowest positive.

    An estimate of the false negatives, as good as the judge. In [0, 1]; 0 without negatives.

    Args:
        negatives: The negatives.
        relevant: The positives; queries without negatives do not count.
        queries: Holds the queries' texts.
        scorer: Scores each distinct pair once.
    """
    mined, known = negatives.by_query(), relevant.by_query()
    pairs = [(query, doc) for query, docs in mined.items() for doc in [*sorted(known[query]), *docs]]
    if not pairs:
        return 0.0
    scores = iter(scorer.score(queries, Pairs(*map(list, zip(*pairs, strict=True)))).tolist())
    false = 0
    for query, docs in mined.items():
        lowest = min(next(scores) for _ in known[query])
        false += sum(next(scores) >= lowest for _ in docs)
    return false / len(negatives)
