"""Runs made elsewhere, random documents and fusions as sources of candidates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Candidates, Queries, Run, ScoreKind
from pyrite.data.formats.trec import read_run
from pyrite.errors import DataError, SearchError, SettingsError
from pyrite.mining import (
    CeilingFilter,
    HardNegativeMiner,
    MarginFilter,
    RankWindow,
    Selection,
    TopSampler,
    collect_candidates,
    select_negatives,
)
from pyrite.search import Fusion, LexicalRetriever, Pairs, RandomRetriever, RunSource
from pyrite.search.rescoring import rescore
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TRAIN = TINY.split("train")
POSITIVES = {(row.query_id, row.doc_id) for row in TRAIN.relevant().rows()}
FIRST = min(POSITIVES)


def ranking(depth: int = 6, without: tuple[str, str] | None = None) -> Run:
    """Return BM25's rankings as another system would give them, one pair left out."""
    found = LexicalRetriever().build(TINY.corpus).search(TINY.queries, depth)
    rows = [
        (query_id, row.doc_id, row.rank, row.score)
        for query_id, docs in found.by_query().items()
        for row in docs
        if (query_id, row.doc_id) != without
    ]
    query, doc, rank, score = zip(*rows, strict=True)
    return Run.build("elastic", ScoreKind.BM25, query_id=query, doc_id=doc, rank=rank, score=score)


def test_a_run_gives_the_negatives_that_its_ranking_would_give() -> None:
    one, two = (
        HardNegativeMiner([source], filters=[RankWindow(first=2), CeilingFilter(ceiling=3.0)]).mine(
            TINY.corpus, TINY.queries, TRAIN, depth=6
        )
        for source in (ranking(depth=30), LexicalRetriever(name="elastic"))
    )
    assert len(one.negatives) > 0
    known = [
        [(row.query_id, row.doc_id, row.rank, row.score) for row in result.negatives.rows()] for result in (one, two)
    ]
    assert known[0] == known[1]
    assert one.removals.fingerprint() == two.removals.fingerprint()


def test_a_positive_that_a_run_lacks_has_no_score_until_it_is_rescored() -> None:
    run = ranking(without=FIRST)
    index = RunSource(run).build(TINY.corpus)
    candidates = collect_candidates({"elastic": index}, TINY.queries, TRAIN, depth=6)
    missing = [row for row in candidates.rows() if row.score is None]
    assert FIRST in {(row.query_id, row.doc_id) for row in missing}
    assert all(row.rank is None and row.is_positive for row in missing)
    inputs = (TINY.corpus, TINY.queries, TRAIN)
    plain = select_negatives(candidates, *inputs, Selection(filters=(RankWindow(first=2), CeilingFilter(ceiling=99))))
    lacking = {row.positive_score for row in plain.negatives.rows() if row.query_id == FIRST[0]}
    assert lacking == {None}
    with pytest.raises(DataError, match=r"queries have a positive without a score .* rescore first") as caught:
        select_negatives(candidates, *inputs, Selection(filters=(MarginFilter(),)))
    assert f"query '{FIRST[0]}', scorer 'elastic'" in str(caught.value)
    scored = rescore(candidates, TINY.queries, "bm25", LexicalRetriever().build(TINY.corpus))
    chosen = select_negatives(scored, *inputs, Selection(scorer="bm25", filters=(MarginFilter(),)))
    assert all(row.positive_score is not None for row in chosen.negatives.rows())
    assert {row.source for row in chosen.negatives.rows()} == {"elastic"}


def test_candidates_without_scores_survive_storage(tmp_path: Path) -> None:
    index = RunSource(ranking(without=FIRST)).build(TINY.corpus)
    candidates = collect_candidates({"elastic": index}, TINY.queries, TRAIN, depth=6)
    candidates.save(tmp_path)
    opened = Candidates.open(tmp_path)
    assert list(opened.rows()) == list(candidates.rows())
    assert opened.fingerprint() == candidates.fingerprint()


def test_a_file_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "es.run").write_text("q01 Q0 talc 1 9.5 es\nq01 Q0 pyrite 2 9.1 es\n")
    result = HardNegativeMiner([read_run(tmp_path / "es.run")]).mine(TINY.corpus, TINY.queries, TRAIN)
    assert set(result.negatives.by_query()) <= {"q01"}
    assert result.audit.by_source == {"es": len(result.negatives)}
    assert result.candidates.metadata["queries"]["without_candidates"] == {"es": 5}
    assert result.audit.unproposed == 5


def test_documents_of_a_run_that_the_corpus_lacks_are_listed() -> None:
    run = Run.build(
        "es", ScoreKind.BM25, query_id=["q01"] * 3, doc_id=["z", "talc", "y"], rank=[1, 2, 3], score=[3, 2, 1]
    )
    with pytest.raises(DataError, match="the corpus lacks 2 documents of the run 'es'") as caught:
        RunSource(run).build(TINY.corpus)
    assert "document 'y'" in str(caught.value)
    assert "document 'z'" in str(caught.value)


def test_a_run_is_no_rescorer() -> None:
    with pytest.raises(SettingsError, match=r"'elastic' is none of the sources \['bm25'\]"):
        HardNegativeMiner([ranking(), LexicalRetriever()], rescorer="elastic")


def test_a_run_says_nothing_of_pairs_that_it_lacks() -> None:
    index = RunSource(ranking(without=FIRST), "mine").build(TINY.corpus)
    query_id, doc_id = max(POSITIVES)
    scores = index.score(TINY.queries, Pairs([FIRST[0], query_id, "q?"], [FIRST[1], doc_id, "d?"]))
    assert np.isnan(scores).tolist() == [True, False, True]
    assert index.search(TINY.queries.select([query_id]), 1).by_query()[query_id][0].rank == 1
    assert index.search(Queries.from_rows([]), 1).by_query() == {}


def test_a_fusion_stands_in_place_of_its_parts() -> None:
    miner = HardNegativeMiner(
        [LexicalRetriever(), RandomRetriever(), Fusion(of=("bm25", "random"), weights={"bm25": 3})],
        sampler=TopSampler(count=3),
    )
    result = miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=5)
    assert set(result.audit.by_source) == {"hybrid"}
    assert result.candidates.metadata["scorers"] == {"bm25": "bm25", "random": "unknown", "hybrid": "unknown"}
    fused = [row for row in result.candidates.rows() if row.source == "hybrid"]
    assert max(row.rank for row in fused if row.rank is not None) == 5
    assert {(row.query_id, row.doc_id) for row in fused if row.is_positive} == POSITIVES
    with pytest.raises(SearchError, match="the fusion 'hybrid' names dense; there are bm25"):
        HardNegativeMiner([LexicalRetriever(), Fusion(of=("dense",))])
    with pytest.raises(SettingsError, match="names must differ"):
        HardNegativeMiner([LexicalRetriever(name="hybrid"), Fusion()])


def test_random_documents_have_ranks_and_no_meaning() -> None:
    result = HardNegativeMiner([RandomRetriever(seed=1)]).mine(TINY.corpus, TINY.queries, TRAIN, depth=8)
    again = HardNegativeMiner([RandomRetriever(seed=2)]).mine(TINY.corpus, TINY.queries, TRAIN, depth=8)
    assert len(result.negatives) > 0
    assert result.negatives.fingerprint() != again.negatives.fingerprint()


def test_a_source_that_scores_nan_is_refused() -> None:
    class Broken:
        name, score_kind = "broken", ScoreKind.COSINE

        def search(self, queries: Queries, depth: int) -> Run:
            return ranking(depth, FIRST)

        def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
            return np.full(len(pairs), np.nan)

    with pytest.raises(DataError, match="the source 'broken' gave a positive a score that is not a number"):
        collect_candidates({"broken": Broken()}, TINY.queries, TRAIN, depth=3)  # type: ignore[dict-item]
