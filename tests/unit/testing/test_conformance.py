"""The conformance checks pass what keeps the protocol and name the promise that is broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.errors import DataError, SearchError
from pyrite.search import LexicalRetriever
from pyrite.search.retriever import Pairs, rank_order
from pyrite.testing import check_encoder, check_pair_scorer, check_retriever, tiny_collection


class LetterIndex:
    """Scores a document by the letters that it shares with the query."""

    name = "letters"
    score_kind = ScoreKind.UNKNOWN

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts

    def search(self, queries: Queries, depth: int) -> Run:
        columns: dict[str, list[Any]] = {"query_id": [], "doc_id": [], "rank": [], "score": []}
        ids = np.array(list(self.texts))
        for query_id in queries.ids():
            scores = self.score(queries, Pairs([query_id] * len(ids), ids.tolist()))
            for rank, row in enumerate(self.order(scores, ids)[:depth], 1):
                for name, value in zip(columns, (query_id, str(ids[row]), rank, float(scores[row])), strict=True):
                    columns[name].append(value)
        return Run.build(self.name, self.score_kind, **columns)

    def order(self, scores: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return rank_order(scores, ids)

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        if unknown := set(pairs.doc_ids) - set(self.texts):
            raise SearchError(f"no document {unknown}")
        every = queries.texts()
        texts = [every[queries.position(query_id)] for query_id in pairs.query_ids]
        shared = [len(set(query) & set(self.texts[doc])) for query, doc in zip(texts, pairs.doc_ids, strict=True)]
        return np.array(shared, dtype=np.float64)

    def save(self, folder: Path) -> None:
        (folder / "texts.json").write_text(json.dumps(self.texts))

    @classmethod
    def open(cls, folder: Path) -> LetterIndex:
        return cls(json.loads((folder / "texts.json").read_text()))


class LetterRetriever:
    name = "letters"
    index: ClassVar[type[LetterIndex]] = LetterIndex

    def build(self, corpus: Corpus) -> LetterIndex:
        return self.index(dict(zip(corpus.ids(), corpus.texts(), strict=True)))

    def identity(self) -> Any:
        return {"scorer": "letters"}


class TiesAscending(LetterIndex):
    def order(self, scores: np.ndarray, ids: np.ndarray) -> np.ndarray:
        return np.lexsort((ids, -scores))


class OtherScore(LetterIndex):
    def search(self, queries: Queries, depth: int) -> Run:
        found = super().search(queries, depth)
        doubled = np.asarray(found.column("score").to_numpy()) * 2
        columns = {name: found.column(name) for name in ("query_id", "doc_id", "rank")}
        return Run.build(self.name, self.score_kind, **columns, score=doubled)


class Forgetful(LetterIndex):
    def save(self, folder: Path) -> None:
        (folder / "texts.json").write_text(json.dumps(dict(list(self.texts.items())[:5])))


class Silent(LetterIndex):
    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        if set(pairs.doc_ids) - set(self.texts):
            return np.zeros(len(pairs))
        return super().score(queries, pairs)


class Misnamed(LetterIndex):
    name = "words"


def test_what_keeps_the_protocol_passes() -> None:
    check_retriever(LetterRetriever())
    check_retriever(LexicalRetriever())


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (TiesAscending, "not by score, then id, descending"),
        (OtherScore, r"score\(\) differs from what search\(\) gave"),
        (Forgetful, "an index that was saved and opened ranks differently"),
        (Silent, r"score\(\) of a document that is not in the index raises SearchError"),
        (Misnamed, "the index is named 'words', its retriever 'letters'"),
    ],
)
def test_a_broken_promise_of_an_index_is_named(index: type[LetterIndex], message: str) -> None:
    class Broken(LetterRetriever):
        pass

    Broken.index = index
    with pytest.raises(AssertionError, match=message):
        check_retriever(Broken())


def test_an_empty_identity_is_a_fault() -> None:
    class Nameless(LetterRetriever):
        def identity(self) -> Any:
            return {}

    with pytest.raises(AssertionError, match=r"identity\(\) is empty"):
        check_retriever(Nameless())


class LetterEncoder:
    """The unit vector of a text's letter counts."""

    score_kind = ScoreKind.COSINE
    dimension = 26

    def encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        counts = np.array([[text.lower().count(chr(97 + i)) + 1 for i in range(26)] for text in texts], np.float32)
        counts = counts.reshape(-1, 26)
        return self.finish(counts / np.linalg.norm(counts, axis=1, keepdims=True))

    def finish(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def identity(self) -> Any:
        return {"encoder": "letters"}


class Centred(LetterEncoder):
    score_kind = ScoreKind.DOT

    def finish(self, vectors: np.ndarray) -> np.ndarray:
        return vectors - vectors.mean(axis=0) if len(vectors) else vectors


class Long(LetterEncoder):
    def finish(self, vectors: np.ndarray) -> np.ndarray:
        return vectors * 2


class Double(LetterEncoder):
    def finish(self, vectors: np.ndarray) -> np.ndarray:
        return vectors.astype(np.float64)


def test_an_encoder_that_keeps_the_protocol_passes() -> None:
    check_encoder(LetterEncoder())


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (Centred(), "depends on the other texts of its batch"),
        (Long(), "cosine wants unit vectors"),
        (Double(), "encode returns float32, not float64"),
    ],
)
def test_a_broken_promise_of_an_encoder_is_named(encoder: LetterEncoder, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_encoder(encoder)


class LengthScorer:
    score_kind = ScoreKind.LOGIT

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return np.array([len(query) - len(document) for query, document in pairs], dtype=np.float64)

    def identity(self) -> Any:
        return {"scorer": "length"}


def test_a_pair_scorer_is_checked() -> None:
    class Ranks(LengthScorer):
        def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
            return np.arange(len(pairs), dtype=np.float64)

    check_pair_scorer(LengthScorer())
    with pytest.raises(AssertionError, match="depends on the other pairs of its batch"):
        check_pair_scorer(Ranks())


def test_the_tiny_collection_holds_together() -> None:
    tiny = tiny_collection()
    for qrels in tiny.splits.values():
        assert all(query_id in tiny.queries for query_id in qrels.query_ids())
        assert all(judgement.doc_id in tiny.corpus for judgement in qrels.rows())
    judged = [query_id for qrels in tiny.splits.values() for query_id in qrels.query_ids()]
    assert sorted(judged) == sorted(tiny.queries.ids())


def test_an_unknown_query_is_a_data_error() -> None:
    tiny = tiny_collection()
    index = LetterRetriever().build(tiny.corpus)
    with pytest.raises(DataError, match="no query_id 'nobody'"):
        index.score(tiny.queries, Pairs(["nobody"], ["gold"]))
