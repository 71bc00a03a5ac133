"""Planted truths: whatever the sources and settings, no positive or copy of one leaves as a negative."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from pyrite.data import Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.data.text import normalise
from pyrite.errors import DataError, SearchError, SettingsError
from pyrite.mining import (
    CeilingFilter,
    HardNegativeMiner,
    MarginFilter,
    Masking,
    MiningResult,
    RankWindow,
    Selection,
    ShareFilter,
    TopSampler,
    UniformSampler,
    select_negatives,
)
from pyrite.search import DenseRetriever, LexicalRetriever
from pyrite.testing.encoders import HashingEncoder
from pyrite.testing.planted import NEVER_NEGATIVE, planted_collection

PLANTED = planted_collection()
DOCUMENTS = list(PLANTED.corpus.rows())
QUERIES = list(PLANTED.queries.rows())


def collection(
    documents: Sequence[Document] = DOCUMENTS, queries: Sequence[Query] = QUERIES
) -> tuple[Corpus, Queries, Qrels]:
    return Corpus.from_rows(documents), Queries.from_rows(queries), PLANTED.splits["train"]


def sources(shard_size: int = 4096) -> list[LexicalRetriever | DenseRetriever]:
    return [LexicalRetriever(), DenseRetriever(HashingEncoder(), shard_size=shard_size)]


def mine(**options: object) -> MiningResult:
    miner = HardNegativeMiner(sources(), **{"sampler": TopSampler(count=100), **options})  # type: ignore[arg-type]
    return miner.mine(*collection(), depth=50)


@pytest.mark.parametrize("rescorer", [None, "dense"])
@pytest.mark.parametrize(
    "filters", [[], [MarginFilter(margin=0.0)], [ShareFilter(), RankWindow(last=20)], [CeilingFilter(ceiling=9.0)]]
)
def test_no_positive_or_copy_leaves_as_a_negative(rescorer: str | None, filters: list[MarginFilter]) -> None:
    result = mine(rescorer=rescorer, filters=filters)
    chosen = result.negatives.by_query()
    assert chosen
    for query_id, never in NEVER_NEGATIVE.items():
        assert not never & set(chosen.get(query_id, []))
    texts = {d.doc_id: normalise(d.text) for d in DOCUMENTS}
    assert not {texts["p1"], texts["p2"]} & {texts[doc_id] for doc_id in chosen.get("q1", [])}
    assert "q3" not in chosen


def test_every_candidate_is_accounted_for_by_name() -> None:
    result = mine(filters=[MarginFilter(margin=0.1)], sampler=TopSampler(count=3))
    audit = result.audit
    assert audit.candidates == sum(audit.removed.values()) + audit.not_drawn + audit.negatives
    assert len(result.removals) == sum(audit.removed.values())
    gates = {(row.query_id, row.doc_id): row.gate for row in result.removals.rows()}
    assert {doc_id: gates["q1", doc_id] for doc_id in NEVER_NEGATIVE["q1"]} == {
        "p1": "known-positive",
        "p2": "known-positive",
        "copy-case": "copy-of-positive",
        "copy-space": "copy-of-positive",
        "copy-nfkc": "copy-of-positive",
        "q1": "same-id",
        "q-text": "copy-of-query",
    }
    assert sorted(doc_id for doc_id in ("twin-a", "twin-b") if gates.get(("q1", doc_id)) == "copy") in (
        ["twin-a"],
        ["twin-b"],
    )
    margins = [row for row in result.removals.rows() if row.gate == "margin"]
    assert margins
    assert all(row.value >= row.threshold for row in margins)


def test_a_document_judged_zero_is_a_trusted_negative() -> None:
    strict = [MarginFilter(margin=100.0)]
    assert mine(filters=strict).negatives.by_query() == {"q1": ["judged-zero"]}
    assert len(mine(filters=strict, masking=Masking(trust_judged=False)).negatives) == 0


def test_a_grade_below_the_threshold_is_neither() -> None:
    result = mine(masking=Masking(grade_threshold=2))
    assert {row.gate for row in result.removals.rows() if row.doc_id == "p1"} == {"partly-relevant"}
    assert "p1" not in result.negatives.by_query()["q1"]
    assert "q2" not in result.negatives.by_query()


def test_same_id_is_a_setting() -> None:
    assert "q1" in mine(masking=Masking(drop_same_id=False)).negatives.by_query()["q1"]


@pytest.mark.parametrize("sampler", [TopSampler(count=4), UniformSampler(count=4, seed=3)])
def test_order_and_shards_change_nothing(sampler: TopSampler | UniformSampler) -> None:
    def run(documents: Sequence[Document], queries: Sequence[Query], shard_size: int) -> MiningResult:
        miner = HardNegativeMiner(sources(shard_size), filters=[ShareFilter()], sampler=sampler, rescorer="dense")
        return miner.mine(*collection(documents, queries), depth=50)

    one = run(DOCUMENTS, QUERIES, 4096)
    two = run(DOCUMENTS[::-1], QUERIES[::-1], 3)
    assert one.negatives.fingerprint() == two.negatives.fingerprint()
    assert len(one.negatives) >= 4


def test_another_seed_draws_others() -> None:
    draws = {mine(sampler=UniformSampler(count=4, seed=seed)).negatives.fingerprint() for seed in (0, 0, 1)}
    assert len(draws) == 2


def test_positives_are_scored_by_each_scorer_also_below_the_depth() -> None:
    result = HardNegativeMiner(sources()).mine(*collection(), depth=1)
    positives = [row for row in result.candidates.rows() if row.is_positive]
    assert {(row.doc_id, row.scorer) for row in positives if row.query_id == "q1"} == {
        (doc_id, scorer) for doc_id in ("p1", "p2") for scorer in ("bm25", "dense")
    }
    assert any(row.rank is None for row in positives)


def test_negative_scores_are_compared_on_one_scale() -> None:
    result = mine(rescorer="dense", filters=[MarginFilter(margin=0.2)])
    assert {row.scorer for row in result.negatives.rows()} == {"dense"}
    assert all(row.score < row.positive_score for row in result.negatives.rows() if row.doc_id != "judged-zero")
    assert {row.source for row in result.negatives.rows()} == {"bm25", "dense"}


def test_searched_once_selected_often() -> None:
    result = mine()
    corpus, queries, qrels = collection()
    for count in (1, 5):
        settings = Selection(sources=("dense",), sampler=TopSampler(count=count))
        chosen = select_negatives(result.candidates, corpus, queries, qrels, settings)
        assert {len(ids) for ids in chosen.negatives.by_query().values()} == {count}
        assert chosen.audit.by_source == {"dense": 2 * count}


def test_short_queries_are_counted() -> None:
    audit = mine(filters=[MarginFilter(margin=100.0)], sampler=TopSampler(count=2)).audit
    assert (audit.queries, audit.short, audit.empty) == (2, 2, 1)


def test_errors_say_what_to_do() -> None:
    corpus, queries, qrels = collection()
    with pytest.raises(SettingsError, match="names must differ"):
        HardNegativeMiner([LexicalRetriever(), LexicalRetriever()])
    with pytest.raises(SettingsError, match="'ce' is none of the sources"):
        HardNegativeMiner(sources(), rescorer="ce")
    with pytest.raises(DataError, match="no query has a document of grade 3"):
        HardNegativeMiner(sources(), masking=Masking(grade_threshold=3)).mine(corpus, queries, qrels)
    with pytest.raises(DataError, match="depth of mining is at least 1"):
        HardNegativeMiner(sources()).mine(corpus, queries, qrels, depth=0)
    with pytest.raises(SearchError, match="holds no document 'lost'"):
        HardNegativeMiner(sources()).mine(corpus, queries, Qrels.from_rows([Judgment("q1", "lost", 1)]))
    candidates = HardNegativeMiner(sources()).mine(corpus, queries, qrels, depth=3).candidates
    for settings, message in (
        (Selection(sources=("tfidf",)), r"no candidates from \['tfidf'\]; there are some from \['bm25', 'dense'\]"),
        (Selection(scorer="ce"), r"no scores by 'ce'; there are some by \['bm25', 'dense'\]"),
        (Selection(scorer="dense"), "candidates have no score by 'dense'; rescore"),
    ):
        with pytest.raises(DataError, match=message):
            select_negatives(candidates, corpus, queries, qrels, settings)
    short = Corpus(corpus.arrow.slice(0, 3))
    with pytest.raises(DataError, match="a document that the corpus lacks"):
        select_negatives(candidates, short, queries, qrels, Selection())


def test_rows_of_the_candidates_may_stand_in_any_order() -> None:
    candidates = mine().candidates
    corpus, queries, qrels = collection()
    shuffled = type(candidates)(
        candidates.arrow.take(pa.array(range(len(candidates) - 1, -1, -1))), candidates.metadata
    )
    one, two = (select_negatives(c, corpus, queries, qrels, Selection()) for c in (candidates, shuffled))
    assert one.negatives.fingerprint() == two.negatives.fingerprint()
