from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Candidate, Candidates, ScoreKind
from pyrite.errors import DataError, SearchError
from pyrite.search import LexicalRetriever
from pyrite.search.rescoring import TextPairScorer, pairs_to_score, rescore
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
DOCUMENTS = TINY.corpus.ids()


class CountingScorer:
    """Scores by lengths, notes every pair, and may break down after some."""

    score_kind = ScoreKind.LOGIT

    def __init__(self, breaks_after: int | None = None, version: int = 1) -> None:
        self.seen: list[tuple[str, str]] = []
        self.breaks_after = breaks_after
        self.version = version

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.seen += pairs
        if self.breaks_after is not None and len(self.seen) > self.breaks_after:
            raise RuntimeError("killed")
        return np.array([len(query) + len(document) / 1000 for query, document in pairs], dtype=np.float64)

    def identity(self) -> dict[str, int]:
        return {"version": self.version}


def candidates(documents: int = 10, sources: Sequence[str] = ("bm25", "dense")) -> Candidates:
    """Two queries, each with documents that every source proposed, and a positive that none reached."""
    rows = [
        Candidate(query, doc, source, rank, source, 1.0 / rank, is_positive=False)
        for query in ("q02", "q01")
        for source in sources
        for rank, doc in enumerate(DOCUMENTS[:documents], start=1)
    ]
    rows.append(Candidate("q01", "cinnabar", sources[0], None, sources[0], 0.1, is_positive=True))
    unique = {(row.query_id, row.doc_id, row.source): row for row in rows}
    return Candidates.from_rows(unique.values(), {"scorers": dict.fromkeys(sources, "bm25"), "depth": documents})


def scored(table: Candidates, name: str) -> dict[tuple[str, str, str], float]:
    return {(row.query_id, row.doc_id, row.source): row.score for row in table.rows() if row.scorer == name}


def test_each_pair_is_scored_once_whatever_proposed_it() -> None:
    scorer = CountingScorer()
    table = candidates()
    out = rescore(table, TINY.queries, "cross", TextPairScorer(scorer, TINY.corpus))
    pairs = {(row.query_id, row.doc_id) for row in table.rows()}
    assert len(scorer.seen) == len(set(scorer.seen)) == len(pairs)
    scores = scored(out, "cross")
    assert set(scores) == {(row.query_id, row.doc_id, row.source) for row in table.rows()}
    texts = dict(zip(DOCUMENTS, TINY.corpus.texts(), strict=True))
    asked = dict(zip(TINY.queries.ids(), TINY.queries.texts(), strict=True))
    assert all(score == len(asked[q]) + len(texts[d]) / 1000 for (q, d, _), score in scores.items())
    assert out.metadata["scorers"]["cross"] == "logit"
    assert len(out) == 2 * len(table)


def test_ranks_and_positives_are_kept() -> None:
    out = rescore(candidates(), TINY.queries, "cross", TextPairScorer(CountingScorer(), TINY.corpus))
    before = {(r.query_id, r.doc_id, r.source): (r.rank, r.is_positive) for r in out.rows() if r.scorer != "cross"}
    after = {(r.query_id, r.doc_id, r.source): (r.rank, r.is_positive) for r in out.rows() if r.scorer == "cross"}
    assert before == after
    assert ("q01", "cinnabar", "bm25") in after


@given(st.integers(1, 40))
def test_shards_change_nothing(shard_size: int) -> None:
    done: list[int] = []
    scorer = TextPairScorer(CountingScorer(), TINY.corpus)
    whole = rescore(candidates(), TINY.queries, "cross", scorer)
    cut = rescore(candidates(), TINY.queries, "cross", scorer, shard_size=shard_size, advance=done.append)
    assert cut.arrow.equals(whole.arrow)
    assert max(done) <= shard_size
    assert sum(done) == 21


def test_pairs_come_by_query() -> None:
    pairs = pairs_to_score(candidates(), "cross", ScoreKind.LOGIT)
    keys = list(zip(pairs.query_ids, pairs.doc_ids, strict=True))
    assert keys == sorted(keys)


def test_what_was_scored_is_not_scored_again() -> None:
    first = rescore(candidates(4), TINY.queries, "cross", TextPairScorer(CountingScorer(), TINY.corpus))
    new = candidates(6).arrow.slice(0)
    known = {(row.query_id, row.doc_id, row.source) for row in first.rows()}
    more = [row for row in candidates(6).rows() if (row.query_id, row.doc_id, row.source) not in known]
    grown = first.with_rows(Candidates.from_rows(more, {"scorers": {"bm25": "bm25", "dense": "bm25"}}))
    scorer = CountingScorer()
    out = rescore(grown, TINY.queries, "cross", TextPairScorer(scorer, TINY.corpus))
    assert len(scorer.seen) == 4
    assert len(scored(out, "cross")) == new.num_rows
    again = rescore(out, TINY.queries, "cross", TextPairScorer(CountingScorer(breaks_after=0), TINY.corpus))
    assert again is out


def test_an_empty_score_is_filled_and_not_doubled() -> None:
    table = candidates(3, sources=["bm25"])
    scores = table.column("score").to_pylist()
    scores[1] = None
    column = table.arrow.schema.get_field_index("score")
    holed = Candidates(table.arrow.set_column(column, "score", pa.array(scores, pa.float64())), table.metadata)
    index = LexicalRetriever().build(TINY.corpus)
    out = rescore(holed, TINY.queries, "bm25", index)
    assert len(out) == len(table)
    assert None not in out.column("score").to_pylist()


def test_a_killed_call_goes_on(tmp_path: Path) -> None:
    broken = CountingScorer(breaks_after=12)
    with pytest.raises(RuntimeError, match="killed"):
        rescore(candidates(), TINY.queries, "cross", TextPairScorer(broken, TINY.corpus), folder=tmp_path, shard_size=5)
    (tmp_path / "left.partial").write_bytes(b"half a shard")
    whole = CountingScorer()
    out = rescore(
        candidates(), TINY.queries, "cross", TextPairScorer(whole, TINY.corpus), folder=tmp_path, shard_size=5
    )
    # 15 of 21 pairs were begun, the shard in work was lost.
    assert len(whole.seen) == 21 - 10
    plain = rescore(candidates(), TINY.queries, "cross", TextPairScorer(CountingScorer(), TINY.corpus))
    assert out.arrow.equals(plain.arrow)


def test_another_scorer_finds_nothing_in_the_folder(tmp_path: Path) -> None:
    for version in (1, 2):
        scorer = CountingScorer(version=version)
        rescore(candidates(), TINY.queries, "cross", TextPairScorer(scorer, TINY.corpus), folder=tmp_path)
        assert len(scorer.seen) == 21


def test_a_folder_is_for_models() -> None:
    index = LexicalRetriever().build(TINY.corpus)
    with pytest.raises(DataError, match="an index needs none"):
        rescore(candidates(), TINY.queries, "new", index, folder=Path("x"))


def test_a_name_means_one_kind_of_score() -> None:
    with pytest.raises(DataError, match="scores by 'bm25' already, of the kind 'bm25', and these are of the kind"):
        rescore(candidates(), TINY.queries, "bm25", TextPairScorer(CountingScorer(), TINY.corpus))


@pytest.mark.parametrize("given_back", [np.array([1.0]), np.full(21, np.nan), np.array(["a"] * 21), np.ones((21, 1))])
def test_bad_scores_are_refused(given_back: np.ndarray) -> None:
    class Bad(CountingScorer):
        def score(self, pairs: Any) -> np.ndarray:
            return given_back

    with pytest.raises(SearchError, match="wants one finite number for each"):
        rescore(candidates(), TINY.queries, "cross", TextPairScorer(Bad(), TINY.corpus))
