"""Which model a folder or settings stand for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyrite.errors import SettingsError
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings
from pyrite.recipes.audit import judges
from pyrite.recipes.audit.false_negatives import EncoderScorer
from pyrite.recipes.audit.judges import load_judge
from pyrite.testing.models import write_static_model


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """Note the settings of scorers in place of loading them."""
    seen: list[tuple[Any, str]] = []
    monkeypatch.setattr(judges, "load_scorer", lambda settings, device: seen.append((settings, device)))
    return seen


def test_a_folder_with_a_head_is_a_cross_encoder(tmp_path: Path, loaded: list[tuple[Any, str]]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
    load_judge(str(tmp_path), "cpu")
    assert loaded == [(CrossEncoderSettings(model=str(tmp_path)), "cpu")]


def test_any_other_folder_is_an_encoder(tmp_path: Path, loaded: list[tuple[Any, str]]) -> None:
    write_static_model(tmp_path / "words", ["gold pyrite", "iron"])
    judge = load_judge(str(tmp_path / "words"), "cpu")
    assert isinstance(judge, EncoderScorer)
    gold, iron = judge.score([("gold", "gold"), ("gold", "iron")])
    assert gold > iron
    assert loaded == []


def test_settings_name_any_scorer(loaded: list[tuple[Any, str]]) -> None:
    load_judge({"type": "endpoint", "base_url": "http://localhost:1"})
    assert loaded == [(EndpointSettings(base_url="http://localhost:1"), "auto")]
    with pytest.raises(SettingsError, match=r"--scorer\.scorer: .*cross-encoder"):
        load_judge({"type": "oracle"})
    with pytest.raises(SettingsError, match="no folder at"):
        load_judge("./nowhere")
