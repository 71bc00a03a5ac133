"""Collections give their splits, and say which there are."""

from __future__ import annotations

import pytest

from pyrite.data import Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.data.collection import Collection
from pyrite.errors import DataError


def collection() -> Collection:
    return Collection(
        "tiny",
        Corpus.from_rows([Document("d", "text")]),
        Queries.from_rows([Query("q1", "one"), Query("q2", "two"), Query("q3", "three")]),
        {
            "train": Qrels.from_rows([Judgment("q3", "d", 1), Judgment("q1", "d", 0)]),
            "test": Qrels.from_rows([Judgment("q9", "d", 1)]),
        },
    )


def test_a_split_and_its_queries() -> None:
    assert collection().split("train").by_query() == {"q3": {"d": 1}, "q1": {"d": 0}}
    assert collection().queries_of("train").ids() == ["q3", "q1"]


def test_what_is_not_there() -> None:
    with pytest.raises(DataError, match="the collection 'tiny' has no split 'dev'; it has: train, test"):
        collection().split("dev")
    with pytest.raises(DataError, match="'queries' holds no query_id 'q9'"):
        collection().queries_of("test")
