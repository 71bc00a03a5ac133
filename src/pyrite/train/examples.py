"""A training set resolved once: ids become row numbers, so that a step of training only gathers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pyrite.data import TrainingGroup, TrainingSet
from pyrite.data.text import normalise
from pyrite.errors import DataError, Problem
from pyrite.train.job import TrainingTexts

__all__ = ["Examples", "resolve"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs of a query and a positive, with what surrounds them; G groups, E pairs, D documents in use.

    Attributes:
        query_texts: The G queries.
        document_texts: The D documents that are a positive or a negative of some group.
        groups: The group of each pair: shape (E,), in [0, G).
        positives: The positive of each pair: shape (E,), in [0, D).
        negatives: The mined negatives of each group: shape (G, K), -1 where a group has fewer than K.
        weights: The weights of the negatives: float32, shape (G, K); None where all are 1.
        example_weights: How often each group counts, over the mean of all pairs: float32, shape (G,); None where all
            count alike.
        more: Further positives of the query that a pair brings: shape (E, M), -1 where it has fewer than M.
        teacher: A teacher's scores of the positive and the negatives of each pair: float32, shape (E, 1 + K), nan where
            there is none; None without a teacher.
        margins: What a teacher gave the positive of each pair more than the negatives: float32, shape (E, K), nan where
            it said nothing; None without such.
        query_keys: The same number for queries of the same normalised text: shape (G,).
        document_keys: The same number for documents that are copies: shape (D,).
        known: For each query key, the document keys of its positives.
        guide_queries: A guide's vectors of the queries: float32, shape (G, W); None without a guide.
        guide_documents: And of the documents: shape (D, W).
    """

    query_texts: list[str]
    document_texts: list[str]
    groups: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray
    weights: np.ndarray | None
    more: np.ndarray
    teacher: np.ndarray | None
    margins: np.ndarray | None
    query_keys: np.ndarray
    document_keys: np.ndarray
    known: list[np.ndarray]
    example_weights: np.ndarray | None = None
    guide_queries: np.ndarray | None = None
    guide_documents: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.groups)


def resolve(training_set: TrainingSet, texts: TrainingTexts, negatives: int, positives: int = 1) -> Examples:
    """Resolve a training set's ids to row numbers.

    Args:
        training_set: The groups.
        texts: The corpus and the queries.
        negatives: Mined negatives that a group brings at most: its first ones.
        positives: Positives that are looked at together. With 1, each makes a pair. With more, a query's positives are
            cut into the fewest even parts of that many at most; each part makes a pair of its first positive, which
            brings the others. None is left out.

    Raises:
        DataError: The set is empty, every group has the weight 0, or an id is not in the corpus or the queries; every
            such id is listed.
    """
    groups = list(training_set.rows())
    if not groups:
        raise DataError("the training set is empty: training wants at least one query with a positive")
    used = list(dict.fromkeys(doc_id for group in groups for doc_id in _documents(group, negatives)))
    _check_ids([group.query_id for group in groups], used, texts)
    corpus = texts.corpus.select(used)
    rows = {doc_id: row for row, doc_id in enumerate(used)}
    query_texts = texts.queries.select([group.query_id for group in groups]).texts()
    query_keys = _number(normalise(text) for text in query_texts)
    document_keys = _number(corpus.copy_keys().tolist())
    pairs = [(place, part) for place, group in enumerate(groups) for part in _parts(group, positives)]
    first = [(groups[place], int(part[0])) for place, part in pairs]
    owners = np.array([place for place, _ in pairs])
    return Examples(
        query_texts=query_texts,
        document_texts=corpus.texts(),
        groups=owners,
        positives=np.array([rows[group.positive_ids[own]] for group, own in first]),
        negatives=_pad([[rows[d] for d in group.negative_ids[:negatives]] for group in groups], -1, np.int64),
        weights=_weights(groups, negatives),
        example_weights=_example_weights(groups, owners),
        more=_pad([[rows[groups[place].positive_ids[i]] for i in part[1:]] for place, part in pairs], -1, np.int64),
        teacher=_teacher(first, negatives),
        margins=_margins(first, negatives),
        query_keys=query_keys,
        document_keys=document_keys,
        known=_known(groups, rows, query_keys, document_keys),
    )


def _documents(group: TrainingGroup, negatives: int) -> tuple[str, ...]:
    return group.positive_ids + group.negative_ids[:negatives]


def _check_ids(query_ids: Sequence[str], doc_ids: Sequence[str], texts: TrainingTexts) -> None:
    problems = [
        Problem("training set", None, f"the query {query_id!r} is not among the queries")
        for query_id in query_ids
        if query_id not in texts.queries
    ]
    problems += [
        Problem("training set", None, f"the document {doc_id!r} is not in the corpus")
        for doc_id in doc_ids
        if doc_id not in texts.corpus
    ]
    if problems:
        raise DataError(
            f"{len(problems)} ids of the training set have no text: give the corpus and the queries it was made from",
            problems,
        )


def _number(keys: Iterable[str]) -> np.ndarray:
    """Number equal keys alike, from 0 in the order of their first appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys])


def _parts(group: TrainingGroup, positives: int) -> list[np.ndarray]:
    """Cut the places of a group's positives into even parts."""
    count = len(group.positive_ids)
    return np.array_split(np.arange(count), math.ceil(count / positives))


def _pad(rows: Sequence[Sequence[float | None]], padding: float, dtype: type, width: int | None = None) -> np.ndarray:
    """Put rows of different lengths into one array; None in them becomes nan."""
    padded: np.ndarray = np.full((len(rows), max(map(len, rows)) if width is None else width), padding, dtype=dtype)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = np.array(values, dtype=dtype)
    return padded


def _weights(groups: Sequence[TrainingGroup], negatives: int) -> np.ndarray | None:
    if all(group.weights is None for group in groups):
        return None
    given = [group.weights or (1.0,) * len(group.negative_ids) for group in groups]
    return _pad([weights[:negatives] for weights in given], 1.0, np.float32)


def _example_weights(groups: Sequence[TrainingGroup], owners: np.ndarray) -> np.ndarray | None:
    """Return the groups' weights over their mean in pairs, whose groups are `owners`: that mean is 1 then."""
    given = np.array([1.0 if group.example_weight is None else group.example_weight for group in groups])
    if not given.any():
        raise DataError("every group of the training set has the weight 0: nothing would be learnt")
    if (given == given[0]).all():
        return None
    # Over the largest first, so that no sum overflows.
    given = given / given.max()
    weights: np.ndarray = (given / given[owners].mean()).astype(np.float32)
    return weights


def _teacher(pairs: Sequence[tuple[TrainingGroup, int]], negatives: int) -> np.ndarray | None:
    """Return the scores of (group, place of the positive): the positive's, then those of the first negatives."""
    if all(group.teacher_scores is None for group, _ in pairs):
        return None
    rows = []
    for group, own in pairs:
        scores, count = group.teacher_scores, len(group.positive_ids)
        rows.append(() if scores is None else (scores[own], *scores[count : count + _used(group, negatives)]))
    return _pad(rows, np.nan, np.float32, width=1 + _most(pairs, negatives))


def _margins(pairs: Sequence[tuple[TrainingGroup, int]], negatives: int) -> np.ndarray | None:
    """Return the margins of (group, place of the positive) for the first negatives."""
    if all(group.margins is None for group, _ in pairs):
        return None
    rows = []
    for group, own in pairs:
        start = own * len(group.negative_ids)
        rows.append(() if group.margins is None else group.margins[start : start + _used(group, negatives)])
    return _pad(rows, np.nan, np.float32, width=_most(pairs, negatives))


def _used(group: TrainingGroup, negatives: int) -> int:
    return min(len(group.negative_ids), negatives)


def _most(pairs: Sequence[tuple[TrainingGroup, int]], negatives: int) -> int:
    return max(_used(group, negatives) for group, _ in pairs)


def _known(
    groups: Sequence[TrainingGroup], rows: dict[str, int], query_keys: np.ndarray, document_keys: np.ndarray
) -> list[np.ndarray]:
    known: list[set[int]] = [set() for _ in range(int(query_keys.max()) + 1)]
    for group, key in zip(groups, query_keys.tolist(), strict=True):
        known[key].update(int(document_keys[rows[doc_id]]) for doc_id in group.positive_ids)
    return [np.array(sorted(keys)) for keys in known]
