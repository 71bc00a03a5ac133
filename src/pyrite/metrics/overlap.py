"""How many of a negative's words its query and positive have already: IDF-weighted overlap of sets of terms. Ours.

With t(x) the distinct terms of a text x, as a lexical index cuts them, and idf Lucene's weight of a term,

    overlap(n; q, p) = sum of idf over t(n) & (t(q) | t(p)) / sum of idf over t(n)        residuality R = 1 - overlap
    idf(t)           = ln(1 + (N - df(t) + .5) / (df(t) + .5))

with N documents, df(t) of which hold t. Repeats in a text do not count. A negative without terms has no overlap: R = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pyrite.metrics.groups import Groups, Units

__all__ = ["TermSets", "Terms", "lexical_residuality"]

_BLOCK_TERMS = 1 << 22


@dataclass(frozen=True, slots=True)
class TermSets:
    """The distinct terms of each text.

    Attributes:
        terms: Numbers of terms, ascending within a text: int32, shape (n,).
        starts: Where each text's begin, and n: int64, shape (texts + 1,).
    """

    terms: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray, offsets: np.ndarray) -> TermSets:
        """Make sets of the tokens of texts, as `pyrite.search.lexical.tokens.Tokens` has them.

        Args:
            ids: The number of each token, all texts in one: shape (tokens,).
            offsets: Where each text's tokens begin, and their number: shape (texts + 1,).

        Example:
            >>> sets = TermSets.of(np.array([2, 0, 2, 1]), np.array([0, 3, 3, 4]))
            >>> sets.terms.tolist(), sets.starts.tolist()
            ([0, 2, 1], [0, 2, 2, 3])
        """
        text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        width = int(ids.max(initial=-1)) + 1
        keys = np.unique(text * width + ids) if len(ids) else np.zeros(0, dtype=np.int64)
        texts, terms = np.divmod(keys, max(width, 1))
        sizes = np.bincount(texts, minlength=len(offsets) - 1)
        return cls(terms.astype(np.int32), np.concatenate([[0], np.cumsum(sizes)]))

    def take(self, rows: np.ndarray) -> TermSets:
        """Return the sets of some texts, in this order."""
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], sizes)
        return TermSets(self.terms[places], starts)

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True)
class Terms:
    """The terms of queries and documents, numbered alike.

    Attributes:
        queries: Of each query.
        documents: Of each document.
        count: How many different terms there are.
        given_weights: The weight of each term, shape (count,); None to count them in the documents.
    """

    queries: TermSets
    documents: TermSets
    count: int
    given_weights: np.ndarray | None = None

    @cached_property
    def weights(self) -> np.ndarray:
        """The inverse document frequency of each term, from 0: float64, shape (count,)."""
        if self.given_weights is not None:
            return self.given_weights
        holding = np.bincount(self.documents.terms, minlength=self.count)
        weights: np.ndarray = np.log1p((len(self.documents) - holding + 0.5) / (holding + 0.5))
        return weights

    def of_documents(self, rows: np.ndarray) -> Terms:
        """Return these terms, with their weights, and some of the documents in this order."""
        return Terms(self.queries, self.documents.take(rows), self.count, self.weights)

    @cached_property
    def matrices(self) -> tuple[Any, Any]:
        """Which query, and which document, holds which term: sparse matrices of ones."""
        from scipy.sparse import csr_array

        return tuple(
            csr_array((np.ones(len(side.terms)), side.terms, side.starts), shape=(len(side), max(self.count, 1)))
            for side in (self.queries, self.documents)
        )


def lexical_residuality(groups: Groups, units: Units, terms: Terms) -> np.ndarray:
    """Return R of the negatives of each unit in turn, in [0, 1]: float64, shape (K,).

    Args:
        groups: Who is positive and negative.
        units: Which positive of a query counts.
        terms: Of the tables that the groups point into.

    Example:
        The query holds term 0, the positive term 1, the negative 0, 1 and 2; of two documents, one holds 0 and 2 and
        both hold 1: R = ln 2 / (ln 2 + ln 1.2 + ln 2).

        >>> queries = TermSets.of(np.array([0]), np.array([0, 1]))
        >>> documents = TermSets.of(np.array([1, 0, 1, 2]), np.array([0, 1, 4]))
        >>> groups = Groups.of_lists([[0]], [[1]])
        >>> units = Units.of(groups, np.array([1.0]), "max")
        >>> lexical_residuality(groups, units, Terms(queries, documents, 3)).round(4).tolist()
        [0.4419]
    """
    queries, documents = terms.matrices
    weights = np.append(terms.weights, 0.0)[: queries.shape[1]]
    totals = documents @ weights
    found = np.ones(len(units.negatives))
    longest = max(int(np.diff(terms.documents.starts).max(initial=1)), 1)
    step = max(_BLOCK_TERMS // longest, 1)
    of_unit = np.repeat(np.arange(len(units.query)), units.sizes())
    for start in range(0, len(found), step):
        rows = slice(start, start + step)
        unit, negative = of_unit[rows], groups.negatives[units.negatives[rows]]
        known = queries[groups.queries[units.query[unit]]] + documents[groups.positives[units.positive[unit]]]
        known.data[:] = 1
        shared = documents[negative].multiply(known) @ weights
        # Rounding must not make a copy's share more than all.
        share = np.divide(shared, totals[negative], out=np.zeros(len(shared)), where=totals[negative] > 0)
        found[rows] = 1 - np.minimum(share, 1)
    return found
