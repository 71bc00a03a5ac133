"""Filter candidates and draw negatives, a block of queries at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pyrite.compat.arguments import Arguments
from pyrite.compat.pairs import Pairs
from pyrite.compat.retrieval import blocks
from pyrite.data.text import text_key
from pyrite.seeds import rng

__all__ = ["Chosen", "choose"]

_NONE = np.float32(-np.inf)


@dataclass(frozen=True)
class Chosen:
    """The negatives of each query.

    Attributes:
        positions: Places in the corpus, best first; -1 where there is none: int64, shape (queries, negatives).
        scores: Their scores, minus infinity where there is none: float32, likewise.
        positive_scores: The score of each pair of query and positive: float32, shape (pairs,).
        skipped: {argument: (candidates that it ruled out, out of how many)}.
    """

    positions: np.ndarray
    scores: np.ndarray
    positive_scores: np.ndarray
    skipped: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def found(self) -> np.ndarray:
        """Where there is a negative: bool, shape (queries, negatives)."""
        there: np.ndarray = self.scores != _NONE
        return there


def choose(
    pairs: Pairs, found: np.ndarray, rescored: np.ndarray | None, positive_scores: np.ndarray, arguments: Arguments
) -> Chosen:
    """Choose the negatives of every query.

    Args:
        pairs: Queries, documents and positives.
        found: The candidates, of type `CANDIDATE`, shape (queries, at least the depth).
        rescored: A cross-encoder's scores of them, likewise, or None for those of the search.
        positive_scores: The score of each pair by the same scorer: float32, shape (pairs,).
        arguments: What may be drawn, and how.
    """
    asked = (arguments.range_max or 0) + pairs.most
    depth = min(asked, len(pairs.documents))
    shape = (len(pairs.queries), arguments.num_negatives)
    chosen = Chosen(np.full(shape, -1, dtype=np.int64), np.full(shape, _NONE), positive_scores)
    copies = _Copies.of(pairs) if arguments.mask_duplicates else None
    gates = _Gates(pairs, arguments, positive_scores, copies)
    for rows in blocks(len(pairs.queries)):
        positions = found["position"][rows, :depth].astype(np.int64)
        scores = np.array((found["score"] if rescored is None else rescored)[rows, :depth])
        gates.apply(rows, positions, scores)
        if rescored is not None:
            order = np.argsort(-scores, axis=1, kind="stable")
            positions, scores = (np.take_along_axis(values, order, axis=1) for values in (positions, scores))
        row, place, column = _draw(scores, arguments, pairs.queries[rows])
        chosen.positions[rows][row, place] = positions[row, column]
        chosen.scores[rows][row, place] = scores[row, column]
    chosen.skipped.update(gates.counts(len(pairs.queries) * asked, len(pairs.queries) * (asked - depth)))
    return chosen


def _draw(scores: np.ndarray, arguments: Arguments, queries: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (row, which negative of the row, column) of what is drawn from candidates in order of their scores."""
    first, last, wanted = arguments.range_min, arguments.range_max or 0, arguments.num_negatives
    there = scores != _NONE
    rank = np.cumsum(there, axis=1) - 1
    within = there & (rank >= first) & (rank < last)
    if arguments.sampling_strategy == "top":
        row, column = np.nonzero(within & (rank < first + wanted))
        return row, rank[row, column] - first, column
    taken = np.zeros_like(within)
    for place, query in enumerate(queries):
        columns = np.flatnonzero(within[place])
        if len(columns) > wanted:
            columns = rng(arguments.seed, "compat-negatives", query).choice(columns, wanted, replace=False)
        taken[place, columns] = True
    row, column = np.nonzero(taken)
    return row, (np.cumsum(taken, axis=1) - 1)[row, column], column


class _Gates:
    """What rules candidates out, in order, with the counts of each."""

    def __init__(self, pairs: Pairs, arguments: Arguments, positive_scores: np.ndarray, copies: _Copies | None) -> None:
        self._pairs = pairs
        self._arguments = arguments
        self._copies = copies
        # A candidate stays below every positive of its query.
        self._lowest = np.minimum.reduceat(positive_scores, pairs.starts[:-1])
        self._skipped: dict[str, int] = {}

    def apply(self, rows: slice, positions: np.ndarray, scores: np.ndarray) -> None:
        """Set the scores of what may not be drawn to minus infinity.

        Args:
            rows: The queries.
            positions: int64, shape (queries of the block, depth).
            scores: float32, likewise; changed.
        """
        scores[positions < 0] = _NONE
        if not self._arguments.include_positives:
            scores[self._positives_among(rows, positions)] = _NONE
        if self._copies is not None:
            there = scores != _NONE
            self._drop("mask_duplicates", self._copies.mask(rows, positions, there), scores)
        lowest = self._lowest[rows, None]
        given = self._arguments
        if given.absolute_margin is not None:
            self._drop("absolute_margin", scores + given.absolute_margin > lowest, scores)
        if given.relative_margin is not None:
            self._drop("relative_margin", scores > lowest - np.abs(lowest) * given.relative_margin, scores)
        if given.max_score is not None:
            self._drop("max_score", scores > given.max_score, scores)
        if given.min_score is not None:
            self._drop("min_score", scores < given.min_score, scores)

    def _positives_among(self, rows: slice, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (row, column) of the candidates that are positives of their query."""
        of = self._pairs.of(rows)
        owners, positives = self._pairs.owners[of] - rows.start, self._pairs.positives[of]
        found = []
        # In parts, since a query may have any number of positives.
        for some in blocks(len(owners)):
            pair, column = np.nonzero(positions[owners[some]] == positives[some, None])
            found.append((owners[some][pair], column))
        row, column = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return row, column

    def counts(self, candidates: int, absent: int) -> dict[str, tuple[int, int]]:
        """Return {argument: (ruled out, out of how many)} of those that ruled anything out.

        Args:
            candidates: How many were asked for.
            absent: How many of them a smaller corpus does not have; they count, and lie below any `min_score`.
        """
        counts = {}
        for name, dropped in self._skipped.items():
            skipped = dropped + (absent if name == "min_score" else 0)
            if skipped:
                counts[name] = (skipped, candidates)
            candidates -= skipped if name.endswith("margin") else 0
        return counts

    def _drop(self, name: str, mask: np.ndarray, scores: np.ndarray) -> None:
        self._skipped[name] = self._skipped.get(name, 0) + int(np.count_nonzero(mask))
        scores[mask] = _NONE


@dataclass(frozen=True)
class _Copies:
    """Which texts are the same once case, white space and Unicode forms are put aside.

    Attributes:
        documents: A number for each document, the same for copies: int64, shape (documents,).
        queries: Likewise for the queries.
        of_positives: A number for each query and text of a positive of it, in order.
    """

    documents: np.ndarray
    queries: np.ndarray
    of_positives: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs) -> _Copies:
        numbers: dict[int, int] = {}
        documents, queries = (
            np.array([numbers.setdefault(text_key(text), len(numbers)) for text in texts], dtype=np.int64)
            for texts in (pairs.documents, pairs.queries)
        )
        keys = pairs.owners * (len(documents) + len(queries)) + documents[pairs.positives]
        return cls(documents, queries, np.sort(keys))

    def mask(self, rows: slice, positions: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Mark copies of a positive, of the query, and of a candidate that ranks better."""
        codes = self.documents[positions]
        numbers = np.arange(rows.start, rows.stop)[:, None] * (len(self.documents) + len(self.queries)) + codes
        copied: np.ndarray = there & (_among(numbers, self.of_positives) | (codes == self.queries[rows, None]))
        left = there & ~copied
        where = np.flatnonzero(left)
        _, first = np.unique(numbers.ravel()[where], return_index=True)
        later = np.ones(len(where), dtype=bool)
        later[first] = False
        copied.ravel()[where[later]] = True
        return copied


def _among(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Say which values are in an ordered array."""
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: np.ndarray = ordered[place] == values
    return found
