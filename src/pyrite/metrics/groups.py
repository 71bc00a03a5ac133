"""Positives and negatives of many queries as flat arrays, and their similarities: what measures of negatives look at.

One list of all positives and one of all negatives, and where those of each query begin: a million pairs are two arrays,
whatever the number of negatives of a query, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from pyrite.errors import DataError
from pyrite.threads import Team

__all__ = ["Groups", "PositiveChoice", "Similarities", "Units", "Vectors", "cosines", "equal_blocks", "segments"]

PositiveChoice = Literal["max", "min", "each"]
"""How several positives of a query count: the most similar to it, the least similar, or each with the same weight."""

_BLOCK_PAIRS = 4096


@dataclass(frozen=True, slots=True)
class Groups:
    """The positives and negatives of Q queries, as rows of a table of queries and of one of documents.

    Attributes:
        queries: The row of each query: int, shape (Q,).
        positives: Rows of documents, query after query: int, shape (P,).
        positive_starts: Query i has positives[positive_starts[i]:positive_starts[i + 1]], one or more: shape (Q + 1,).
        negatives: Rows of documents, query after query: int, shape (M,).
        negative_starts: Likewise, none or more a query: shape (Q + 1,).
    """

    queries: np.ndarray
    positives: np.ndarray
    positive_starts: np.ndarray
    negatives: np.ndarray
    negative_starts: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.queries)
        for name, starts, rows in (
            ("positives", self.positive_starts, self.positives),
            ("negatives", self.negative_starts, self.negatives),
        ):
            if len(starts) != count + 1 or starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
                raise DataError(
                    f"the starts of the {name} are {count + 1} numbers for {count} queries, from 0 up to {len(rows)}, "
                    "none below the one before"
                )
        if count and np.diff(self.positive_starts).min() < 1:
            raise DataError("each query wants at least one positive: leave queries without one out")

    @classmethod
    def of_lists(
        cls,
        positives: Sequence[Sequence[int]],
        negatives: Sequence[Sequence[int]],
        queries: Sequence[int] | np.ndarray | None = None,
    ) -> Groups:
        """Make groups of a list of documents for each query.

        Args:
            positives: Rows of documents.
            negatives: Rows of documents, as many lists.
            queries: The row of each query; None where they are 0, 1, 2 and so on.

        Raises:
            DataError: The lists differ in number, or a query has no positive.

        Example:
            >>> Groups.of_lists([[0], [1, 2]], [[3, 4], []]).negative_starts.tolist()
            [0, 2, 2]
        """
        rows = np.arange(len(positives)) if queries is None else np.asarray(queries)
        sides = [_flat(side) for side in (positives, negatives)]
        return cls(rows, *sides[0], *sides[1])

    @classmethod
    def of_padded(cls, positives: np.ndarray, negatives: np.ndarray, queries: np.ndarray | None = None) -> Groups:
        """Make groups of a matrix for each side, -1 where a query has fewer.

        Args:
            positives: Rows of documents, shape (Q,) or (Q, P).
            negatives: Rows of documents, shape (Q, N).
            queries: The row of each query, shape (Q,); None where they are 0, 1, 2 and so on.

        Raises:
            DataError: A query has no positive.

        Example:
            >>> Groups.of_padded(np.array([0, 1]), np.array([[2, -1], [3, 4]])).negatives.tolist()
            [2, 3, 4]
        """
        rows = np.arange(len(positives)) if queries is None else queries
        sides = [(side[side >= 0], _starts((side >= 0).sum(axis=1))) for side in (_matrix(positives), negatives)]
        return cls(rows, *sides[0], *sides[1])

    def __len__(self) -> int:
        return len(self.queries)

    def sizes(self) -> np.ndarray:
        """Return the number of negatives of each query: int64, shape (Q,)."""
        return np.diff(self.negative_starts)

    def query_of_negatives(self) -> np.ndarray:
        """Return the place of each negative's query among the Q: int64, shape (M,)."""
        return np.repeat(np.arange(len(self)), self.sizes())

    def query_of_positives(self) -> np.ndarray:
        """Return the place of each positive's query among the Q: int64, shape (P,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.positive_starts))


@dataclass(frozen=True, slots=True)
class Similarities:
    """How similar one scorer finds each query to its positives and negatives; larger is more similar.

    Attributes:
        positives: In the order of the groups' positives: float64, shape (P,).
        negatives: In the order of the groups' negatives: float64, shape (M,).
    """

    positives: np.ndarray
    negatives: np.ndarray

    def __post_init__(self) -> None:
        for name, values in (("positives", self.positives), ("negatives", self.negatives)):
            if not np.isfinite(values).all():
                raise DataError(f"{int((~np.isfinite(values)).sum())} similarities of {name} are no finite numbers")

    def check(self, groups: Groups) -> None:
        """Check that there is a similarity for each pair.

        Raises:
            DataError: There are more or fewer.
        """
        given, wanted = (len(self.positives), len(self.negatives)), (len(groups.positives), len(groups.negatives))
        if given != wanted:
            raise DataError(f"similarities of {given} positives and negatives, and groups of {wanted}")


@dataclass(frozen=True, slots=True)
class Units:
    """A query with one of its positives each: what a measure with a single positive is taken of.

    Attributes:
        query: The place of the query among the Q: int64, shape (U,), ascending.
        positive: The place of the positive among the P: int64, shape (U,).
        negatives: The negatives of each unit in turn, as places among the M: int64, shape (K,).
        starts: Where the negatives of each unit begin: int64, shape (U + 1,).
        queries: Q.
    """

    query: np.ndarray
    positive: np.ndarray
    negatives: np.ndarray
    starts: np.ndarray
    queries: int

    @classmethod
    def of(cls, groups: Groups, similarities: np.ndarray, choice: PositiveChoice) -> Units:
        """Choose the positives of each query.

        Args:
            groups: The groups.
            similarities: Of each query to its positives, shape (P,).
            choice: Which; of equally similar ones the first.
        """
        query = groups.query_of_positives()
        if choice == "each":
            positive = np.arange(len(query))
        else:
            signed = similarities if choice == "max" else -similarities
            best = segments(np.maximum, signed, groups.positive_starts)
            hits = np.flatnonzero(signed == best[query])
            positive = hits[np.unique(query[hits], return_index=True)[1]]
        query = query[positive]
        sizes = groups.sizes()[query]
        starts = _starts(sizes)
        negatives = np.arange(starts[-1]) + np.repeat(groups.negative_starts[query] - starts[:-1], sizes)
        return cls(query, positive, negatives, starts, len(groups))

    def sizes(self) -> np.ndarray:
        """Return the number of negatives of each unit: int64, shape (U,)."""
        return np.diff(self.starts)

    def gaps(self, similarities: Similarities) -> np.ndarray:
        """Return s(q, p) - s(q, n) of the negatives of each unit in turn: float64, shape (K,)."""
        positives = np.repeat(similarities.positives[self.positive], self.sizes())
        gaps: np.ndarray = positives - similarities.negatives[self.negatives]
        return gaps

    def per_query(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over each query's units: shape (Q,), of values of shape (U,)."""
        return _averaged(values, self.query, self.queries)

    def per_negative(self, values: np.ndarray) -> np.ndarray:
        """Return the mean over the units that each negative stands in: shape (M,), of values of shape (K,)."""
        return _averaged(values, self.negatives, int(self.negatives.max(initial=-1)) + 1)


def _averaged(values: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    if len(values) == count:
        return values
    means: np.ndarray = np.bincount(places, values, minlength=count) / np.bincount(places, minlength=count)
    return means


def segments(reduce: np.ufunc, values: np.ndarray, starts: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Reduce consecutive parts of an array: float64, shape (len(starts) - 1,).

    Args:
        reduce: Such as np.add or np.maximum.
        values: shape (n,).
        starts: Where each part begins, and n: shape (parts + 1,).
        empty: What a part without values gives.

    Example:
        >>> segments(np.maximum, np.array([1.0, 3.0, 2.0]), np.array([0, 2, 2, 3]), empty=0.0).tolist()
        [3.0, 0.0, 2.0]
    """
    found = np.full(len(starts) - 1, empty)
    there = np.diff(starts) > 0
    if there.any():
        found[there] = reduce.reduceat(values, starts[:-1][there])
    return found


def equal_blocks(starts: np.ndarray, block: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the parts of an array in blocks of equally long ones, so that nothing is padded.

    Args:
        starts: Where each part begins, and where the last one ends: shape (parts + 1,).
        block: How many places of the array a block has at most, but for a longer part.

    Yields:
        Which parts, shape (B,), and their places in the array, shape (B, N). Empty parts are left out.
    """
    sizes = np.diff(starts)
    for size in np.unique(sizes[sizes > 0]).tolist():
        chosen = np.flatnonzero(sizes == size)
        step = max(block // size, 1)
        for first in range(0, len(chosen), step):
            parts = chosen[first : first + step]
            yield parts, starts[parts][:, None] + np.arange(size)


def cosines(
    groups: Groups, queries: np.ndarray, documents: np.ndarray, *, block_pairs: int = _BLOCK_PAIRS
) -> Similarities:
    """Return the cosine of each query with its positives and negatives; 0 for a vector of zeros.

    Args:
        groups: The groups.
        queries: Vectors of any length, shape (queries, D).
        documents: Vectors of any length, shape (documents, D).
        block_pairs: Pairs whose vectors a thread holds at once.

    Raises:
        DataError: The tables do not fit each other, or a vector holds something that is no finite number.
    """
    vectors = Vectors(queries, documents)
    return Similarities(
        vectors.cosines(groups.queries[groups.query_of_positives()], groups.positives, block_pairs),
        vectors.cosines(groups.queries[groups.query_of_negatives()], groups.negatives, block_pairs),
    )


class Vectors:
    """The vectors of queries and documents, with what brings each to length 1: 0 for a vector of zeros.

    Args:
        queries: Shape (queries, D).
        documents: Shape (documents, D).

    Raises:
        DataError: The tables do not fit each other, or a vector holds something that is no finite number.
    """

    def __init__(self, queries: np.ndarray, documents: np.ndarray) -> None:
        if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
            raise DataError(f"vectors have the shapes {queries.shape} and {documents.shape}; wants (rows, D) of one D")
        small = np.result_type(queries, documents) in {np.dtype(np.float16), np.dtype(np.float32)}
        self.kind = np.dtype(np.float32 if small else np.float64)
        self.queries, self.documents = queries, documents
        self.query_scales, self.document_scales = _scales(queries, "queries"), _scales(documents, "documents")

    def cosines(self, queries: np.ndarray, documents: np.ndarray, block_pairs: int = _BLOCK_PAIRS) -> np.ndarray:
        """Return the cosine of each pair of rows: float64, shape (pairs,); equal vectors have equal cosines.

        Args:
            queries: Rows, shape (pairs,).
            documents: Rows, shape (pairs,).
            block_pairs: Pairs whose vectors a thread holds at once.
        """
        values = np.empty(len(queries))

        def work(part: tuple[int, int]) -> None:
            for start in range(*part, block_pairs):
                rows = slice(start, min(start + block_pairs, part[1]))
                left, right = queries[rows], documents[rows]
                sides = self.queries[left].astype(self.kind), self.documents[right].astype(self.kind)
                values[rows] = np.einsum("ij,ij->i", *sides) * (self.query_scales[left] * self.document_scales[right])

        with Team() as team:
            team.share(len(queries), work, least=block_pairs)
        return values


def _scales(vectors: np.ndarray, name: str) -> np.ndarray:
    """Return one over the length of each vector: float64, shape (rows,)."""
    squares = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    if not np.isfinite(squares).all():
        raise DataError(
            f"{int((~np.isfinite(squares)).sum())} vectors of {name} hold something that is no finite number"
        )
    scales: np.ndarray = np.divide(1, np.sqrt(squares), out=np.zeros(len(squares)), where=squares > 0)
    return scales


def _flat(lists: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.array([len(one) for one in lists], dtype=np.int64)
    return np.fromiter(chain.from_iterable(lists), dtype=np.int64, count=int(sizes.sum())), _starts(sizes)


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _matrix(rows: np.ndarray) -> np.ndarray:
    return rows[:, None] if rows.ndim == 1 else rows
