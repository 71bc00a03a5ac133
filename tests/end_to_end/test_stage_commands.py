"""The planted corpus through single stage commands: every stage works alone, and no trap snaps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrite.data import Candidates, Negatives, Removals, TrainingSet
from pyrite.data.formats.beir import write_beir
from pyrite.data.formats.flagembedding import read_flag_embedding
from pyrite.data.formats.sentence_transformers import read_sentence_transformers
from pyrite.data.text import normalise
from pyrite.stages import CATALOG
from pyrite.testing.models import write_cross_encoder, write_static_model
from pyrite.testing.planted import NEVER_NEGATIVE, planted_collection

Stage = Callable[..., dict[str, Any]]
TEXTS = {document.doc_id: normalise(document.text) for document in planted_collection().corpus.rows()}


@pytest.fixture
def stage(tmp_path: Path, pyrite: Any) -> Stage:
    """Run one stage's command; return its outputs by name, each with its reference and folder."""
    planted = planted_collection()
    write_beir(planted, tmp_path / "planted")
    # Without it, dev would take one of the two training queries.
    (tmp_path / "planted" / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq3\tother-7\t1\n")
    (tmp_path / "planted" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq2\ttwin-a\t1\n")
    texts = [*planted.corpus.texts(), *planted.queries.texts()]
    write_static_model(tmp_path / "words", texts)
    write_cross_encoder(tmp_path / "cross", texts)

    def call(kind: str, *settings: str, **inputs: str) -> dict[str, Any]:
        arguments = [part for text in settings for part in ("--set", text)]
        arguments += [part for name, ref in inputs.items() for part in ("--input", f"{name.replace('__', '.')}={ref}")]
        answer = pyrite(kind, *arguments, "--json", "--quiet")
        assert answer.code == 0, answer.err
        assert answer.data["status"] == "executed"
        return dict(answer.data["outputs"])

    return call


@pytest.fixture
def rescored(stage: Stage) -> dict[str, str]:
    """References to the planted collection and its rescored candidates."""
    data = stage("load", "source={type: beir, folder: planted}")
    collection = {name: output["ref"] for name, output in data.items()}
    corpus, queries, train = (collection[name] for name in ("corpus", "queries", "train"))
    bm25 = stage("index-bm25", corpus="latest:load.corpus")["index"]["ref"]
    model = stage("model", "encoder={type: sentence-transformers, model: words}")["model"]["ref"]
    dense = stage("embed", corpus=corpus, model=model)["index"]["ref"]
    mined = stage("mine", "depth=40", queries=queries, qrels=train, indices__bm25=bm25, indices__dense=dense)
    scored = stage("rescore", "scorer=dense", candidates=mined["candidates"]["ref"], queries=queries, index=dense)
    return {**collection, "bm25": bm25, "model": model, "dense": dense, "candidates": scored["candidates"]["ref"]}


def select(stage: Stage, refs: dict[str, str], *settings: str) -> dict[str, Any]:
    inputs = {name: refs[name] for name in ("candidates", "corpus", "queries")}
    return stage("select", *settings, **inputs, qrels=refs["train"])


@pytest.mark.parametrize(
    "filters",
    [
        "[]",
        "[{type: margin, margin: 0.0}]",
        "[{type: share, share: 1.0}, {type: rank-window, first: 1, last: 30}]",
        "[{type: ceiling, ceiling: 9.0}]",
    ],
)
@pytest.mark.parametrize("scorer", ["dense", "null"])
def test_no_positive_or_copy_leaves_as_a_negative(
    stage: Stage, rescored: dict[str, str], filters: str, scorer: str
) -> None:
    made = select(stage, rescored, f"filters={filters}", f"scorer={scorer}", "sampler={type: top, count: 100}")
    negatives = Negatives.open(Path(made["negatives"]["folder"])).by_query()
    assert {"q1", "q2"} == set(negatives)
    for query_id, never in NEVER_NEGATIVE.items():
        assert not never & set(negatives[query_id])
    assert not {TEXTS["p1"], TEXTS["p2"]} & {TEXTS[doc_id] for doc_id in negatives["q1"]}
    assert "judged-zero" in negatives["q1"]
    assert len({"twin-a", "twin-b"} & set(negatives["q1"])) <= 1
    removals = Removals.open(Path(made["removals"]["folder"]))
    audit = removals.metadata["audit"]
    assert audit["candidates"] == len(removals) + audit["not_drawn"] + audit["negatives"]


def test_every_stage_has_a_command_that_works_alone(stage: Stage, rescored: dict[str, str], tmp_path: Path) -> None:
    refs = rescored
    texts = {name: refs[name] for name in ("corpus", "queries")}
    (tmp_path / "elastic.run").write_text("q1 Q0 other-7 1 3.5 elastic\nq2 Q0 twin-a 1 2.5 elastic\n")
    elastic = stage("load-run", "file=elastic.run", "score_kind=bm25")["run"]["ref"]
    random = stage("index-random", corpus=refs["corpus"])["index"]["ref"]
    mined = stage("mine", "depth=5", qrels=refs["train"], indices__random=random, runs__elastic=elastic, **texts)[
        "candidates"
    ]
    assert mined["summary"]["scorers"]["elastic"] == "bm25"
    cross = stage("scorer", "scorer={type: cross-encoder, model: cross}")["scorer"]["ref"]
    rescored = stage("rescore", "scorer=cross", candidates=refs["candidates"], model=cross, **texts)["candidates"][
        "ref"
    ]
    settings = ("scorer=dense", "name=probability", "negatives=assumed", "source=bm25", "held_out=0.5", "seed=1")
    calibrated = stage("calibrate", *settings, candidates=rescored, qrels=refs["train"])["candidates"]
    assert calibrated["summary"]["scorers"]["probability"] == "probability"
    assert {"brier", "ece"} <= set(calibrated["summary"]["calibration"]["probability"])
    sources = {f"indices__{name}": refs[name] for name in ("bm25", "dense")} | {"indices__random": random}
    small = stage("mine", "depth=8", qrels=refs["train"], queries=refs["queries"], **sources)["candidates"]["ref"]
    for name in ("bm25", "dense"):
        scored = stage("rescore", f"scorer={name}", candidates=small, queries=refs["queries"], index=refs[name])
        small = scored["candidates"]["ref"]
    weighed = stage(
        "cet-light", "relevance=[dense]", "above_random=false", candidates=small, qrels=refs["train"], **texts
    )
    assert weighed["candidates"]["summary"]["scorers"]["cet-false-negative"] == "probability"
    refs = {**refs, "candidates": calibrated["ref"]}
    chosen = select(stage, refs, "filters=[{type: margin, margin: 0.01}]", "sampler={type: uniform, count: 4}")
    training = stage("assemble", qrels=refs["train"], negatives=chosen["negatives"]["ref"])["training_set"]
    sets = {"sets__chosen": chosen["negatives"]["ref"], "sets__training": training["ref"]}
    judged = stage(
        "score", "judge=dense", candidates=refs["candidates"], model=refs["model"], qrels=refs["train"], **sets, **texts
    )
    assert judged["page"]["summary"] == {"rank_by": "judged_hardness", "sets": ["chosen", "training"]}
    advice = stage(
        "recommend",
        "scorer=dense",
        "sources=[bm25, dense]",
        "counts=[3]",
        "draws=[{}]",
        "rounds=100",
        candidates=refs["candidates"],
        index=refs["dense"],
        qrels=refs["train"],
        **texts,
    )
    assert advice["recommendation"]["summary"]["settings"]["scorer"] == "dense"
    assert advice["negatives"]["summary"]["rows"] > 0
    trained = stage(
        "train",
        "trainer={type: static, epochs: 1, batch_size: 2, learning_rate: 0.1}",
        model=refs["model"],
        training_set=training["ref"],
        dev=refs["dev"],
        **texts,
    )
    taught = stage("teacher-scores", scorer=cross, training_set=training["ref"], **texts)["training_set"]["ref"]
    reranker = stage("train-reranker", "trainer={batch_size: 2}", model=cross, training_set=taught, **texts)["scorer"]
    coupled = stage(
        "cet",
        "trainer={batch_size: 2, warmup: null}",
        model=cross,
        training_set=training["ref"],
        candidates=refs["candidates"],
        **texts,
    )
    assert coupled["candidates"]["summary"]["scorers"]["cet-weight"] == "unknown"
    rounds = "trainer={type: static, epochs: 1, batch_size: 2, learning_rate: 0.1}"
    stage("train-rounds", rounds, "rounds=1", "depth=5", model=refs["model"], qrels=refs["train"], **texts)
    embedded = stage("embed", model=trained["model"]["ref"], corpus=refs["corpus"])["index"]["ref"]
    flat = stage("index-faiss", index=embedded)["index"]["ref"]
    lists = "engine={type: faiss-ivf-flat, lists: 2, probes: 2}"
    near = stage("index-faiss", lists, "recall={depth: 5}", index=embedded)["index"]
    assert near["summary"]["engine"] == "faiss-ivf-flat"
    assert (near["summary"]["recall"], near["summary"]["recall_depth"]) == (1.0, 5)
    scores, runs = {}, {}
    for system, index in (
        ("bm25", refs["bm25"]),
        ("untrained", refs["dense"]),
        ("trained", flat),
        ("near", near["ref"]),
    ):
        run = stage("search", f"system={system}", "depth=20", index=index, queries=refs["queries"], qrels=refs["test"])
        runs[f"runs__{system}"] = run["run"]["ref"]
        scores[f"scores__{system}"] = stage("evaluate", run=run["run"]["ref"], qrels=refs["test"])["scores"]["ref"]
    stage("rerank", "system=reranked", run=runs["runs__bm25"], model=reranker["ref"], **texts)
    choice = stage("choose", **scores)["choice"]["ref"]
    compared = stage("compare", "baselines=[bm25]", "rounds=100", **scores)["comparisons"]["ref"]
    page = stage(
        "report",
        qrels=refs["test"],
        comparisons=compared,
        choice=choice,
        candidates=refs["candidates"],
        negatives__hybrid=chosen["negatives"]["ref"],
        removals__hybrid=chosen["removals"]["ref"],
        logs__hybrid=trained["log"]["ref"],
        **texts,
        **scores,
        **runs,
    )["page"]
    assert "<html" in (Path(page["folder"]) / "report.html").read_text(encoding="utf-8")
    summary = json.loads((tmp_path / "runs" / "latest" / "summary.json").read_text())
    assert (summary["dataset"], set(summary["metrics"])) == ("planted", {"bm25", "untrained", "trained", "near"})
    files = stage("export", "layout={type: sentence-transformers}", training_set=training["ref"], **texts)["files"]
    assert list(files["summary"]) == ["train.jsonl"]
    loaded = stage("load-training-set", f"file={files['folder']}/train.jsonl")["training_set"]
    assert loaded["summary"]["rows"] == training["summary"]["rows"]
    done = {path.name for path in (tmp_path / ".pyrite" / "store").iterdir() if not path.name.startswith(".")}
    assert done == set(CATALOG)


def test_exported_files_read_back(stage: Stage, rescored: dict[str, str]) -> None:
    chosen = select(stage, rescored, "scorer=dense", "filters=[]", "sampler={type: top, count: 5}")
    assembled = stage("assemble", qrels=rescored["train"], negatives=chosen["negatives"]["ref"])["training_set"]
    groups = list(TrainingSet.open(Path(assembled["folder"])).rows())
    assert [(group.query_id, len(group.negative_ids)) for group in groups] == [("q1", 5), ("q2", 5)]

    def export(layout: str) -> Path:
        inputs = {name: rescored[name] for name in ("corpus", "queries")}
        files = stage("export", f"layout={layout}", training_set=assembled["ref"], **inputs)["files"]
        return Path(files["folder"]) / "train.jsonl"

    flag, tuples = export("{type: flag-embedding}"), export("{type: sentence-transformers, shape: n-tuple}")
    assert list(read_flag_embedding(flag).training_set.rows()) == groups
    # It has no column for what proposed a negative.
    unsourced = [replace(group, sources=None) for group in groups]
    assert list(read_sentence_transformers(tuples).training_set.rows()) == unsourced
    first = json.loads(flag.read_text(encoding="utf-8").splitlines()[0])
    assert first["query"] == "What colour is the streak of pyrite?"
    assert (len(first["pos"]), len(first["neg"])) == (2, 5)
    rows = [json.loads(line) for line in tuples.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 3
    # Its trainers go by the order of the columns.
    names = [name for name in rows[0] if not name.endswith(("_id", "_ids"))]
    assert names == ["anchor", "positive", *(f"negative_{i}" for i in range(1, 6))]


def test_positives_are_scored_by_every_scorer(rescored: dict[str, str], tmp_path: Path) -> None:
    kind, _, rest = rescored["candidates"].partition("/")
    candidates = Candidates.open(tmp_path / ".pyrite" / "store" / kind / rest.replace(".", "/"))
    scored = {(row.query_id, row.doc_id, row.scorer) for row in candidates.rows() if row.is_positive}
    positives = {("q1", "p1"), ("q1", "p2"), ("q2", "no-title")}
    assert scored == {(*pair, scorer) for pair in positives for scorer in ("bm25", "dense")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "a.x.run", "--run", "a.y.run"], "--run 'a.y.run': there is a run 'a' already"),
        (["--input", "runs.a=mine/1.run", "--run", "a.run"], "--run 'a.run': there is a run 'a' already"),
        (["--run", ".hidden"], "--run '.hidden': wants FILE or NAME=FILE"),
    ],
)
def test_no_run_takes_the_place_of_another(pyrite: Any, arguments: list[str], message: str) -> None:
    answer = pyrite("mine", *arguments)
    assert answer.code == 1
    assert message in answer.err
