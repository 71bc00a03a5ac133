"""Scores of a cross-encoder for candidates and positives, in batches across queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pyrite.compat.pairs import Pairs
from pyrite.compat.retrieval import blocks
from pyrite.errors import ArgumentError

__all__ = ["candidate_scores", "positive_pair_scores"]

# Pairs that are sorted by length together: enough to fill batches evenly, few enough to hold.
_PAIRS_AT_ONCE = 16_384


def candidate_scores(
    scorer: Any, pairs: Pairs, found: np.ndarray, batch_size: int, pool: Any, advance: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Yield the scores of blocks of queries' candidates: float32, shape (queries of the block, depth).

    Args:
        scorer: A `CrossEncoder`, or a `PairScorer`.
        pairs: The texts.
        found: The candidates, of type `CANDIDATE`, shape (queries, depth).
        batch_size: Pairs that the model takes at once.
        pool: The model's processes, or None.
        advance: Called with the number of queries done.
    """
    for rows in blocks(len(found), max(1, _PAIRS_AT_ONCE // found.shape[1])):
        positions = np.asarray(found["position"][rows])
        row, column = np.nonzero(positions >= 0)
        texts = [
            (pairs.queries[rows.start + query], pairs.documents[place])
            for query, place in zip(row.tolist(), positions[row, column].tolist(), strict=True)
        ]
        scores = np.full(positions.shape, -np.inf, dtype=np.float32)
        scores[row, column] = _scores(scorer, texts, batch_size, pool)
        advance(len(positions))
        yield scores


def positive_pair_scores(scorer: Any, pairs: Pairs, batch_size: int, pool: Any) -> np.ndarray:
    """Return the score of each query with each of its positives: float32, shape (pairs,)."""
    scores = np.empty(len(pairs.positives), dtype=np.float32)
    for rows in blocks(len(scores), _PAIRS_AT_ONCE):
        owners, places = pairs.owners[rows].tolist(), pairs.positives[rows].tolist()
        texts = [(pairs.queries[query], pairs.documents[place]) for query, place in zip(owners, places, strict=True)]
        scores[rows] = _scores(scorer, texts, batch_size, pool)
    return scores


def _scores(scorer: Any, texts: list[tuple[str, str]], batch_size: int, pool: Any) -> np.ndarray:
    if hasattr(scorer, "predict"):
        given = scorer.predict(texts, batch_size=batch_size, convert_to_tensor=True, pool=pool)
        given = given.float().cpu().numpy()
    else:
        given = np.asarray(scorer.score(texts), dtype=np.float32)
    scores: np.ndarray = given
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ArgumentError(
            f"cross_encoder: gave scores of shape {scores.shape} for {len(texts)} pairs; wants one finite number for "
            "each, so a model with num_labels=1"
        )
    return scores
