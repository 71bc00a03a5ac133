"""The anchors, positives and documents of a call, each text once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pyrite.compat.arguments import Columns
from pyrite.compat.distinct import distinct_texts
from pyrite.data.codes import encode
from pyrite.errors import ArgumentError

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["Pairs", "read_pairs"]

_ROWS_AT_ONCE = 4096
_TEXT_TYPES = frozenset({"string", "large_string"})


@dataclass(frozen=True)
class Pairs:
    """Queries with their positives. Texts are identities: equal texts are one query, or one document.

    Attributes:
        queries: The anchors, in the order of their first appearance.
        documents: The corpus and the positives, likewise.
        starts: Where each query's positives begin, and their number at the end: int64, shape (queries + 1,).
        positives: Positions in `documents`, by query and then in the order of the rows: int64, shape (pairs,).
        keys: What names the queries and the documents in a cache.
        rows: Rows of the data set, repeated pairs counted.
        most: Rows of the query that has most, repeated pairs counted.
    """

    queries: list[str]
    documents: list[str]
    starts: np.ndarray
    positives: np.ndarray
    keys: tuple[str, str]
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
    anchors, texts = _Column([]), _Column([*given])
    for batch in _batches(dataset, columns):
        for column, part in zip((anchors, texts), batch, strict=True):
            column.add(*part)
    queries = distinct_texts(anchors.texts)
    try:
        documents = distinct_texts(texts.texts)
    except (TypeError, UnicodeEncodeError):
        raise _wrong_document(given) from None
    owner, position = queries.numbers[anchors.places()], documents.numbers[texts.places()]
    # The first of equal pairs stays; then by query, each one's positives in the order of the rows.
    _, first = np.unique(owner * len(documents.texts) + position, return_index=True)
    kept = np.sort(first)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    counts = np.bincount(owner[kept], minlength=len(queries.texts))
    return Pairs(
        queries=queries.texts,
        documents=documents.texts,
        starts=np.concatenate([[0], np.cumsum(counts)]),
        positives=position[kept],
        keys=(queries.key, documents.key),
        rows=len(owner),
        most=int(np.bincount(owner).max()),
    )


def _wrong_document(corpus: list[Any]) -> ArgumentError:
    """Return the error for the first document that is no text."""
    for number, text in enumerate(corpus, start=1):
        if not isinstance(text, str):
            return ArgumentError(f"corpus: wants texts, holds a {type(text).__name__} as number {number}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            return ArgumentError(
                f"corpus: number {number} holds half of a surrogate pair, which no encoding of text can hold; decode "
                "its bytes with errors='replace', or leave it out"
            )
    raise AssertionError("all documents are texts")


@dataclass(frozen=True)
class _Column:
    """The texts of a column, as places in a list of texts."""

    texts: list[str]
    parts: list[np.ndarray] = field(default_factory=list)

    def add(self, codes: np.ndarray, texts: list[str]) -> None:
        """Take in rows, given as places in a list of their texts."""
        self.parts.append(codes.astype(np.int64) + len(self.texts))
        self.texts.extend(texts)

    def places(self) -> np.ndarray:
        """Return the place of each row's text: int64, shape (rows,)."""
        return np.concatenate(self.parts)


def _batches(dataset: Dataset, columns: Columns) -> Iterator[list[tuple[np.ndarray, list[str]]]]:
    """Yield, for both columns, the texts of some rows, and a place among those for each row."""
    names = (columns.anchor, columns.positive)
    chosen = dataset.select_columns(list(dict.fromkeys(names)))
    # Texts that repeat are read once. What is no text in Arrow may become one, or an object, when it is formatted.
    plain = all(getattr(chosen.features[name], "dtype", None) in _TEXT_TYPES for name in names)
    done = 0
    for batch in chosen.with_format("arrow" if plain else None).iter(_ROWS_AT_ONCE):
        yield [_encoded(batch[name], name, done) for name in names]
        done += len(batch[columns.anchor])


def _encoded(values: list[Any] | pa.ChunkedArray, column: str, before: int) -> tuple[np.ndarray, list[str]]:
    if isinstance(values, list) or values.null_count:
        values = values if isinstance(values, list) else values.to_pylist()
        _check_texts(values, column, before)
        values = pa.array(values, pa.string())
    codes, texts = encode(values)
    return codes, texts.to_pylist()


def _check_texts(values: list[Any], column: str, before: int) -> None:
    for place, value in enumerate(values):
        if not isinstance(value, str):
            raise ArgumentError(
                f"dataset, row {before + place + 1}, column {column!r}: wants a text, holds a {type(value).__name__}; "
                "filter such rows out, or name the columns with anchor_column_name and positive_column_name"
            )
