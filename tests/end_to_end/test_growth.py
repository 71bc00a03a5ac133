"""A corpus that grew is embedded only where it is new, whatever its collection and its pipeline are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Corpus, Qrels, Queries, Query
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import write_beir
from pyrite.data.records import Judgment
from pyrite.models.protocols import Role
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.pipeline.store import Store
from pyrite.testing.models import write_static_model

PIPELINE = """
name: {name}
resources: {{device: cpu, shard_size: 64}}
steps:
  data:
    stage: load
    settings: {{source: {{type: beir, folder: {folder}}}}}
  model:
    stage: model
    settings: {{encoder: {{type: sentence-transformers, model: words}}}}
  embed:
    stage: embed
    inputs: {{corpus: data.corpus, model: model.model}}
"""


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each call of the encoder was given."""
    counted: list[int] = []
    encode = SentenceEncoder.encode

    def counting(self: SentenceEncoder, texts: Sequence[str], role: Role) -> np.ndarray:
        if role == "document":
            counted.append(len(texts))
        return encode(self, texts, role)

    monkeypatch.setattr(SentenceEncoder, "encode", counting)
    return counted


def text(number: int) -> str:
    return f"specimen {number} weighs {number % 7} grams"


def embed(pyrite: Any, name: str, numbers: Sequence[int]) -> str:
    """Write a collection and a pipeline of a name, run it, and return the fingerprint of its embeddings."""
    ids = [f"d{number}" for number in numbers]
    corpus = Corpus.from_columns(doc_id=ids, text=[text(number) for number in numbers], title=[""] * len(ids))
    queries = Queries.from_rows([Query("q", "specimen 3")])
    write_beir(Collection(name, corpus, queries, {"test": Qrels.from_rows([Judgment("q", ids[0], 1)])}), Path(name))
    Path(f"{name}.yaml").write_text(PIPELINE.format(name=name, folder=name))
    return run(pyrite, name)


def run(pyrite: Any, name: str) -> str:
    answer = pyrite("run", f"{name}.yaml", "--json", "--quiet")
    assert "embed" in answer.executed()
    key = next(step["key"] for step in answer.data["steps"] if step["id"] == "embed")
    entry = Store(Path(".pyrite/store")).find("embed", key)
    assert entry is not None
    return entry.manifest.outputs["index"].fingerprint


def test_only_new_documents_are_embedded(pyrite: Any, encoded: list[int]) -> None:
    write_static_model(Path("words"), [text(number) for number in range(1010)])
    first = embed(pyrite, "first", range(1000))
    assert sum(encoded) == 1000
    encoded.clear()

    # The name of a collection is part of the keys: all steps are done, and nothing is encoded.
    assert embed(pyrite, "second", range(1000)) == first
    shuffled = np.random.default_rng(0).permutation(1000).tolist()
    assert embed(pyrite, "shuffled", shuffled) != first
    assert sum(encoded) == 0

    places = np.sort(np.random.default_rng(1).integers(0, 1001, 10))
    grown = embed(pyrite, "grown", np.insert(np.arange(1000), places, np.arange(1000, 1010)).tolist())
    assert sum(encoded) == 10

    # What lies in the store is only a help: without it the result is the same.
    for path in Path(".pyrite/store/.shared").rglob("*.npy"):
        path.unlink()
    listed = json.loads(pyrite("gc", "--keep", "grown.yaml", "--keep-runs", "0", "--json").out)
    assert listed["shared"] == {}
    pyrite("gc", "--keep-runs", "0", "--yes")
    assert run(pyrite, "grown") == grown
    assert sum(encoded) == 10 + 1010


def test_gc_deletes_vectors_that_no_step_uses(pyrite: Any) -> None:
    write_static_model(Path("words"), [text(number) for number in range(100)])
    embed(pyrite, "first", range(100))
    embed(pyrite, "second", range(50, 100))
    shared = Path(".pyrite/store/.shared/vectors")
    assert len(list(shared.rglob("*.npy"))) == 3
    assert pyrite("gc", "--json").data["shared"] == {}
    answer = pyrite("gc", "--keep", "second.yaml", "--keep-runs", "0", "--yes")
    assert answer.code == 0
    assert len(list(shared.rglob("*.npy"))) == 1
    assert pyrite("verify", "--json").data["damaged"] == {}


@pytest.mark.usefixtures("small_folder")
def test_gc_deletes_the_curves_of_trainings_that_no_run_needs(pyrite: Any) -> None:
    step = "model-in-batch"
    for seed in (1, 2):
        seeded = f"steps.{step}.settings.trainer.seed={seed}"
        assert pyrite("run", "small.yaml", "--quiet", "--step", step, "--set", seeded).code == 0
    curves = Path(".pyrite/store/.curves", step)
    before = {folder.name for folder in curves.iterdir()}
    assert len(before) == 2
    assert pyrite("gc", "--json").data["curves"] == {}
    (listed,) = pyrite("gc", "--keep-runs", "1", "--json").data["curves"]
    assert f"curves of {step}/" in pyrite("gc", "--keep-runs", "1", "--yes").out
    assert {f"{step}/{folder.name}" for folder in curves.iterdir()} == {f"{step}/{name}" for name in before} - {listed}
