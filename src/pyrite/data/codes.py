"""Columns of ids as small integers, so that rows can be grouped and looked up with numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["encode", "pair_keys", "row_codes"]


def encode(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return one integer for each row, and the value that each integer stands for.

    Returns:
        int64, shape (rows,), and the distinct values, in the order of their first appearance.

    Example:
        >>> encode(pa.chunked_array([["b", "a"], ["b"]]))
        (array([0, 1, 0]), ['b', 'a'])
    """
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def row_codes(columns: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return one integer for each row that is the same for rows with the same codes in every column.

    Args:
        columns: (codes, how many codes there are) of each column.

    Example:
        >>> row_codes([(np.array([0, 1, 0]), 2), (np.array([2, 2, 2]), 3)]).tolist()
        [2, 5, 2]
    """
    joint = np.zeros(len(columns[0][0]), dtype=np.int64)
    size = 1
    for codes, count in columns:
        if size > np.iinfo(np.int64).max // max(count, 1):
            # Too many combinations to number them all: number those that occur.
            distinct, joint = np.unique(joint, return_inverse=True)
            size = len(distinct)
        joint = joint * count + codes
        size *= count
    return joint


def pair_keys(table: pa.Table) -> pa.ChunkedArray:
    """Return one string for each row's query and document, for looking up rows of one table in another.

    The query id's length stands in front, which keeps two pairs apart whatever their ids hold.

    Example:
        >>> pair_keys(pa.table({"query_id": ["q 1"], "doc_id": ["d"]})).to_pylist()
        ['3 q 1 d']
    """
    query_ids = table.column("query_id")
    lengths = pc.cast(pc.binary_length(query_ids), pa.string())
    return pc.binary_join_element_wise(lengths, query_ids, table.column("doc_id"), " ")
