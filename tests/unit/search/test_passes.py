"""The share of queries that a dense search's first pass left open reaches runs, candidates and their summaries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Candidates, Run, ScoreKind
from pyrite.mining import HardNegativeMiner, collect_candidates
from pyrite.pipeline.context import Context
from pyrite.search import DenseRetriever, LexicalRetriever, batched
from pyrite.search.batched import search_in_blocks
from pyrite.search.dense import index as dense_index
from pyrite.search.dense.exact import DenseHits
from pyrite.search.passes import joined_passes, left_open
from pyrite.stages.mine import MineInputs, MineSettings, mine
from pyrite.stages.search import SearchInputs, SearchSettings, search
from pyrite.testing.encoders import HashingEncoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TRAIN = TINY.split("train")
DENSE = DenseRetriever(HashingEncoder()).build(TINY.corpus)


@pytest.fixture(autouse=True)
def one_open_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each search say that its first query needed another pass."""
    exact = dense_index.exact_search

    def told(queries: np.ndarray, *arguments: object, **options: object) -> DenseHits:
        hits = exact(queries, *arguments, **options)  # type: ignore[arg-type]
        return DenseHits(hits.positions, hits.scores, {"int8": len(queries) - 1, "fp64": 1})

    monkeypatch.setattr(dense_index, "exact_search", told)


def expected(queries: int, blocks: int) -> dict[str, object]:
    share = round(blocks / queries, 6)
    decided_by = {"int8": queries - blocks, "fp64": blocks}
    return {"queries": queries, "left_open": blocks, "share": share, "decided_by": decided_by}


def test_a_run_tells_of_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = len(TINY.queries)
    assert search_in_blocks(DENSE, TINY.queries, 3).metadata["passes"] == expected(queries, 1)
    monkeypatch.setattr(batched, "_BLOCK", 5)
    assert search_in_blocks(DENSE, TINY.queries, 3).metadata["passes"] == expected(queries, -(-queries // 5))


def test_the_stage_search_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyrite.stages.search.open_index", lambda index, resources: index)
    inputs = SearchInputs(DENSE, TINY.queries, TRAIN)  # type: ignore[arg-type]
    run = search(SearchSettings(system="dense"), inputs, Context(tmp_path)).run
    assert run.summary()["passes"] == expected(len(TRAIN.query_ids()), 1)
    run.save(tmp_path / "run")
    assert Run.open(tmp_path / "run").metadata["passes"]["left_open"] == 1


def test_the_stage_mine_reports_it_for_each_dense_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyrite.stages.mine.open_index", lambda index, resources: index)
    bm25 = LexicalRetriever().build(TINY.corpus)
    inputs = MineInputs(TINY.queries, TRAIN, {"bm25": bm25, "dense": DENSE})  # type: ignore[dict-item]
    found = mine(MineSettings(depth=5), inputs, Context(tmp_path)).candidates
    mined = found.metadata["queries"]["mined"]
    assert found.summary()["passes"] == {"dense": expected(mined, 1)}


def test_the_miner_reports_it() -> None:
    miner = HardNegativeMiner([DenseRetriever(HashingEncoder()), LexicalRetriever()])
    found = miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=5).candidates
    assert found.metadata["passes"] == {"dense": expected(found.metadata["queries"]["mined"], 1)}
    lexical = collect_candidates({"bm25": LexicalRetriever().build(TINY.corpus)}, TINY.queries, TRAIN, depth=5)
    assert "passes" not in lexical.metadata


@pytest.mark.parametrize("table", [Run, Candidates])
def test_what_follows_from_the_machine_enters_no_fingerprint(table: type[Run] | type[Candidates]) -> None:
    metadata = {"scorer": "dense", "score_kind": str(ScoreKind.COSINE)}
    plain, noted = table.empty(metadata), table.empty({**metadata, "passes": expected(4, 1)})
    assert plain.fingerprint() == noted.fingerprint() != table.empty({**metadata, "depth": 1}).fingerprint()


def test_nothing_is_told_where_a_part_does_not_tell() -> None:
    part = left_open({"int8": 4}, "int8")
    assert joined_passes([part, None]) is None
    assert joined_passes([]) is None
    assert left_open({}, "") == {"queries": 0, "left_open": 0, "share": 0.0, "decided_by": {}}
