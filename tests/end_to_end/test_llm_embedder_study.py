"""The study of soft labels on a language model: its two arms, on a tiny collection, resumed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import ScoreKind
from pyrite.models.settings import CausalLMSettings
from pyrite.models.stored import bring_encoder
from pyrite.testing.models import write_causal_model
from pyrite.testing.tiny import tiny_collection

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studies import llm_embedder
from studies.llm_embedder import MEASURE, PAIRS, SIZES, Material, Plan, material, measure, study
from studies.scores import told

TINY = tiny_collection()
PLAN = Plan(pool=3, tokens=64, seeds=2, batch=2, rank=2, learning_rate=1e-2, negatives=2, depth=10, precision="fp32")


class WordsInCommon:
    """A teacher that counts."""

    score_kind = ScoreKind.LOGIT
    asked = 0

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        self.asked += len(pairs)
        return np.array([float(len(set(query.split()) & set(text.split()))) for query, text in pairs])

    def identity(self) -> str:
        return "words in common"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    model = write_causal_model(folder / "lm", [*TINY.corpus.texts(), *TINY.queries.texts(), llm_embedder.TASK])
    return bring_encoder(CausalLMSettings(model=str(model), task=llm_embedder.TASK, max_length=64), folder / "m").path


@pytest.fixture
def given(tmp_path: Path) -> Material:
    return material(TINY, PLAN, WordsInCommon(), tmp_path)


def test_the_teacher_is_asked_once_about_every_document(given: Material, tmp_path: Path) -> None:
    teacher = WordsInCommon()
    again = material(TINY, PLAN, teacher, tmp_path)
    assert teacher.asked == 0
    assert again.training_set.fingerprint() == given.training_set.fingerprint()
    for group in given.training_set.rows():
        assert group.teacher_scores is not None
        assert len(group.teacher_scores) == len(group.positive_ids) + len(group.negative_ids)
        assert None not in group.teacher_scores


def test_the_pool_holds_what_is_relevant(given: Material) -> None:
    assert {row.doc_id for row in given.qrels.rows()} <= set(given.pool.ids())
    assert len(given.pool) < len(TINY.corpus)
    assert {row.query_id for row in given.qrels.rows()} == set(TINY.split("test").relevant().query_ids())


def test_both_arms_are_trained_measured_and_kept(
    encoder: Path, given: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = study(encoder, given, PLAN, tmp_path / "study", "cpu")
    assert {arm: len(tables) for arm, tables in scores.items()} == {"untrained": 1, "hard": 2, "soft": 2}
    lines = told(scores, PAIRS, MEASURE)
    assert [line.split(":")[0] for line in lines[:3]] == ["untrained", "hard", "soft"]
    assert lines[-1].startswith("soft - hard: ")
    assert not list((tmp_path / "study").glob("*/training"))
    monkeypatch.setattr(llm_embedder, "train", None)
    again = study(encoder, given, PLAN, tmp_path / "study", "cpu")
    assert told(again, PAIRS, MEASURE) == lines


def test_the_arms_differ_in_the_loss_alone() -> None:
    hard, soft = (SIZES["full"].trainer(loss, 3) for loss in llm_embedder.ARMS.values())
    assert soft == hard.model_copy(update={"loss": soft.loss})
    assert hard.seed == 3
    assert hard != replace(SIZES["full"], rank=4).trainer(hard.loss, 3)


def test_the_untrained_model_is_measured_over_the_pool(encoder: Path, given: Material) -> None:
    scores = measure(encoder, given, "untrained", "cpu")
    assert scores.system == "untrained"
    assert set(scores.of("nDCG@10")) == set(given.qrels.query_ids())
