"""Postings with what each counts worked out: an index by BM25, in memory or mapped from disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pyrite.data.fingerprint import fingerprint_array, fingerprint_arrow
from pyrite.search.lexical.formulas import Constants, frequency_part, inverse_document_frequency
from pyrite.search.lexical.strings import look_up, map_strings, save_strings
from pyrite.search.lexical.tokens import Tokens
from pyrite.search.results import Hits
from pyrite.settings import canonical_hash

if TYPE_CHECKING:
    from pyrite.search.lexical.posting_loops import PostingArrays
    from pyrite.search.lexical.search_loops import QueryPlan

__all__ = ["Postings"]

_TERMS = "terms.arrow"
_ABSENT = "absent.npy"
# Rankings that are held at once, as entries, before they are packed.
_HELD = 1 << 23
# Few enough queries that threads end together, enough that a call is worth its cost.
_CHUNK = 16
# A term in at least one of so many documents has a bitmap beside its postings.
_RARE = 32


@dataclass(frozen=True, slots=True)
class Postings:
    """The documents of each term, and what the term counts in each, by one formula of BM25.

    A posting holds its document (4 bytes) and the number of its pair of frequency and document
    length (2 bytes, or 4 where there are more than 65,536 such pairs); what a pair counts stands
    once in a table, in 64 bits. A score is a sum in 64 bits of weight times count.

    Attributes:
        arrays: The postings.
        terms: The terms, in the order of their code points.
        absent: What each term adds to the score of a document without it, float64, shape (terms,).
        documents: How many documents there are.
    """

    arrays: PostingArrays
    terms: pa.Array
    absent: np.ndarray
    documents: int

    @classmethod
    def build(cls, tokens: Tokens, order: np.ndarray, constants: Constants) -> Postings:
        """Index documents.

        Args:
            tokens: Of each document.
            order: Document d of the index is document order[d] of `tokens`; of equal scores, the
                first of the index goes first.
            constants: The formula and its constants.
        """
        from pyrite.search.lexical.posting_loops import (
            PostingArrays,
            count_documents,
            fill,
            fill_bitmaps,
            highest_parts,
        )

        places = np.array(sorted(range(len(tokens.terms)), key=tokens.terms.__getitem__), dtype=np.int64)
        ranks = np.empty(len(places), np.int32)
        ranks[places] = np.arange(len(places))
        ids = ranks[tokens.ids]
        counts = count_documents(ids, tokens.offsets, order, len(places))
        starts = np.concatenate([[0], np.cumsum(counts)])
        documents, frequencies = fill(ids, tokens.offsets, order, starts)
        parts, table = _parts(documents, frequencies, np.diff(tokens.offsets)[order], constants)
        weights = inverse_document_frequency(counts, len(order), constants)
        absence = frequency_part(np.zeros(1), np.ones(1), constants)[0]
        peaks = np.maximum(weights * highest_parts(starts, parts, table - absence), 0)
        frequent = counts * _RARE >= max(len(order), _RARE * _RARE)
        bitmaps = np.where(frequent, np.cumsum(frequent) - 1, -1).astype(np.int32)
        bits, before = fill_bitmaps(starts, documents, bitmaps, (len(order) + 63) // 64)
        arrays = PostingArrays(starts, documents, parts, table - absence, weights, peaks, bitmaps, bits, before)
        terms = pa.array([tokens.terms[place] for place in places], pa.large_string())
        return cls(_fixed(arrays), terms, weights * absence, len(order))

    @classmethod
    def open(cls, folder: Path, documents: int) -> Postings:
        """Open saved postings; they stay on disk until they are looked at."""
        from pyrite.search.lexical.posting_loops import PostingArrays

        arrays = PostingArrays(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in PostingArrays._fields))
        return cls(_fixed(arrays), map_strings(folder / _TERMS), np.load(folder / _ABSENT, mmap_mode="r"), documents)

    def save(self, folder: Path) -> None:
        """Write one file in numpy's format for each array, and the terms."""
        for name, array in self.arrays._asdict().items():
            np.save(folder / f"{name}.npy", array)
        np.save(folder / _ABSENT, self.absent)
        save_strings(self.terms, folder / _TERMS)

    def fingerprint(self) -> str:
        """Return a hash of the terms and of everything that scores are made of."""
        hashes = [fingerprint_array(array) for array in (*self.arrays, self.absent)]
        return canonical_hash([*hashes, fingerprint_arrow(pa.table({"terms": self.terms}))])

    def search(self, queries: Tokens, depth: int) -> Hits:
        """Return the best documents of each query."""
        plan = self._plan(queries)
        depth = min(depth, self.documents)
        held = max(_HELD // depth, _CHUNK)
        with ThreadPoolExecutor(_threads()) as pool:
            parts = [
                self._ranked(plan, range(first, min(first + held, len(queries))), depth, pool)
                for first in range(0, len(queries), held)
            ]
        return Hits.joined(parts)

    def _ranked(self, plan: QueryPlan, queries: range, depth: int, pool: ThreadPoolExecutor) -> Hits:
        from pyrite.search.lexical.search_loops import best_documents

        rows, scores = np.empty((len(queries), depth), np.int32), np.empty((len(queries), depth))

        def rank(start: int) -> np.ndarray:
            some = slice(start, start + _CHUNK)
            counts: np.ndarray = best_documents(
                self.arrays, plan, queries.start + start, self.documents, rows[some], scores[some]
            )
            return counts

        counts = list(pool.map(rank, range(0, len(queries), _CHUNK)))
        return Hits.packed(np.concatenate(counts), rows, scores)

    def score(self, queries: Tokens, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return the score of each pair (query, document), float64, to the last bit what `search` gives."""
        from pyrite.search.lexical.search_loops import pair_scores

        out = np.empty(len(pairs[0]))
        pair_scores(self.arrays, self._plan(queries), *pairs, out)
        return out

    def _plan(self, queries: Tokens) -> QueryPlan:
        """Count each query's terms, those that can add most first; terms that no document holds add nothing."""
        from pyrite.search.lexical.search_loops import QueryPlan

        terms = look_up(queries.terms, self.terms)[queries.ids]
        rows = np.repeat(np.arange(len(queries)), np.diff(queries.offsets))[terms >= 0]
        joint, counts = np.unique(rows * len(self.terms) + terms[terms >= 0], return_counts=True)
        rows, terms = np.divmod(joint, max(len(self.terms), 1))
        tops = self.arrays.peaks[terms] * counts
        order = np.lexsort((terms, -tops, rows))
        offsets = np.searchsorted(rows, np.arange(len(queries) + 1))
        floors = np.bincount(rows, self.absent[terms] * counts, minlength=len(queries))
        return QueryPlan(offsets, terms[order], (self.arrays.weights[terms] * counts)[order], tops[order], floors)


def _parts(
    documents: np.ndarray, frequencies: np.ndarray, lengths: np.ndarray, constants: Constants
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each posting's pair of frequency and length, and what each pair counts."""
    from pyrite.search.lexical.posting_loops import mark_pairs, number_pairs

    distinct, numbers = np.unique(lengths, return_inverse=True)
    seen = np.zeros((frequencies.max(initial=0), len(distinct)), bool)
    mark_pairs(frequencies, documents, numbers, seen)
    rows, columns = np.nonzero(seen)
    table = frequency_part(rows + 1, distinct[columns] / lengths.mean(), constants)
    places = np.zeros(seen.shape, np.uint32)
    places[rows, columns] = np.arange(len(rows))
    parts = np.empty(len(documents), np.uint16 if len(rows) <= 1 << 16 else np.uint32)
    number_pairs(frequencies, documents, numbers, places, parts)
    return parts, table


def _fixed(arrays: PostingArrays) -> PostingArrays:
    """Return read-only views: compiled loops are made once for those, whether they lie in memory or in a file."""
    views = [np.asarray(array).view() for array in arrays]
    for view in views:
        view.flags.writeable = False
    return type(arrays)(*views)


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
