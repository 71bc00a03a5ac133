"""Read a collection and split its judgements."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pyrite.data import Corpus, Qrels, Queries
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.data.splits import Apart, cut_dev
from pyrite.data.stdlib import read_stdlib, stdlib_hash
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Json, Settings, canonical, content_hash

__all__ = ["BeirSource", "LoadInputs", "LoadOutputs", "LoadSettings", "StdlibSource", "load"]

_LOG = logging.getLogger(__name__)
_NAMES = {"train": "train", "dev": "dev", "validation": "dev", "valid": "dev", "val": "dev", "test": "test"}


class BeirSource(Settings):
    """A folder in BEIR layout: corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv."""

    type: Literal["beir"] = "beir"
    folder: Path
    """The folder, relative to the working directory."""
    unknown_ids: Literal["error", "drop"] = "error"
    """What to do with a judgement of an unknown query or document; `drop` counts them."""
    empty_documents: Literal["error", "keep"] = "error"
    """What to do with a document that has neither title nor text; `keep` counts them."""

    def identity(self) -> Json:
        """Return the settings, with the content of the files in place of the path."""
        fields = {name: canonical(getattr(self, name)) for name in type(self).model_fields}
        if not self.folder.is_dir():
            raise DataError(f"{self.folder}: no such folder; it should hold corpus.jsonl, queries.jsonl and qrels/")
        parts = sorted(
            path for path in self.folder.iterdir() if path.name.split(".")[0] in {"corpus", "queries", "qrels"}
        )
        fields["folder"] = {path.name: content_hash(path) for path in parts}
        return {**fields, "name": self.folder.resolve().name}


class StdlibSource(Settings):
    """The running interpreter's standard library: documented definitions and their docstrings."""

    type: Literal["stdlib"] = "stdlib"

    def identity(self) -> Json:
        """Return the hash of the sources: another interpreter is another collection."""
        return {"type": self.type, "hash": stdlib_hash()}


class LoadSettings(Settings):
    """Which collection, and how its dev split comes about."""

    source: Annotated[BeirSource | StdlibSource, Field(discriminator="type")]
    """The collection by its `type`: `beir` or `stdlib`."""
    dev_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of the training queries cut for dev where the collection has no dev split of its own."""
    dev_apart: Apart = "queries"
    """What a dev split cut from training does not share with it: `queries`, as most collections part
    their own test; or `documents`, so that no relevant document is on both sides."""
    seed: int = 0
    """Decides which queries are cut."""


@dataclass(frozen=True)
class LoadInputs:
    """None."""


@dataclass(frozen=True)
class LoadOutputs:
    """The collection; a split that it lacks is empty."""

    corpus: Corpus
    queries: Queries
    train: Qrels
    dev: Qrels
    test: Qrels


@stage("load", version=1)
def load(settings: LoadSettings, inputs: LoadInputs, context: Context) -> LoadOutputs:
    """Read a collection: corpus, queries and judgements of each split."""
    collection = _read(settings.source)
    splits = _splits(collection)
    if len(splits["dev"]) == 0 and len(splits["train"]):
        splits["train"], splits["dev"] = cut_dev(splits["train"], settings.dev_share, settings.seed, settings.dev_apart)
    corpus = Corpus(collection.corpus.arrow, {**collection.corpus.metadata, "collection": collection.name})
    return LoadOutputs(corpus, collection.queries, **splits)


def _read(source: BeirSource | StdlibSource) -> Collection:
    if isinstance(source, BeirSource):
        return read_beir(source.folder, source.unknown_ids, source.empty_documents)
    return read_stdlib()


def _splits(collection: Collection) -> dict[str, Qrels]:
    """Return the judgements of train, dev and test under those names, empty where there are none."""
    found = {"train": Qrels.empty(), "dev": Qrels.empty(), "test": Qrels.empty()}
    for name, qrels in collection.splits.items():
        known = _NAMES.get(name)
        if known is None:
            _LOG.warning("%s: the split %r is left out; known: %s", collection.name, name, ", ".join(_NAMES))
        elif len(found[known]):
            raise DataError(f"{collection.name}: two splits are called {known}: {name!r} and another; remove one")
        else:
            found[known] = qrels
    return found
