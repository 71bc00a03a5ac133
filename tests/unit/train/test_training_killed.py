"""Real models on real texts, killed by the operating system: the end is the one of a training left alone."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingLog, TrainingSet

pytestmark = pytest.mark.slow

# argv: the inputs' folder, the model, the working folder, settings as JSON, what to kill at, its number.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from pydantic import TypeAdapter
from pyrite.data import Corpus, Queries, TrainingSet
from pyrite.train import TrainerSettings, TrainingJob, TrainingTexts, train

inputs, model, workdir, settings, event, number = sys.argv[1:]

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def on_step(done, steps):
    if event == "step" and done == int(number):
        kill()

if event == "sync":
    sync, left = os.fsync, int(number)
    def sync_or_die(descriptor):
        global left
        left -= 1
        if left == 0:
            kill()
        sync(descriptor)
    os.fsync = sync_or_die

result = train(
    Path(model),
    TrainingSet.open(Path(inputs)),
    TrainingTexts(Corpus.open(Path(inputs)), Queries.open(Path(inputs))),
    TypeAdapter(TrainerSettings).validate_json(settings),
    prompts={},
    job=TrainingJob(Path(workdir), device="cpu", checkpoint_steps=2, on_step=on_step),
)
result.log.save(result.folder.parent)
"""


@pytest.fixture(scope="module")
def inputs(test_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 queries of SciFact with their positives and 2 other documents each, as saved tables."""
    source, folder = test_data("scifact"), tmp_path_factory.mktemp("inputs")
    documents = [json.loads(line) for line in (source / "corpus.jsonl").read_text().splitlines()]
    queries = [json.loads(line) for line in (source / "queries.jsonl").read_text().splitlines()]
    with (source / "qrels/train.tsv").open() as stream:
        judged = [(row["query-id"], row["corpus-id"]) for row in csv.DictReader(stream, delimiter="\t")]
    positives: dict[str, list[str]] = {}
    for query_id, doc_id in judged[:26]:
        positives.setdefault(query_id, []).append(doc_id)
    Corpus.from_rows(Document(d["_id"], d["text"], d["title"]) for d in documents).save(folder)
    Queries.from_rows(Query(q["_id"], q["text"]) for q in queries).save(folder)
    TrainingSet.from_rows(
        TrainingGroup(query_id, tuple(ids), tuple(d["_id"] for d in documents[2 * i : 2 * i + 2]))
        for i, (query_id, ids) in enumerate(list(positives.items())[:24])
    ).save(folder)
    return folder


@pytest.fixture(scope="module")
def wordllama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WordLlama's static embedding as a model folder."""
    from pyrite.models.sentence_encoder import load_sentence_transformer, save_model
    from pyrite.models.settings import WordLlamaSettings

    pytest.importorskip("wordllama")
    folder = tmp_path_factory.mktemp("wordllama") / "model"
    save_model(load_sentence_transformer(WordLlamaSettings()), folder)
    return folder


def outcome(workdir: Path) -> tuple[dict[str, np.ndarray], TrainingLog]:
    from safetensors.numpy import load_file

    return load_file(workdir / "model" / "model.safetensors"), TrainingLog.open(workdir)


def check(inputs: Path, model: Path, settings: dict[str, Any], kills: list[tuple[str, int]], folder: Path) -> None:
    """Train once undisturbed, and once killed again and again; compare."""

    def run(workdir: str, event: str = "never", number: int = 0) -> int:
        arguments = [inputs, model, folder / workdir, json.dumps(settings), event, number]
        return subprocess.run([sys.executable, "-c", PROGRAM, *map(str, arguments)], check=False).returncode

    assert run("whole") == 0
    for event, number in kills:
        assert run("killed", event, number) == -signal.SIGKILL
    assert run("killed") == 0
    (expected, log), (found, found_log) = outcome(folder / "whole"), outcome(folder / "killed")
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert log.fingerprint() == found_log.fingerprint()
    losses = [entry.value for entry in log.rows() if entry.name == "epoch-loss"]
    assert losses[-1] < losses[0]


def test_minilm_survives_kills_bit_by_bit(inputs: Path, minilm: Path, tmp_path: Path) -> None:
    settings = {"type": "transformer", "batch_size": 8, "epochs": 2, "max_length": 48, "negatives": 1}
    check(inputs, minilm, settings, [("step", 3), ("sync", 4), ("sync", 20)], tmp_path)


def test_wordllama_survives_kills_bit_by_bit(inputs: Path, wordllama: Path, tmp_path: Path) -> None:
    settings = {"type": "static", "batch_size": 8, "epochs": 3}
    check(inputs, wordllama, settings, [("step", 1), ("sync", 2), ("step", 5), ("sync", 7)], tmp_path)
