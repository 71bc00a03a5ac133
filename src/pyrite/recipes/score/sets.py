"""Several sets of negatives over the same queries and documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import TrainingSet
from pyrite.data.codes import positions
from pyrite.errors import DataError
from pyrite.metrics.groups import Groups

__all__ = ["NamedSets"]


@dataclass(frozen=True)
class NamedSets:
    """Sets by name, as rows of one list of queries and one of documents.

    Attributes:
        query_ids: Every query of any set, once, ascending, so that nothing depends on the order of sets: strings.
        doc_ids: Every positive and negative of any set, likewise.
        groups: {set: its groups}, `queries` rows of the first list, documents rows of the second.
        sources: {set: {source: the negatives that it proposed, as places}}; nothing where a set does not say.
    """

    query_ids: pa.Array
    doc_ids: pa.Array
    groups: Mapping[str, Groups]
    sources: Mapping[str, Mapping[str, np.ndarray]]

    @classmethod
    def of(cls, sets: Mapping[str, TrainingSet]) -> NamedSets:
        """Number the queries and documents of sets.

        Raises:
            DataError: There are no sets, or one has no negatives at all.
        """
        if not sets:
            raise DataError("there is no set of negatives to score")
        empty = [name for name, one in sets.items() if len(_flat(one, "negative_ids")[0]) == 0]
        if empty:
            raise DataError(f"no negatives at all in {', '.join(map(repr, empty))}")
        query_ids = _distinct([one.column("query_id") for one in sets.values()])
        columns = [_flat(one, side)[0] for one in sets.values() for side in ("positive_ids", "negative_ids")]
        doc_ids = _distinct(columns)
        groups = {name: _groups(one, query_ids, doc_ids) for name, one in sets.items()}
        return cls(query_ids, doc_ids, groups, {name: _sources(one) for name, one in sets.items()})

    def number(self, one: TrainingSet) -> Groups:
        """Return the groups of another set, whose queries and documents are among these.

        Raises:
            DataError: One of them is not.
        """
        for column in ("query_id", "positive_ids", "negative_ids"):
            ids, among = (
                (one.column(column), self.query_ids) if column == "query_id" else (_flat(one, column)[0], self.doc_ids)
            )
            if len(ids) and (positions(ids, among) < 0).any():
                raise DataError(f"the {column} of a set are not all among those that were measured")
        return _groups(one, self.query_ids, self.doc_ids)

    @cached_property
    def keys(self) -> np.ndarray:
        """One number for each pair of a query and a document in any set, ascending: int64."""
        found = [key for groups in self.groups.values() for key in self.keys_of(groups)]
        return np.unique(np.concatenate(found))

    def keys_of(self, groups: Groups) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the pairs of groups: of positives, shape (P,), and of negatives, shape (M,)."""
        count = len(self.doc_ids)
        return (
            groups.queries[groups.query_of_positives()] * count + groups.positives,
            groups.queries[groups.query_of_negatives()] * count + groups.negatives,
        )

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the query and the document of each of `keys`, as rows."""
        queries, documents = np.divmod(self.keys, len(self.doc_ids))
        return queries, documents

    def common(self) -> np.ndarray:
        """Return the queries that all sets have, as rows, ascending.

        Raises:
            DataError: There are none.
        """
        held = np.concatenate([groups.queries for groups in self.groups.values()])
        rows = np.flatnonzero(np.bincount(held, minlength=len(self.query_ids)) == len(self.groups))
        if not len(rows):
            raise DataError(
                f"the sets {', '.join(self.groups)} have no query in common, so that nothing compares them; are they "
                "of one collection, and do their queries have the same ids?"
            )
        return rows


def _flat(one: TrainingSet, column: str) -> tuple[pa.Array, np.ndarray]:
    """Return the ids in a column of lists, one after the other, and where each list begins and the last one ends."""
    lists = one.column(column)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    values = pc.list_flatten(lists)
    joint = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return joint, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _distinct(columns: list[pa.Array | pa.ChunkedArray]) -> pa.Array:
    chunks = [
        chunk for column in columns for chunk in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])
    ]
    distinct = pc.unique(pa.chunked_array(chunks, pa.string()))
    return distinct.take(pc.sort_indices(distinct))


def _groups(one: TrainingSet, query_ids: pa.Array, doc_ids: pa.Array) -> Groups:
    (positives, positive_starts), (negatives, negative_starts) = (
        _flat(one, f"{side}_ids") for side in ("positive", "negative")
    )
    return Groups(
        positions(one.column("query_id"), query_ids),
        positions(positives, doc_ids),
        positive_starts,
        positions(negatives, doc_ids),
        negative_starts,
    )


def _sources(one: TrainingSet) -> dict[str, np.ndarray]:
    found: dict[str, list[int]] = {}
    place = 0
    lists, sizes = one.column("sources").to_pylist(), np.diff(_flat(one, "negative_ids")[1]).tolist()
    for group, size in zip(lists, sizes, strict=True):
        for offset, names in enumerate(group or ()):
            for name in names:
                found.setdefault(name, []).append(place + offset)
        place += size
    return {name: np.array(places, dtype=np.int64) for name, places in sorted(found.items())}
