"""The candidates of one selection as arrays: one row for each query and document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from pyrite.data import Candidates
from pyrite.data.codes import encode
from pyrite.errors import DataError, Problem

__all__ = ["Pool", "build_pool"]

_UNRANKED = 0


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates ordered by query id, then by best rank, source and document id.

    All arrays have shape (rows,). Known positives are among the rows until they are masked.

    Attributes:
        query_ids: Strings.
        doc_ids: Strings.
        sources: The source that ranked the document best; of equals, the first one named.
        ranks: The rank there, from 1.
        scorers: What gave the scores of the row.
        scores: The document's score.
        lowest: The lowest score of the query's positives by the same scorer.
        highest: The highest.
        mean: The mean.
        trusted: Whether somebody judged the document not relevant, so that no score is needed.
    """

    query_ids: np.ndarray
    doc_ids: np.ndarray
    sources: np.ndarray
    ranks: np.ndarray
    scorers: np.ndarray
    scores: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    trusted: np.ndarray

    def __len__(self) -> int:
        return len(self.query_ids)

    def take(self, rows: np.ndarray) -> Pool:
        """Return the pool of these rows: a mask or positions."""
        return Pool(*(getattr(self, name)[rows] for name in Pool.__slots__))

    def starts(self) -> np.ndarray:
        """Return where each query's rows begin, and the number of rows at the end."""
        if len(self) == 0:
            return np.zeros(1, dtype=np.int64)
        new = np.flatnonzero(self.query_ids[1:] != self.query_ids[:-1]) + 1
        return np.concatenate([[0], new, [len(self)]])


def build_pool(candidates: Candidates, sources: Sequence[str], scorer: str | None) -> Pool:
    """Arrange the candidates of some sources for a selection.

    Args:
        candidates: What was mined.
        sources: The sources to use; their order decides between equal ranks.
        scorer: Whose scores to use; None for the scorer of the source that ranked best.

    Raises:
        DataError: A source or scorer is unknown, or some candidates lack a score by it.
    """
    columns = _Columns.of(candidates)
    _check_names(columns, sources, scorer)
    rows, priorities = _best_proposals(columns, sources)
    scorers = columns.source_scorers[columns.source[rows]] if scorer is None else columns.scorer_code(scorer)
    scorers = np.broadcast_to(scorers, rows.shape)
    scores = _look_up(columns.scored, columns.score, columns.pairs_by(scorers, rows))
    lowest, highest, mean = _positive_scores(columns, columns.query[rows] * len(columns.scorers) + scorers)
    _check_scored(columns, rows[np.isnan(scores) | np.isnan(lowest)], scorer)
    order = np.lexsort((columns.doc_order[columns.doc[rows]], priorities, columns.rank[rows]))
    order = order[np.argsort(columns.query_order[columns.query[rows]][order], kind="stable")]
    rows = rows[order]
    return Pool(
        query_ids=columns.queries[columns.query[rows]],
        doc_ids=columns.docs[columns.doc[rows]],
        sources=columns.sources[columns.source[rows]],
        ranks=columns.rank[rows],
        scorers=columns.scorers[scorers[order]],
        scores=scores[order],
        lowest=lowest[order],
        highest=highest[order],
        mean=mean[order],
        trusted=np.zeros(len(rows), dtype=bool),
    )


@dataclass(frozen=True)
class _Columns:
    """The candidates with ids as codes: a code's place in `queries`, `docs` ... holds the id, once for all rows."""

    query: np.ndarray
    doc: np.ndarray
    source: np.ndarray
    scorer: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    positive: np.ndarray
    queries: np.ndarray
    docs: np.ndarray
    sources: np.ndarray
    scorers: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates) -> _Columns:
        query, queries = encode(candidates.column("query_id"))
        doc, docs = encode(candidates.column("doc_id"))
        source, sources = encode(candidates.column("source"))
        scorer, scorers = encode(candidates.column("scorer"))
        return cls(
            query=query,
            doc=doc,
            source=source,
            scorer=scorer,
            rank=pc.fill_null(candidates.column("rank"), _UNRANKED).to_numpy().astype(np.int64),
            score=candidates.column("score").to_numpy(),
            positive=candidates.column("is_positive").to_numpy(),
            queries=np.array(queries, dtype=object),
            docs=np.array(docs, dtype=object),
            sources=np.array(sources, dtype=object),
            scorers=np.array(scorers, dtype=object),
        )

    @cached_property
    def pair(self) -> np.ndarray:
        """One number for each query and document."""
        numbers: np.ndarray = self.query * len(self.docs) + self.doc
        return numbers

    @cached_property
    def scored(self) -> np.ndarray:
        """One number for each query, document and scorer."""
        numbers: np.ndarray = self.pair * len(self.scorers) + self.scorer
        return numbers

    def pairs_by(self, scorers: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the number that `scored` gives the pair of each row with a scorer."""
        numbers: np.ndarray = self.pair[rows] * len(self.scorers) + scorers
        return numbers

    def scorer_code(self, name: str) -> np.ndarray:
        """Return the code of a scorer, -1 where there is none."""
        code: np.ndarray = np.append(np.flatnonzero(self.scorers == name), -1)[0]
        return code

    @cached_property
    def source_scorers(self) -> np.ndarray:
        """The code of each source's own scorer."""
        return np.array([self.scorer_code(name) for name in self.sources], dtype=np.int64)

    @cached_property
    def query_order(self) -> np.ndarray:
        """The place of each query's id among the ids in order."""
        return _places(self.queries)

    @cached_property
    def doc_order(self) -> np.ndarray:
        """The place of each document's id among the ids in order."""
        return _places(self.docs)


def _places(ids: np.ndarray) -> np.ndarray:
    places: np.ndarray = np.argsort(np.argsort(ids, kind="stable"))
    return places


def _best_proposals(columns: _Columns, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the row of each pair's best rank, in the first source that gives it, and that source's place."""
    places = np.array([sources.index(name) if name in sources else -1 for name in columns.sources], dtype=np.int64)
    priorities = places[columns.source]
    rows = np.flatnonzero((priorities >= 0) & (columns.rank != _UNRANKED))
    rows = rows[np.lexsort((priorities[rows], columns.rank[rows], columns.pair[rows]))]
    first = np.flatnonzero(np.diff(columns.pair[rows], prepend=-1))
    rows = rows[first]
    return rows, priorities[rows]


def _look_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key, nan where no row has it."""
    distinct, rows = np.unique(keys, return_index=True)
    place = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
    found: np.ndarray = np.where(distinct[place] == wanted, values[rows[place]], np.nan)
    return found


def _positive_scores(columns: _Columns, wanted: np.ndarray) -> list[np.ndarray]:
    """Return the lowest, the highest and the mean score of the positives of each (query, scorer), nan without any."""
    positives = np.flatnonzero(columns.positive)
    _, once = np.unique(columns.scored[positives], return_index=True)
    rows = positives[once]
    groups = columns.query[rows] * len(columns.scorers) + columns.scorer[rows]
    # By score within a group, so that the sum does not depend on the order of the rows.
    order = np.lexsort((columns.score[rows], groups))
    groups, scores = groups[order], columns.score[rows][order]
    distinct, starts, counts = np.unique(groups, return_index=True, return_counts=True)
    if len(distinct) == 0:
        return [np.full(len(wanted), np.nan)] * 3
    sums = np.add.reduceat(scores, starts)
    spread = (np.minimum.reduceat(scores, starts), np.maximum.reduceat(scores, starts), sums / counts)
    return [_look_up(distinct, values, wanted) for values in spread]


def _check_names(columns: _Columns, sources: Sequence[str], scorer: str | None) -> None:
    unknown = [source for source in sources if source not in columns.sources]
    if unknown or not sources:
        known = sorted(columns.sources)
        raise DataError(f"sources: no candidates from {unknown or 'no source'}; there are some from {known}")
    if scorer is not None and scorer not in columns.scorers:
        raise DataError(f"scorer: no scores by {scorer!r}; there are some by {sorted(columns.scorers)}")


def _check_scored(columns: _Columns, lacking: np.ndarray, scorer: str | None) -> None:
    if len(lacking):
        pairs = zip(columns.queries[columns.query[lacking[:20]]], columns.docs[columns.doc[lacking[:20]]], strict=True)
        raise DataError(
            f"{len(lacking)} candidates or their positives have no score by {scorer or 'their own source'!r}; "
            "rescore all candidates by it first",
            [Problem("candidates", None, f"query {query!r}, document {doc!r}") for query, doc in pairs],
        )
