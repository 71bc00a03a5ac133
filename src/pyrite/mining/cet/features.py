"""What the two models of the light variant see of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pyrite.data import Corpus, Queries
from pyrite.data.codes import decoded
from pyrite.errors import DataError
from pyrite.mining.cet.pairs import CandidatePairs

__all__ = ["Features", "relevance_features", "selection_features"]


@dataclass(frozen=True, slots=True)
class Features:
    """Some numbers of each pair.

    Attributes:
        names: What they are, F of them.
        values: Shape (P, F).
        signs: Shape (F,): 1 where more of it can only raise the probability, -1 where only lower it, 0 where either.
    """

    names: list[str]
    values: np.ndarray
    signs: np.ndarray


def relevance_features(
    pairs: CandidatePairs, scorers: Sequence[str], anchors: np.ndarray, *, above_random: bool
) -> Features:
    """Return the scores by some scorers.

    Args:
        pairs: The candidates.
        scorers: The scorers, which the pool did not have.
        anchors: Which pairs are random documents: boolean, shape (P,).
        above_random: Whether the mean score of the query's random documents is taken off.

    Raises:
        DataError: A pair lacks a score, or a query random documents.
    """
    columns = []
    for scorer in scorers:
        scores = pairs.scores(scorer)
        columns.append(scores - _random_mean(pairs, scores, anchors)[pairs.query] if above_random else scores)
    return Features(list(scorers), np.column_stack(columns), np.ones(len(columns), dtype=np.int64))


def selection_features(pairs: CandidatePairs, sources: Sequence[str], corpus: Corpus, queries: Queries) -> Features:
    """Return what a pool of some sources saw: rank and score in each of them, and the lengths of the texts.

    Of each source: ln of the rank, one more than the deepest rank where it did not rank the document; whether it did
    not; and the place of the score between the query's lowest and highest. Lengths are ln (1 + words).

    Args:
        pairs: The candidates.
        sources: The sources, scored by themselves.
        corpus: Holds the documents.
        queries: Holds the queries.

    Raises:
        DataError: There are no candidates from a source, or a pair lacks its score.
    """
    names, columns, signs = [], [], []
    for source in sources:
        ranks = pairs.ranks(source)
        unranked = ranks == 0
        ranks[unranked] = ranks.max(initial=0) + 1
        columns += [np.log(ranks), unranked.astype(np.float64), _place_in_query(pairs, pairs.scores(source))]
        names += [f"{source} rank", f"{source} unranked", f"{source} score"]
        signs += [-1, -1, 1]
    columns += [_lengths(queries, pairs.query_ids, pairs.query), _lengths(corpus, pairs.doc_ids, pairs.doc)]
    return Features([*names, "query length", "document length"], np.column_stack(columns), np.array([*signs, 0, 0]))


def _random_mean(pairs: CandidatePairs, scores: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    size = len(pairs.query_ids)
    counts = np.bincount(pairs.query[anchors], minlength=size)
    lacking = np.flatnonzero((counts == 0) & (np.bincount(pairs.query, minlength=size) > 0))
    if len(lacking):
        raise DataError(
            f"{len(lacking)} queries, such as {pairs.query_ids[int(lacking[0])].as_py()!r}, have no random document of "
            "their own to measure scores from; mine more of them, or set above_random: false"
        )
    means: np.ndarray = np.bincount(pairs.query[anchors], scores[anchors], minlength=size) / counts
    return means


def _place_in_query(pairs: CandidatePairs, scores: np.ndarray) -> np.ndarray:
    """Return where each score lies between the lowest (0) and the highest (1) of its query."""
    lowest, highest = np.full(len(pairs.query_ids), np.inf), np.full(len(pairs.query_ids), -np.inf)
    np.minimum.at(lowest, pairs.query, scores)
    np.maximum.at(highest, pairs.query, scores)
    width = (highest - lowest)[pairs.query]
    places: np.ndarray = (scores - lowest[pairs.query]) / np.where(width > 0, width, 1.0)
    return places


def _lengths(texts: Corpus | Queries, ids: pa.Array, codes: np.ndarray) -> np.ndarray:
    """Return ln (1 + words) of the text that each code stands for."""
    used = np.unique(codes)
    words = [len(text.split()) for text in texts.select(decoded(ids, used).to_pylist()).texts()]
    lengths: np.ndarray = np.log1p(np.array(words, dtype=np.float64))[np.searchsorted(used, codes)]
    return lengths
