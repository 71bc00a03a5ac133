"""Mining and training in turn, on the tiny collection with a static encoder of its words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from pyrite.data import Candidate, Candidates, LogEntry, Negative, Negatives, Qrels, Queries, ScoreKind
from pyrite.data.collection import Collection
from pyrite.errors import ModelError, SettingsError
from pyrite.mining import MarginFilter, Selection, UniformSampler
from pyrite.models.settings import Prompts
from pyrite.models.static_encoder import StaticEncoder
from pyrite.recipes.audit.false_negatives import EncoderScorer
from pyrite.recipes.dev import EncoderLoader, encoder_loader
from pyrite.recipes.rounds import RoundsData, RoundsResult, RoundsSettings, train_in_rounds
from pyrite.recipes.rounds.drift import above_positive, drift, judged_false
from pyrite.search import LexicalRetriever
from pyrite.search.retriever import Pairs
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection
from pyrite.train import LoraSettings, StaticTrainer, TrainingJob, TransformerTrainer
from pyrite.train.losses import InfoNCE

TINY = tiny_collection()


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = sorted({word.strip(".,?'").lower() for text in TINY.corpus.texts() for word in text.split()})
    return write_static_model(tmp_path_factory.mktemp("words") / "model", words, dimension=16)


def data(collection: Collection = TINY, **more: object) -> RoundsData:
    splits = {"qrels": collection.splits["train"], "dev": collection.splits["dev"]}
    return RoundsData(collection.corpus, collection.queries, **(splits | more))  # type: ignore[arg-type]


def settings(**more: object) -> RoundsSettings:
    trainer = StaticTrainer(epochs=2, batch_size=3, learning_rate=0.05, negatives=2)
    given = {"trainer": trainer, "depth": 10, "selection": Selection(sampler=UniformSampler(count=2)), "patience": 9}
    return RoundsSettings(**(given | more))  # type: ignore[arg-type]


def load(model: Path) -> EncoderLoader:
    return encoder_loader(model, static=True)


def go(model: Path, workdir: Path, given: RoundsData | None = None, **more: object) -> RoundsResult:
    return train_in_rounds(
        model, given or data(), settings(**more), load=load(model), job=TrainingJob(workdir, device="cpu")
    )


def noted(result: RoundsResult, name: str) -> list[float]:
    return [entry.value for entry in result.log.rows() if entry.name == name]


def tensors(folder: Path) -> np.ndarray:
    return load_file(folder / "model.safetensors")["embedding.weight"]


def test_each_round_mines_with_the_model_of_the_round_before(model: Path, tmp_path: Path) -> None:
    loaded: list[Path] = []
    plain = load(model)

    def watched(folder: Path):  # type: ignore[no-untyped-def]
        loaded.append(folder)
        return plain(folder)

    train_in_rounds(model, data(dev=None), settings(), load=watched, job=TrainingJob(tmp_path / "work", device="cpu"))
    rounds = [tmp_path / "work" / f"round-{n}" / "training" / "model" for n in (1, 2)]
    assert loaded == [model, *rounds]


def test_without_dev_the_last_round_is_kept(model: Path, tmp_path: Path) -> None:
    result = go(model, tmp_path / "work", data(dev=None))
    assert result.best_round == 3
    last = tmp_path / "work" / "round-3"
    assert np.array_equal(tensors(result.folder), tensors(last / "training" / "model"))
    assert result.negatives.fingerprint() == Negatives.open(last / "negatives").fingerprint()


def test_the_best_round_on_dev_is_kept(model: Path, tmp_path: Path) -> None:
    result = go(model, tmp_path / "work")
    values = noted(result, "round-dev")
    untrained = next(iter(noted(result, "dev")))
    assert result.best_round == (1 + int(np.argmax(values)) if max(values) > untrained else 0)
    kept = model if result.best_round == 0 else tmp_path / "work" / f"round-{result.best_round}" / "training" / "model"
    assert np.array_equal(tensors(result.folder), tensors(kept))


def test_rounds_stop_when_dev_stops_improving(model: Path, tmp_path: Path) -> None:
    still = StaticTrainer(epochs=1, batch_size=3, learning_rate=1e-12, negatives=2)
    result = go(model, tmp_path / "work", trainer=still, patience=2, rounds=5)
    assert len(noted(result, "round-dev")) == 2
    assert result.best_round == 0
    assert np.array_equal(tensors(result.folder), tensors(model))


def test_a_round_may_start_from_the_untrained_model(model: Path, tmp_path: Path) -> None:
    previous = go(model, tmp_path / "a", data(dev=None), rounds=2)
    first = go(model, tmp_path / "b", data(dev=None), rounds=2, start="first")
    one, two = (tensors(tmp_path / name / "round-1" / "training" / "model") for name in "ab")
    assert np.array_equal(one, two)
    assert not np.array_equal(tensors(previous.folder), tensors(first.folder))


def test_a_model_that_does_not_move_has_the_same_negatives(model: Path, tmp_path: Path) -> None:
    still = StaticTrainer(epochs=1, batch_size=3, learning_rate=1e-12, negatives=2)
    result = go(model, tmp_path / "work", data(dev=None), trainer=still, rounds=2)
    assert noted(result, "negatives-overlap") == [1.0]
    assert noted(result, "rank-before") == noted(result, "rank-after")


def test_steps_and_epochs_count_through(model: Path, tmp_path: Path) -> None:
    result = go(model, tmp_path / "work", rounds=2)
    rows = list(result.log.rows())
    ends = [row for row in rows if row.name == "round-dev"]
    assert [row.epoch for row in ends] == [2.0, 4.0]
    assert ends[1].step == 2 * ends[0].step
    assert [row.step for row in rows] == sorted(row.step for row in rows)


def test_other_sources_are_mined_too(model: Path, tmp_path: Path) -> None:
    bm25 = LexicalRetriever().build(TINY.corpus)
    result = go(model, tmp_path / "work", data(dev=None, indices={"bm25": bm25}), rounds=1)
    found = Candidates.open(tmp_path / "work" / "round-1" / "candidates")
    assert set(found.codes("source")[1].to_pylist()) == {"bm25", "dense"}
    assert len(result.negatives)


@pytest.mark.parametrize("killed_at", [1, 3, 5, 7])
def test_killed_rounds_end_with_the_same_weights_and_repeat_nothing(
    model: Path, tmp_path: Path, killed_at: int
) -> None:
    whole = go(model, tmp_path / "whole")
    steps: list[int] = []

    def kill(done: int, total: int) -> None:
        steps.append(done)
        if len(steps) == killed_at:
            raise Killed

    job = TrainingJob(tmp_path / "work", device="cpu", checkpoint_steps=1, on_step=kill)
    with pytest.raises(Killed):
        train_in_rounds(model, data(), settings(), load=load(model), job=job)
    result = train_in_rounds(model, data(), settings(), load=load(model), job=job)
    assert np.array_equal(tensors(result.folder), tensors(whole.folder))
    assert list(result.log.rows()) == list(whole.log.rows())
    assert len(steps) <= 3 * 2 * 3 + 1


def test_a_finished_call_does_nothing_again(model: Path, tmp_path: Path) -> None:
    go(model, tmp_path / "work")
    steps: list[int] = []
    job = TrainingJob(tmp_path / "work", device="cpu", on_step=lambda done, total: steps.append(done))
    train_in_rounds(model, data(), settings(), load=load(model), job=job)
    assert steps == []


@pytest.mark.parametrize("damage", ["no model", "half a note"])
def test_a_round_that_lost_something_is_finished_again(model: Path, tmp_path: Path, damage: str) -> None:
    first = load_file(go(model, tmp_path, data(dev=None), rounds=2).folder / "model.safetensors")
    if damage == "no model":
        shutil.rmtree(tmp_path / "round-2" / "training" / "model")
    else:
        (tmp_path / "round-2" / "round.json").write_text('{"start": ')
    again = load_file(go(model, tmp_path, data(dev=None), rounds=2).folder / "model.safetensors")
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_a_folder_of_other_rounds_is_refused(model: Path, tmp_path: Path) -> None:
    go(model, tmp_path / "work", rounds=1)
    with pytest.raises(ModelError, match="another working folder"):
        go(model, tmp_path / "work", rounds=1, depth=9)


def test_the_name_of_the_model_in_training_is_taken(model: Path, tmp_path: Path) -> None:
    bm25 = LexicalRetriever().build(TINY.corpus)
    with pytest.raises(SettingsError, match="rename the other source"):
        go(model, tmp_path / "work", data(indices={"dense": bm25}))


@pytest.mark.parametrize(
    ("trainer", "trackers", "said"),
    [
        ({"patience": 1}, (), r"trainer\.patience: without dev there is no gain to wait for"),
        ({"loss": {"type": "kl"}}, (), r"trainer\.loss: 'kl' wants teacher scores, and rounds have none"),
        ({"loss": {"type": "guided"}}, (), "the loss 'guided' wants a guide: .* stages train and train-rounds"),
        ({"loss": {"type": "guided", "by": "teacher"}}, (), r"trainer\.loss: 'guided' wants teacher scores"),
        ({}, ("chalkboard",), "trackers: unknown name 'chalkboard'"),
    ],
)
def test_what_training_would_refuse_is_refused_before_anything_is_mined(
    model: Path, tmp_path: Path, trainer: dict[str, Any], trackers: tuple[str, ...], said: str
) -> None:
    def never(_: Path) -> Any:
        raise AssertionError("a model was loaded")

    given = settings(trainer=StaticTrainer(**trainer))
    job = TrainingJob(tmp_path, device="cpu", trackers=trackers)
    with pytest.raises(SettingsError, match=said):
        train_in_rounds(model, data(dev=None), given, load=never, job=job)


def test_a_guide_without_a_use_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is a guide, and the loss has no use for it"):
        go(model, tmp_path, data(guide=load(model)(model)))


def test_a_guide_masks_in_every_round(model: Path, tmp_path: Path) -> None:
    guided = StaticTrainer(epochs=2, batch_size=3, negatives=2, loss={"type": "guided", "margin": 0.2})  # type: ignore[arg-type]
    encoder = load(model)(model)
    result = go(model, tmp_path / "work", data(guide=encoder), trainer=guided, rounds=2)
    assert all((tmp_path / "work" / f"round-{n}" / "training").glob("guide-*.npy") for n in (1, 2))
    plain = go(
        model, tmp_path / "plain", trainer=guided.model_copy(update={"loss": InfoNCE(temperature=0.01)}), rounds=2
    )
    assert not np.array_equal(tensors(result.folder), tensors(plain.folder))
    other = StaticEncoder(model, prompts=Prompts(query="query: "))
    with pytest.raises(ModelError, match="another working folder"):
        go(model, tmp_path / "work", data(guide=other), trainer=guided, rounds=2)


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_a_model_of_the_other_kind_is_refused_before_anything_is_mined(model: Path, tmp_path: Path, kind: str) -> None:
    def never(_: Path) -> Any:
        raise AssertionError("a model was loaded")

    start = model if kind == "static" else write_transformer_model(tmp_path / "bert", TINY.corpus.texts())
    trainer = TransformerTrainer() if kind == "static" else StaticTrainer()
    said = "a static encoder, and the settings say transformer" if kind == "static" else "wants a StaticEmbedding"
    with pytest.raises(ModelError, match=said):
        train_in_rounds(start, data(), settings(trainer=trainer), load=never, job=TrainingJob(tmp_path / "work"))


def test_mining_tells_how_it_goes_on(model: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, str, int]] = []

    @contextmanager
    def progress(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done: list[int] = []
        yield done.append
        told.append((description, total, unit, sum(done)))

    given = data(dev=None, indices={"bm25": LexicalRetriever().build(TINY.corpus)})
    job = TrainingJob(tmp_path, device="cpu")
    train_in_rounds(model, given, settings(rounds=2), load=load(model), job=job, progress=progress)
    documents, queries = len(TINY.corpus), 2 * len(TINY.splits["train"].relevant().query_ids())
    assert told == [
        (f"round {number}: {what}", total, unit, total)
        for number in (1, 2)
        for what, total, unit in (("encode", documents, "documents"), ("mine", queries, "queries"))
    ]


def test_adapters_are_trained_on_from_round_to_round(tmp_path: Path) -> None:
    """An exported adapter stays one on the first model, and the next round goes on with it."""
    start = write_transformer_model(tmp_path / "bert", TINY.corpus.texts())
    lora = LoraSettings(rank=2, export="adapter")
    trainer = TransformerTrainer(epochs=1, batch_size=3, learning_rate=0.01, negatives=2, lora=lora)
    job = TrainingJob(tmp_path / "work", device="cpu", trackers=())
    loader = encoder_loader(start, static=False, device="cpu")
    result = train_in_rounds(start, data(dev=None), settings(trainer=trainer, rounds=3), load=loader, job=job)
    rounds = [tmp_path / "work" / f"round-{n}" / "training" / "model" for n in (1, 2, 3)]
    found = [load_file(folder / "adapter_model.safetensors") for folder in rounds]
    for one, next_one in pairwise(found):
        assert one.keys() == next_one.keys()
        assert max(np.abs(one[name] - next_one[name]).max() for name in one) > 1e-4
    config = json.loads((result.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(start)
    assert not list(result.folder.rglob("model.safetensors"))
    kept, last = (loader(folder).encode(["gold", "fool's gold"], "query") for folder in (result.folder, rounds[2]))
    assert np.array_equal(kept, last)


def test_a_cut_off_deeper_than_the_search_is_refused() -> None:
    with pytest.raises(ValueError, match="dev_depth"):
        settings(dev_measure="nDCG@20")


def negatives(*rows: tuple[str, str, float, float | None]) -> Negatives:
    return Negatives.from_rows(
        Negative(query, doc, "dense", 1, score, positive, "dense") for query, doc, score, positive in rows
    )


def candidates(ranks: dict[tuple[str, str], int]) -> Candidates:
    rows = [Candidate(q, d, "dense", rank, "dense", 0.0, False) for (q, d), rank in ranks.items()]
    rows.append(Candidate("q1", "p", "bm25", 7, "bm25", 0.0, False))
    return Candidates.from_rows(rows, {"scorers": {"dense": ScoreKind.COSINE, "bm25": ScoreKind.BM25}, "depth": 9})


def test_drift_by_hand() -> None:
    before = negatives(("q1", "a", 0.5, 0.9), ("q1", "b", 0.5, 0.9), ("q2", "p", 0.5, 0.9))
    after = negatives(("q1", "b", 0.5, 0.9), ("q1", "c", 0.5, 0.9))
    moved = drift(
        (before, candidates({("q1", "a"): 1, ("q1", "b"): 2, ("q2", "p"): 3})),
        (after, candidates({("q1", "a"): 4, ("q2", "p"): 8})),
        source="dense",
        depth=9,
    )
    # q1 shares one of three, q2 none of one; b was not reached, and BM25's rank of another pair does not count.
    assert moved.overlap == pytest.approx((1 / 3 + 0) / 2)
    assert (moved.rank_before, moved.rank_after) == (2.0, 8.0)


def test_a_round_without_negatives_has_no_ranks(model: Path, tmp_path: Path) -> None:
    all_dropped = Selection(sampler=UniformSampler(count=2), filters=[MarginFilter(margin=1000.0)], scorer="dense")
    # What is judged 0 is a negative whatever its score.
    positives = Qrels.from_rows(row for row in TINY.splits["train"].rows() if row.grade > 0)
    result = go(model, tmp_path, data(qrels=positives), selection=all_dropped, rounds=2)
    assert noted(result, "negatives") == [0.0, 0.0]
    assert noted(result, "negatives-overlap") == [1.0]
    assert not {"rank-before", "rank-after"} & {entry.name for entry in result.log.rows()}


def test_negatives_above_their_positive() -> None:
    assert above_positive(negatives(("q", "a", 0.5, 0.5), ("q", "b", 0.4, 0.5), ("r", "c", 0.9, None))) == 1 / 3
    assert above_positive(negatives()) == 0.0


def test_a_judge_counts_what_reaches_the_lowest_positive() -> None:
    class Judge:
        score_kind = ScoreKind.LOGIT

        def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
            table = {"p1": 3.0, "p2": 1.0, "a": 1.0, "b": 0.5, "p3": 2.0, "c": 2.5}
            return np.array([table[doc] for doc in pairs.doc_ids])

    mined = negatives(("q", "a", 0.0, 1.0), ("q", "b", 0.0, 1.0), ("r", "c", 0.0, 1.0))
    relevant = Qrels.from_columns(
        query_id=["q", "q", "r"], doc_id=["p1", "p2", "p3"], grade=[1, 1, 1], source=["human"] * 3
    )
    assert judged_false(mined, relevant, Queries.from_rows([]), Judge()) == pytest.approx(2 / 3)


def test_the_log_tells_of_every_round(model: Path, tmp_path: Path) -> None:
    judge = EncoderScorer(load(model)(model))
    result = go(model, tmp_path / "work", data(judge=judge), rounds=2)
    entries: list[LogEntry] = [row for row in result.log.rows() if row.name.startswith(("negatives", "rank"))]
    assert [row.name for row in entries] == [
        "negatives",
        "negatives-above-positive",
        "negatives-judged-false",
        "negatives",
        "negatives-above-positive",
        "negatives-judged-false",
        "negatives-overlap",
        "rank-before",
        "rank-after",
    ]
