"""Inputs that lie and machines that fail: a clear error or the right result each, and nothing lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pyrite.data import Candidates, Corpus, Document, Judgment, Qrels, Queries, Query, ScoreKind
from pyrite.errors import DataError, PyriteError, SearchError
from pyrite.mining import HardNegativeMiner, MarginFilter, MiningResult, TopSampler
from pyrite.models.protocols import Role
from pyrite.search import DenseRetriever, LexicalRetriever
from pyrite.testing.encoders import HashingEncoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TRAIN = TINY.split("train")


class Lying(HashingEncoder):
    """Gives what `lie` makes of the vectors of one side."""

    def __init__(self, side: Role, lie: object) -> None:
        super().__init__()
        self._side = side
        self._lie = lie

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        vectors = super().encode(texts, role)
        return self._lie(vectors) if role == self._side else vectors  # type: ignore[operator]


def mine(encoder: HashingEncoder, depth: int = 5) -> MiningResult:
    return HardNegativeMiner([DenseRetriever(encoder)]).mine(TINY.corpus, TINY.queries, TRAIN, depth=depth)


def small(*texts: str) -> tuple[Corpus, Queries, Qrels]:
    """Return a corpus of these texts, of which the first is the positive of the one query."""
    corpus = Corpus.from_rows(Document(f"d{number}", text) for number, text in enumerate(texts))
    return corpus, Queries.from_rows([Query("q", "gold")]), Qrels.from_rows([Judgment("q", "d0", 1)])


def with_nan(vectors: np.ndarray) -> np.ndarray:
    vectors[len(vectors) // 2, 0] = np.nan
    return vectors


@pytest.mark.parametrize("side", ["query", "document"])
@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (with_nan, "infinite or undefined component"),
        (lambda vectors: vectors * np.inf, "infinite or undefined component"),
        (lambda vectors: vectors[:, :-1], r"shape \(\d+, 63\) .* promised numbers of shape \(\d+, 64\)"),
        (lambda vectors: vectors[:-1], "promised numbers of shape"),
        (lambda vectors: vectors * 3, "cosines and gave a vector of length 3"),
        (lambda vectors: vectors.astype(str), "promised numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply")
def test_an_encoder_that_lies_is_caught_on_either_side(side: Role, lie: object, said: str) -> None:
    with pytest.raises(SearchError, match=said):
        mine(Lying(side, lie))


def test_a_zero_vector_scores_zero_and_is_mined_like_any_other() -> None:
    corpus, queries, qrels = small("gold ore", "?", "tin", "gold")

    class Deaf(HashingEncoder):
        def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
            return super().encode([text.replace("?", "") for text in texts], role)

    result = HardNegativeMiner([DenseRetriever(Deaf())]).mine(corpus, queries, qrels, depth=9)
    scores = {row.doc_id: row.score for row in result.candidates.rows()}
    assert scores["d1"] == 0.0
    # d3 is a copy of the query, d0 the positive.
    assert result.negatives.by_query()["q"] == ["d2", "d1"]


def test_a_query_of_zeros_ties_everything_by_id() -> None:
    result = mine(Lying("query", lambda vectors: vectors * 0))
    ranked = [row.doc_id for row in result.candidates.rows() if row.query_id == "q01" and row.rank is not None]
    assert ranked == sorted(TINY.corpus.ids(), reverse=True)[:5]


def test_queries_without_positives_are_left_alone_and_the_others_mined() -> None:
    more = Queries.from_rows([*TINY.queries.rows(), Query("unjudged", "what is talc?")])
    miner = HardNegativeMiner([LexicalRetriever()])
    result = miner.mine(TINY.corpus, more, TRAIN, depth=5)
    assert result.audit == miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=5).audit
    assert "unjudged" not in result.negatives.by_query()
    with pytest.raises(DataError, match="no query has a document of grade 1 or more: there is nothing to mine for"):
        miner.mine(TINY.corpus, more, Qrels.from_rows([Judgment("unjudged", "talc", 0)]), depth=5)


@pytest.mark.parametrize("retriever", [LexicalRetriever(), DenseRetriever(HashingEncoder())])
def test_one_document_leaves_a_query_without_negatives_and_says_so(retriever: LexicalRetriever) -> None:
    result = HardNegativeMiner([retriever]).mine(*small("gold ore"), depth=100)
    assert len(result.negatives) == 0
    assert (result.audit.queries, result.audit.empty, result.audit.removed["known-positive"]) == (1, 1, 1)


@pytest.mark.parametrize("depth", [30, 31, 10_000])
def test_a_depth_beyond_the_corpus_gives_all_of_it(depth: int) -> None:
    result = mine(HashingEncoder(), depth)
    ranks = [row.rank for row in result.candidates.rows() if row.query_id == "q01" and row.rank is not None]
    assert sorted(ranks) == list(range(1, len(TINY.corpus) + 1))


@pytest.mark.parametrize("depth", [0, -3])
def test_a_depth_below_one_is_refused(depth: int) -> None:
    with pytest.raises(PyriteError, match=f"at least 1, not {depth}"):
        mine(HashingEncoder(), depth)


def test_a_positive_that_the_corpus_lacks_is_named() -> None:
    corpus, queries, _ = small("gold ore", "tin")
    lost = Qrels.from_rows([Judgment("q", "d0", 1), Judgment("q", "gone", 1)])
    with pytest.raises(SearchError, match="gone"):
        HardNegativeMiner([DenseRetriever(HashingEncoder())]).mine(corpus, queries, lost, depth=5)


def test_every_candidate_is_a_negative_or_accounted_for() -> None:
    """Nothing is lost between what sources propose and what is drawn."""
    miner = HardNegativeMiner(
        [LexicalRetriever(), DenseRetriever(HashingEncoder())],
        rescorer="dense",
        filters=[MarginFilter(margin=0.1)],
        sampler=TopSampler(count=2),
    )
    audit = miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=12).audit
    assert audit.candidates == sum(audit.removed.values()) + audit.not_drawn + audit.negatives


class TestFullDisk:
    @pytest.mark.parametrize("call", ["write_table", "close"])
    def test_a_table_is_whole_or_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
        candidates = mine(HashingEncoder()).candidates
        candidates.save(tmp_path)
        before = (tmp_path / "candidates.parquet").read_bytes()

        def full(writer: pq.ParquetWriter, *_: object, **__: object) -> None:
            writer.is_open = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(pq.ParquetWriter, call, full)
            with pytest.raises(OSError, match="No space left on device"):
                mine(HashingEncoder(), depth=7).candidates.save(tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["candidates.parquet"]
        assert (tmp_path / "candidates.parquet").read_bytes() == before
        assert Candidates.open(tmp_path).fingerprint() == candidates.fingerprint()

    def test_vectors_that_were_finished_are_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save, room = np.save, [6]

        def nearly_full(stream: object, array: np.ndarray) -> None:
            room[0] -= 1
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            save(stream, array)  # type: ignore[arg-type]

        encoder = HashingEncoder()
        retriever = DenseRetriever(encoder, folder=tmp_path, shard_size=10)
        with monkeypatch.context() as patch:
            patch.setattr(np, "save", nearly_full)
            with pytest.raises(SearchError, match="No space left on device"):
                retriever.build(TINY.corpus)
        encoder.encoded = 0
        index = retriever.build(TINY.corpus)
        assert encoder.encoded == 10
        assert index.fingerprint() == DenseRetriever(HashingEncoder()).build(TINY.corpus).fingerprint()


def test_scores_of_one_kind_alone_are_compared() -> None:
    """A margin in cosines over BM25 sums would be nonsense: each candidate is compared by its own source's scorer."""
    miner = HardNegativeMiner(
        [LexicalRetriever(), DenseRetriever(HashingEncoder())], filters=[MarginFilter(margin=0.0)]
    )
    result = miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=10)
    kinds = result.candidates.metadata["scorers"]
    assert kinds == {"bm25": str(ScoreKind.BM25), "dense": str(ScoreKind.COSINE)}
    assert all(row.scorer == row.source for row in result.negatives.rows())
