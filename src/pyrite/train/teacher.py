"""A teacher's scores for the documents of a training set: what soft labels are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyrite.data import Queries, TrainingSet
from pyrite.data.records import TrainingGroup
from pyrite.errors import DataError
from pyrite.search.rescoring import IdScorer
from pyrite.search.retriever import Pairs
from pyrite.settings import Json

__all__ = ["add_teacher_scores", "pairs_to_teach", "with_teacher_scores"]


def pairs_to_teach(training_set: TrainingSet, negatives: int | None = None) -> Pairs:
    """Return each (query, document) of a training set once, positives and negatives, query by query.

    Args:
        training_set: The groups.
        negatives: How many negatives of a group a teacher is asked about, its first ones; None for all.

    Example:
        >>> groups = [TrainingGroup("q", ("a",), ("b", "c"))]
        >>> pairs_to_teach(TrainingSet.from_rows(groups), negatives=1).doc_ids
        ['a', 'b']
    """
    pairs = [(group.query_id, doc_id) for group in training_set.rows() for doc_id in _taught(group, negatives)]
    unique = list(dict.fromkeys(pairs))
    return Pairs([query_id for query_id, _ in unique], [doc_id for _, doc_id in unique])


def with_teacher_scores(training_set: TrainingSet, pairs: Pairs, scores: np.ndarray, told: Json) -> TrainingSet:
    """Return a training set with these teacher's scores in the place of any other's.

    A document without a score has None: not 0, which a softmax would take for a score like any other. Margins that the
    groups carry stay, as another teacher's word.

    Args:
        training_set: The groups.
        pairs: What `pairs_to_teach` gave.
        scores: One for each pair.
        told: What the metadata say of the teacher, under the name "teacher".

    Raises:
        DataError: The pairs and scores differ in number.
    """
    if len(scores) != len(pairs):
        raise DataError(f"{len(scores)} scores for {len(pairs)} pairs; a teacher gives one for each")
    known = dict(zip(zip(pairs.query_ids, pairs.doc_ids, strict=True), scores.tolist(), strict=True))
    column = [[known.get((group.query_id, doc_id)) for doc_id in _taught(group, None)] for group in training_set.rows()]
    kept = {name: training_set.column(name) for name in training_set.schema.names if name != "teacher_scores"}
    metadata = {**training_set.metadata, "teacher": told}
    return TrainingSet.from_columns(metadata, **kept, teacher_scores=column)


def add_teacher_scores(
    training_set: TrainingSet,
    queries: Queries,
    scorer: IdScorer,
    *,
    negatives: int | None = None,
    pairs_at_once: int = 4096,
    advance: Callable[[int], None] = lambda _: None,
) -> TrainingSet:
    """Score the documents of a training set by a teacher.

    Args:
        training_set: The groups.
        queries: Their queries.
        scorer: The teacher: a `TextPairScorer` of any model and the corpus, or an index.
        negatives: How many negatives of a group it is asked about, its first ones; None for all.
        pairs_at_once: Pairs that it is given in one call, from 1: batches of like length are cut from these.
        advance: Called with the number of pairs done.

    Raises:
        DataError: A query is not among the queries, or a document not in the corpus.

    Example:
        ```python
        teacher = TextPairScorer(CrossEncoderScorer.load("cross-encoder/ms-marco-MiniLM-L6-v2"), corpus)
        soft = add_teacher_scores(training_set, queries, teacher)
        ```
    """
    pairs = pairs_to_teach(training_set, negatives)
    parts = [np.zeros(0)]
    for start in range(0, len(pairs), pairs_at_once):
        part = pairs.part(range(start, min(start + pairs_at_once, len(pairs))))
        parts.append(scorer.score(queries, part))
        advance(len(part))
    told = {"score_kind": str(scorer.score_kind)}
    return with_teacher_scores(training_set, pairs, np.concatenate(parts), told)


def _taught(group: TrainingGroup, negatives: int | None) -> tuple[str, ...]:
    return group.positive_ids + group.negative_ids[:negatives]
