"""The four shapes of the output, as data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pyrite.compat.arguments import Arguments, Columns
from pyrite.compat.pairs import Pairs
from pyrite.compat.retrieval import blocks
from pyrite.compat.selection import Chosen

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["most_rows", "to_dataset"]


def to_dataset(pairs: Pairs, chosen: Chosen, columns: Columns, arguments: Arguments) -> Dataset:
    """Return what was mined as a data set.

    Args:
        pairs: The texts.
        chosen: The negatives.
        columns: The names of anchor and positive.
        arguments: Shape, number of negatives, and whether scores go with them.
    """
    from datasets import Dataset

    write = {
        "triplet": _triplets,
        "n-tuple": _tuples,
        "labeled-pair": _labelled_pairs,
        "labeled-list": _labelled_lists,
    }[arguments.output_format]
    parts = [
        write(_Block.of(pairs, chosen, rows), columns, arguments.output_scores) for rows in blocks(len(pairs.queries))
    ]
    table = pa.concat_tables(parts)
    return Dataset(table, fingerprint=_fingerprint(table))


def most_rows(pairs: Pairs, arguments: Arguments) -> int:
    """Return how many rows there are when every query gets all its negatives, as the statistics count them."""
    if arguments.output_format == "triplet":
        return len(pairs.positives) * arguments.num_negatives
    if arguments.output_format == "labeled-pair":
        return pairs.rows + len(pairs.queries) * arguments.num_negatives
    return len(pairs.positives)


@dataclass(frozen=True)
class _Block:
    """Some queries with their positives, and each pair with its query's negatives.

    Attributes:
        queries: The text of every query.
        documents: The text of every document.
        owners: The query of each pair: int64, shape (pairs,).
        places: The documents of each pair, positive first: int64, shape (pairs, 1 + negatives).
        scores: Their scores: float32, likewise.
        there: Whether there is such a document: bool, likewise.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    owners: np.ndarray
    places: np.ndarray
    scores: np.ndarray
    there: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs, chosen: Chosen, rows: slice) -> _Block:
        of = pairs.of(rows)
        owners = pairs.owners[of]
        places = np.column_stack([pairs.positives[of], chosen.positions[owners]])
        scores = np.column_stack([chosen.positive_scores[of], chosen.scores[owners]])
        return cls(pairs.queries, pairs.documents, owners, places, scores, np.isfinite(scores))

    def anchors(self, pairs: np.ndarray) -> pa.Array:
        """Return the queries' texts of some pairs."""
        return _strings(self.queries, self.owners[pairs])

    def texts(self, pairs: np.ndarray, column: int) -> pa.Array:
        """Return the texts in one column of some pairs."""
        return _strings(self.documents, self.places[pairs, column])


def _triplets(block: _Block, columns: Columns, scores: bool) -> pa.Table:
    pair, column = np.nonzero(block.there[:, 1:])
    written = {
        columns.anchor: block.anchors(pair),
        columns.positive: block.texts(pair, 0),
        "negative": _strings(block.documents, block.places[pair, column + 1]),
    }
    if scores:
        both = np.column_stack([block.scores[pair, 0], block.scores[pair, column + 1]])
        written["scores"] = _lists(_numbers(both.ravel()), np.full(len(pair), 2))
    return pa.table(written)


def _tuples(block: _Block, columns: Columns, scores: bool) -> pa.Table:
    pair = np.flatnonzero(block.there.all(axis=1))
    width = block.places.shape[1]
    written = {columns.anchor: block.anchors(pair), columns.positive: block.texts(pair, 0)}
    written |= {f"negative_{column}": block.texts(pair, column) for column in range(1, width)}
    if scores:
        written["scores"] = _lists(_numbers(block.scores[pair].ravel()), np.full(len(pair), width))
    return pa.table(written)


def _labelled_pairs(block: _Block, columns: Columns, scores: bool) -> pa.Table:
    """Write a query's positives, then its negatives once, however many positives it has."""
    there = block.there.copy()
    there[1:, 1:] &= (block.owners[1:] != block.owners[:-1])[:, None]
    pair, column = np.nonzero(there)
    order = np.lexsort((column > 0, block.owners[pair]))
    pair, column = pair[order], column[order]
    values = _numbers(block.scores[pair, column]) if scores else pa.array((column == 0).astype(np.int64))
    return pa.table(
        {
            columns.anchor: block.anchors(pair),
            columns.positive: _strings(block.documents, block.places[pair, column]),
            "score" if scores else "label": values,
        }
    )


def _labelled_lists(block: _Block, columns: Columns, scores: bool) -> pa.Table:
    pair = np.flatnonzero(block.there[:, 1:].any(axis=1))
    there = block.there[pair]
    row, column = np.nonzero(there)
    lengths = there.sum(axis=1)
    values = _numbers(block.scores[pair[row], column]) if scores else pa.array((column == 0).astype(np.int64))
    return pa.table(
        {
            columns.anchor: block.anchors(pair),
            columns.positive: _lists(_strings(block.documents, block.places[pair[row], column]), lengths),
            "scores" if scores else "labels": _lists(values, lengths),
        }
    )


def _fingerprint(table: pa.Table) -> str:
    """Return what `datasets` names its caches by: it would pickle the whole table to find one itself."""
    import xxhash

    digest = xxhash.xxh3_64(str(table.schema).encode())
    for chunk in (chunk for column in table.columns for chunk in column.chunks):
        for buffer in chunk.buffers():
            digest.update(b"" if buffer is None else buffer)
    return str(digest.hexdigest())


def _strings(texts: Sequence[str], places: np.ndarray) -> pa.Array:
    return pa.array([texts[place] for place in places.tolist()], pa.string())


def _numbers(scores: np.ndarray) -> pa.Array:
    return pa.array(scores.astype(np.float64))


def _lists(values: pa.Array, lengths: np.ndarray) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)
