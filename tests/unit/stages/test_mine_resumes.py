"""A mining that is cut off goes on behind the last block of queries that it finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrite.data import Queries, Run
from pyrite.pipeline.context import Context
from pyrite.search import LexicalIndex, LexicalRetriever, batched
from pyrite.stages.mine import MineInputs, MineSettings, mine
from pyrite.testing import tiny_collection


def test_finished_blocks_are_not_searched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "_BLOCK", 2)
    tiny = tiny_collection()
    train = tiny.split("train")
    index = LexicalRetriever().build(tiny.corpus)
    inputs = MineInputs(tiny.queries, train, indices={"bm25": index})
    settings = MineSettings(depth=5)
    whole = mine(settings, inputs, Context(tmp_path / "whole")).candidates

    searched: list[str] = []
    search: Any = LexicalIndex.search
    broken = sorted(train.query_ids())[3]

    def counted(self: LexicalIndex, queries: Queries, depth: int) -> Run:
        searched.extend(queries.ids())
        if broken in queries and searched.count(broken) == 1:
            raise OSError("the plug was pulled")
        return search(self, queries, depth)

    monkeypatch.setattr(LexicalIndex, "search", counted)
    with pytest.raises(OSError, match="plug"):
        mine(settings, inputs, Context(tmp_path / "cut"))
    again = mine(settings, inputs, Context(tmp_path / "cut")).candidates
    assert again.fingerprint() == whole.fingerprint()
    first = sorted(train.query_ids())
    assert [searched.count(query_id) for query_id in first[:4]] == [1, 1, 2, 2]
    assert set(searched) == set(first)
