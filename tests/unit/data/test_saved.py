"""Columns that a saved table leaves in its file until somebody asks for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyrite.data import Corpus, Document, Queries, Query, Removal, Removals, TableWriter
from pyrite.data import table as reading
from pyrite.data.batches import pieces
from pyrite.data.saved import SavedColumns
from pyrite.errors import DataError

DOCUMENTS = [Document(f"d{number}", f"text {number}", f"title {number}") for number in range(10)]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Note the columns of every reading."""
    done: list[list[str]] = []
    original = SavedColumns.read

    def noted(self: SavedColumns, names: Sequence[str]) -> pa.Table:
        done.append(list(names))
        return original(self, names)

    monkeypatch.setattr(SavedColumns, "read", noted)
    return done


def test_texts_are_read_once_and_when_asked_for(tmp_path: Path, read: list[list[str]]) -> None:
    whole = Corpus.from_rows(DOCUMENTS, {"name": "x"})
    whole.save(tmp_path)
    corpus = Corpus.open(tmp_path)
    assert len(corpus) == 10
    assert corpus.ids() == whole.ids()
    assert corpus.codes("doc_id")[1].to_pylist() == whole.ids()
    assert corpus.copy_keys().tolist() == whole.copy_keys().tolist()
    assert corpus.position("d3") == 3
    assert (repr(corpus), corpus.summary()) == (repr(whole), whole.summary())
    assert read == [["doc_id"]]
    assert corpus.texts() == whole.texts()
    assert corpus.arrow.equals(whole.arrow)
    assert corpus.fingerprint() == whole.fingerprint()
    assert read == [["doc_id"], ["text", "title"]]


@pytest.mark.parametrize("first", ["arrow", "column", "codes", "rows", "save", "fingerprint", "select"])
def test_a_column_read_late_equals_one_read_at_once(tmp_path: Path, first: str) -> None:
    whole = Queries.from_rows([Query("q1", "one", "made", "d1"), Query("q2", "two")])
    whole.save(tmp_path)
    queries, other = Queries.open(tmp_path), tmp_path / "other"
    asked: dict[str, Any] = {
        "arrow": lambda table: table.arrow,
        "column": lambda table: table.column("text"),
        "codes": lambda table: table.codes("text")[1],
        "rows": lambda table: list(table.rows()),
        "save": lambda table: (table.save(other), (other / "queries.parquet").read_bytes())[1],
        "fingerprint": lambda table: table.fingerprint(),
        "select": lambda table: table.select(["q2"]).texts(),
    }
    assert asked[first](queries) == asked[first](whole)


def test_what_is_read_late_belongs_to_the_table_that_was_opened(tmp_path: Path) -> None:
    Corpus.from_rows(DOCUMENTS).save(tmp_path)
    replaced, deleted = Corpus.open(tmp_path), Corpus.open(tmp_path)
    Corpus.from_rows([Document("d0", "another")]).save(tmp_path)
    assert list(replaced.rows()) == DOCUMENTS
    (tmp_path / "corpus.parquet").unlink()
    assert list(deleted.rows()) == DOCUMENTS


@pytest.mark.parametrize("size", [1, 3, 4, 10])
def test_rows_are_read_from_the_groups_that_they_lie_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Groups of 4, 4 and 2 rows; each is decoded once where rows are read in order, and no text is kept."""
    whole = Corpus.from_rows(DOCUMENTS)
    monkeypatch.setattr(reading, "_LATE_ROWS", 4)
    whole.save(tmp_path)
    corpus, groups = Corpus.open(tmp_path), _groups_read(monkeypatch)
    parts = [corpus.texts(rows) for rows in pieces(10, size)]
    assert [text for part in parts for text in part] == whole.texts()
    assert groups == {1: [[0], [1], [2]], 4: [[0], [1], [2]], 10: [[0, 1, 2]]}.get(size, groups)
    assert corpus.texts(range(7, 7)) == corpus.texts(range(10, 10)) == []
    assert corpus.part(("doc_id",), range(2, 4)).column("doc_id").to_pylist() == ["d2", "d3"]
    (tmp_path / "corpus.keys.npy").unlink()
    assert Corpus.open(tmp_path).copy_keys().tolist() == whole.copy_keys().tolist()
    other = tmp_path / "other"
    Corpus.open(tmp_path).save(other)
    assert (other / "corpus.parquet").read_bytes() == (tmp_path / "corpus.parquet").read_bytes()


def _groups_read(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    done: list[list[int]] = []
    original = pq.ParquetFile.read_row_groups

    def noted(self: pq.ParquetFile, groups: list[int], *arguments: Any, **options: Any) -> pa.Table:
        done.append(groups)
        return original(self, groups, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    return done


def test_an_empty_table_is_saved_again(tmp_path: Path) -> None:
    Corpus.empty().save(tmp_path)
    Corpus.open(tmp_path).save(tmp_path / "other")
    assert len(Corpus.open(tmp_path / "other")) == 0


def test_repeated_ids_are_held_as_codes() -> None:
    rows = [Removal(f"q{number % 3}", f"d{number}", "copy", 0.5, None) for number in range(9)]
    table = Removals.from_rows(rows)
    assert table.part(["gate"], range(2, 4)).column("gate").to_pylist() == ["copy", "copy"]
    joined = Removals.of_parts([Removals.from_rows(rows[:4]), Removals.from_rows(rows[4:])], {"gates": ["copy"]})
    assert list(table.rows()) == list(joined.rows()) == rows
    assert table.arrow.schema == joined.arrow.schema == Removals.schema
    assert joined.metadata == {"gates": ["copy"]}
    assert joined.codes("query_id")[1].to_pylist() == ["q0", "q1", "q2"]


def test_texts_that_are_damaged_are_found_when_asked_for(tmp_path: Path) -> None:
    Corpus.from_rows(DOCUMENTS).save(tmp_path)
    file = tmp_path / "corpus.parquet"
    chunk = pq.read_metadata(file).row_group(0).column(1)
    assert chunk.path_in_schema == "text"
    content = bytearray(file.read_bytes())
    start = chunk.dictionary_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    file.write_bytes(content)
    corpus = Corpus.open(tmp_path)
    assert corpus.ids() == [document.doc_id for document in DOCUMENTS]
    for _ in range(2):
        with pytest.raises(DataError, match=r"corpus.parquet: damaged, it cannot be read as Parquet"):
            corpus.texts()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"doc_id": ["d"], "text": ["t"]}, r"missing: \['title'\], unknown: none"),
        ({"doc_id": ["d"], "text": ["t"], "title": [""], "x": [1]}, r"missing: none, unknown: \['x'\]"),
        ({"doc_id": [None], "text": ["t"], "title": [""]}, "column 'doc_id' holds 1 empty values"),
        ({"doc_id": ["d", "d"], "text": ["t", "u"], "title": ["", ""]}, "doc_id='d' stands 2 times"),
    ],
)
def test_faults_beside_the_texts_are_found_on_opening(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    _write(tmp_path, columns)
    with pytest.raises(DataError, match=message):
        Corpus.open(tmp_path)


def test_a_text_that_is_missing_is_found_when_asked_for(tmp_path: Path) -> None:
    _write(tmp_path, {"doc_id": ["d", "e"], "text": ["t", None], "title": ["", ""]})
    corpus = Corpus.open(tmp_path)
    with pytest.raises(DataError, match="corpus: column 'text' holds 1 empty values and allows none"):
        corpus.column("text")


def _write(folder: Path, columns: dict[str, list[Any]]) -> None:
    head = json.dumps({"kind": "corpus", "version": 1, "metadata": {}})
    pq.write_table(pa.table(columns).replace_schema_metadata({"pyrite": head}), folder / "corpus.parquet")


def test_repeated_ids_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [
        Removal(f"q{number % 3}", f"d{number}", "copy" if number % 2 else "share", 0.5, None) for number in range(9)
    ]
    table = Removals.from_rows(rows)
    table.save(tmp_path)
    with TableWriter(Removals, tmp_path / ".", {}) as writer:
        writer.write_rows(rows[:4])
        writer.write_rows(rows[4:])
    read = Removals.open(tmp_path)
    assert list(read.rows()) == rows
    assert read.fingerprint() == table.fingerprint()
    assert read.counts() == table.counts()
    assert [read.codes("gate")[1][code].as_py() for code in read.codes("gate")[0]] == [row.gate for row in rows]
