"""Fingerprints see values, names and types, and nothing of how they lie in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pyrite.data import Qrels
from pyrite.data.fingerprint import fingerprint_array, fingerprint_arrow, fingerprint_tensors

TEXTS = ["", "a", None, "bc", "é"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_chunks_and_slices_do_not_show(kind: pa.DataType) -> None:
    whole = pa.table({"a": pa.array(TEXTS, kind)})
    chunks = [pa.array(part, kind) for part in (TEXTS[:1], [], TEXTS[1:4], TEXTS[4:])]
    padded = pa.array(["x", *TEXTS, "y"], kind).slice(1, len(TEXTS))
    assert fingerprint_arrow(pa.table({"a": pa.chunked_array(chunks)})) == fingerprint_arrow(whole)
    assert fingerprint_arrow(pa.table({"a": padded})) == fingerprint_arrow(whole)


def test_chunks_of_lists_do_not_show() -> None:
    kind = pa.list_(pa.float64())
    values = [[1.0, None], [], None, [2.0]]
    whole = pa.table({"a": pa.array(values, kind)})
    halves = pa.chunked_array([pa.array(values[:2], kind), pa.array([[9.0], *values[2:]], kind).slice(1)])
    assert fingerprint_arrow(pa.table({"a": halves})) == fingerprint_arrow(whole)


def test_bytes_under_a_null_do_not_show() -> None:
    hidden = pa.Array.from_buffers(
        pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([1, 77], dtype=np.int64))]
    )
    assert fingerprint_arrow(pa.table({"a": hidden})) == fingerprint_arrow(pa.table({"a": pa.array([1, None])}))


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"a": ["ab", "c"]}),
        pa.table({"a": ["c", "ab"]}),
        pa.table({"b": ["a", "bc"]}),
        pa.table({"a": pa.array(["a", "bc"], pa.large_string())}),
        pa.table({"a": ["a", None]}),
        pa.table({"a": ["a", "bc", ""]}),
        pa.table({"a": ["a", "bc"], "b": ["a", "bc"]}),
    ],
)
def test_values_boundaries_names_and_types_show(other: pa.Table) -> None:
    assert fingerprint_arrow(pa.table({"a": ["a", "bc"]})) != fingerprint_arrow(other)


def test_where_a_list_ends_shows() -> None:
    one, two = (pa.table({"a": pa.array(rows, pa.list_(pa.int64()))}) for rows in ([[1], [2, 3]], [[1, 2], [3]]))
    assert fingerprint_arrow(one) != fingerprint_arrow(two)


def test_nothing_and_an_empty_text_differ() -> None:
    assert fingerprint_arrow(pa.table({"a": pa.array([None], pa.string())})) != fingerprint_arrow(pa.table({"a": [""]}))


def test_the_metadata_of_a_table_show() -> None:
    columns = {"query_id": ["q"], "doc_id": ["d"], "grade": [1], "source": ["human"]}
    one, two = (Qrels.from_columns(facts, **columns) for facts in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))
    assert one.fingerprint() == two.fingerprint()
    assert one.fingerprint() != Qrels.from_columns(**columns).fingerprint()


def test_arrays() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert fingerprint_array(array) == fingerprint_array(np.asfortranarray(array))
    assert fingerprint_array(array) == fingerprint_array(np.repeat(array, 2, axis=1)[:, ::2])
    assert fingerprint_array(array) != fingerprint_array(array.reshape(3, 2))
    assert fingerprint_array(array) != fingerprint_array(array.astype(np.float64))


def test_tensors_in_any_order_with_any_header(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    a, b = np.arange(4, dtype=np.float32), np.ones((2, 2), dtype=np.float16)
    save_file({"a": a, "b": b}, tmp_path / "one")
    save_file({"b": b, "a": a}, tmp_path / "two", metadata={"made": "today"})
    save_file({"a": a + 1, "b": b}, tmp_path / "three")
    save_file({"b": a, "a": b}, tmp_path / "four")
    one, two, three, four = (fingerprint_tensors(tmp_path / name) for name in ("one", "two", "three", "four"))
    assert one == two
    assert len({one, three, four}) == 3
