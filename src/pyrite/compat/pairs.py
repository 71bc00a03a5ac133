"""The anchors, positives and documents of a call, each text once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.compat.arguments import Columns
from pyrite.compat.identity import text_digests, texts_key
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
    queries, documents = _Texts(), _Texts()
    given = list(corpus if corpus is not None else ())
    try:
        documents.number(given)
    except TypeError:
        wrong = next(place for place, text in enumerate(given) if not isinstance(text, str))
        raise ArgumentError(
            f"corpus: wants texts, holds a {type(given[wrong]).__name__} as number {wrong + 1}"
        ) from None
    owners: list[int] = []
    positives: list[int] = []
    for anchors, texts in _batches(dataset, columns):
        owners += queries.number(anchors)
        positives += documents.number(texts)
    owner, position = np.array(owners, dtype=np.int64), np.array(positives, dtype=np.int64)
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
        keys=(queries.key(), documents.key()),
        rows=len(owners),
        most=int(np.bincount(owner).max()),
    )


class _Texts:
    """Different texts, numbered in the order of their first appearance.

    They are told apart by their hashes, which name a cache as well: each text is read once for both.

    Attributes:
        texts: Each of them once.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[bytes, int] = {}

    def number(self, texts: list[str]) -> list[int]:
        """Take texts in and return the number of each.

        Raises:
            TypeError: One is no text; none is taken in.
        """
        digests = text_digests(texts)
        places = range(len(self.texts), len(self.texts) + len(texts))
        fresh = dict(zip(digests, places, strict=True))
        if len(fresh) == len(texts) and fresh.keys().isdisjoint(self._numbers):
            # All are new and different, as those of a corpus mostly are.
            self._numbers.update(fresh)
            self.texts += texts
            return list(places)
        return [self._number(text, digest) for text, digest in zip(texts, digests, strict=True)]

    def _number(self, text: str, digest: bytes) -> int:
        number = self._numbers.setdefault(digest, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        elif self.texts[number] != text:
            # Another text has the same hash, which no text is known to do.
            return self._number(text, digest + b"\0" + text.encode("utf-8", "surrogatepass"))
        return number

    def key(self) -> str:
        """Return what names the texts, in order, in a cache."""
        return texts_key(self._numbers)


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
