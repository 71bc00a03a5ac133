"""Vectors from files: they come back by text, and what does not fit is named with file and row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyrite.data import Corpus, Document, Queries, Query
from pyrite.errors import DataError, ModelError
from pyrite.models import vector_files
from pyrite.models.precomputed import PrecomputedVectors, import_vectors
from pyrite.models.settings import PrecomputedSettings, VectorFiles
from pyrite.testing.conformance import check_encoder

CORPUS = Corpus.from_rows([Document("d1", "gold", "Metals"), Document("d2", "iron"), Document("d3", "pyrite")])
QUERIES = Queries.from_rows([Query("q1", "what shines"), Query("q2", "what rusts")])
DOCUMENTS = {"d3": [0.0, 2.0, 0.0], "d1": [3.0, 0.0, 4.0], "d2": [1.0, 0.0, 0.0]}
ASKED = {"q1": [1.0, 1.0, 0.0], "q2": [0.0, 0.0, 5.0]}


def write_npy(folder: Path, name: str, vectors: dict[str, list[float]], dtype: Any = np.float32) -> VectorFiles:
    np.save(folder / f"{name}.npy", np.array(list(vectors.values()), dtype=dtype))
    (folder / f"{name}.txt").write_text("\n".join(vectors) + "\n")
    return VectorFiles(vectors=folder / f"{name}.npy", ids=folder / f"{name}.txt")


def write_parquet(folder: Path, name: str, ids: Any, vectors: Any) -> VectorFiles:
    pq.write_table(pa.table({"id": ids, "vector": vectors}), folder / f"{name}.parquet")
    return VectorFiles(vectors=folder / f"{name}.parquet")


def settings_of(folder: Path, **changed: Any) -> PrecomputedSettings:
    given = {"documents": write_npy(folder, "d", DOCUMENTS), "queries": write_npy(folder, "q", ASKED), **changed}
    return PrecomputedSettings(**given)


def bring(folder: Path, **changed: Any) -> PrecomputedVectors:
    return import_vectors(settings_of(folder, **changed), CORPUS, QUERIES, folder / "out")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_come_back_by_text_and_at_unit_length(tmp_path: Path, dtype: Any) -> None:
    encoder = bring(tmp_path, documents=write_npy(tmp_path, "x", DOCUMENTS, dtype))
    assert encoder.dimension == 3
    expected = np.array([[0, 1, 0], [0.6, 0, 0.8], [1, 0, 0]], dtype=np.float32)
    assert np.allclose(encoder.encode(["pyrite", "Metals gold", "iron"], "document"), expected, atol=1e-6)
    assert np.allclose(encoder.encode(["what shines"], "query"), [[0.5**0.5, 0.5**0.5, 0]], atol=1e-6)
    check_encoder(_Documents(encoder), CORPUS.texts())


class _Documents:
    """The documents' side for both roles, as the check wants it."""

    def __init__(self, encoder: PrecomputedVectors) -> None:
        self._encoder = encoder
        self.dimension, self.score_kind, self.identity = encoder.dimension, encoder.score_kind, encoder.identity

    def encode(self, texts: Any, role: Any) -> np.ndarray:
        return self._encoder.encode(texts, "document")


def test_dot_leaves_lengths_alone(tmp_path: Path) -> None:
    encoder = bring(tmp_path, score="dot")
    assert encoder.score_kind == "dot"
    assert encoder.encode(["Metals gold"], "document").tolist() == [[3, 0, 4]]


@pytest.mark.parametrize("kind", ["list", "large_list", "fixed"])
def test_parquet_is_the_same_as_npy(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "npy").mkdir()
    npy = bring(tmp_path / "npy")
    monkeypatch.setattr(vector_files, "_ROWS", 2)
    types = {
        "list": pa.list_(pa.float32()),
        "large_list": pa.large_list(pa.float64()),
        "fixed": pa.list_(pa.float32(), 3),
    }
    files = write_parquet(tmp_path, "d", list(DOCUMENTS), pa.array(list(DOCUMENTS.values()), types[kind]))
    parquet = bring(tmp_path, documents=files)
    assert parquet.identity() == npy.identity()
    assert np.array_equal(parquet.encode(CORPUS.texts(), "document"), npy.encode(CORPUS.texts(), "document"))


def test_identity_is_the_content(tmp_path: Path) -> None:
    changes: list[dict[str, list[float]]] = [DOCUMENTS, {**DOCUMENTS, "d2": [1.0, 0.1, 0.0]}]
    one, two = (bring(tmp_path, documents=write_npy(tmp_path, "x", change)).identity() for change in changes)
    assert one != two
    assert bring(tmp_path).identity() == one


def test_an_unknown_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"for 1 of 2 texts of the role 'document', the first 'tin'"):
        bring(tmp_path).encode(["iron", "tin"], "document")
    with pytest.raises(ModelError, match="of the role 'query'"):
        bring(tmp_path).encode(["iron"], "query")


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({**DOCUMENTS, "d2": [1.0, float("nan"), 0.0]}, r"x\.npy: row 2: 'd2': a component is infinite or undefined"),
        ({**DOCUMENTS, "d1": [float("inf"), 0.0, 0.0]}, r"row 1: 'd1': a component is infinite"),
        ({**DOCUMENTS, "d2": [0.0, 0.0, 0.0]}, r"row 2: 'd2': all components are 0"),
        ({**DOCUMENTS, "d9": [1.0, 0.0, 0.0]}, r"row 3: 'd9': no such id among the texts \(extra: drop"),
        ({"d1": DOCUMENTS["d1"]}, r"x\.npy: 'd2': has no vector\n.*'d3': has no vector"),
    ],
)
def test_rows_that_do_not_fit_are_listed(tmp_path: Path, vectors: dict[str, list[float]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        bring(tmp_path, documents=write_npy(tmp_path, "x", vectors))


def test_an_id_given_twice_is_named_with_both_rows(tmp_path: Path) -> None:
    files = write_npy(tmp_path, "x", {**DOCUMENTS, "x": [1.0, 0.0, 0.0]})
    (tmp_path / "x.txt").write_text("d3\nd1\nd2\nd1\n")
    with pytest.raises(DataError, match=r"row 3: 'd1': given before, in row 1"):
        bring(tmp_path, documents=files)


def test_equal_texts_want_equal_vectors(tmp_path: Path) -> None:
    corpus = Corpus.from_rows([*CORPUS.rows(), Document("d4", "iron")])
    settings = settings_of(tmp_path, documents=write_npy(tmp_path, "x", {**DOCUMENTS, "d4": [0.0, 1.0, 0.0]}))
    with pytest.raises(DataError, match=r"row 3: 'd4': has the text of 'd2' and another vector"):
        import_vectors(settings, corpus, QUERIES, tmp_path / "out")
    settings = settings_of(tmp_path, documents=write_npy(tmp_path, "x", {**DOCUMENTS, "d4": [1.0, 1e-4, 0.0]}))
    import_vectors(settings, corpus, QUERIES, tmp_path / "out")


def test_what_may_be_left_out_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = bring(
        tmp_path,
        documents=write_npy(tmp_path, "x", {**DOCUMENTS, "d9": [1.0, 0.0, 0.0]}),
        queries=write_npy(tmp_path, "y", {"q2": ASKED["q2"]}),
        extra="drop",
        missing="keep",
    )
    assert "left out 1 vectors of unknown ids" in caplog.text
    assert "1 of 2 texts have no vector" in caplog.text
    assert encoder.encode(["what rusts"], "query").tolist() == [[0, 0, 1]]
    with pytest.raises(ModelError, match="'what shines'"):
        encoder.encode(["what shines"], "query")


def test_both_sides_want_one_dimension(tmp_path: Path) -> None:
    queries = write_npy(tmp_path, "y", {name: [1.0, 2.0] for name in ASKED})
    with pytest.raises(DataError, match=r"y\.npy: vectors of 2 components; those of the documents, .*d\.npy, have 3"):
        bring(tmp_path, queries=queries)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (VectorFiles(vectors=Path("none.npy")), r"none\.npy: no such file"),
        (VectorFiles(vectors=Path("d.txt")), r"d\.txt: wants a name that ends in \.npy or \.parquet"),
        (VectorFiles(vectors=Path("d.npy")), r"d\.npy: wants a file of ids beside it"),
        (VectorFiles(vectors=Path("d.npy"), ids=Path("q.txt")), r"q\.txt: holds 2 ids; d\.npy holds 3 vectors"),
        (VectorFiles(vectors=Path("d.npy"), ids=Path("none")), r"none: cannot be read as UTF-8 text"),
        (VectorFiles(vectors=Path("whole.npy"), ids=Path("d.txt")), r"holds int64 of shape \(3, 3\); wants floats"),
        (VectorFiles(vectors=Path("broken.npy"), ids=Path("d.txt")), r"broken\.npy: not a file in numpy's format"),
        (VectorFiles(vectors=Path("broken.parquet")), r"broken\.parquet: cannot be read as ids and vectors"),
        (
            VectorFiles(vectors=Path("p.parquet"), id_column="doc"),
            r"lacks the column 'doc'; it has: \['id', 'vector'\]",
        ),
        (VectorFiles(vectors=Path("p.parquet"), vector_column="id"), r"holds string; wants lists of numbers"),
        (VectorFiles(vectors=Path("p.parquet")), r"p\.parquet: row 1: 2 components, where row 0 has 3"),
        (VectorFiles(vectors=Path("p.parquet"), ids=Path("d.txt")), r"a Parquet file holds its ids itself"),
        (VectorFiles(vectors=Path("null.parquet")), r"row 1: 0 components"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, files: VectorFiles, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path, documents=files)
    write_npy(tmp_path, "d", DOCUMENTS)
    np.save(tmp_path / "whole.npy", np.ones((3, 3), dtype=np.int64))
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    write_parquet(tmp_path, "p", ["d1", "d2"], [[1.0, 0.0, 0.0], [1.0, 0.0]])
    write_parquet(tmp_path, "null", ["d1", "d2"], [[1.0, 0.0, 0.0], None])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        import_vectors(settings, CORPUS, QUERIES, tmp_path / "out")


def test_a_damaged_folder_is_an_error(tmp_path: Path) -> None:
    bring(tmp_path)
    (tmp_path / "out" / "query.npy").unlink()
    with pytest.raises(ModelError, match="holds no imported vectors, or damaged ones"):
        PrecomputedVectors(tmp_path / "out")
