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
from pyrite.data.splits import Apart, cut_dev, draw_documents, draw_queries
from pyrite.data.stdlib import read_stdlib, stdlib_hash
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Json, Settings, canonical, content_hash

__all__ = ["BeirSource", "Cut", "LoadInputs", "LoadOutputs", "LoadSettings", "StdlibSource", "load"]

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


class Cut(Settings):
    """How much of a collection is used: drawn by a seed, and the same draw whatever the other numbers are.

    Fewer documents make a task easier: compare what was measured on one cut alone.
    """

    train: int | None = Field(default=None, ge=1)
    """Training queries; all where empty."""
    dev: int | None = Field(default=None, ge=1)
    """Dev queries; all where empty."""
    test: int | None = Field(default=None, ge=1)
    """Test queries; all where empty."""
    documents: int | None = Field(default=None, ge=1)
    """Documents: those that are judged for a query that is used, however many they are, and drawn ones up to this
    number; all where empty."""


class LoadSettings(Settings):
    """Which collection, how its dev split comes about, and how much of it is used."""

    source: Annotated[BeirSource | StdlibSource, Field(discriminator="type")]
    """The collection by its `type`: `beir` or `stdlib`."""
    dev_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of the training queries cut for dev where the collection has no dev split of its own."""
    dev_apart: Apart = "queries"
    """What a dev split cut from training does not share with it: `queries`, as most collections part
    their own test; or `documents`, so that no relevant document is on both sides."""
    cut: Cut = Cut()
    """How much of the collection is used, for a small machine or a quick look."""
    seed: int = 0
    """Decides which queries go to dev, and which queries and documents a cut leaves."""


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
    if settings.cut == Cut():
        return LoadOutputs(corpus, collection.queries, **splits)
    return _cut(LoadOutputs(corpus, collection.queries, **splits), settings.cut, settings.seed)


def _cut(whole: LoadOutputs, cut: Cut, seed: int) -> LoadOutputs:
    """Return what a cut leaves of a collection."""
    train, dev, test = (
        qrels if number is None else draw_queries(qrels, number, seed)
        for qrels, number in ((whole.train, cut.train), (whole.dev, cut.dev), (whole.test, cut.test))
    )
    asked = {row_id for qrels in (train, dev, test) for row_id in qrels.query_ids()}
    corpus = whole.corpus
    if cut.documents is not None:
        corpus = draw_documents(corpus, [train, dev, test], cut.documents, seed)
    # Whoever reads a report sees that the collection is not the one that others publish about.
    name = {"collection": f"{corpus.metadata['collection']} (cut)"}
    queries = whole.queries.select([row_id for row_id in whole.queries.ids() if row_id in asked])
    return LoadOutputs(Corpus(corpus.arrow, {**corpus.metadata, **name}), queries, train, dev, test)


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
