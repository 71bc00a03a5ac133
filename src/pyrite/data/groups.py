"""Join judgements and negatives into what a trainer reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyrite.data.records import Negative, TrainingGroup
from pyrite.data.tables import Negatives, Qrels, TrainingSet
from pyrite.errors import DataError

__all__ = ["training_groups"]


def training_groups(
    qrels: Qrels,
    negatives: Negatives | None = None,
    grade_threshold: int = 1,
    weights: Mapping[str, float] | None = None,
) -> TrainingSet:
    """Return one group for each query that has a positive, ordered by query id.

    Args:
        qrels: The judgements of the training queries.
        negatives: Negatives mined for them, kept in their order with weight and source; none for in-batch training.
        grade_threshold: The lowest grade that makes a positive, from 1.
        weights: How often queries count, {query_id: a number from 0 up}; one that is not in it counts once.

    Raises:
        DataError: No query has a positive, a negative is one of its query's positives, there are negatives or weights
            and not one of them is for a query with a positive, or a weight is negative or no number.

    Example:
        >>> qrels = Qrels.from_columns(query_id=["q"], doc_id=["d"], grade=[1], source=["human"])
        >>> [group.positive_ids for group in training_groups(qrels).rows()]
        [('d',)]
    """
    mined, weights = _by_query(negatives), weights or {}
    groups = []
    for query_id, grades in sorted(qrels.by_query().items()):
        positives = tuple(sorted(doc_id for doc_id, grade in grades.items() if grade >= grade_threshold))
        if not positives:
            continue
        chosen = mined.get(query_id, [])
        wrong = sorted({negative.doc_id for negative in chosen} & set(positives))
        if wrong:
            raise DataError(f"query {query_id!r}: positives stand among its negatives: {', '.join(wrong)}")
        groups.append(replace(_group(query_id, positives, chosen), example_weight=weights.get(query_id)))
    if not groups:
        raise DataError(f"no training query has a document of grade {grade_threshold} or more")
    for given, what in ((mined, "negatives"), (weights, "weights")):
        if given and given.keys().isdisjoint(group.query_id for group in groups):
            raise DataError(
                f"not one of the {len(given)} queries that have {what} (such as {min(given)!r}) is among the "
                f"{len(groups)} that have positives (such as {groups[0].query_id!r}); were they made for another split?"
            )
    return TrainingSet.from_rows(groups)


def _group(query_id: str, positives: tuple[str, ...], chosen: Sequence[Negative]) -> TrainingGroup:
    weights = tuple(negative.weight for negative in chosen)
    plain = all(weight == 1 for weight in weights)
    return TrainingGroup(
        query_id,
        positives,
        tuple(negative.doc_id for negative in chosen),
        weights=None if plain else weights,
        sources=tuple((negative.source,) for negative in chosen) if chosen else None,
    )


def _by_query(negatives: Negatives | None) -> dict[str, list[Negative]]:
    grouped: dict[str, list[Negative]] = {}
    for negative in negatives.rows() if negatives is not None else ():
        grouped.setdefault(negative.query_id, []).append(negative)
    return grouped
