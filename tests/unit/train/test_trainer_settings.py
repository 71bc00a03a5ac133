from __future__ import annotations

from typing import Any

import pytest

from pyrite.errors import SettingsError
from pyrite.settings import Settings, canonical_hash, parse_settings
from pyrite.train import StaticTrainer, TrainerSettings, TransformerTrainer


class Stage(Settings):
    trainer: TrainerSettings


@pytest.mark.parametrize(("tag", "kind"), [("static", StaticTrainer), ("transformer", TransformerTrainer)])
def test_the_type_chooses_the_trainer(tag: str, kind: type) -> None:
    trainer = parse_settings(Stage, {"trainer": {"type": tag, "epochs": 7}}, "stage").trainer
    assert type(trainer) is kind
    assert trainer.epochs == 7


def test_the_type_is_part_of_the_identity() -> None:
    common: dict[str, Any] = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0}
    identities = [trainer(**common).identity() for trainer in (StaticTrainer, TransformerTrainer)]
    assert [identity["type"] for identity in identities] == ["static", "transformer"]
    assert canonical_hash(identities[0]) != canonical_hash(identities[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "reranker"},
        {"type": "static", "max_length": 64},
        {"type": "static", "temperature": 0.1},
        {"type": "static", "loss": {"type": "infonce", "temperature": 0}},
        {"type": "static", "warmup_share": 1.5},
        {"type": "static", "negatives": -1},
        {"type": "transformer", "precision": "fp8"},
        {"type": "transformer", "batch_size": 0},
    ],
)
def test_what_is_not_allowed_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"stage\.trainer"):
        parse_settings(Stage, {"trainer": wrong}, "stage")


def test_the_learning_rate_rises_and_falls_in_lines() -> None:
    trainer = StaticTrainer(learning_rate=1.0, warmup_share=0.2)
    assert [trainer.rate(step, 10) for step in (1, 2, 3, 7, 10)] == pytest.approx([0, 0.5, 1, 0.5, 0.125])


def test_a_constant_rate_stays_after_the_warm_up() -> None:
    trainer = StaticTrainer(learning_rate=1.0, warmup_share=0.2, schedule="constant")
    assert [trainer.rate(step, 10) for step in (1, 3, 10)] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_one_step_has_a_learning_rate_unless_all_is_warm_up(share: float) -> None:
    rate = StaticTrainer(learning_rate=0.5, warmup_share=share).rate(1, 1)
    assert rate == (0.0 if share == 1.0 else 0.5)
