"""Where a model came from, and where adapters find the model that they belong to.

Adapters name their base, and whoever loads them loads that first. A folder of the store is a poor name: it is gone when
the store is, or when the adapters go elsewhere. So adapters of a model of the hub name that. What they were trained on,
in the store or elsewhere, is noted beside them: as long as it is there, Pyrite loads exactly that.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyrite.errors import ModelError

__all__ = [
    "ADAPTER_CONFIG",
    "NOTES",
    "Base",
    "Origin",
    "base_of",
    "name_of_base",
    "note_base",
    "note_origin",
    "told_of_base",
    "with_bases",
]

ADAPTER_CONFIG = "adapter_config.json"

_ORIGIN, _BASE = "hub.json", "adapter_base.json"
NOTES = (_ORIGIN, _BASE)
"""Files that tell where a model came from; a fingerprint leaves them out."""

_NAMED = "base_model_name_or_path"
_OTHER_FORMATS = ["*.onnx*", "*.h5", "*.msgpack", "*.ot", "*.gguf", "openvino/*"]


@dataclass(frozen=True, slots=True)
class Origin:
    """A model of the hub.

    Attributes:
        model: Its name.
        commit: The commit that was loaded, where it is known.
    """

    model: str
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """What adapters were trained on.

    Attributes:
        folder: The folder of the whole model, where it was then.
        origin: The same weights on the hub, or None.
    """

    folder: str
    origin: Origin | None = None


def note_origin(folder: Path, origin: Origin) -> None:
    """Note in a model's folder that it holds the weights of a model of the hub as they are."""
    (folder / _ORIGIN).write_text(json.dumps(asdict(origin), indent=1), encoding="utf-8")


def note_base(folder: Path, base: Base) -> None:
    """Note beside adapters what they were trained on."""
    (folder / _BASE).write_text(json.dumps(asdict(base), indent=1), encoding="utf-8")


def base_of(folder: Path) -> Base:
    """Return what adapters trained on a folder belong to: the model in it, or where that is adapters, theirs."""
    noted = _noted_base(folder)
    if noted is not None:
        return noted
    config = _read(folder / ADAPTER_CONFIG)
    if config is not None:
        return Base(str(config[_NAMED]))
    origin = _read(folder / _ORIGIN)
    return Base(str(folder.resolve()), None if origin is None else Origin(**origin))


def name_of_base(folder: Path, home: Path, *, local: bool) -> str:
    """Return by what name adapters that are trained on a folder find their base.

    Args:
        folder: The folder that they are trained on; where it is adapters itself, the name is theirs.
        home: Where in the folder the transformer lies.
        local: Whether it is to be the folder where there is one, and no name on the hub.
    """
    named = _read(folder / home / ADAPTER_CONFIG)
    if named is not None:
        return str(named[_NAMED])
    base = base_of(folder)
    # The hub has no name for a transformer that is not at the root.
    on_hub = base.origin is not None and home == Path() and not local
    return base.origin.model if base.origin is not None and on_hub else str(Path(base.folder) / home)


@contextmanager
def with_bases(folder: Path) -> Iterator[Path]:
    """Yield a folder to load a model from: the same, or a copy of links whose adapters name what they were trained on.

    That is the folder noted beside them, where it is there; else the noted commit, where they name a model of the hub.

    Raises:
        ModelError: The adapters' base is a folder that is not there.
    """
    bases = {config.relative_to(folder): _found(folder, config) for config in sorted(folder.rglob(ADAPTER_CONFIG))}
    if all(base == _named(folder / config) for config, base in bases.items()):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="pyrite-") as name:
        copy = Path(name)
        for file in folder.rglob("*"):
            place = copy / file.relative_to(folder)
            if file.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(file.resolve())
        for config, base in bases.items():
            changed = {**(_read(folder / config) or {}), _NAMED: base}
            (copy / config).unlink()
            (copy / config).write_text(json.dumps(changed), encoding="utf-8")
        yield copy


def told_of_base(folder: Path) -> str | None:
    """Return what a card says of the base of a folder's adapters, or None where it holds a whole model."""
    configs = sorted(folder.rglob(ADAPTER_CONFIG))
    if not configs:
        return None
    noted, named = _noted_base(folder), _named(configs[0])
    text = f"These are adapters alone. They belong to `{named}`, which whoever loads them loads first."
    if Path(named).is_absolute():
        text += (
            f" Where that folder is not there, write where it is, or a name on the hub, for `{_NAMED}` into "
            f"`{ADAPTER_CONFIG}`."
        )
    elif noted is not None and noted.origin is not None and noted.origin.commit is not None:
        text += f" They were trained on its commit {noted.origin.commit}."
    return text


def _found(folder: Path, config: Path) -> str:
    """Return where the base of some adapters is to be loaded from."""
    named, noted = _named(config), _noted_base(folder)
    if Path(named).is_dir():
        return named
    if noted is not None:
        there = Path(noted.folder) / config.parent.relative_to(folder)
        if there.is_dir():
            return str(there)
    if Path(named).is_absolute():
        raise ModelError(
            f"{folder}: holds adapters of the model in {named}, which is not there. Put it back, or write where it is, "
            f"a folder or a name on the hub, for {_NAMED} into {config}; a model trained with export: merged is whole"
        )
    origin = None if noted is None else noted.origin
    if origin is not None and origin.model == named and origin.commit is not None:
        from huggingface_hub import snapshot_download

        return snapshot_download(named, revision=origin.commit, ignore_patterns=_OTHER_FORMATS)
    return named


def _noted_base(folder: Path) -> Base | None:
    noted = _read(folder / _BASE)
    if noted is None:
        return None
    return Base(noted["folder"], None if noted["origin"] is None else Origin(**noted["origin"]))


def _named(config: Path) -> str:
    return str((_read(config) or {}).get(_NAMED))


def _read(file: Path) -> dict[str, Any] | None:
    """Return what a file of JSON holds, or None where there is none."""
    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not valid JSON ({error}); the model folder is damaged") from error
    return found
