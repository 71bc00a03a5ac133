"""Artifacts that join several parts of the library, so that a stage can hand them on whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml

from pyrite.data.files import link_tree
from pyrite.errors import StoreError
from pyrite.models.folder import ModelFolder
from pyrite.models.precision import Arithmetic
from pyrite.models.stored import open_encoder
from pyrite.pipeline.context import Resources
from pyrite.search.dense.index import DenseIndex
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.retriever import Index
from pyrite.settings import Json, canonical_hash, content_hash, parse_settings

__all__ = ["Choice", "DenseStore", "Files", "Recommendation", "open_index"]


@dataclass(frozen=True)
class DenseStore:
    """The embeddings of a corpus together with the model that made them.

    Attributes:
        index: The embeddings; its encoder is attached by `ready`.
        model: The encoder's folder, in the store.
        arithmetic: How a transformer computes.
    """

    index: DenseIndex
    model: ModelFolder
    arithmetic: Arithmetic

    kind: ClassVar[str] = "dense_index"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        head = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        arithmetic = parse_settings(Arithmetic, head, str(folder / "encoder.json"))
        return cls(DenseIndex.open(folder / "index"), ModelFolder.open(folder / "model"), arithmetic)

    def save(self, folder: Path) -> None:
        """Write index and model; files that lie in the store already are linked, not copied."""
        for name in ("index", "model"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.index.save(folder / "index")
        link_tree(self.model.path, folder / "model")
        (folder / "encoder.json").write_text(self.arithmetic.model_dump_json(), encoding="utf-8")

    def fingerprint(self) -> str:
        """Return a hash of the vectors and of the model."""
        return canonical_hash([self.index.fingerprint(), self.model.fingerprint(), self.arithmetic])

    def summary(self) -> dict[str, Any]:
        """Return documents, dimension and engine."""
        return self.index.summary()

    def with_index(self, index: DenseIndex) -> DenseStore:
        """Return another index of the same embeddings with the same model."""
        return DenseStore(index, self.model, self.arithmetic)

    def ready(self, resources: Resources) -> DenseIndex:
        """Return the index with its encoder loaded."""
        encoder = open_encoder(
            self.model,
            device=resources.device,
            arithmetic=self.arithmetic,
            batch_size=resources.encode_batch_size,
        )
        self.index.attach(encoder)
        self.index.device = resources.device
        return self.index


@dataclass(frozen=True)
class Choice:
    """Which of several systems was best on the development queries.

    Attributes:
        chosen: The system.
        measure: By what measure.
        means: {system: mean on dev}.
    """

    chosen: str
    measure: str
    means: dict[str, float]

    kind: ClassVar[str] = "choice"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        return cls(**json.loads((folder / "choice.json").read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        """Write one JSON file."""
        (folder / "choice.json").write_text(json.dumps(self.summary()), encoding="utf-8")

    def fingerprint(self) -> str:
        """Return a hash of the choice."""
        return canonical_hash(self.summary())

    def summary(self) -> dict[str, Any]:
        """Return the choice itself."""
        return {"chosen": self.chosen, "measure": self.measure, "means": self.means}


@dataclass(frozen=True)
class Recommendation:
    """How to choose negatives, as a step of a pipeline, and what else was looked at.

    Attributes:
        step: The step `select`: "stage", "settings" and "inputs".
        trials: Each selection that was tried: its step of the search, its value, its settings.
        left_out: Why others were not: {reason: how many}.
    """

    step: Json
    trials: list[Json]
    left_out: dict[str, int]

    kind: ClassVar[str] = "recommendation"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        return cls(**json.loads((folder / "recommendation.json").read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        """Write everything as JSON, and the step as YAML for a pipeline file."""
        (folder / "recommendation.json").write_text(json.dumps(self._content(), indent=2), encoding="utf-8")
        (folder / "step.yaml").write_text(self.yaml(), encoding="utf-8")

    def yaml(self) -> str:
        """Return the step as it stands under `steps` in a pipeline file."""
        head = "# A step for a pipeline file, under `steps`. Its inputs carry the usual names: put yours.\n"
        return head + yaml.safe_dump({"recommended": self.step}, sort_keys=False, width=120)

    def fingerprint(self) -> str:
        """Return a hash of the content."""
        return canonical_hash(self._content())

    def summary(self) -> dict[str, Any]:
        """Return the settings that are recommended, and how many were tried."""
        return {"settings": self.step["settings"], "trials": len(self.trials)}

    def _content(self) -> dict[str, Any]:
        return {"step": self.step, "trials": self.trials, "left_out": self.left_out}


@dataclass(frozen=True)
class Files:
    """A folder of files for other programs.

    Attributes:
        path: The folder; whoever made it does not write to it any more.
    """

    path: Path

    kind: ClassVar[str] = "files"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder.

        Raises:
            StoreError: It is not there.
        """
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder")
        return cls(folder)

    def save(self, folder: Path) -> None:
        """Give the files a second name."""
        link_tree(self.path, folder)

    def fingerprint(self) -> str:
        """Return a hash of names and bytes."""
        return content_hash(self.path)

    def summary(self) -> dict[str, Any]:
        """Return {file name: bytes}."""
        files = (file for file in sorted(self.path.rglob("*")) if file.is_file())
        return {file.relative_to(self.path).as_posix(): file.stat().st_size for file in files}


def open_index(stored: LexicalIndex | DenseStore, resources: Resources) -> Index:
    """Return an index that can search, its encoder loaded where it has one."""
    return stored.ready(resources) if isinstance(stored, DenseStore) else stored
