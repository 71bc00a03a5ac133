"""Filters that compare texts: near-duplicates of positives and of each other, and leakage of evaluation splits."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from pyrite.data.codes import find
from pyrite.errors import DataError
from pyrite.metrics.duplicates import Resemblance, near_duplicate_pairs
from pyrite.mining.facts import Facts
from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool

__all__ = ["LeakageFilter", "NearDuplicateFilter"]


class NearDuplicateFilter(Resemblance):
    """Keep n unless its text, title included, is a near-duplicate of a positive's or of a better candidate's.

    Copies to the letter are masked without it; this finds what differs in a few words, in punctuation, or in where the
    title stands. Documents that somebody judged not relevant are not compared with positives.
    """

    guesses: ClassVar[bool] = False

    type: Literal["near-duplicate"] = "near-duplicate"
    of_positives: bool = True
    """Whether near-duplicates of the query's positives are dropped."""
    of_each_other: bool = True
    """Whether of two candidates that are near-duplicates only the better ranked stays."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row.

        Raises:
            DataError: The pool comes without texts.
        """
        facts = _facts(pool, self.type)
        rows = facts.doc_rows[pool.doc]
        asked = np.zeros(len(pool.names.queries), dtype=bool)
        asked[pool.query] = True
        positives = facts.positives.take((facts.positives.row >= 0) & asked[facts.positives.query])
        near = _Neighbours(facts, np.concatenate([rows, positives.row]), self)
        values = np.full(len(pool), np.nan)
        if self.of_positives:
            owner, row, value = near.of(positives.query, positives.row)
            found = _largest(pool.query, rows, (owner, row, value), len(facts.corpus))
            values = np.where(pool.trusted, np.nan, found)
        if self.of_each_other:
            _note_later(pool.query, rows, near, values)
        return Outcome(np.isnan(values), values, np.full(len(pool), self.threshold))


class LeakageFilter(Resemblance):
    """Keep n unless it is relevant in an evaluation split, or a near-duplicate of a document that is.

    A model that was trained to push a document away is measured unfairly on a query that asks for it.
    """

    guesses: ClassVar[bool] = False

    type: Literal["leakage"] = "leakage"
    near: bool = True
    """Whether near-duplicates count; else the documents themselves and their copies alone."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row.

        Raises:
            DataError: The pool comes without texts or without evaluation splits.
        """
        facts = _facts(pool, self.type)
        kept_away = facts.evaluation_rows
        rows = facts.doc_rows[pool.doc]
        values = np.full(len(pool), np.nan)
        if self.near:
            near = _Neighbours(facts, np.concatenate([rows, kept_away]), self)
            nobody = np.zeros(len(kept_away), dtype=np.int64)
            values = _largest(np.zeros(len(rows), dtype=np.int64), rows, near.of(nobody, kept_away), len(facts.corpus))
        keys = facts.corpus.copy_keys()
        values[np.isin(rows, kept_away) | np.isin(keys[rows], keys[kept_away])] = 1.0
        return Outcome(np.isnan(values), values, np.full(len(pool), self.threshold))


def _facts(pool: Pool, name: str) -> Facts:
    if pool.facts is None:
        raise DataError(f"the filter {name!r} compares texts, and this pool comes without any")
    return pool.facts


class _Neighbours:
    """The near-duplicates of each of some documents, given as rows of the corpus."""

    def __init__(self, facts: Facts, rows: np.ndarray, settings: Resemblance) -> None:
        distinct = np.unique(rows)
        pairs = near_duplicate_pairs(facts.texts(distinct), settings)
        left, right = distinct[pairs.left], distinct[pairs.right]
        order = np.argsort(np.concatenate([left, right]), kind="stable")
        self._rows = np.concatenate([left, right])[order]
        self._others = np.concatenate([right, left])[order]
        self._values = np.tile(pairs.resemblance, 2)[order]

    def of(self, owners: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (owner, near-duplicate, resemblance) for every near-duplicate of the row of each owner."""
        first = np.searchsorted(self._rows, rows)
        counts = np.searchsorted(self._rows, rows, side="right") - first
        places = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return np.repeat(owners, counts), self._others[places], self._values[places]

    def has_some(self, rows: np.ndarray) -> np.ndarray:
        """Return whether each row has a near-duplicate."""
        return np.isin(rows, self._rows)


def _largest(
    owners: np.ndarray, rows: np.ndarray, given: tuple[np.ndarray, np.ndarray, np.ndarray], count: int
) -> np.ndarray:
    """Return the largest value given for each (owner, row), nan where there is none."""
    values = np.full(len(rows), np.nan)
    order = np.argsort(-given[2], kind="stable")
    places = find((given[0] * count + given[1])[order], owners.astype(np.int64) * count + rows)
    values[places >= 0] = given[2][order][places[places >= 0]]
    return values


def _note_later(query: np.ndarray, rows: np.ndarray, near: _Neighbours, values: np.ndarray) -> None:
    """Note in `values` each row that is a near-duplicate of an earlier one of its query that stays."""
    kept: set[tuple[int, int]] = set()
    for place in np.flatnonzero(near.has_some(rows) & np.isnan(values)).tolist():
        owner, row = int(query[place]), int(rows[place])
        _, others, resemblances = near.of(np.zeros(1, dtype=np.int64), np.array([row]))
        seen = [
            value for other, value in zip(others.tolist(), resemblances.tolist(), strict=True) if (owner, other) in kept
        ]
        if seen:
            values[place] = max(seen)
        else:
            kept.add((owner, row))
