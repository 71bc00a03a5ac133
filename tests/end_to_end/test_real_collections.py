"""Published and promised numbers, measured through the pipeline on real collections and models."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrite.data import QueryScores, TrainingLog
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir, write_beir
from pyrite.models.prompts import read_prompts
from pyrite.models.settings import Prompts
from pyrite.pipeline.store import Store
from pyrite.stages.artifacts import Choice

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# {collection} and {model} are put in by the tests.
UNTRAINED = """
name: untrained
steps:
  data:
    stage: load
    settings: {source: {type: beir, folder: "{collection}"}}
  model:
    stage: model
    settings: {encoder: {model}}
  embed:
    stage: embed
    settings: {precision: fp32}
    inputs: {corpus: data.corpus, model: model.model}
  search:
    stage: search
    settings: {system: untrained}
    inputs: {index: embed.index, queries: data.queries, qrels: data.test}
  score:
    stage: evaluate
    inputs: {run: search.run, qrels: data.test}
"""
TRAINED = """
name: trained
steps:
  data:
    stage: load
    settings: {source: {type: beir, folder: "{collection}"}}
  bm25:
    stage: index-bm25
    inputs: {corpus: data.corpus}
  mine:
    stage: mine
    settings: {depth: 20}
    inputs: {queries: data.queries, qrels: data.train, indices: {bm25: bm25.index}}
  select:
    stage: select
    settings: {sampler: {type: top, count: 1}}
    inputs: {candidates: mine.candidates, corpus: data.corpus, queries: data.queries, qrels: data.train}
  assemble:
    stage: assemble
    inputs: {qrels: data.train, negatives: select.negatives}
  model:
    stage: model
    settings: {encoder: {model}}
  train:
    stage: train
    settings: {trainer: {type: transformer, epochs: 1, batch_size: 32, negatives: 1}}
    inputs:
      model: model.model
      training_set: assemble.training_set
      corpus: data.corpus
      queries: data.queries
      dev: data.dev
"""


class Finished:
    """The latest run of a working folder."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder / ".pyrite" / "store")
        self.record = json.loads((folder / "runs" / "latest" / "run.json").read_text())
        self.summary = json.loads((folder / "runs" / "latest" / "summary.json").read_text())

    def output(self, step_id: str, name: str) -> Path:
        """Return the folder of an output."""
        step = next(step for step in self.record["steps"] if step["id"] == step_id)
        entry = self._store.find(step["kind"], step["key"])
        assert entry is not None
        return entry.output(name)

    def ndcg(self, step_id: str = "score") -> float:
        return QueryScores.open(self.output(step_id, "scores")).means()["nDCG@10"]


@pytest.fixture
def run(pyrite: Any, tmp_path: Path) -> Callable[..., Finished]:
    """Run a pipeline, given as text or as a file."""

    def call(pipeline: str | Path, **values: str) -> Finished:
        file = pipeline if isinstance(pipeline, Path) else tmp_path / "pipeline.yaml"
        if isinstance(pipeline, str):
            for name, value in values.items():
                pipeline = pipeline.replace(f"{{{name}}}", value)
            file.write_text(pipeline)
        answer = pyrite("run", str(file), "--quiet", "--json", "--encode-batch-size", "32", "--shard-size", "512")
        assert answer.code == 0, answer.err
        return Finished(tmp_path)

    return call


@pytest.fixture(scope="session")
def e5() -> Path:
    """A multilingual-e5-small folder; "e5" in its name is what tells its prompts."""
    folder = os.environ.get("PYRITE_TEST_E5")
    if not folder:
        pytest.skip("needs a folder multilingual-e5-small; set PYRITE_TEST_E5 to it")
    return Path(folder)


def from_folder(model: Path, **options: str) -> str:
    """Write an encoder's settings as YAML."""
    return json.dumps({"type": "sentence-transformers", "model": str(model), **options})


def test_minilm_on_scifact_is_as_published(run: Any, test_data: Callable[[str], Path], minilm: Path) -> None:
    finished = run(UNTRAINED, collection=str(test_data("scifact")), model=from_folder(minilm))
    assert finished.ndcg() == pytest.approx(0.645, abs=0.002)


def test_the_scifact_example_keeps_its_promise(
    run: Any, test_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wordllama")
    monkeypatch.setenv("PYRITE_TEST_DATA", str(test_data("scifact").parent))
    finished = run(EXAMPLES / "scifact.yaml")
    metrics = {system: values["ndcg@10"] for system, values in finished.summary["metrics"].items()}
    assert metrics["BM25"] == pytest.approx(0.679, abs=0.01)
    assert metrics["untrained"] == pytest.approx(0.513, abs=0.002)
    chosen = Choice.open(finished.output("choose", "choice")).chosen
    assert metrics[chosen] >= 0.68
    gain = next(
        row
        for row in finished.summary["comparisons"]
        if {row["a"], row["b"]} == {chosen, "untrained"} and row["metric"] == "ndcg@10"
    )
    assert gain["p"] < 0.01


def test_a_transformer_is_trained_by_the_pipeline(
    run: Any, test_data: Callable[[str], Path], minilm: Path, tmp_path: Path
) -> None:
    cut(read_beir(test_data("scifact")), 300, tmp_path / "cut")
    finished = run(TRAINED, collection="cut", model=from_folder(minilm, max_length="64"))
    values = {}
    for entry in TrainingLog.open(finished.output("train", "log")).rows():
        values.setdefault(entry.name, []).append((entry.step, entry.value))
    (first, before), (last, after) = values["dev"]
    # 255 queries stay in training, and some have two positives.
    assert (first, last) == (0, values["epoch-loss"][0][0])
    assert 8 <= last <= 12
    assert 0.5 < before < after <= 1
    assert finished.output("train", "model").is_dir()


def cut(whole: Collection, count: int, folder: Path) -> None:
    """Write the first training queries of a collection, with the documents judged for them, as a BEIR folder."""
    train = whole.splits["train"]
    chosen = train.query_ids()[:count]
    kept = type(train).from_rows(row for row in train.rows() if row.query_id in set(chosen))
    documents = list(dict.fromkeys(kept.column("doc_id").to_pylist()))
    write_beir(Collection("cut", whole.corpus.select(documents), whole.queries.select(chosen), {"train": kept}), folder)


@pytest.mark.parametrize(("prompts", "expected"), [("auto", 0.671), ("none", 0.651)])
def test_e5_gets_its_prompts_and_they_help(
    run: Any, test_data: Callable[[str], Path], e5: Path, prompts: str, expected: float
) -> None:
    pipeline = UNTRAINED.replace("fp32", "bf16")
    finished = run(pipeline, collection=str(test_data("scifact")), model=from_folder(e5, prompts=prompts))
    wanted = Prompts(query="query: ", document="passage: ") if prompts == "auto" else Prompts()
    assert read_prompts(finished.output("model", "model")) == wanted
    assert finished.ndcg() == pytest.approx(expected, abs=0.005)
