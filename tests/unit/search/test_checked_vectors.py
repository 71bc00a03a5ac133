"""What an encoder gives is checked before anything is ranked by it, and what a search is asked for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pyrite.data import Queries, ScoreKind
from pyrite.errors import SearchError, SettingsError
from pyrite.models.protocols import Role
from pyrite.search import DenseRetriever, LexicalRetriever
from pyrite.search.batched import search_in_blocks
from pyrite.search.lexical.analysis import Analysis
from pyrite.testing.encoders import HashingEncoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()


class Bent:
    """An encoder that bends the vectors of one side."""

    dimension = 64
    score_kind = ScoreKind.COSINE

    def __init__(self, bend: Callable[[np.ndarray], Any], side: Role) -> None:
        self._bend, self._side = bend, side

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        vectors = HashingEncoder().encode(texts, role)
        return self._bend(vectors) if role == self._side else vectors

    def identity(self) -> str:
        return "bent"


@pytest.mark.parametrize("side", ["query", "document"])
@pytest.mark.parametrize(
    ("bend", "message"),
    [
        (lambda vectors: vectors[:1], r"shape \(1, 64\)"),
        (lambda vectors: vectors[:, :1], r"where it promised numbers of shape \(\d+, 64\)"),
        (lambda vectors: None, r"shape \(\) and type object"),
        (
            lambda vectors: vectors * np.nan,
            r"infinite or undefined component for the (query|document) '\w+' \(and \d+ more",
        ),
        (lambda vectors: vectors.astype(np.float64) * 1e300, "infinite or undefined"),
        (lambda vectors: vectors * 7, r"gave a vector of length 7 for the (query|document) '\w+'; scale"),
    ],
)
def test_what_is_no_vector_is_refused_on_both_sides(bend: Callable[..., Any], message: str, side: Role) -> None:
    with pytest.raises(SearchError, match=message):
        DenseRetriever(Bent(bend, side)).build(TINY.corpus).search(TINY.queries, 3)


@pytest.mark.parametrize("side", ["query", "document"])
@pytest.mark.parametrize("bend", [np.ndarray.tolist, lambda vectors: vectors.astype(np.float64), np.asfortranarray])
def test_other_containers_of_the_same_numbers_give_the_same_run(bend: Callable[..., Any], side: Role) -> None:
    runs = [
        DenseRetriever(encoder).build(TINY.corpus).search(TINY.queries, 3)
        for encoder in (HashingEncoder(), Bent(bend, side))
    ]
    assert runs[0].fingerprint() == runs[1].fingerprint()


@pytest.mark.parametrize("retriever", [LexicalRetriever(), DenseRetriever(HashingEncoder())])
def test_a_search_has_a_depth_and_queries(retriever: LexicalRetriever | DenseRetriever) -> None:
    index = retriever.build(TINY.corpus)
    with pytest.raises(SearchError, match="the depth of a search is at least 1, not 0"):
        index.search(TINY.queries, 0)
    with pytest.raises(SearchError, match="there are no queries to search for"):
        search_in_blocks(index, Queries.empty(), 3)


def test_arguments_of_a_dense_retriever_are_checked_before_anything_is_encoded() -> None:
    with pytest.raises(SettingsError, match="engine: 'hnsw'; allowed: exact, faiss-flat"):
        DenseRetriever(HashingEncoder(), engine="hnsw")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="shard_size: 0"):
        DenseRetriever(HashingEncoder(), shard_size=0)


def test_damaged_embeddings_are_told(tmp_path: Any) -> None:
    index = DenseRetriever(HashingEncoder(), folder=tmp_path).build(TINY.corpus)
    shard = index.embeddings.folder / index.embeddings.shards[0]
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(SearchError, match="its embeddings are damaged"):
        index.search(TINY.queries, 1)


def test_an_analysis_is_plain_data_after_use_too() -> None:
    english = Analysis()
    assert english.tokens("mines") == ["mine"]
    assert english.model_copy(update={"stemmer": "german"}).tokens("häuser") == ["haus"]
    assert copy.deepcopy(english) == pickle.loads(pickle.dumps(english)) == english
    index = pickle.loads(pickle.dumps(LexicalRetriever().build(TINY.corpus)))
    assert index.search(TINY.queries, 1).by_query()["q10"][0].doc_id == "graphite"
