"""From a causal language model to a measured embedder, in one file: soft labels, adapters, both exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer

from pyrite.data import QueryScores
from pyrite.models.folder import ModelFolder
from pyrite.testing.models import write_causal_model
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
PIPELINE = """
name: language-model
resources: {{device: cpu, trackers: none}}
publish: [train.model]
steps:
  data:
    stage: load
    settings: {{source: {{type: beir, folder: tiny}}}}
  model:
    stage: model
    settings: {{encoder: {{type: causal-lm, model: lm, task: find the answer, max_length: 64}}}}
  embed:
    stage: embed
    inputs: {{corpus: data.corpus, model: model.model}}
  mine:
    stage: mine
    settings: {{depth: 12}}
    inputs: {{queries: data.queries, qrels: data.train, indices: {{dense: embed.index}}}}
  select:
    stage: select
    settings: {{sampler: {{type: top, count: 2}}}}
    inputs: {{candidates: mine.candidates, queries: data.queries, qrels: data.train, corpus: data.corpus}}
  assemble:
    stage: assemble
    inputs: {{qrels: data.train, negatives: select.negatives}}
  asked:
    stage: scorer
    settings: {{scorer: {{type: llm-yes-no, model: lm, template: "{{query}} {{document}}", chat: false}}}}
  teach:
    stage: teacher-scores
    inputs: {{scorer: asked.scorer, training_set: assemble.training_set, corpus: data.corpus, queries: data.queries}}
  train:
    stage: train
    settings:
      trainer:
        type: transformer
        epochs: 1
        batch_size: 3
        learning_rate: 0.01
        gradient_checkpointing: true
        lora: {{rank: 2, export: {export}}}
        loss:
          type: sum
          terms:
            - loss: {{type: infonce, temperature: 0.02}}
            - loss: {{type: kl, temperature: 0.02}}
    inputs: {{model: model.model, training_set: teach.training_set, corpus: data.corpus, queries: data.queries}}
  embed-trained:
    stage: embed
    inputs: {{corpus: data.corpus, model: train.model}}
  search:
    stage: search
    settings: {{system: trained, depth: 20}}
    inputs: {{index: embed-trained.index, queries: data.queries, qrels: data.test}}
  score:
    stage: evaluate
    settings: {{measures: [nDCG@10]}}
    inputs: {{run: search.run, qrels: data.test}}
"""


@pytest.fixture
def folder(small_folder: Path) -> Path:
    words = [*TINY.corpus.texts(), *TINY.queries.texts(), "Instruct: find the answer Query:"]
    write_causal_model(small_folder / "lm", words)
    return small_folder


def test_a_language_model_goes_the_whole_way(pyrite: Any, folder: Path) -> None:
    from pyrite.pipeline.store import Store

    reached, models = {}, {}
    for export in ("merged", "adapter"):
        (folder / "pipeline.yaml").write_text(PIPELINE.format(export=export))
        answer = pyrite("run", "pipeline.yaml", "--json", "--quiet")
        assert answer.code == 0, answer.err
        record = json.loads((folder / "runs/latest/run.json").read_text())
        step = next(step for step in record["steps"] if step["id"] == "score")
        entry = Store(folder / ".pyrite/store").find(step["kind"], step["key"])
        assert entry is not None
        reached[export] = QueryScores.open(entry.output("scores")).of("nDCG@10")
        models[export] = SentenceTransformer(str(folder / "runs/latest/train.model"), device="cpu")
    assert answer.executed() == {"train", "embed-trained", "search", "score"}
    assert reached["merged"] == pytest.approx(reached["adapter"])
    for model in models.values():
        assert model.prompts["query"] == "Instruct: find the answer\nQuery: "
    vectors = [model.encode(TINY.queries.texts(), prompt_name="query") for model in models.values()]
    assert abs(vectors[0] - vectors[1]).max() < 1e-5
    assert ModelFolder.open(folder / "runs/latest/train.model").type == "sentence-transformers"
