from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrite.errors import ModelError
from pyrite.models.prompts import family_prompts, own_prompts, read_prompts
from pyrite.models.sentence_encoder import SentenceEncoder, load_sentence_transformer
from pyrite.models.settings import Prompts, SentenceTransformerSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.testing.models import write_static_model


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("intfloat/e5-base-v2", "query: "),
        ("intfloat/multilingual-e5-small", "query: "),
        ("/models/my-e5", "query: "),
        ("intfloat/e5-mistral-7b-instruct", None),
        ("BAAI/bge-small-en", None),
        ("company/coffee5", None),
        ("store/e5_scifact/embed/model", None),
        ("cache/models--intfloat--e5-base/snapshots/77f1c2e", "query: "),
        ("", None),
    ],
)
def test_families_by_name(name: str, query: str | None) -> None:
    prompts = family_prompts(name)
    assert (prompts.query if prompts else None) == query


def test_a_models_own_prompts_have_several_names() -> None:
    assert own_prompts({"query": "q: ", "corpus": "c: "}) == Prompts(query="q: ", document="c: ")
    assert own_prompts({"query": "q: ", "document": "d: ", "passage": "p: "}) == Prompts(query="q: ", document="d: ")
    assert own_prompts({}) is None


def test_prompts_are_read_from_a_stored_model(tmp_path: Path) -> None:
    assert read_prompts(tmp_path) == Prompts()
    config = {"prompts": {"query": "query: ", "document": "passage: "}}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert read_prompts(tmp_path) == Prompts(query="query: ", document="passage: ")


@pytest.mark.parametrize(("asked", "query"), [("none", ""), ("auto", "query: ")])
def test_a_stored_model_keeps_what_was_decided(asked: str, query: str, tmp_path: Path) -> None:
    source = write_static_model(tmp_path / "my-e5", ["a text of words"])
    settings = SentenceTransformerSettings.model_validate({"model": str(source), "prompts": asked})
    # The name of the place where it is kept would say "E5" once more.
    stored = bring_encoder(settings, tmp_path / "e5")
    encoder = open_encoder(stored, device="cpu")
    assert isinstance(encoder, SentenceEncoder)
    assert encoder.prompts.query == query


def test_what_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded as a sentence-transformers model"):
        load_sentence_transformer(SentenceTransformerSettings(model=str(tmp_path)))
    with pytest.raises(ModelError, match="trust_remote_code wants a revision"):
        load_sentence_transformer(SentenceTransformerSettings(model="some/model", trust_remote_code=True))
