"""The first pass that a GPU runs, on the processor: the same code, another device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pyrite.data import ScoreKind
from pyrite.search.dense import torch_pass
from pyrite.search.dense.embeddings import Embeddings, write_head
from pyrite.search.dense.exact import exact_search
from pyrite.search.topk import descending_id_rank


def embeddings(folder: Path, vectors: np.ndarray, shard: int) -> Embeddings:
    paths = []
    for start in range(0, len(vectors), shard):
        paths.append(folder / f"{start:06d}.npy")
        np.save(paths[-1], vectors[start : start + shard])
    ids = pa.chunked_array([[f"d{row:05d}" for row in range(len(vectors))]])
    return write_head(paths, ids, score_kind=ScoreKind.DOT, identity="random")


@pytest.mark.parametrize(("shard", "block"), [(7, 64), (64, 7), (300, 65_536), (50, 50)])
def test_every_document_is_seen_once_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard: int, block: int
) -> None:
    monkeypatch.setattr(torch_pass, "_DOCUMENTS", block)
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(300, 16)).astype(np.float32)
    queries = generator.normal(size=(5, 16)).astype(np.float32)
    search = torch_pass.torch_first_pass(embeddings(tmp_path, vectors, shard), "cpu")
    scores, rows = search(queries, 300)
    assert np.array_equal(np.sort(rows, axis=1), np.tile(np.arange(300), (5, 1)))
    wanted = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    assert np.allclose(scores, -np.sort(-wanted, axis=1), atol=1e-5)
    assert np.allclose(np.take_along_axis(wanted, rows, axis=1), scores, atol=1e-5)


def test_the_result_is_that_of_the_other_passes(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    vectors = generator.normal(size=(900, 24)).astype(np.float32)
    vectors[500:600] = vectors[:100]
    queries = generator.normal(size=(20, 24)).astype(np.float32)
    stored = embeddings(tmp_path, vectors, 128)
    ties = descending_id_rank(stored.ids)
    plain = exact_search(queries, stored, 40, ties)
    by_torch = exact_search(queries, stored, 40, ties, first_pass=torch_pass.torch_first_pass(stored, "cpu"))
    for one, other in zip(plain.positions, by_torch.positions, strict=True):
        assert np.array_equal(one, other)
    assert by_torch.decided_by["given"] > 0


def test_fewer_documents_than_asked_for_leave_places_empty(tmp_path: Path) -> None:
    stored = embeddings(tmp_path, np.eye(3, dtype=np.float32), 2)
    scores, rows = torch_pass.torch_first_pass(stored, "cpu")(np.eye(3, dtype=np.float32)[:1], 5)
    assert rows.tolist()[0][3:] == [-1, -1]
    assert np.isneginf(scores[0, 3:]).all()
