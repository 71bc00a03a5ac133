"""A folder that holds an encoder, as something that can be stored and compared by content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pyrite.data.fingerprint import fingerprint_tensors
from pyrite.errors import ModelError, SettingsError
from pyrite.models.origin import NOTES
from pyrite.settings import content_hash

__all__ = ["ModelFolder", "find_folder"]

# Which file says what a folder holds.
_TYPES = {"modules.json": "sentence-transformers", "endpoint.json": "openai", "vectors.json": "precomputed"}
_PROSE = {".md", ".rst"}
_PROVENANCE = ("__version__", "transformers_version", "_name_or_path", "name_or_path")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that `SentenceTransformer(folder)` loads, or one that holds another kind of encoder.

    Attributes:
        path: The folder.
        disposable: Whether the folder was made to be handed over, as a trainer's result is, and nobody will write to
            its files any more: `save` then makes hard links, where the file system allows, instead of copies.
    """

    path: Path
    disposable: bool = False

    kind: ClassVar[str] = "model"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a model folder, a user's own or one that `save` wrote.

        Raises:
            ModelError: It holds no encoder.
        """
        if not any((folder / head).is_file() for head in _TYPES):
            raise ModelError(
                f"{folder}: no sentence-transformers model here (a folder with a modules.json, as "
                "SentenceTransformer.save writes it)"
            )
        return cls(folder)

    @property
    def type(self) -> str:
        """The kind of encoder, as settings name it: `sentence-transformers`, `openai` or `precomputed`.

        Raises:
            ModelError: The folder holds no encoder.
        """
        self.open(self.path)
        return next(name for head, name in _TYPES.items() if (self.path / head).is_file())

    def check_trainable(self) -> None:
        """Check that the encoder has weights here.

        Raises:
            ModelError: It is an endpoint, or vectors made elsewhere.
        """
        if self.type != "sentence-transformers":
            raise ModelError(
                f"an encoder of type {self.type!r} has no weights to train; start from one of type "
                "sentence-transformers or wordllama"
            )

    def modules(self) -> list[tuple[str, str]]:
        """Return the class name and the subfolder of each module, in the order in which a text passes them.

        Raises:
            ModelError: The folder's modules.json cannot be read.
        """
        file = self.path / "modules.json"
        try:
            return [(entry["type"].rsplit(".", 1)[-1], entry["path"]) for entry in json.loads(file.read_bytes())]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{file}: wants a list of modules with type and path ({error!r})") from error

    def save(self, folder: Path) -> None:
        """Write the model into a folder; hidden files stay behind."""
        for file in self._files():
            target = folder / file.relative_to(self.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _place(file, target, link=self.disposable)

    def fingerprint(self) -> str:
        """Return a hash of all that the model's vectors depend on.

        Weights count by their tensors, other files by their bytes. Prose does not count, nor do the notes on where a
        model came from, what its adapters were trained on, and which library versions saved it.
        """
        digest = hashlib.sha256()
        for file in self._files():
            if file.suffix.lower() not in _PROSE and file.name not in NOTES:
                name = file.relative_to(self.path).as_posix()
                digest.update(f"{name}\0{_fingerprint_file(file)}\0".encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return what a manifest says of the model: the numbers of parameters, files and bytes."""
        files = list(self._files())
        parameters = sum(_count_parameters(file) for file in files if file.suffix == ".safetensors")
        return {"parameters": parameters, "files": len(files), "bytes": sum(file.stat().st_size for file in files)}

    def _files(self) -> Iterator[Path]:
        for file in sorted(self.path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(self.path).parts)
            if file.is_file() and not hidden:
                yield file


def find_folder(model: str) -> Path | None:
    """Return the folder that a setting names, or None for a name on the hub.

    Raises:
        SettingsError: The name is a path, and no folder is there.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model.startswith((".", "/", "~")):
        raise SettingsError(f"model: no folder at {model}")
    return None


def _place(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(source.resolve(), target)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)


def _fingerprint_file(file: Path) -> str:
    if file.suffix == ".safetensors":
        return fingerprint_tensors(file)
    if file.name == "adapter_config.json":
        return _fingerprint_adapter(file)
    if file.name in {"config.json", "config_sentence_transformers.json", "tokenizer_config.json"}:
        return _fingerprint_config(file)
    return content_hash(file)


def _fingerprint_adapter(file: Path) -> str:
    """Let the content of the folder that an adapter names as its base stand for its path."""
    config = _read_config(file)
    base = Path(str(config.get("base_model_name_or_path")))
    if base.is_dir():
        config["base_model_name_or_path"] = ModelFolder(base).fingerprint()
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _fingerprint_config(file: Path) -> str:
    kept = {name: value for name, value in _read_config(file).items() if name not in _PROVENANCE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error}); the model folder is damaged") from error
    if not isinstance(config, dict):
        raise ModelError(f"{file}: wants a JSON object, holds a {type(config).__name__}; the model folder is damaged")
    return config


def _count_parameters(file: Path) -> int:
    """Read the shapes from a safetensors file's header, without its tensors."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    header.pop("__metadata__", None)
    count = 0
    for tensor in header.values():
        size = 1
        for length in tensor["shape"]:
            size *= length
        count += size
    return count
