"""Masks: what can never be a negative, known without any score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from pyrite.data import Corpus, Qrels, Queries
from pyrite.data.text import copy_keys, text_key
from pyrite.errors import DataError
from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["Known", "Masking", "masks"]


class Masking(Settings):
    """What is known of queries and documents beside scores."""

    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive, from 1. Documents judged lower but above 0 are
    neither positives nor negatives."""
    trust_judged: bool = True
    """Whether a document judged 0 passes the filters that compare scores: nothing is guessed."""
    drop_same_id: bool = True
    """Whether a document with the query's own id is dropped, as BEIR does: there it is the query."""


@dataclass(frozen=True)
class Known:
    """Judgements and copies of one collection, looked up by id.

    Attributes:
        grades: {query_id: {doc_id: grade}}.
        keys: {doc_id: the key that its copies share}.
        query_keys: {query_id: the key that copies of its text share}.
        threshold: The lowest grade that makes a positive.
    """

    grades: dict[str, dict[str, int]]
    keys: dict[str, str]
    query_keys: dict[str, str]
    threshold: int

    @classmethod
    def of(cls, corpus: Corpus, queries: Queries, qrels: Qrels, threshold: int) -> Known:
        """Read a collection."""
        query_keys = {q: text_key(text) for q, text in zip(queries.ids(), queries.texts(), strict=True)}
        return cls(qrels.by_query(), dict(zip(corpus.ids(), copy_keys(corpus), strict=True)), query_keys, threshold)

    def grade(self, query_id: str, doc_id: str) -> int | None:
        """Return the grade of a pair, or None where nobody judged it."""
        return self.grades.get(query_id, {}).get(doc_id)

    def keys_of(self, doc_ids: Iterable[str]) -> list[str]:
        """Return the copy key of each document.

        Raises:
            DataError: A document is not in the corpus.
        """
        try:
            return [self.keys[doc_id] for doc_id in doc_ids]
        except KeyError as error:
            raise DataError(f"the candidates name a document that the corpus lacks: {error.args[0]!r}") from None

    def query_key(self, query_id: str) -> str:
        """Return the copy key of a query.

        Raises:
            DataError: It is not among the queries.
        """
        try:
            return self.query_keys[query_id]
        except KeyError:
            raise DataError(f"the candidates name a query that the queries lack: {query_id!r}") from None

    def positive_keys(self, query_id: str) -> set[str]:
        """Return the copy keys of a query's positives."""
        judged = self.grades.get(query_id, {})
        return {
            self.keys[doc_id] for doc_id, grade in judged.items() if grade >= self.threshold and doc_id in self.keys
        }


def masks(pool: Pool, known: Known, settings: Masking) -> tuple[Pool, list[tuple[str, np.ndarray]]]:
    """Return the pool with `trusted` filled in, and (gate, rows to drop) for each mask in order.

    The gates: `known-positive`; `partly-relevant`, judged above 0 and below the threshold;
    `same-id`; `copy-of-positive` and `copy-of-query`, the same normalised text; `copy`, the same
    text as a candidate ranked better.
    """
    rows = list(zip(pool.query_ids, pool.doc_ids, strict=True))
    grades = [known.grade(query_id, doc_id) for query_id, doc_id in rows]
    graded = np.array([-1 if grade is None else grade for grade in grades], dtype=np.int64)
    keys = known.keys_of(pool.doc_ids)
    dropped = [
        ("known-positive", graded >= settings.grade_threshold),
        ("partly-relevant", (graded > 0) & (graded < settings.grade_threshold)),
    ]
    if settings.drop_same_id:
        dropped.append(("same-id", _mask(query_id == doc_id for query_id, doc_id in rows)))
    positive_keys = {query_id: known.positive_keys(query_id) for query_id in dict.fromkeys(pool.query_ids)}
    copied = zip(pool.query_ids, keys, strict=True)
    dropped.append(("copy-of-positive", _mask(key in positive_keys[query_id] for query_id, key in copied)))
    copied = zip(pool.query_ids, keys, strict=True)
    dropped.append(("copy-of-query", _mask(known.query_key(query_id) == key for query_id, key in copied)))
    gone = np.any([mask for _, mask in dropped], axis=0)
    dropped.append(("copy", _later_copies(pool, keys, gone)))
    return (replace(pool, trusted=graded == 0) if settings.trust_judged else pool), dropped


def _mask(values: Iterable[bool]) -> np.ndarray:
    return np.fromiter(values, dtype=bool)


def _later_copies(pool: Pool, keys: list[str], gone: np.ndarray) -> np.ndarray:
    """Mark rows whose text stands in a row of the same query that comes earlier and stays."""
    later = np.zeros(len(pool), dtype=bool)
    seen: set[tuple[str, str]] = set()
    for row, pair in enumerate(zip(pool.query_ids, keys, strict=True)):
        if gone[row]:
            continue
        later[row] = pair in seen
        seen.add(pair)
    return later
