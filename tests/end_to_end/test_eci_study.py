"""The study of ECI at the size of the tiny collection."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import ScoreKind
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection
from pyrite.train import TransformerTrainer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studies.eci import trainings
from studies.eci.__main__ import study
from studies.eci.analysis import Studied, analyse, chosen
from studies.eci.planted import dropped_labels, excerpt, paraphrase, planted, units
from studies.eci.predictors import BASELINE
from studies.eci.sets import SMALL, MadeSet, catalogue, make_sets
from studies.eci.store import SOURCES, Store
from studies.eci.tasks import Encoders, Plan, Task, cut
from studies.eci.trainings import MODES, Series, trainer
from studies.eci.writing import write_all

TINY = tiny_collection()
PLAN = Plan(train_queries=6, test_queries=4, documents=30, depth=12, cross_depth=5, epochs=1, batch=3)
PILOT = ("random-4", "dense-top-4", "dense-share95-4", "minilm-top-4", "excerpt-50", "labels-100", "bm25+dense-4")


class WordsInCommon:
    """A cross-encoder that counts."""

    score_kind = ScoreKind.PROBABILITY
    asked = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += len(pairs)
        return np.array([len(set(one.split()) & set(other.split())) / len(one.split()) for one, other in pairs])

    def identity(self) -> str:
        return "words in common"


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Encoders:
    folder = tmp_path_factory.mktemp("models")
    texts = [*TINY.corpus.texts(), *TINY.queries.texts()]
    return Encoders(
        write_static_model(folder / "static", texts), write_static_model(folder / "judge", texts, 32, seed=1), "cpu"
    )


@pytest.fixture(scope="module")
def task() -> Task:
    return cut(TINY, PLAN)


@pytest.fixture(scope="module")
def store(task: Task, encoders: Encoders, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(task, PLAN, encoders, tmp_path_factory.mktemp("store"), WordsInCommon())


@pytest.fixture(scope="module")
def sets(store: Store) -> list[MadeSet]:
    return make_sets(store, catalogue(store.sources))


def test_there_are_forty_sets_of_each_family_and_the_pilot_is_among_them() -> None:
    names = [one.name for one in catalogue()]
    assert len(set(names)) == len(names) >= 40
    assert set(SMALL) <= set(names)
    assert {one.family for one in catalogue((*SOURCES, "cross"))} == {*SOURCES, "cross", "hybrid", "planted"}
    keys = {one.key(cross) for one in catalogue((*SOURCES, "cross")) for cross in ("none", "other")}
    assert len(keys) == len(names) + 2 * 6


def test_no_set_holds_a_positive_but_where_its_label_was_dropped(sets: list[MadeSet], task: Task) -> None:
    positives = task.positives()
    # Of the tiny collection, one query has several positives: half of the labels may be none.
    assert len(sets) >= len(catalogue((*SOURCES, "cross"))) - 1
    for made in sets:
        for group in made.training_set.rows():
            assert len(group.negative_ids) <= made.settings.count
            assert not set(group.negative_ids) & set(group.positive_ids)
            if made.settings.plant != "labels":
                assert not set(group.negative_ids) & set(positives[group.query_id])
                assert group.positive_ids == positives[group.query_id]


def test_sets_are_those_that_their_names_say(sets: list[MadeSet], store: Store) -> None:
    by_name = {made.settings.name: made for made in sets}
    ranked = store.indices["dense"].search(store.queries, 12).by_query()
    for group in by_name["dense-top-4"].training_set.rows():
        order = [hit.doc_id for hit in ranked[group.query_id] if hit.doc_id not in group.positive_ids]
        assert list(group.negative_ids) == order[:4]
    scores = store.candidates().arrow.to_pylist()
    judged = {(row["query_id"], row["doc_id"]): row["score"] for row in scores if row["scorer"] == "cross"}
    for group in by_name["cross-denoised-4"].training_set.rows():
        # Documents that people judged not relevant pass every filter of scores.
        trusted = store.task.train.by_query()[group.query_id]
        assert all(judged[group.query_id, doc] < 0.1 or trusted.get(doc) == 0 for doc in group.negative_ids)
    hybrid = by_name["bm25+dense-4"].training_set.rows()
    assert {source for group in hybrid for (source,) in group.sources or ()} == {"bm25", "dense"}


def test_planted_documents_are_new_and_larger_shares_hold_those_of_smaller_ones(
    sets: list[MadeSet], task: Task
) -> None:
    by_name = {made.settings.name: made for made in sets}
    for writing in ("excerpt", "paraphrase"):
        ten, quarter, half = (set(by_name[name].documents.ids()) for name in by_name if name.startswith(f"{writing}-"))
        assert ten <= quarter <= half
        documents = by_name[f"{writing}-50"].documents
        assert not set(documents.copy_keys().tolist()) & set(task.corpus.copy_keys().tolist())
        assert not set(documents.ids()) & set(task.corpus.ids())
        assert by_name[f"{writing}-50"].facts["planted"] == len(documents) > 0


def test_texts_are_cut_and_rewritten_by_rules() -> None:
    text = "It shows gold. It is soft. It dents."
    assert units(text) == ["It shows gold.", "It is soft.", "It dents."]
    assert units("a\nb") == ["a", "b"]
    assert units("one") == ["one"]
    generator = np.random.default_rng(0)
    some = excerpt(text, generator)
    assert some is not None
    assert set(units(some)) < set(units(text))
    assert len(units(some)) == 2
    assert excerpt("one", generator) is None
    written = paraphrase(text, generator)
    assert written is not None
    assert "It demonstrates gold." in units(written)
    assert paraphrase("Quartz breaks.", generator) is None


def test_a_dropped_label_becomes_the_first_negative(sets: list[MadeSet], task: Task) -> None:
    base = next(made for made in sets if made.settings.name == "dense-top-4").training_set
    found, dropped = dropped_labels(base, task.corpus, 1.0)
    group = next(group for group in found.rows() if group.query_id == "q01")
    assert dropped == 1
    assert group.positive_ids == ("fools-gold",)
    assert group.negative_ids[0] == "pyrite"
    assert len(group.negative_ids) == 4
    assert dropped_labels(base, task.corpus, 0.0)[0].fingerprint() != found.fingerprint()


def test_no_share_plants_nothing(sets: list[MadeSet], task: Task) -> None:
    base = next(made for made in sets if made.settings.name == "dense-top-4").training_set
    found, documents = planted(base, task.corpus, "excerpt", 0.0)
    assert len(documents) == 0
    assert [group.negative_ids for group in found.rows()] == [group.negative_ids for group in base.rows()]


def test_written_negatives_make_a_set_where_there_is_a_file(store: Store, tmp_path: Path) -> None:
    copy = store.task.corpus.texts()[store.task.corpus.position("aragonite")]
    file = tmp_path / "tiny.jsonl"
    told = [("q02", "Chalk is soft."), ("q02", copy.partition(" ")[2]), ("q99", "Nobody asked.")]
    file.write_text("\n".join(json.dumps({"query_id": query, "text": text}) for query, text in told))
    (made,) = make_sets(store, [], file)
    assert made.documents.texts() == ["Chalk is soft."]
    assert {group.query_id: group.negative_ids for group in made.training_set.rows()}["q02"] == ("llm:q02:0",)
    assert make_sets(store, [], tmp_path / "none.jsonl") == []


def test_the_loss_says_whose_documents_are_negatives(sets: list[MadeSet]) -> None:
    made = next(made for made in sets if made.settings.name == "dense-top-15")
    found = {mode: trainer(PLAN, trainings.Training(made, mode, 3)) for mode in MODES}
    assert found["own"] == found["batch"].model_copy(update={"loss": MODES["own"]})
    assert (found["own"].negatives, found["own"].seed) == (15, 3)


def test_the_study_trains_scores_analyses_and_resumes(
    task: Task, encoders: Encoders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Task("scifact", task.corpus, task.queries, task.train, task.train)
    series = Series(PLAN, encoders, 2, [task, other])
    mined = Store(task, PLAN, encoders, tmp_path / "store")
    found = study(task, mined, series, PILOT, None)
    assert {mode: one.values["tiny"].shape for mode, one in found.outcomes.items()} == dict.fromkeys(MODES, (7, 2, 4))
    assert found.outcomes["own"].values["scifact"].shape == (7, 2, 6)
    assert not list(tmp_path.rglob("training"))
    _check_predictions(found)
    analysis = analyse([found], rounds=20)
    assert chosen(analysis) is None
    write_all([found], analysis, tmp_path / "results")
    written = {path.name for path in (tmp_path / "results").iterdir()}
    assert {"sets.csv", "predictors.csv", "analysis.json", "summary.md", "tiny-own-in-domain.svg"} <= written
    assert "### tiny, batch, transfer (confirming)" in (tmp_path / "results" / "summary.md").read_text()

    monkeypatch.setattr(trainings, "train", None)
    again = study(task, Store(task, PLAN, encoders, tmp_path / "store"), series, PILOT, None)
    for mode, one in again.outcomes.items():
        assert np.array_equal(one.values["tiny"], found.outcomes[mode].values["tiny"])
    assert np.array_equal(again.predictions.values, found.predictions.values, equal_nan=True)


def _check_predictions(found: Studied) -> None:
    names, values = found.predictions.names, found.predictions.means()
    assert values.shape == (len(names), 7)
    assert np.isfinite(values).all()
    place = [one.settings.name for one in found.sets].index
    assert found.predictions.of("size")[place("random-4")] == 4
    hard = found.predictions.of(BASELINE)
    assert hard[place("random-4")] < hard[place("dense-share95-4")] <= hard[place("dense-top-4")]
    safe = found.predictions.of("safe share/static")
    # Not 1: a document that people judged not relevant stays, whatever it scores.
    assert safe[place("dense-top-4")] < safe[place("dense-share95-4")] < 1


def test_queries_that_ask_for_training_s_positives_are_told_apart(task: Task) -> None:
    assert task.unseen() == [query_id != "q09" for query_id in task.test_ids]
    assert task.test_ids == ["q09", "q10", "q11", "q12"]


def test_what_is_chosen_on_the_development_collection_is_named(task: Task, encoders: Encoders, tmp_path: Path) -> None:
    named = Task("scifact", task.corpus, task.queries, task.train, task.test)
    series = Series(PLAN, encoders, 1, [named], ["batch"])
    found = study(named, Store(named, PLAN, encoders, tmp_path), series, PILOT, None)
    analysis = analyse([found], rounds=5)
    assert [outcome.role for outcome in analysis.outcomes] == ["development"]
    best = chosen(analysis)
    rows = analysis.of(analysis.outcomes[0])
    assert max(row.spearman for row in rows if np.isfinite(row.spearman)) == next(
        row.spearman for row in rows if row.predictor == best
    )


def test_a_transformer_is_trained_by_the_same_code(task: Task, encoders: Encoders, tmp_path: Path) -> None:
    texts = [*TINY.corpus.texts(), *TINY.queries.texts()]
    both = Encoders(encoders.static, write_transformer_model(tmp_path / "judge", texts), "cpu", tokens=32)
    plan = replace(PLAN, trainee="transformer", batch=2, learning_rate=1e-2, tokens=32)
    series = Series(plan, both, 1, [task], ["own"])
    found = study(task, Store(task, plan, both, tmp_path / "store"), series, ("dense-top-4", "minilm-top-4"), None)
    assert found.outcomes["own"].values["tiny"].shape == (2, 1, 4)
    made = trainings.Training(found.sets[0], "own", 0)
    assert isinstance(trainer(plan, made), TransformerTrainer)
    assert trainer(plan, made).learning_rate == 1e-2


def test_a_cross_encoder_is_asked_once_and_can_judge(store: Store, encoders: Encoders, sets: list[MadeSet]) -> None:
    from studies.eci.predictors import predict

    some = [made for made in sets if made.settings.name in PILOT]
    found = predict(store, encoders, some, cross_judges=True)
    assert "eci_v1/static|cross" in found.names
    assert "safe share/cross" in found.names
    assert "hardness/cross" not in found.names
    asked = WordsInCommon()
    again = Store(store.task, PLAN, encoders, store.folder, asked)
    assert np.array_equal(predict(again, encoders, some, cross_judges=True).values, found.values, equal_nan=True)
    assert asked.asked == 0
