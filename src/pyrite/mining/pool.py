"""The candidates of one selection as arrays: one row for each query and document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates
from pyrite.data.codes import find, row_codes
from pyrite.errors import DataError, Problem
from pyrite.mining.facts import Facts, Names

__all__ = ["Pool", "PositiveScores", "Reference", "build_pool"]

Reference = Literal["lowest", "highest", "mean"]
"""Which of a query's positives counts. `lowest` removes most."""

_UNRANKED = 0
_SHOWN = 20


@dataclass(frozen=True)
class PositiveScores:
    """The scores of each query's positives by each scorer; nan where one of them has none.

    Attributes:
        lowest: Shape (queries, scorers), as are the others.
        highest: The highest.
        mean: The mean.
    """

    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class Pool:
    """Candidates ordered by query id, then by best rank, source and document id.

    All arrays have shape (rows,). Known positives are among the rows until they are masked. Ids are codes into
    `names`; `query_ids`, `doc_ids`, `sources` and `scorers` give them as strings, which takes far longer.

    Attributes:
        names: What the codes stand for.
        query: Codes of queries.
        doc: Codes of documents.
        source: Codes of the source that ranked the document best; of equals, the first one named.
        ranks: The rank there, from 1.
        scorer: Codes of what gave the scores of the row.
        scores: The document's score.
        positives: The scores of the query's positives by each scorer.
        trusted: Whether somebody judged the document not relevant, so that no score is needed.
        facts: Judgements and texts, for filters that look at more than ranks and scores; None in a bare pool.
        more: {scorer: the document's score by it}, of scorers that were asked for beside that of the row.
    """

    names: Names
    query: np.ndarray
    doc: np.ndarray
    source: np.ndarray
    ranks: np.ndarray
    scorer: np.ndarray
    scores: np.ndarray
    positives: PositiveScores
    trusted: np.ndarray
    facts: Facts | None = None
    more: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.query)

    def take(self, rows: np.ndarray) -> Pool:
        """Return the pool of these rows: a mask or positions."""
        return Pool(
            self.names,
            self.query[rows],
            self.doc[rows],
            self.source[rows],
            self.ranks[rows],
            self.scorer[rows],
            self.scores[rows],
            self.positives,
            self.trusted[rows],
            self.facts,
            {name: scores[rows] for name, scores in self.more.items()},
        )

    def probabilities(self, scorer: str) -> np.ndarray:
        """Return the scores by one of the further scorers, which have to be probabilities.

        Raises:
            DataError: One is not in [0, 1].
        """
        scores = self.more[scorer]
        if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
            raise DataError(
                f"scores by {scorer!r} are no probabilities: they lie between {scores.min():.4g} and {scores.max():.4g}"
            )
        return scores

    def starts(self) -> np.ndarray:
        """Return where each query's rows begin, and the number of rows at the end."""
        if len(self) == 0:
            return np.zeros(1, dtype=np.int64)
        new = np.flatnonzero(self.query[1:] != self.query[:-1]) + 1
        return np.concatenate([[0], new, [len(self)]])

    def reference(self, which: Reference, needed: np.ndarray | None = None) -> np.ndarray:
        """Return the score of the query's lowest or highest positive, or their mean, by each row's scorer.

        It is nan where one of the positives has no score by that scorer.

        Args:
            which: Which positive.
            needed: The rows where it must be a number: bool, shape (rows,); None for nowhere.

        Raises:
            DataError: It is nan in a row where it is needed.
        """
        # By one number a row, which takes a third of the time of two.
        scores: np.ndarray = getattr(self.positives, which).ravel()[self._groups()]
        if needed is not None and (lacking := np.flatnonzero(np.isnan(scores) & needed)).size:
            self._refuse(lacking)
        return scores

    def _refuse(self, lacking: np.ndarray) -> None:
        shown = lacking[np.unique(self._groups()[lacking], return_index=True)[1]]
        some = self.take(shown[:_SHOWN])
        raise DataError(
            f"{len(shown)} queries have a positive without a score by the scorer of their candidates, which filters or "
            "the sampler compare with; rescore first, or choose ones that need no positive",
            [
                Problem("candidates", None, f"query {query!r}, scorer {scorer!r}")
                for query, scorer in zip(some.query_ids, some.scorers, strict=True)
            ],
        )

    def _groups(self) -> np.ndarray:
        """Return one number for each row's query and scorer."""
        if len(self.names.scorers) == 1:
            return self.query
        groups: np.ndarray = self.query.astype(np.int64) * len(self.names.scorers) + self.scorer
        return groups

    def deviations(self) -> np.ndarray:
        """Return the standard deviation of the scores of the row's query by the same scorer; 1 where it is 0."""
        return self._moments()[1]

    def standardised(self) -> np.ndarray:
        """Return the scores less the mean of the row's query by the same scorer, in standard deviations of these."""
        means, deviations = self._moments()
        scores: np.ndarray = (self.scores - means) / deviations
        return scores

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation (1 where it is 0) of the scores of each row's query and scorer."""
        groups = self._groups()
        counts = np.maximum(np.bincount(groups), 1)
        means = np.bincount(groups, self.scores) / counts
        deviations = np.sqrt(np.bincount(groups, (self.scores - means[groups]) ** 2) / counts)
        return means[groups], np.where(deviations > 0, deviations, 1.0)[groups]

    def score_range(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest score of the row's query by the same scorer."""
        _, groups = np.unique(self._groups(), return_inverse=True)
        lowest = np.full(groups.max(initial=-1) + 1, np.inf)
        highest = np.full(len(lowest), -np.inf)
        np.minimum.at(lowest, groups, self.scores)
        np.maximum.at(highest, groups, self.scores)
        return lowest[groups], highest[groups]

    @property
    def lowest(self) -> np.ndarray:
        """The lowest score of the query's positives by the same scorer."""
        return self.reference("lowest")

    @property
    def highest(self) -> np.ndarray:
        """The highest score of the query's positives by the same scorer."""
        return self.reference("highest")

    @property
    def mean(self) -> np.ndarray:
        """The mean score of the query's positives by the same scorer."""
        return self.reference("mean")

    @cached_property
    def query_ids(self) -> np.ndarray:
        """The ids of the queries, strings."""
        return _strings(self.names.queries, self.query)

    @cached_property
    def doc_ids(self) -> np.ndarray:
        """The ids of the documents, strings."""
        return _strings(self.names.docs, self.doc)

    @cached_property
    def sources(self) -> np.ndarray:
        """The names of the sources, strings."""
        return _strings(self.names.sources, self.source)

    @cached_property
    def scorers(self) -> np.ndarray:
        """The names of the scorers, strings."""
        return _strings(self.names.scorers, self.scorer)


def _strings(values: pa.Array, codes: np.ndarray) -> np.ndarray:
    strings: np.ndarray = values.to_numpy(zero_copy_only=False).astype(object)[codes]
    return strings


def build_pool(candidates: Candidates, sources: Sequence[str], scorer: str | None, more: Sequence[str] = ()) -> Pool:
    """Arrange the candidates of some sources for a selection.

    Args:
        candidates: What was mined.
        sources: The sources to use; their order decides between equal ranks.
        scorer: Whose scores to use; None for the scorer of the source that ranked best.
        more: Further scorers whose scores are wanted.

    Raises:
        DataError: A source or scorer is unknown, or some candidates lack a score by it.
    """
    columns = _Columns.of(candidates)
    for name in (scorer, *more):
        _check_names(columns.names, sources, name)
    rows = _best_proposals(columns, sources)
    scorers = columns.own_scorers[columns.source[rows]] if scorer is None else columns.scorer_code(scorer)
    scorers = np.broadcast_to(scorers, rows.shape)
    scores = _scores(columns, rows, scorers)
    _check_scored(columns, rows[np.isnan(scores)], scorer)
    further = {name: _scores_by(columns, rows, name) for name in more}
    order = _order(columns, rows, sources)
    rows = rows[order]
    return Pool(
        names=columns.names,
        query=columns.query[rows],
        doc=columns.doc[rows],
        source=columns.source[rows],
        ranks=columns.rank[rows],
        scorer=scorers[order],
        scores=scores[order],
        positives=_positive_scores(columns),
        trusted=np.zeros(len(rows), dtype=bool),
        more={name: values[order] for name, values in further.items()},
    )


@dataclass(frozen=True)
class _Columns:
    """The columns of candidates as arrays, ids as codes."""

    names: Names
    query: np.ndarray
    doc: np.ndarray
    source: np.ndarray
    scorer: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, candidates: Candidates) -> _Columns:
        query, doc, source, scorer = (candidates.codes(name) for name in ("query_id", "doc_id", "source", "scorer"))
        return cls(
            names=Names(query[1], doc[1], source[1], scorer[1]),
            query=query[0],
            doc=doc[0],
            source=_narrow(*source),
            scorer=_narrow(*scorer),
            rank=pc.fill_null(candidates.column("rank"), _UNRANKED).to_numpy(),
            score=candidates.column("score").to_numpy(),
            positive=candidates.column("is_positive").to_numpy(),
        )

    def triples(self, rows: np.ndarray, scorers: np.ndarray) -> np.ndarray:
        """Return one number for each row's query and document and a scorer."""
        names = self.names
        parts = ((self.query[rows], names.queries), (self.doc[rows], names.docs), (scorers, names.scorers))
        return row_codes([(codes, len(values)) for codes, values in parts])

    def scorer_code(self, name: str) -> int:
        """Return the code of a scorer, -1 where there is none."""
        return int(pc.index(self.names.scorers, name).as_py())

    @cached_property
    def own_scorers(self) -> np.ndarray:
        """The code of each source's own scorer, which has its name."""
        return np.array(
            [self.scorer_code(name) for name in self.names.sources.to_pylist()],
            dtype=np.min_scalar_type(-len(self.names.scorers)),
        )


def _narrow(codes: np.ndarray, values: pa.Array) -> np.ndarray:
    """Return the codes in the least type that holds them: one byte a row for a few sources."""
    return codes.astype(np.min_scalar_type(len(values)))


def _best_proposals(columns: _Columns, sources: Sequence[str]) -> np.ndarray:
    """Return the row of each pair's best rank, in the first source that gives it."""
    ranked = columns.rank != _UNRANKED
    if len(columns.names.sources) == len(columns.names.scorers) == 1:
        # One source scored by itself names each pair once, since rows are unique.
        return np.flatnonzero(ranked)
    priorities = _priorities(columns, sources)[columns.source]
    rows = np.flatnonzero((priorities >= 0) & ranked)
    pairs = columns.names.pairs(columns.query[rows], columns.doc[rows])
    rows = rows[np.lexsort((priorities[rows], columns.rank[rows], pairs))]
    pairs = columns.names.pairs(columns.query[rows], columns.doc[rows])
    return rows[np.flatnonzero(np.diff(pairs, prepend=-1))]


def _priorities(columns: _Columns, sources: Sequence[str]) -> np.ndarray:
    """Return the place of each source among those to use, -1 where it is not one of them."""
    names = columns.names.sources.to_pylist()
    return np.array([sources.index(name) if name in sources else -1 for name in names], dtype=np.int32)


def _scores(columns: _Columns, rows: np.ndarray, scorers: np.ndarray) -> np.ndarray:
    """Return each pair's score by a scorer, nan where it has none."""
    if np.array_equal(columns.scorer[rows], scorers):
        own: np.ndarray = columns.score[rows]
        return own
    every = columns.triples(np.arange(len(columns.query)), columns.scorer)
    places = find(every, columns.triples(rows, scorers))
    return np.where(places >= 0, columns.score[places], np.nan)


def _scores_by(columns: _Columns, rows: np.ndarray, scorer: str) -> np.ndarray:
    """Return each pair's score by a further scorer."""
    scores = _scores(columns, rows, np.broadcast_to(columns.scorer_code(scorer), rows.shape))
    _check_scored(columns, rows[np.isnan(scores)], scorer)
    return scores


def _positive_scores(columns: _Columns) -> PositiveScores:
    """Return the lowest, the highest and the mean score of the positives of each query by each scorer."""
    shape = (len(columns.names.queries), len(columns.names.scorers))
    positives = np.flatnonzero(columns.positive)
    _, once = np.unique(columns.triples(positives, columns.scorer[positives]), return_index=True)
    rows = positives[once]
    groups = columns.query[rows].astype(np.int64) * shape[1] + columns.scorer[rows]
    # By score within a group, so that the sum does not depend on the order of the rows.
    order = np.lexsort((columns.score[rows], groups))
    groups, scores = groups[order], columns.score[rows][order]
    spread = [np.full(shape, np.nan) for _ in range(3)]
    if len(rows):
        distinct, starts, counts = np.unique(groups, return_index=True, return_counts=True)
        sums = np.add.reduceat(scores, starts)
        found = (np.minimum.reduceat(scores, starts), np.maximum.reduceat(scores, starts), sums / counts)
        for table, values in zip(spread, found, strict=True):
            table.flat[distinct] = values
    return PositiveScores(*spread)


def _order(columns: _Columns, rows: np.ndarray, sources: Sequence[str]) -> np.ndarray | slice:
    """Return the order by query id, rank, source and document id; a slice of all where they stand in it already."""
    query, rank = columns.names.query_places[columns.query[rows]], columns.rank[rows]
    # Mining writes them so, one source at a time.
    later, same = query[1:] > query[:-1], query[1:] == query[:-1]
    if (later | (same & (rank[1:] > rank[:-1]))).all():
        return slice(None)
    priorities = _priorities(columns, sources)[columns.source[rows]]
    return np.lexsort((columns.names.doc_places[columns.doc[rows]], priorities, rank, query))


def _check_names(names: Names, sources: Sequence[str], scorer: str | None) -> None:
    known = sorted(names.sources.to_pylist())
    unknown = [source for source in sources if source not in known]
    if unknown or not sources:
        raise DataError(f"sources: no candidates from {unknown or 'no source'}; there are some from {known}")
    scorers = sorted(names.scorers.to_pylist())
    if scorer is not None and scorer not in scorers:
        raise DataError(f"scorer: no scores by {scorer!r}; there are some by {scorers}")


def _check_scored(columns: _Columns, lacking: np.ndarray, scorer: str | None) -> None:
    if len(lacking):
        shown = lacking[:_SHOWN]
        pairs = zip(
            _strings(columns.names.queries, columns.query[shown]),
            _strings(columns.names.docs, columns.doc[shown]),
            strict=True,
        )
        raise DataError(
            f"{len(lacking)} candidates have no score by {scorer or 'their own source'!r}; "
            "rescore all candidates by it first",
            [Problem("candidates", None, f"query {query!r}, document {doc!r}") for query, doc in pairs],
        )
