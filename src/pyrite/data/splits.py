"""Cutting a dev split from the training queries, and drawing parts of a collection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data.tables import Corpus, Qrels
from pyrite.errors import DataError, SettingsError
from pyrite.seeds import derive_seed

__all__ = ["Apart", "cut_dev", "draw_documents", "draw_queries"]

Apart = Literal["queries", "documents"]
"""What training and dev do not share: queries alone, or relevant documents as well."""


def cut_dev(train: Qrels, share: float, seed: int, apart: Apart = "queries") -> tuple[Qrels, Qrels]:
    """Cut a dev split from the judgements of a training split, query by query.

    With `apart="queries"` a dev query may ask for a document that is a positive in training too. That is how most
    collections part their own test queries: 64 % of the documents relevant in SciFact's test are relevant in its
    training split. A dev that leaves such documents out measures something else than that test, and chooses
    accordingly (far smaller learning rates there). With `apart="documents"` queries that share a relevant document,
    directly or through others, stay on one side, so that dev measures what the model does on documents that it has
    not been trained to find. Queries are taken in the order of a hash of the seed and an id, so the cut does not
    depend on the order of the rows.

    Args:
        train: Judgements; a grade of 1 or more is relevant.
        share: The share of queries wanted in dev, in (0, 1). Dev holds at most that many, rounded, and at
            least one; groups that are too large for what is left stay in training.
        seed: Chooses among the possible cuts.
        apart: What training and dev do not share.

    Returns:
        The judgements of training and of dev, each in the order they had.

    Raises:
        SettingsError: The share is not in (0, 1).
        DataError: There are too few queries, or no group of queries is small enough for dev.

    Example:
        >>> ids = [f"{i}" for i in range(10)]
        >>> qrels = Qrels.from_columns(query_id=ids, doc_id=ids, grade=[1] * 10, source=["human"] * 10)
        >>> [len(part) for part in cut_dev(qrels, share=0.2, seed=0)]
        [8, 2]
    """
    if not 0 < share < 1:
        raise SettingsError(f"the share of dev is between 0 and 1, both excluded, not {share}")
    room = max(1, round(share * len(train.query_ids())))
    chosen: list[str] = []
    for group in _groups_in_hash_order(train, seed, apart):
        if len(chosen) + len(group) <= room:
            chosen.extend(group)
    if not chosen or len(chosen) == len(train.query_ids()):
        raise DataError(
            f"no dev split of {room} out of {len(train.query_ids())} queries can be cut (with apart: documents, "
            "queries that share a relevant document stay together); ask for another share, or bring a dev split"
        )
    in_dev = pc.is_in(train.column("query_id"), value_set=pa.array(chosen, pa.string()))
    parts = (train.arrow.filter(pc.invert(in_dev)), train.arrow.filter(in_dev))
    return Qrels(parts[0], train.metadata), Qrels(parts[1], train.metadata)


def draw_queries(qrels: Qrels, number: int, seed: int) -> Qrels:
    """Return the judgements of some queries, in the order they had; a larger number keeps those of a smaller one.

    Args:
        qrels: Judgements.
        number: Queries to keep, at least 1; all where there are fewer.
        seed: Decides which. The order of the rows does not.

    Example:
        >>> ids = [f"{i}" for i in range(10)]
        >>> qrels = Qrels.from_columns(query_id=ids, doc_id=ids, grade=[1] * 10, source=["human"] * 10)
        >>> len(draw_queries(qrels, 3, seed=0))
        3
    """
    order = sorted(qrels.query_ids(), key=lambda query_id: derive_seed(seed, "draw-queries", query_id))
    kept = pc.is_in(qrels.column("query_id"), value_set=pa.array(order[:number], pa.string()))
    return Qrels(qrels.arrow.filter(kept), qrels.metadata)


def draw_documents(corpus: Corpus, judged: Iterable[Qrels], number: int, seed: int) -> Corpus:
    """Return the judged documents and, up to a number, drawn ones, in the order they had.

    Args:
        corpus: All documents.
        judged: Judgements; each document that they name is kept, however many these are.
        number: Documents to keep, at least 1; all where there are fewer.
        seed: Decides which. The order of the rows does not.

    Example:
        >>> corpus = Corpus.from_columns(doc_id=["a", "b", "c"], title=[""] * 3, text=["x", "y", "z"])
        >>> qrels = Qrels.from_columns(query_id=["q"], doc_id=["c"], grade=[1], source=["human"])
        >>> len(draw_documents(corpus, [qrels], 2, seed=0))
        2
    """
    named = {doc_id for qrels in judged for doc_id in qrels.column("doc_id").to_pylist()}
    others = [doc_id for doc_id in corpus.ids() if doc_id not in named]
    others.sort(key=lambda doc_id: derive_seed(seed, "draw-documents", doc_id))
    kept = named.union(others[: max(0, number - len(named))])
    return corpus.select([doc_id for doc_id in corpus.ids() if doc_id in kept])


def _groups_in_hash_order(qrels: Qrels, seed: int, apart: Apart) -> list[list[str]]:
    """Return the groups of queries that stay together, smallest hash first.

    One id stands for its group: the smallest hash of all its ids would let large groups go first.
    """
    forest = _Forest(qrels.query_ids())
    first_query: dict[str, str] = {}
    relevant = qrels.relevant()
    pairs = zip(relevant.column("query_id").to_pylist(), relevant.column("doc_id").to_pylist(), strict=True)
    for query_id, doc_id in pairs if apart == "documents" else ():
        forest.join(first_query.setdefault(doc_id, query_id), query_id)
    return sorted(forest.trees(), key=lambda group: derive_seed(seed, "cut-dev", min(group)))


class _Forest:
    """Disjoint sets of ids (union-find with path halving)."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._parent = {row_id: row_id for row_id in ids}

    def root(self, row_id: str) -> str:
        parent = self._parent
        while parent[row_id] != row_id:
            parent[row_id] = parent[parent[row_id]]
            row_id = parent[row_id]
        return row_id

    def join(self, a: str, b: str) -> None:
        self._parent[self.root(b)] = self.root(a)

    def trees(self) -> list[list[str]]:
        members: dict[str, list[str]] = defaultdict(list)
        for row_id in self._parent:
            members[self.root(row_id)].append(row_id)
        return list(members.values())
