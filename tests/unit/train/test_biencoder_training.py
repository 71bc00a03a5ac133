"""What only transformers have: precision, truncation, and quiet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import TrainingSet
from pyrite.train import TrainingJob, TrainingTexts, TransformerTrainer, train

PLAIN = TransformerTrainer(batch_size=8, epochs=1, learning_rate=1e-3)


@pytest.fixture
def run(
    transformer_model: Path, training_set: TrainingSet, texts: TrainingTexts, weights: Any, tmp_path: Path
) -> Callable[..., dict[str, np.ndarray]]:
    def call(name: str, settings: TransformerTrainer = PLAIN) -> dict[str, np.ndarray]:
        job = TrainingJob(tmp_path / name, device="cpu")
        return weights(train(transformer_model, training_set, texts, settings, prompts={}, job=job).folder)

    return call


def distance(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def test_bf16_computes_in_16_bits_and_keeps_weights_in_32(run: Callable[..., Any]) -> None:
    half = run("half", PLAIN.model_copy(update={"precision": "bf16"}))
    assert {tensor.dtype for tensor in half.values()} == {np.dtype(np.float32)}
    assert 0 < distance(run("whole"), half) < 0.02


def test_a_maximum_length_cuts_texts(run: Callable[..., Any]) -> None:
    # No text has more than 8 words.
    assert distance(run("whole"), run("as long", PLAIN.model_copy(update={"max_length": 8}))) == 0
    assert distance(run("whole"), run("cut", PLAIN.model_copy(update={"max_length": 2}))) > 0


def test_nothing_is_written_to_the_terminal(run: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    run("quiet")
    assert capfd.readouterr() == ("", "")
