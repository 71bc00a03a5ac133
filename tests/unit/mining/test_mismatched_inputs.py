"""Inputs that do not belong together are an error, never a worse result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pyrite.data import Candidates, Judgment, Negative, Negatives, Qrels, Queries, ScoreKind
from pyrite.data.groups import training_groups
from pyrite.errors import DataError, SearchError, SettingsError
from pyrite.mining import HardNegativeMiner, Selection, select_negatives
from pyrite.search import DenseRetriever, LexicalRetriever
from pyrite.search.rescoring import rescore
from pyrite.testing.encoders import HashingEncoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TRAIN = TINY.split("train")


class Scorer:
    """A `PairScorer` that gives what it was made with."""

    score_kind = ScoreKind.LOGIT

    def __init__(self, scores: object) -> None:
        self._scores = scores

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        return self._scores  # type: ignore[return-value]

    def identity(self) -> str:
        return "planted"


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    return HardNegativeMiner([LexicalRetriever()]).mine(TINY.corpus, TINY.queries, TRAIN, depth=10).candidates


@pytest.mark.parametrize("other", [TINY.split("dev"), Qrels.empty()])
def test_judgements_that_do_not_know_the_positives_are_refused(candidates: Candidates, other: Qrels) -> None:
    """The masks would know no positive, and each would leave as a negative."""
    with pytest.raises(DataError, match="7 positives that the candidates were mined with are not judged 1") as raised:
        select_negatives(candidates, TINY.corpus, TINY.queries, other, Selection())
    assert "query 'q01', document 'fools-gold'" in str(raised.value)


def test_judgements_that_know_more_are_welcome(candidates: Candidates) -> None:
    more = Qrels.from_rows([*TRAIN.rows(), Judgment("q02", "calcite", 1)])
    before, after = (
        select_negatives(candidates, TINY.corpus, TINY.queries, qrels, Selection()).negatives.by_query()["q02"]
        for qrels in (TRAIN, more)
    )
    assert [doc_id for doc_id in before if doc_id != "calcite"] == after != before


def test_queries_of_another_collection_are_refused(candidates: Candidates) -> None:
    with pytest.raises(DataError, match="the candidates name a query that the queries lack: 'q01'"):
        select_negatives(candidates, TINY.corpus, Queries.empty(), TRAIN, Selection())


def test_a_source_cannot_have_the_name_of_the_rescorer() -> None:
    """Its own scores would pass for the rescorer's."""
    with pytest.raises(SettingsError, match="'rescorer' is what the scores of the rescorer are called"):
        HardNegativeMiner([LexicalRetriever(name="rescorer")], rescorer=Scorer(None))


def test_a_scorers_name_is_not_given_to_scores_of_another_kind(candidates: Candidates) -> None:
    cosines = DenseRetriever(HashingEncoder()).build(TINY.corpus)
    with pytest.raises(DataError, match="scores by 'bm25' already, of the kind 'bm25', and these are of the kind 'cos"):
        rescore(candidates, TINY.queries, "bm25", cosines)


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((23, 1)), None, np.full(23, np.nan), np.array(["a"] * 23)])
def test_a_rescorer_gives_one_finite_number_for_each_pair(scores: object) -> None:
    miner = HardNegativeMiner([LexicalRetriever()], rescorer=Scorer(scores))
    with pytest.raises(SearchError, match="for 23 pairs; wants one finite number for each"):
        miner.mine(TINY.corpus, TINY.queries, TRAIN, depth=5)


def test_negatives_of_another_split_are_refused() -> None:
    """They would be left out without a word, and only the batch would give negatives."""
    mined = Negatives.from_rows([Negative("q01", "talc", "bm25", 1, 1.0, 2.0, "bm25", 1.0)])
    with pytest.raises(DataError, match=r"not one of the 1 queries that have negatives \(such as 'q01'\)"):
        training_groups(TINY.split("dev"), mined)
    assert len(training_groups(TRAIN, mined)) == 6
