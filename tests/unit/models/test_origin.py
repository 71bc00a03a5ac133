"""Notes on where a model came from, and where adapters look for what they belong to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from pyrite.errors import ModelError
from pyrite.models import sentence_encoder
from pyrite.models.folder import ModelFolder
from pyrite.models.origin import Base, Origin, base_of, name_of_base, note_base, note_origin, told_of_base, with_bases
from pyrite.models.settings import SentenceTransformerSettings
from pyrite.models.stored import bring_encoder
from pyrite.testing.models import write_static_model, write_transformer_model

HUB = Origin("owner/base", "c0ffee")


def adapters(folder: Path, named: str, noted: Base | None = None, home: str = "") -> Path:
    (folder / home).mkdir(parents=True)
    (folder / home / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": named, "r": 4}))
    (folder / "modules.json").write_text("[]")
    if noted is not None:
        note_base(folder, noted)
    return folder


def asked_for(folder: Path, home: str = "") -> str:
    """Where the folder that is loaded says that the base is."""
    with with_bases(folder) as place:
        assert (place / "modules.json").read_text() == "[]"
        found: dict[str, Any] = json.loads((place / home / "adapter_config.json").read_text())
    assert found["r"] == 4
    return str(found["base_model_name_or_path"])


def test_a_whole_model_is_loaded_from_where_it_is(tmp_path: Path) -> None:
    with with_bases(tmp_path) as place:
        assert place == tmp_path
    assert told_of_base(tmp_path) is None


@pytest.mark.parametrize("home", ["", "0_Transformer"])
def test_what_adapters_were_trained_on_comes_before_the_hub(tmp_path: Path, home: str) -> None:
    (tmp_path / "base" / home).mkdir(parents=True)
    folder = adapters(tmp_path / "a", "owner/base", Base(str(tmp_path / "base"), HUB), home)
    assert asked_for(folder, home) == str(tmp_path / "base" / home)
    assert json.loads((folder / home / "adapter_config.json").read_text())["base_model_name_or_path"] == "owner/base"


def test_a_folder_that_is_named_comes_first(tmp_path: Path) -> None:
    """So a user's own hand in the file decides."""
    for name in ("moved", "noted"):
        (tmp_path / name).mkdir()
    folder = adapters(tmp_path / "a", str(tmp_path / "moved"), Base(str(tmp_path / "noted")))
    assert asked_for(folder) == str(tmp_path / "moved")


def test_the_commit_that_was_loaded_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def snapshot(name: str, revision: str, **_: Any) -> str:
        asked.append((name, revision))
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    gone = str(tmp_path / "gone")
    assert asked_for(adapters(tmp_path / "a", "owner/base", Base(gone, HUB))) == str(tmp_path / "snapshot")
    assert asked == [("owner/base", "c0ffee")]
    # Without a commit, or under another name, whoever loads decides.
    assert asked_for(adapters(tmp_path / "b", "owner/base", Base(gone, Origin("owner/base")))) == "owner/base"
    assert asked_for(adapters(tmp_path / "c", "owner/other", Base(gone, HUB))) == "owner/other"
    assert asked_for(adapters(tmp_path / "d", "owner/base")) == "owner/base"


def test_a_base_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    folder = adapters(tmp_path / "a", gone, Base(gone))
    with pytest.raises(ModelError, match=r"holds adapters of the model in .*gone, which is not there.*export: merged"):
        asked_for(folder)
    settings = SentenceTransformerSettings(model=str(folder))
    with pytest.raises(ModelError, match="which is not there"):
        sentence_encoder.load_sentence_transformer(settings)
    assert "Where that folder is not there, write where it is" in (told_of_base(folder) or "")


def test_what_an_adapter_is_told_to_belong_to(tmp_path: Path) -> None:
    folder = adapters(tmp_path / "a", "owner/base", Base("gone", HUB))
    assert told_of_base(folder) == (
        "These are adapters alone. They belong to `owner/base`, which whoever loads them loads first. They were "
        "trained on its commit c0ffee."
    )


def test_adapters_trained_on_adapters_belong_to_the_same(tmp_path: Path) -> None:
    noted = adapters(tmp_path / "noted", "owner/base", Base("somewhere", HUB))
    assert base_of(noted) == Base("somewhere", HUB)
    assert name_of_base(noted, Path(), local=True) == "owner/base"
    assert base_of(adapters(tmp_path / "foreign", "owner/other")) == Base("owner/other")


def test_the_hub_has_a_name_for_what_lies_at_the_root(tmp_path: Path) -> None:
    assert name_of_base(tmp_path, Path(), local=False) == str(tmp_path)
    note_origin(tmp_path, HUB)
    assert base_of(tmp_path) == Base(str(tmp_path), HUB)
    assert name_of_base(tmp_path, Path(), local=False) == "owner/base"
    assert name_of_base(tmp_path, Path(), local=True) == str(tmp_path)
    assert name_of_base(tmp_path, Path("0_Transformer"), local=False) == str(tmp_path / "0_Transformer")


@pytest.mark.parametrize(
    ("kind", "adapted", "noted"),
    [("transformer", False, True), ("transformer", True, False), ("static", False, False)],
)
def test_a_model_of_the_hub_is_noted_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, adapted: bool, noted: bool
) -> None:
    """Not one whose weights are others than the hub's, since adapters were merged; nor a static one, without use."""
    write = write_transformer_model if kind == "transformer" else write_static_model
    local = SentenceTransformerSettings(model=str(write(tmp_path / "here", ["gold", "pyrite"])))
    loaded = sentence_encoder.load_sentence_transformer(local)
    if kind == "transformer":
        loaded[0].model.config._commit_hash = "c0ffee"
    monkeypatch.setattr(sentence_encoder, "load_sentence_transformer", lambda _: loaded)
    found = "adapter_config.json" if adapted else None
    monkeypatch.setattr("transformers.utils.peft_utils.find_adapter_config_file", lambda *_, **__: found)
    plain = bring_encoder(local, tmp_path / "plain")
    brought = bring_encoder(SentenceTransformerSettings(model="owner/base"), tmp_path / "brought")
    assert base_of(plain.path).origin is None
    assert base_of(brought.path).origin == (HUB if noted else None)
    assert plain.fingerprint() == brought.fingerprint()
    brought.save(tmp_path / "saved")
    assert ModelFolder(tmp_path / "saved").fingerprint() == plain.fingerprint()
    assert base_of(tmp_path / "saved").origin == (HUB if noted else None)
