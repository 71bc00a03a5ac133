"""A pipeline under `accelerate launch`: the first process runs it, and both train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import TrainingLog
from pyrite.data.formats import write_beir
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.pipeline.store import Store
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection

pytestmark = pytest.mark.slow

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
PIPELINE = """
name: launched
resources: {device: auto, trackers: none}
steps:
  data:
    stage: load
    settings: {source: {type: beir, folder: tiny}}
  assemble:
    stage: assemble
    inputs: {qrels: data.train}
  "model-{kind}":
    matrix: {kind: [bert, words]}
    stage: model
    settings: {encoder: {type: sentence-transformers, model: "{kind}"}}
  trained:
    stage: train
    settings: {trainer: {type: transformer, epochs: 3, batch_size: 3, learning_rate: 1.0e-3}}
    inputs: &texts
      model: model-bert.model
      training_set: assemble.training_set
      corpus: data.corpus
      queries: data.queries
      dev: data.dev
  trained-static:
    stage: train
    settings: {trainer: {type: static, epochs: 1, batch_size: 3, learning_rate: 0.1}}
    inputs: {<<: *texts, model: model-words.model}
  again:
    stage: train
    settings: {trainer: {type: transformer, epochs: 1, batch_size: 2, learning_rate: 1.0e-3}}
    inputs: {<<: *texts, model: trained.model}
"""
LAUNCH = ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]


def write_inputs(folder: Path) -> Path:
    folder.mkdir()
    write_beir(TINY, folder / "tiny")
    write_transformer_model(folder / "bert", TEXTS, dropout=0.0)
    write_static_model(folder / "words", TEXTS)
    (folder / "launched.yaml").write_text(PIPELINE)
    return folder


def run(
    folder: Path, *before: str, arguments: tuple[str, ...] = ("run", "launched.yaml")
) -> subprocess.CompletedProcess:
    command = [sys.executable, *before, "-m", "pyrite", *arguments, "--quiet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False
    )


def launched() -> list[str]:
    return ["-m", "accelerate.commands.launch", *LAUNCH]


def vectors(folder: Path, step: str) -> tuple[np.ndarray, list[tuple[int, str]]]:
    (entry,) = [entry for entry in Store(folder / ".pyrite/store").entries() if entry.manifest.step == step]
    found = SentenceEncoder.load(entry.output("model"), device="cpu").encode(TEXTS, "document")
    return found, [(row.step, row.name) for row in TrainingLog.open(entry.output("log")).rows()]


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    one, two = write_inputs(tmp_path / "one"), write_inputs(tmp_path / "two")
    done = run(one)
    assert done.returncode == 0, done.stderr
    done = run(two, *launched())
    assert done.returncode == 0, done.stderr
    for step in ("trained", "trained-static", "again"):
        (expected, log), (found, other_log) = vectors(one, step), vectors(two, step)
        assert np.abs(found - expected).max() < 1e-3, step
        assert log == other_log
    keys = [sorted(entry.key for entry in Store(folder / ".pyrite/store").entries()) for folder in (one, two)]
    assert keys[0] == keys[1]
    assert len(json.loads((two / "runs/latest/run.json").read_text())["steps"]) == 7


def test_a_fault_ends_both_processes(tmp_path: Path) -> None:
    done = run(write_inputs(tmp_path / "inputs"), *launched(), arguments=("run", "elsewhere.yaml"))
    assert done.returncode != 0
    assert "elsewhere.yaml" in done.stderr
