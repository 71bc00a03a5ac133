"""Join rankings of several sources into one by reciprocal ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field

from pyrite.data import Run, ScoreKind
from pyrite.data.codes import decoded, encode, row_codes
from pyrite.errors import SearchError
from pyrite.search.topk import check_depth, descending_id_rank
from pyrite.settings import Settings

__all__ = ["Fusion", "fuse"]


class Fusion(Settings):
    """Which rankings become one, by score(q, d) = sum over sources of weight / (k + rank of d).

    Reciprocal rank fusion (Cormack, Clarke & Büttcher, SIGIR 2009, with k = 60). It needs no scores, so that sources
    of any kind can be joined. A document that a source does not rank gets nothing from it.
    """

    name: str = Field(default="hybrid", min_length=1)
    """What the joint ranking is called."""
    of: tuple[str, ...] = ()
    """The sources that are joined; empty for all."""
    k: float = Field(default=60, ge=0)
    """How little the first ranks stand out; 0 lets them dominate."""
    weights: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """{source: weight}; 1 where nothing is said."""

    def parts(self, sources: Mapping[str, object]) -> tuple[str, ...]:
        """Return the names of the sources that are joined, of some that there are.

        Raises:
            SearchError: A name is none of them or given twice, a weight is for one that is not joined, or there are
                none.
        """
        chosen = self.of or tuple(sources)
        if len(set(chosen)) < len(chosen):
            raise SearchError(f"the fusion {self.name!r} names a source twice: {', '.join(chosen)}; give it a weight")
        if idle := [name for name in self.weights if name in sources and name not in chosen]:
            raise SearchError(f"the fusion {self.name!r} has weights for {', '.join(idle)}, which it does not join")
        unknown = [name for name in (*chosen, *self.weights) if name not in sources]
        if unknown or not chosen:
            raise SearchError(
                f"the fusion {self.name!r} names {', '.join(unknown) or 'no source'}; "
                f"there are {', '.join(sources) or 'none'}"
            )
        return chosen


def fuse(runs: Mapping[str, Run], fusion: Fusion, depth: int) -> Run:
    """Join rankings into one; nothing is searched again.

    Args:
        runs: {source: its ranking}.
        fusion: Which of them, and how.
        depth: Documents a query in the joint ranking, from 1.

    Returns:
        The joint ranking, ordered by query id and rank; its scores are sums of reciprocals, of the kind "unknown".

    Raises:
        SearchError: The fusion names a source that is not there, or the depth is below 1.
    """
    check_depth(depth)
    names = fusion.parts(runs)
    tables = [runs[name].arrow for name in names]
    joint = pa.concat_tables([table.select(["query_id", "doc_id"]) for table in tables])
    shares = [fusion.weights.get(name, 1.0) / (fusion.k + _ranks(runs[name])) for name in names]
    query, queries = encode(joint.column("query_id"))
    doc, docs = encode(joint.column("doc_id"))
    # Places in the order of the ids, so that neither the order of rows nor that of sources shows.
    query = _places(queries)[query]
    pairs, inverse = np.unique(row_codes([(query, len(queries)), (doc, len(docs))]), return_inverse=True)
    first = np.zeros(len(pairs), dtype=np.int64)
    first[inverse] = np.arange(len(inverse))
    scores = _sums(inverse, np.concatenate(shares), len(pairs))
    query, doc = query[first], doc[first]
    order = np.lexsort((descending_id_rank(docs.to_pylist())[doc], -scores, query))
    query, doc, scores = query[order], doc[order], scores[order]
    rank = np.arange(len(order)) - np.searchsorted(query, query) + 1
    kept = rank <= depth
    ordered = queries.take(pa.array(np.argsort(_places(queries))))
    return Run.build(
        fusion.name,
        ScoreKind.UNKNOWN,
        query_id=decoded(ordered, query[kept]),
        doc_id=decoded(docs, doc[kept]),
        rank=rank[kept],
        score=scores[kept],
    )


def _ranks(run: Run) -> np.ndarray:
    ranks: np.ndarray = run.column("rank").to_numpy()
    return ranks


def _places(ids: pa.Array) -> np.ndarray:
    places: np.ndarray = len(ids) - 1 - descending_id_rank(ids.to_pylist())
    return places


def _sums(groups: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Sum the values of each group from the smallest up, so that the order of sources does not show in the last bit."""
    order = np.lexsort((values, groups))
    return np.bincount(groups[order], values[order], count)
