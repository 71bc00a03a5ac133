"""Training queries that an evaluation split asks as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyrite.data import Qrels, Queries
from pyrite.metrics.duplicates import Resemblance, near_duplicates_between

__all__ = ["LeakingQuery", "leaking_queries"]


@dataclass(frozen=True, slots=True)
class LeakingQuery:
    """A training query whose text is a near-duplicate of an evaluation query's.

    Attributes:
        query_id: The training query.
        split: The evaluation split.
        evaluation_id: The query there; the same id where the query itself is in both.
        resemblance: The Jaccard index of the two texts' shingles, in [0, 1].
    """

    query_id: str
    split: str
    evaluation_id: str
    resemblance: float


def leaking_queries(
    queries: Queries, trained: Sequence[str], evaluation: Mapping[str, Qrels], settings: Resemblance | None = None
) -> list[LeakingQuery]:
    """Return the training queries that are near-duplicates of evaluation queries, in the order of the ids.

    Args:
        queries: The texts of both. Evaluation queries without a text there are compared by id alone.
        trained: The ids of the training queries.
        evaluation: {split: its judgements}.
        settings: When two texts are near-duplicates; None for the defaults.
    """
    found = []
    trained = sorted(trained)
    texts = queries.select(trained).texts()
    for split, qrels in evaluation.items():
        asked = sorted(qrels.query_ids())
        found += [LeakingQuery(query_id, split, query_id, 1.0) for query_id in sorted(set(trained) & set(asked))]
        known = [query_id for query_id in asked if query_id in queries]
        pairs = near_duplicates_between(texts, queries.select(known).texts(), settings)
        for left, right, value in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.resemblance.tolist(), strict=True
        ):
            if trained[left] != known[right]:
                found.append(LeakingQuery(trained[left], split, known[right], value))
    return sorted(found, key=lambda leak: (leak.query_id, leak.split, leak.evaluation_id))
