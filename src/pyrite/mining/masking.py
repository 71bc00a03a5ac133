"""Masks: what can never be a negative, known without any score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from pydantic import Field

from pyrite.data.codes import encode, find, positions, row_codes
from pyrite.mining.facts import Facts
from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["Masking", "masks"]


class Masking(Settings):
    """What is known of queries and documents beside scores."""

    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive, from 1. Documents judged lower but above 0 are
    neither positives nor negatives."""
    trust_judged: bool = True
    """Whether a document judged 0 passes the filters that compare scores: nothing is guessed."""
    drop_same_id: bool = True
    """Whether a document with the query's own id is dropped, as BEIR does: there it is the query."""
    drop_copies: bool = True
    """Whether copies of positives, of the query and of a better candidate are dropped. Off, only ids say what a
    document is, and false negatives come back."""


def masks(pool: Pool, facts: Facts, settings: Masking) -> tuple[Pool, list[tuple[str, np.ndarray]]]:
    """Return the pool with `trusted` filled in, and (gate, rows to drop) for each mask in order.

    The gates: `known-positive`; `partly-relevant`, judged above 0 and below the threshold;
    `same-id`; `copy-of-positive` and `copy-of-query`, the same normalised text; `copy`, the same
    text as a candidate ranked better.

    Raises:
        DataError: The corpus lacks a document, or the queries a query.
    """
    facts.check(pool.query, pool.doc)
    if len(pool) == 0:
        return pool, []
    grades = _grades(pool, facts)
    dropped = [
        ("known-positive", grades >= settings.grade_threshold),
        ("partly-relevant", (grades > 0) & (grades < settings.grade_threshold)),
    ]
    if settings.drop_same_id:
        dropped.append(("same-id", _same_id(pool)))
    if settings.drop_copies:
        dropped += _copies(pool, facts, np.any([mask for _, mask in dropped], axis=0))
    return (replace(pool, trusted=grades == 0) if settings.trust_judged else pool), dropped


def _copies(pool: Pool, facts: Facts, gone: np.ndarray) -> list[tuple[str, np.ndarray]]:
    keys = facts.doc_keys
    of_positive, of_query = _copies_of_positives(pool, facts, keys), _copies_of_queries(pool, facts, keys)
    later = _later_copies(pool, keys, gone | of_positive | of_query)
    return [("copy-of-positive", of_positive), ("copy-of-query", of_query), ("copy", later)]


def _grades(pool: Pool, facts: Facts) -> np.ndarray:
    """Return the grade of each row, -1 where nobody judged it."""
    grades = np.full(len(pool), -1, dtype=np.int32)
    judged = facts.judged.take(facts.judged.doc >= 0)
    rows = _rows_with(pool.doc, judged.doc, len(facts.names.docs))
    places = find(facts.names.pairs(judged.query, judged.doc), facts.names.pairs(pool.query[rows], pool.doc[rows]))
    grades[rows[places >= 0]] = judged.grade[places[places >= 0]]
    return grades


def _rows_with(codes: np.ndarray, wanted: np.ndarray, count: int) -> np.ndarray:
    """Return the rows whose code is one of some, out of `count` codes."""
    table = np.zeros(count, dtype=bool)
    table[wanted] = True
    return np.flatnonzero(table[codes])


def _same_id(pool: Pool) -> np.ndarray:
    own = pool.names.own_docs
    same: np.ndarray = own[pool.query] == pool.doc if (own >= 0).any() else np.zeros(len(pool), dtype=bool)
    return same


def _copies_of_positives(pool: Pool, facts: Facts, keys: np.ndarray) -> np.ndarray:
    copies = np.zeros(len(pool), dtype=bool)
    positives = facts.positives.take(facts.positives.row >= 0)
    distinct, codes = np.unique(facts.corpus.copy_keys()[positives.row], return_inverse=True)
    key_codes = positions(pa.array(keys), pa.array(distinct))
    rows = _rows_with(pool.doc, np.flatnonzero(key_codes >= 0), len(keys))
    sizes = (len(facts.names.queries), len(distinct))
    taken = row_codes([(positives.query, sizes[0]), (codes, sizes[1])])
    given = row_codes([(pool.query[rows], sizes[0]), (key_codes[pool.doc[rows]], sizes[1])])
    copies[rows] = find(taken, given) >= 0
    return copies


def _copies_of_queries(pool: Pool, facts: Facts, keys: np.ndarray) -> np.ndarray:
    copies = np.zeros(len(pool), dtype=bool)
    # The key of a query of white space alone is that of a document without any text: no copy.
    asked = facts.query_keys[facts.query_keys > 0]
    rows = _rows_with(pool.doc, np.flatnonzero(positions(pa.array(keys), pa.array(asked)) >= 0), len(keys))
    copies[rows] = facts.query_keys[pool.query[rows]] == keys[pool.doc[rows]]
    return copies


def _later_copies(pool: Pool, keys: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Mark rows whose text stands in a row of the same query that comes earlier and stays."""
    later = np.zeros(len(pool), dtype=bool)
    codes, _ = encode(pa.array(keys))
    counts = np.bincount(codes)
    rows = _rows_with(pool.doc, np.flatnonzero(counts[codes] > 1), len(keys))
    rows = rows[~gone[rows]]
    pairs = row_codes([(pool.query[rows], len(pool.names.queries)), (codes[pool.doc[rows]], len(counts))])
    _, first = np.unique(pairs, return_index=True)
    later[rows] = True
    later[rows[first]] = False
    return later
