"""The anchors, positives and documents of a call, each text once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.compat.arguments import Columns
from pyrite.errors import ArgumentError

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["Pairs", "read_pairs"]

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Pairs:
    """Queries with their positives. Texts are identities: equal texts are one query, or one document.

    Attributes:
        queries: The anchors, in the order of their first appearance.
        documents: The corpus and the positives, likewise.
        starts: Where each query's positives begin, and their number at the end: int64, shape (queries + 1,).
        positives: Positions in `documents`, by query and then in the order of the rows: int64, shape (pairs,).
        rows: Rows of the data set, repeated pairs counted.
        most: Rows of the query that has most, repeated pairs counted.
    """

    queries: list[str]
    documents: list[str]
    starts: np.ndarray
    positives: np.ndarray
    rows: int
    most: int

    @cached_property
    def owners(self) -> np.ndarray:
        """The query of each positive: int64, shape (pairs,)."""
        return np.repeat(np.arange(len(self.queries)), np.diff(self.starts))

    def of(self, queries: slice) -> slice:
        """Return the positives of consecutive queries."""
        return slice(int(self.starts[queries.start]), int(self.starts[queries.stop]))


def read_pairs(dataset: Dataset, columns: Columns, corpus: Iterable[str] | None) -> Pairs:
    """Read a data set of anchors and positives.

    Args:
        dataset: At least one row.
        columns: The names of its two columns.
        corpus: More documents, or None for the positives alone.

    Raises:
        ArgumentError: A row or a document is no text.
    """
    if isinstance(corpus, str):
        raise ArgumentError("corpus: wants a list of texts, not one text")
    given = list(corpus if corpus is not None else ())
    if not set(map(type, given)) <= {str}:
        wrong = next(place for place, text in enumerate(given) if not isinstance(text, str))
        raise ArgumentError(f"corpus: wants texts, holds a {type(given[wrong]).__name__} as number {wrong + 1}")
    distinct = dict.fromkeys(given)
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    queries: dict[str, int] = {}
    owners: list[int] = []
    positives: list[int] = []
    for anchors, texts in _batches(dataset, columns):
        for numbers, some, all_of_them in ((queries, anchors, owners), (places, texts, positives)):
            for text in dict.fromkeys(some):
                numbers.setdefault(text, len(numbers))
            all_of_them.extend(map(numbers.__getitem__, some))
    owner, position = np.array(owners, dtype=np.int64), np.array(positives, dtype=np.int64)
    # The first of equal pairs stays; then by query, each one's positives in the order of the rows.
    _, first = np.unique(owner * len(places) + position, return_index=True)
    kept = np.sort(first)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    counts = np.bincount(owner[kept], minlength=len(queries))
    return Pairs(
        queries=list(queries),
        documents=list(places),
        starts=np.concatenate([[0], np.cumsum(counts)]),
        positives=position[kept],
        rows=len(owners),
        most=int(np.bincount(owner).max()),
    )


def _batches(dataset: Dataset, columns: Columns) -> Iterator[tuple[list[str], list[str]]]:
    done = 0
    chosen = dataset.select_columns(list(dict.fromkeys((columns.anchor, columns.positive)))).with_format(None)
    for batch in chosen.iter(_ROWS_AT_ONCE):
        for name in (columns.anchor, columns.positive):
            _check_texts(batch[name], name, done)
        yield batch[columns.anchor], batch[columns.positive]
        done += len(batch[columns.anchor])


def _check_texts(values: list[Any], column: str, before: int) -> None:
    for place, value in enumerate(values):
        if not isinstance(value, str):
            raise ArgumentError(
                f"dataset, row {before + place + 1}, column {column!r}: wants a text, holds a {type(value).__name__}; "
                "filter such rows out, or name the columns with anchor_column_name and positive_column_name"
            )
