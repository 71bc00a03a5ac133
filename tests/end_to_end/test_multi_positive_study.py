"""The study of multi-positive losses at the size of the tiny collection."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from studies import multi_positive
from studies.multi_positive import ARMS, PAIRS, Plan, Task, folds, study
from studies.scores import told

from pyrite.data import Qrels
from pyrite.data.groups import training_groups
from pyrite.testing.models import write_static_model
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
QRELS = Qrels.from_rows(row for split in ("train", "dev", "test") for row in TINY.split(split).rows())
TASK = Task(TINY.corpus, TINY.queries, QRELS)
PLAN = Plan(folds=2, seeds=2, epochs=1, batch=4)


def test_every_query_is_tested_on_once_and_never_trained_on_then() -> None:
    held = list[str]()
    for train, test in folds(QRELS, 3):
        assert not set(train.query_ids()) & set(test.query_ids())
        assert len(train) + len(test) == len(QRELS)
        held.extend(test.query_ids())
    assert sorted(held) == sorted(QRELS.query_ids())


@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_takes_at_least_the_steps_asked_for(arm: str) -> None:
    groups = training_groups(QRELS.relevant())
    settings = PLAN.trainer(arm, groups, 20, 3)
    examples = len(QRELS.relevant()) if arm in ("one", "drawn") else len(groups)
    steps = settings.epochs * math.ceil(examples / settings.batch_size)
    assert 20 <= steps < 20 + math.ceil(examples / settings.batch_size)
    assert settings.loss == ARMS[arm]


def test_all_arms_are_trained_measured_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = write_static_model(tmp_path / "words", [*TINY.corpus.texts(), *TINY.queries.texts()])
    scores = study(encoder, TASK, PLAN, tmp_path / "study")
    assert {arm: len(tables) for arm, tables in scores.items()} == {"untrained": 1, **dict.fromkeys(ARMS, 2)}
    for tables in scores.values():
        assert all(set(table.of("nDCG@10")) == set(QRELS.query_ids()) for table in tables)
    lines = told(scores, PAIRS, "nDCG@10")
    assert lines[-1].startswith("any - one: ")
    monkeypatch.setattr(multi_positive, "train", None)
    assert told(study(encoder, TASK, PLAN, tmp_path / "study"), PAIRS, "nDCG@10") == lines
