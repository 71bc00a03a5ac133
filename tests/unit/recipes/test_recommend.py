"""A recommendation finds the negatives that were planted as the best, and says how to draw them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Candidates, Corpus, Document, Qrels, Queries, Query, ScoreKind
from pyrite.errors import DataError, SettingsError
from pyrite.metrics.groups import Groups
from pyrite.mining import MarginFilter, Selection, select_negatives
from pyrite.recipes.recommend import Draw, Plan, RecommendSettings, everything, recommend
from pyrite.recipes.score import EncodedTexts, JudgedPairs, Material, NamedSets, Texts
from pyrite.search.dense.embeddings import encode_corpus
from pyrite.stages.recommend import _plain
from pyrite.testing.encoders import TableEncoder

# Near ones are hard and safe; traps are harder, and the judge finds them as relevant as the positive.
COSINES = {
    "p": 0.9,
    **{f"near-{i}": 0.7 for i in range(3)},
    **{f"trap-{i}": 0.8 for i in range(3)},
    **{f"far-{i}": 0.1 for i in range(3)},
}
QUERIES = [f"q{i}" for i in range(8)]
TEXTS = Texts(
    Corpus.from_rows([Document(name, f"text of {name}") for name in COSINES]),
    Queries.from_rows([Query(name, f"query {name}") for name in QUERIES]),
)
ENCODER = TableEncoder(
    {
        **{f"text of {name}": [cosine, math.sqrt(1 - cosine**2)] for name, cosine in COSINES.items()},
        **{f"query {name}": [1.0, 0.0] for name in QUERIES},
    }
)
QRELS = Qrels.from_columns(query_id=QUERIES, doc_id=["p"] * 8, grade=[1] * 8, source=["human"] * 8)


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    rows = []
    for query in QUERIES:
        for source in ("near", "trap", "far"):
            for rank in (1, 2, 3):
                name = f"{source}-{rank - 1}"
                rows.append((query, name, source, rank, "dense", COSINES[name], False))
            rows.append((query, "p", source, None, "dense", COSINES["p"], True))
    names = ("query_id", "doc_id", "source", "rank", "scorer", "score", "is_positive")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return Candidates.from_columns({"scorers": {"dense": "cosine"}, "depth": 3}, **columns)


def material(candidates: Candidates, folder: Path, settings: RecommendSettings, judged: bool = True) -> Material:
    sets = everything(candidates, QRELS)
    judge = None
    if judged:
        documents = sets.doc_ids.take(sets.pairs()[1]).to_pylist()
        scores = np.array([0.95 if name.startswith("trap") else COSINES[name] for name in documents])
        judge = JudgedPairs("strict", ScoreKind.COSINE, sets, scores)
    encoded = EncodedTexts(encode_corpus(ENCODER, TEXTS.corpus, folder / "vectors"), ENCODER)
    return Material.gather(sets, TEXTS, encoded, judge, settings)


SETTINGS = RecommendSettings(scorer="dense", counts=(2, 3), grid=2, draws=(Draw(), Draw(within="uniform")), rounds=100)


def test_hard_and_safe_ones_are_found(candidates: Candidates, tmp_path: Path) -> None:
    found = recommend(candidates, TEXTS, QRELS, material(candidates, tmp_path, SETTINGS), SETTINGS)
    assert {name.partition("-")[0] for name in found.negatives.column("doc_id").to_pylist()} == {"near"}
    assert found.ranking.metadata == {
        "rank_by": "judged_hardness",
        "encoder": "encoder",
        "judge": "strict",
        "queries": 8,
    }
    best = next(iter(found.ranking.rows()))
    assert math.isclose(best.value or 0, 0.7, rel_tol=1e-6)
    assert found.finalists[best.set_name] == found.selection
    drawn = select_negatives(candidates, TEXTS.corpus, TEXTS.queries, QRELS, found.selection).negatives
    assert drawn.fingerprint() == found.negatives.fingerprint()


def test_plain_hardness_walks_into_the_trap(candidates: Candidates, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"rank_by": "hardness"})
    found = recommend(candidates, TEXTS, QRELS, material(candidates, tmp_path, settings, judged=False), settings)
    assert {name.partition("-")[0] for name in found.negatives.column("doc_id").to_pylist()} == {"trap"}


def test_any_score_can_decide(candidates: Candidates, tmp_path: Path) -> None:
    def easy(groups: Groups, material: Material) -> np.ndarray:
        alike = material.vectors.cosines(groups.queries[groups.query_of_negatives()], groups.negatives)
        return 1 - np.bincount(groups.query_of_negatives(), alike, minlength=len(groups))

    found = recommend(candidates, TEXTS, QRELS, material(candidates, tmp_path, SETTINGS), SETTINGS, score=easy)
    assert {name.partition("-")[0] for name in found.negatives.column("doc_id").to_pylist()} == {"far"}
    assert found.ranking.metadata["rank_by"] == "score"


def test_the_search_is_by_design_and_the_same_each_time(candidates: Candidates, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"sample": 3, "filters": ((), (MarginFilter(margin=0.15),))})
    prepared = material(candidates, tmp_path, settings)
    told: list[int] = []
    one = recommend(candidates, TEXTS, QRELS, prepared, settings, advance=told.append)
    other = recommend(candidates, TEXTS, QRELS, prepared, settings)
    assert [trial.selection for trial in one.trials] == [trial.selection for trial in other.trials]
    assert sum(told) == len(one.trials)
    # Three sources and their mixture, two filters, two draws; traps are within the margin, and nothing is left of them.
    assert sum(trial.step == "sources" for trial in one.trials) + sum(one.left_out.values()) == 16
    assert one.left_out == {"draws no negatives at all": 2}
    assert {row.queries for row in one.ranking.rows()} == {8}  # of the finalists, all


def test_what_cannot_be_searched_is_told(candidates: Candidates, tmp_path: Path) -> None:
    prepared = material(candidates, tmp_path, SETTINGS)
    with pytest.raises(SettingsError, match="sources: no candidates from bm25; there are some from far, near, trap"):
        recommend(candidates, TEXTS, QRELS, prepared, SETTINGS.model_copy(update={"sources": ("bm25",)}))
    with pytest.raises(SettingsError, match="rank_by: 'luck' is no measure here; there are: eci_v1"):
        recommend(candidates, TEXTS, QRELS, prepared, SETTINGS.model_copy(update={"rank_by": "luck"}))
    with pytest.raises(DataError, match="not one selection could be tried"):
        recommend(candidates, TEXTS, QRELS, prepared, SETTINGS.model_copy(update={"scorer": "cross"}))
    with pytest.raises(DataError, match="are not all among those that were measured"):
        NamedSets.number(prepared.sets, _other_set())
    for wrong in ({"counts": []}, {"counts": [0]}, {"draws": []}):
        with pytest.raises(ValueError, match=r"nothing to try|is below 1"):
            RecommendSettings.model_validate(wrong)


def _other_set() -> object:
    from pyrite.data import TrainingGroup, TrainingSet

    return TrainingSet.from_rows([TrainingGroup("q0", ("p",), ("elsewhere",))])


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan((("bm25", 1.0),), (), Draw(), 4), "bm25, top 4"),
        (
            Plan(
                (("bm25", 0.25), ("dense", 0.75)),
                (MarginFilter(margin=0.1),),
                Draw(first=10, last=50, within="uniform"),
                7,
            ),
            "bm25 25 % + dense 75 %, margin 0.1, ranks 10 to 50, any 7",
        ),
    ],
)
def test_a_plan_in_words_and_as_settings(plan: Plan, words: str) -> None:
    assert str(plan) == words
    selection = plan.selection("dense", seed=3)
    assert Selection.model_validate(_plain(selection)) == selection
    assert selection.sampler.count == plan.count
