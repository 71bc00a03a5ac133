"""Random documents as a source: the baseline that every other source has to beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.errors import DataError
from pyrite.search.documents import IndexedDocuments
from pyrite.search.results import RunBuilder
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth, top_indices
from pyrite.seeds import derive_seed
from pyrite.settings import Json, canonical_hash

__all__ = ["RandomIndex", "RandomRetriever"]

_PURPOSE = "random source"


class RandomRetriever:
    """Proposes documents by chance, all with the same probability.

    Args:
        name: What candidates call the source.
        seed: Another seed, other documents.
    """

    def __init__(self, name: str = "random", seed: int = 0) -> None:
        self._name = name
        self._seed = seed

    @property
    def name(self) -> str:
        """The name that candidates carry."""
        return self._name

    def build(self, corpus: Corpus) -> RandomIndex:
        """Take the ids of a corpus."""
        return RandomIndex(corpus.ids(), self._name, self._seed)

    def identity(self) -> Json:
        """Return the seed and the name."""
        return {"random": self._seed, "name": self._name}


class RandomIndex:
    """Gives each pair of a query and a document a number in [0, 1) that is drawn by hashing their ids and the seed.

    The best by these numbers are a random sample without replacement, whose beginning does not depend on the depth,
    nor a pair's number on the corpus. The numbers mean nothing: filters that compare scores want another scorer.

    Args:
        ids: The ids of the documents.
        name: What candidates call the source.
        seed: Another seed, other numbers.
    """

    kind: ClassVar[str] = "random_index"

    def __init__(self, ids: list[str], name: str = "random", seed: int = 0) -> None:
        self._ids = ids
        self._name = name
        self._seed = seed
        self._documents = IndexedDocuments(name, ids)
        self._hashes = np.array([derive_seed(seed, _PURPOSE, doc_id) for doc_id in ids], dtype=np.uint64)

    @property
    def name(self) -> str:
        """The name that candidates carry."""
        return self._name

    @property
    def score_kind(self) -> ScoreKind:
        """The numbers have no meaning."""
        return ScoreKind.UNKNOWN

    def search(self, queries: Queries, depth: int) -> Run:
        """Return `depth` random documents of each query, or all where the corpus is smaller."""
        check_depth(depth)
        builder = RunBuilder(self._name, self.score_kind, self._ids)
        for query_id in sorted(queries.ids()):
            scores = _mixed(self._hashes, self._query_hash(query_id))
            best = top_indices(scores, depth, self._documents.tie_rank)
            builder.add(query_id, best, scores[best])
        return builder.run()

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the number of each pair.

        Raises:
            SearchError: A document is not in the corpus.
            DataError: A query is not among the queries.
        """
        rows = self._documents.positions(pairs.doc_ids)
        for query_id in set(pairs.query_ids):
            queries.position(query_id)
        asked = {query_id: self._query_hash(query_id) for query_id in set(pairs.query_ids)}
        return _mixed(self._hashes[rows], np.array([asked[query_id] for query_id in pairs.query_ids], dtype=np.uint64))

    def _query_hash(self, query_id: str) -> np.uint64:
        return np.uint64(derive_seed(self._seed, _PURPOSE, "query", query_id))

    def save(self, folder: Path) -> None:
        """Write ids, name and seed."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"ids": self._ids, "name": self._name, "seed": self._seed}
        (folder / "random.json").write_text(json.dumps(head), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            DataError: There is nothing, or it is damaged.
        """
        try:
            return cls(**json.loads((folder / "random.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{folder}: holds no random index that can be read: {error}") from error

    def fingerprint(self) -> str:
        """Return a hash of ids, name and seed."""
        return canonical_hash([self._ids, self._name, self._seed])

    def summary(self) -> dict[str, Any]:
        """Return documents and seed."""
        return {"documents": len(self._ids), "seed": self._seed}


def _mixed(documents: np.ndarray, query: np.uint64 | np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1) from two hashes, by the finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    mixed = documents ^ query
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    numbers: np.ndarray = (mixed >> np.uint64(11)) * 2.0**-53
    return numbers
