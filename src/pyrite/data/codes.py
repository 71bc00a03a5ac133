"""Columns of ids as small integers, so that rows can be grouped and looked up with numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["coded", "decoded", "encode", "find", "pair_keys", "positions", "row_codes"]


def encode(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return one integer for each row, and the value that each integer stands for.

    Args:
        column: Values without nulls, encoded as a dictionary already or not.

    Returns:
        int32, shape (rows,), not to be written to, and the distinct values.

    Example:
        >>> codes, values = encode(pa.chunked_array([["b", "a"], ["b"]]))
        >>> codes.tolist(), values.to_pylist()
        ([0, 1, 0], ['b', 'a'])
    """
    if isinstance(column, pa.ChunkedArray):
        coded = pa.types.is_dictionary(column.type)
        column = column.unify_dictionaries() if coded else column
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    encoded = column.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def coded(values: pa.Array, codes: np.ndarray) -> pa.DictionaryArray:
    """Return the value of each code as a dictionary array: what `decoded` gives, without a copy of a value.

    Example:
        >>> coded(pa.array(["b", "a"]), np.array([0, 1, 0])).to_pylist()
        ['b', 'a', 'b']
    """
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), values)


def decoded(values: pa.Array, codes: np.ndarray) -> pa.Array:
    """Return the value of each code, the opposite of `encode`.

    Example:
        >>> decoded(pa.array(["b", "a"]), np.array([0, 1, 0])).to_pylist()
        ['b', 'a', 'b']
    """
    return values.take(pa.array(codes))


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


def positions(values: pa.Array | pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return the place of each value among others, -1 where it is not one of them: int64, shape (len(values),).

    Of equal others, the first one's place.

    Example:
        >>> positions(pa.array(["b", "c"]), pa.array(["a", "b"])).tolist()
        [1, -1]
    """
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    if len(values) < len(among) // 2:
        # To look many up among few is faster than the other way round.
        codes, distinct = encode(values)
        found = _places(among, distinct)
        rows = np.flatnonzero(found >= 0)[::-1]
        first = np.full(len(distinct), -1, dtype=np.int64)
        first[found[rows]] = rows
        places: np.ndarray = first[codes]
        return places
    return _places(values, among)


def _places(values: pa.Array | pa.ChunkedArray, among: pa.Array | pa.ChunkedArray) -> np.ndarray:
    found = pc.fill_null(pc.index_in(values, value_set=among), -1)
    places: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return places


def find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return a place of each wanted number among keys, the first one, and -1 where there is none.

    Example:
        >>> find(np.array([7, 3, 7]), np.array([3, 7, 5])).tolist()
        [1, 0, -1]
    """
    if len(keys) == 0:
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    found = order[place]
    found[keys[found] != wanted] = -1
    return found


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
