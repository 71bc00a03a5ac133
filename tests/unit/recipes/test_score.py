"""Sets of negatives measured and ranked, with an encoder whose cosines are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Candidates, Corpus, Document, Queries, Query, ScoreKind, TrainingGroup, TrainingSet
from pyrite.errors import DataError, SettingsError
from pyrite.metrics.eci import EciV1
from pyrite.recipes.score import (
    MEASURES,
    EncodedTexts,
    JudgedPairs,
    Material,
    NamedSets,
    Scored,
    ScoreSettings,
    Texts,
    rank_sets,
    score_sets,
)
from pyrite.search.dense.embeddings import encode_corpus
from pyrite.testing.encoders import TableEncoder

# Cosines with both queries: near .8, mid .6, far 0; the positive is at .9 of a length that does not count.
SINES = {"positive": 0.9, "near": 0.8, "mid": 0.6, "far": 0.0}
DOCUMENTS = {name: [2 * cosine, 2 * math.sqrt(1 - cosine**2)] for name, cosine in SINES.items()}
QUERIES = {"gold": [1.0, 0.0], "salt": [3.0, 0.0], "iron": [1.0, 0.0]}
TEXTS = Texts(
    Corpus.from_rows([Document(name, f"{name} stone") for name in DOCUMENTS]),
    Queries.from_rows([Query(name, name) for name in QUERIES]),
)
ENCODER = TableEncoder({**{f"{name} stone": vector for name, vector in DOCUMENTS.items()}, **QUERIES})


def training_set(**negatives: list[str]) -> TrainingSet:
    return TrainingSet.from_rows(
        [TrainingGroup(query, ("positive",), tuple(found)) for query, found in negatives.items()]
    )


@pytest.fixture
def encoded(tmp_path: Path) -> EncodedTexts:
    return EncodedTexts(encode_corpus(ENCODER, TEXTS.corpus, tmp_path / "vectors"), ENCODER)


def scored(
    encoded: EncodedTexts,
    sets: dict[str, TrainingSet],
    judge: dict[tuple[str, str], float] | None = None,
    **choices: object,
) -> Scored:
    settings = ScoreSettings(rounds=100, **choices)  # type: ignore[arg-type]
    named = NamedSets.of(sets)
    judged = None
    if judge is not None:
        queries, documents = (
            ids.take(rows).to_pylist()
            for ids, rows in zip((named.query_ids, named.doc_ids), named.pairs(), strict=True)
        )
        scores = np.array([judge[pair] for pair in zip(queries, documents, strict=True)])
        judged = JudgedPairs("strict", ScoreKind.PROBABILITY, named, scores)
    return score_sets(Material.gather(named, TEXTS, encoded, judged, settings), settings, encoded)


def values(result: Scored, measure: str) -> dict[str, float | None]:
    return {row.set_name: row.value for row in result.ranking.rows() if row.measure == measure}


def test_values_by_hand(encoded: EncodedTexts) -> None:
    result = scored(encoded, {"hard": training_set(gold=["near", "far"], salt=["mid"])})
    assert math.isclose(values(result, "hardness")["hard"] or 0, (0.4 + 0.6) / 2, rel_tol=1e-6)
    assert math.isclose(values(result, "eci_v1.safety")["hard"] or 0, (0.1 + 0.3) / 2, rel_tol=1e-5)
    by_hand = (math.log(3) * 2 * 0.4 * 0.1 / 0.5 + math.log(2) * 2 * 0.6 * 0.3 / 0.9) / 2
    assert math.isclose(values(result, "eci_v1")["hard"] or 0, by_hand, rel_tol=1e-5)
    # "stone" is in the positive, the other word of each is not; both as rare as each other in "hard".
    terms = {"stone": math.log(1 + 0.5 / 4.5), "near": math.log(1 + 3.5 / 1.5)}
    overlap = terms["stone"] / (terms["stone"] + terms["near"])
    assert math.isclose(values(result, "lexical_overlap")["hard"] or 0, overlap, rel_tol=1e-9)
    assert set(result.ranking.column("measure").to_pylist()) == {m for m in MEASURES if not m.startswith("judge")}


def test_only_common_queries_rank_and_all_are_told(encoded: EncodedTexts) -> None:
    sets = {"one": training_set(gold=["near"], salt=["far"]), "two": training_set(iron=["near"], gold=["mid"])}
    result = scored(encoded, sets, rank_by="hardness")
    assert result.order() == ["one", "two"]
    assert {row.queries for row in result.ranking.rows() if row.measure == "hardness"} == {1}
    assert len(result.scores) == sum(len(result.scores.arrow.filter(_mask(result, name))) for name in ("one", "two"))
    assert set(result.scores.column("query_id").to_pylist()) == {"gold", "salt", "iron"}
    first, second = (row for row in result.ranking.rows() if row.measure == "hardness")
    assert (first.behind, first.rank, second.rank) == (0.0, 1, 2)
    assert math.isclose(second.behind or 0, 0.2, rel_tol=1e-5)
    with pytest.raises(DataError, match="no query in common"):
        scored(encoded, {"one": training_set(gold=["near"]), "two": training_set(salt=["near"])})


def _mask(result: Scored, name: str) -> np.ndarray:
    return np.array([one == name for one in result.scores.column("set_name").to_pylist()])


def test_the_order_of_sets_and_queries_changes_no_value(encoded: EncodedTexts) -> None:
    sets = {"one": training_set(gold=["near", "mid"], salt=["far"]), "two": training_set(salt=["near"], gold=["mid"])}
    turned = {name: sets[name] for name in reversed(sets)}
    first, second = scored(encoded, sets), scored(encoded, turned)
    for measure in ("eci_v1", "eci_sem", "diversity"):
        assert values(first, measure) == values(second, measure)


def test_a_judge_says_which_hardness_counts(encoded: EncodedTexts) -> None:
    judge = {(q, d): {"positive": 0.9, "near": 0.95, "mid": 0.2}.get(d, 0.0) for q in QUERIES for d in DOCUMENTS}
    sets = {"false": training_set(gold=["near"]), "true": training_set(gold=["mid"])}
    assert scored(encoded, sets, rank_by="hardness").order() == ["false", "true"]
    result = scored(encoded, sets, judge)
    assert result.order() == ["true", "false"]
    assert result.ranking.metadata["judge"] == "strict"
    assert values(result, "judged_hardness")["false"] == 0
    assert values(result, "judge.false_negatives") == {"false": 1.0, "true": 0.0}
    assert values(result, "judge.eci_v1")["false"] == 0


def test_the_ranks_of_means(encoded: EncodedTexts) -> None:
    sets = {"one": training_set(gold=["near"], salt=["far"])}
    result = scored(encoded, sets, eci_v1=EciV1(efficiency="of-means"))
    by_hand = math.log(2) * 2 * 0.4 * 0.5 / 0.9
    assert math.isclose(values(result, "eci_v1")["one"] or 0, by_hand, rel_tol=1e-5)


def test_random_documents_set_the_scale(encoded: EncodedTexts) -> None:
    sets = {"one": training_set(gold=["near"])}
    result = scored(encoded, sets, eci_v1=EciV1(scale="random-to-positive"), random_documents=4)
    base = sum(SINES.values()) / 4
    assert math.isclose(values(result, "eci_v1.hardness")["one"] or 0, (0.8 - base) / (0.9 - base), rel_tol=1e-5)


def test_groups_without_negatives_count_as_nothing_learnt(encoded: EncodedTexts) -> None:
    result = scored(encoded, {"one": training_set(gold=["near"], salt=[])})
    assert math.isclose(values(result, "hardness")["one"] or 0, 0.8, rel_tol=1e-6)
    assert math.isclose(values(result, "eci_v1")["one"] or 0, math.log(2) * 2 * 0.8 * 0.1 / 0.9 / 2, rel_tol=1e-5)
    assert result.facts["one"]["without_negatives"] == 1


def test_bad_input_is_told(encoded: EncodedTexts) -> None:
    with pytest.raises(DataError, match="no negatives at all in 'none'"):
        NamedSets.of({"none": training_set(gold=[])})
    with pytest.raises(DataError, match="there is no set"):
        NamedSets.of({})
    with pytest.raises(SettingsError, match="'judged_hardness' was not measured; measured: eci_v1, "):
        scored(encoded, {"one": training_set(gold=["near"])}, rank_by="judged_hardness")
    with pytest.raises(DataError, match="such as the document 'gone'"):
        scored(encoded, {"one": training_set(gold=["gone"])})


def test_stored_scores_judge() -> None:
    rows = [("gold", d, "bm25", 1, "cross", s, d == "positive") for d, s in (("positive", 2.0), ("near", -1.0))]
    columns = zip(*rows, strict=True)
    names = ("query_id", "doc_id", "source", "rank", "scorer", "score", "is_positive")
    candidates = Candidates.from_columns(
        {"scorers": {"cross": "logit"}}, **dict(zip(names, map(list, columns), strict=True))
    )
    sets = NamedSets.of({"one": training_set(gold=["near"])})
    judged = JudgedPairs.stored(sets, candidates, "cross")
    found = judged.similarities(sets.groups["one"])
    np.testing.assert_allclose(
        [found.positives[0], found.negatives[0]], [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    )
    with pytest.raises(DataError, match="no scores by 'judge' among the candidates; there are: cross"):
        JudgedPairs.stored(sets, candidates, "judge")
    more = NamedSets.of({"one": training_set(gold=["near", "far"])})
    with pytest.raises(
        DataError, match="no score for 1 of 3 pairs of the sets, such as the query 'gold' and the document 'far'"
    ):
        JudgedPairs.stored(more, candidates, "cross")


def taught(first: tuple[float | None, ...], second: tuple[float | None, ...]) -> dict[str, TrainingSet]:
    groups = [
        TrainingGroup("gold", ("positive",), ("near", "far"), teacher_scores=first),
        TrainingGroup("salt", ("positive", "mid"), ("near",), teacher_scores=second),
    ]
    return {"one": TrainingSet.from_rows(groups, {"score_kind": "probability"})}


def test_teacher_scores_judge() -> None:
    given = taught((0.9, 0.4, 0.1), (0.8, 0.7, 0.2))
    sets = NamedSets.of(given)
    judged = JudgedPairs.taught("teacher", sets, given)
    found = judged.similarities(sets.groups["one"])
    assert found.positives.tolist() == [0.9, 0.8, 0.7]
    assert found.negatives.tolist() == [0.4, 0.1, 0.2]
    assert judged.kind is ScoreKind.PROBABILITY
    lacking = taught((0.9, None, 0.1), (0.8, 0.7, 0.2))
    with pytest.raises(DataError, match="teacher scores for 5 of 6 documents"):
        JudgedPairs.taught("teacher", sets, lacking)
    both = {"one": given["one"], "two": taught((0.9, 0.5, 0.1), (0.8, 0.7, 0.2))["one"]}
    with pytest.raises(DataError, match="two different teacher scores for 1 pairs"):
        JudgedPairs.taught("teacher", NamedSets.of(both), both)


def test_sets_without_a_value_come_last() -> None:
    ranking = rank_sets({"diversity": {"a": np.full(3, np.nan), "b": np.ones(3)}}, rounds=100)
    first, last = ranking.rows()
    assert (first.set_name, first.rank, last.set_name, last.rank, last.value) == ("b", 1, "a", None, None)
