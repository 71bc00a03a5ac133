"""Every loss through both trainers: what it wants reaches it, what it learns is kept, what it tells is logged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import TrainingGroup, TrainingSet
from pyrite.errors import DataError, SettingsError
from pyrite.testing.encoders import HashingEncoder
from pyrite.train import StaticTrainer, TrainingJob, TrainingResult, TrainingTexts, TransformerTrainer, train
from pyrite.train.losses import (
    DebiasedContrastive,
    GuidedInfoNCE,
    HardContrastive,
    InfoNCE,
    KLDistillation,
    Loss,
    MarginMSE,
    Matryoshka,
    MultiPositiveInfoNCE,
    SoftLabels,
    SumOfLosses,
    WeightedLoss,
)

LEARNING = InfoNCE(learn_temperature=True)
LOSSES: list[tuple[Loss, set[str]]] = [
    (InfoNCE(directions="both", hardness=5.0), set()),
    (MultiPositiveInfoNCE(positives=2), {"positives"}),
    (GuidedInfoNCE(), {"masked-share"}),
    (GuidedInfoNCE(by="teacher"), {"masked-share"}),
    (DebiasedContrastive(class_prior=0.01), {"clamped-share"}),
    (HardContrastive(), {"clamped-share"}),
    (MarginMSE(learn_scale=True), {"scored-share", "scale"}),
    (KLDistillation(), {"scored-share", "teacher-entropy"}),
    (SoftLabels(), {"scored-share", "teacher-entropy"}),
    (
        SumOfLosses(terms=(WeightedLoss(loss=LEARNING), WeightedLoss(loss=KLDistillation()))),
        {"temperature", "scored-share", "teacher-entropy"},
    ),
    (Matryoshka(loss=LEARNING, dims=(8, 4)), {"temperature"}),
]
COMMON = {"positive-cosine", "negative-cosine", "known-share", "loss", "epoch-loss", "learning-rate", "gradient-norm"}


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


@pytest.fixture(scope="module")
def taught() -> TrainingSet:
    """Every fourth query has two positives; a teacher scored nearly all documents."""
    groups = []
    for i in range(40):
        positives = (f"d{i}", f"d{(i + 20) % 40}") if i % 4 == 0 else (f"d{i}",)
        negatives = tuple(f"d{(i + 1 + j) % 40}" for j in range(2))
        scores = (*(5.0 for _ in positives), 2.0, None if i % 3 == 0 else float(i % 8))
        groups.append(TrainingGroup(f"q{i}", positives, negatives, teacher_scores=scores))
    return TrainingSet.from_rows(groups)


@pytest.fixture(params=["static", "transformer"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(
    kind: str,
    static_model: Path,
    transformer_model: Path,
    taught: TrainingSet,
    texts: TrainingTexts,
    tmp_path: Path,
) -> Callable[..., TrainingResult]:
    static = kind == "static"

    def call(loss: Loss, workdir: str = "work", groups: TrainingSet = taught, **changes: Any) -> TrainingResult:
        trainer, rate = (StaticTrainer, 0.05) if static else (TransformerTrainer, 1e-3)
        size = changes.pop("batch_size", 8)
        settings = trainer(batch_size=size, epochs=2, learning_rate=rate, loss=loss)
        guide = HashingEncoder() if "guide" in loss.wants() else None
        given = TrainingTexts(texts.corpus, texts.queries, changes.pop("guide", guide))
        job = TrainingJob(tmp_path / workdir, device="cpu", **changes)
        return train(static_model if static else transformer_model, groups, given, settings, prompts={}, job=job)

    return call


def names(result: TrainingResult) -> set[str]:
    return {entry.name for entry in result.log.rows()}


def values(result: TrainingResult, name: str) -> list[float]:
    return [entry.value for entry in result.log.rows() if entry.name == name]


@pytest.mark.parametrize(("loss", "facts"), LOSSES, ids=lambda value: value.type if isinstance(value, Loss) else "")
def test_it_trains_and_tells_its_facts(
    run: Callable[..., TrainingResult], kind: str, loss: Loss, facts: set[str]
) -> None:
    result = run(loss)
    assert names(result) == (COMMON if loss.uses_mined() else COMMON - {"negative-cosine"}) | facts
    first, last = values(result, "epoch-loss")
    # Ten steps with dropout may hide what a random transformer learns.
    assert last < (first if kind == "static" else 1.1 * first)


def test_a_learnt_temperature_moves(run: Callable[..., TrainingResult]) -> None:
    (found,) = values(run(LEARNING), "temperature")
    assert 0 < abs(found - 0.05) < 0.01


def test_killed_it_goes_on_with_what_it_had_learnt(run: Callable[..., TrainingResult], weights: Any) -> None:
    whole = run(LEARNING, "whole")

    def kill(done: int, _: int) -> None:
        if done == 7:
            raise Killed

    with pytest.raises(Killed):
        run(LEARNING, "killed", on_step=kill, checkpoint_steps=3)
    resumed = run(LEARNING, "killed", checkpoint_steps=3)
    assert resumed.log.fingerprint() == whole.log.fingerprint()
    tensors = weights(whole.folder), weights(resumed.folder)
    assert all(np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0])


def test_all_positives_of_a_query_share_a_step(run: Callable[..., TrainingResult]) -> None:
    """50 pairs make 7 steps; 40 queries whose positives go together make 5."""
    steps: list[int] = []
    run(InfoNCE(), "pairs", on_step=lambda done, total: steps.append(total))
    run(MultiPositiveInfoNCE(), "queries", on_step=lambda done, total: steps.append(total))
    assert {steps[0], steps[-1]} == {14, 10}


def test_a_guide_encodes_each_text_once(run: Callable[..., TrainingResult]) -> None:
    asked: list[tuple[int, str]] = []

    class Counting(HashingEncoder):
        def encode(self, texts: Any, role: Any) -> np.ndarray:
            asked.append((len(texts), role))
            return super().encode(texts, role)

    run(GuidedInfoNCE(), guide=Counting())
    run(GuidedInfoNCE(), guide=Counting())
    assert asked == [(40, "query"), (40, "document")]


@pytest.mark.parametrize("loss", [KLDistillation(), MarginMSE(), GuidedInfoNCE(by="teacher")])
def test_without_a_teacher_nothing_begins(
    run: Callable[..., TrainingResult], training_set: TrainingSet, loss: Loss
) -> None:
    with pytest.raises(DataError, match=r"wants a teacher's scores.*the stage teacher-scores"):
        run(loss, groups=training_set)


def test_a_loss_without_use_for_mined_negatives_has_none_encoded(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(SettingsError, match="leaves nothing to contrast"):
        run(DebiasedContrastive(), batch_size=1)


def test_margins_are_enough_for_margin_mse(run: Callable[..., TrainingResult]) -> None:
    groups = TrainingSet.from_rows(
        TrainingGroup(f"q{i}", (f"d{i}",), (f"d{(i + 1) % 40}",), margins=(3.0,)) for i in range(40)
    )
    assert "scored-share" in names(run(MarginMSE(), groups=groups))
    with pytest.raises(DataError, match="wants a teacher's scores"):
        run(KLDistillation(), "other", groups=groups)


def test_without_a_guide_nothing_begins(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(SettingsError, match="wants a guide"):
        run(GuidedInfoNCE(), guide=None)


def test_a_guide_without_a_use_is_refused(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(SettingsError, match="has no use for it"):
        run(InfoNCE(), guide=HashingEncoder())


def test_a_size_beyond_the_model_is_refused(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(SettingsError, match=r"loss\.dims: 999 is more than the"):
        run(Matryoshka(dims=(999,)))
