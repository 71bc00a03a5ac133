from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pyrite.errors import ModelError
from pyrite.models.folder import ModelFolder

WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((), dtype=np.float16)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / ".cache").mkdir()
    save_file(WEIGHTS, folder / "model.safetensors")
    write(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.Transformer"}])
    write(folder / "config.json", {"hidden_size": 3, "transformers_version": "5.0.0", "_name_or_path": "/home/me/x"})
    versions = {"pytorch": "2.1", "sentence_transformers": "6.0"}
    write(folder / "config_sentence_transformers.json", {"prompts": {"query": "q: "}, "__version__": versions})
    write(folder / "1_Pooling/config.json", {"pooling_mode": "mean"})
    (folder / "vocab.txt").write_text("w0\nw1\n")
    (folder / "README.md").write_text("A model.")
    (folder / ".cache" / "lock").write_text("")
    return folder


def write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value))


def change(file: Path, **fields: object) -> None:
    write(file, {**json.loads(file.read_text()), **fields})


def fingerprint(folder: Path) -> str:
    return ModelFolder.open(folder).fingerprint()


def test_opens_only_model_folders(folder: Path, tmp_path: Path) -> None:
    assert ModelFolder.open(folder).path == folder
    assert ModelFolder.kind == "model"
    with pytest.raises(ModelError, match=r"no sentence-transformers model here \(a folder with a modules.json"):
        ModelFolder.open(tmp_path)


def test_lists_its_modules(folder: Path) -> None:
    assert ModelFolder.open(folder).modules() == [("Transformer", "")]
    (folder / "modules.json").write_text("[1")
    with pytest.raises(ModelError, match=r"modules\.json: wants a list of modules"):
        ModelFolder.open(folder).modules()


def test_a_saved_model_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    ModelFolder.open(folder).save(tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(folder)
    names = sorted(file.relative_to(tmp_path / "copy").as_posix() for file in (tmp_path / "copy").rglob("*.*"))
    assert "1_Pooling/config.json" in names
    assert not (tmp_path / "copy/.cache").exists()


def test_a_users_folder_is_copied_and_a_disposable_one_is_linked(folder: Path, tmp_path: Path) -> None:
    weights = folder / "model.safetensors"
    ModelFolder(folder).save(tmp_path / "copy")
    assert not weights.samefile(tmp_path / "copy/model.safetensors")
    ModelFolder(folder, disposable=True).save(tmp_path / "link")
    assert weights.samefile(tmp_path / "link/model.safetensors")


def test_without_hard_links_a_disposable_folder_is_copied(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    ModelFolder(folder, disposable=True).save(tmp_path / "copy")
    assert fingerprint(tmp_path / "copy") == fingerprint(folder)


def test_a_link_to_a_file_elsewhere_is_followed(folder: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (folder / "vocab.txt").rename(blob)
    (folder / "vocab.txt").symlink_to(blob)
    ModelFolder(folder, disposable=True).save(tmp_path / "copy")
    assert not (tmp_path / "copy/vocab.txt").is_symlink()
    assert (tmp_path / "copy/vocab.txt").read_text() == "w0\nw1\n"


def test_what_changes_no_vector_changes_no_fingerprint(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "README.md").write_text("Another text.")
    (folder / ".cache" / "lock").write_text("x")
    change(folder / "config_sentence_transformers.json", __version__={"pytorch": "9"})
    change(folder / "config.json", transformers_version="9", _name_or_path="/elsewhere")
    save_file(dict(reversed(WEIGHTS.items())), folder / "model.safetensors", metadata={"format": "np"})
    assert fingerprint(folder) == before


@pytest.mark.parametrize("changed", ["weights", "name", "prompts", "pooling", "vocabulary", "other weights"])
def test_what_changes_vectors_changes_the_fingerprint(folder: Path, changed: str) -> None:
    before = fingerprint(folder)
    if changed == "weights":
        save_file({**WEIGHTS, "a": WEIGHTS["a"] + np.float32(1e-6)}, folder / "model.safetensors")
    elif changed == "name":
        (folder / "model.safetensors").rename(folder / "1_Pooling/model.safetensors")
    elif changed == "prompts":
        change(folder / "config_sentence_transformers.json", prompts={"query": "query: "})
    elif changed == "pooling":
        change(folder / "1_Pooling/config.json", pooling_mode="cls")
    elif changed == "vocabulary":
        (folder / "vocab.txt").write_text("w1\nw0\n")
    else:
        (folder / "pytorch_model.bin").write_bytes(b"weights in another format")
    assert fingerprint(folder) != before


def test_a_damaged_config_is_an_error(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json: not valid JSON"):
        fingerprint(folder)


def test_the_summary_counts(folder: Path) -> None:
    summary = ModelFolder.open(folder).summary()
    files = [file for file in folder.rglob("*") if file.is_file() and ".cache" not in file.parts]
    assert summary == {"parameters": 7, "files": 7, "bytes": sum(file.stat().st_size for file in files)}


def test_a_config_that_is_no_object_is_an_error(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text("[]")
    with pytest.raises(ModelError, match="wants a JSON object, holds a list"):
        ModelFolder(folder).fingerprint()
