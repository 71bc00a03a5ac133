"""Filters that compare a candidate with the query's own positives, scored by the same scorer.

They guess false negatives: a candidate that scores nearly as high as a known positive is likely
to be an unlabelled one (NV-Retriever, arXiv 2407.15831, section 3). Documents that somebody judged
not relevant are no guess, and pass.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pyrite.errors import DataError, Problem
from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool, Reference
from pyrite.settings import Settings

__all__ = ["CeilingFilter", "MarginFilter", "ShareFilter"]

_SHOWN = 20


def _reference(pool: Pool, reference: Reference) -> np.ndarray:
    """Return the positive's score that each row's threshold starts from."""
    scores = pool.reference(reference)
    lacking = np.flatnonzero(np.isnan(scores) & ~pool.trusted)
    if len(lacking):
        groups = pool.query[lacking].astype(np.int64) * len(pool.names.scorers) + pool.scorer[lacking]
        shown = lacking[np.unique(groups, return_index=True)[1]]
        some = pool.take(shown[:_SHOWN])
        raise DataError(
            f"{len(shown)} queries have a positive without a score by the scorer of their candidates, and the filters "
            "compare with it; rescore first, or choose filters that need no positive",
            [
                Problem("candidates", None, f"query {query!r}, scorer {scorer!r}")
                for query, scorer in zip(some.query_ids, some.scorers, strict=True)
            ],
        )
    return scores


def _below(pool: Pool, thresholds: np.ndarray) -> Outcome:
    return Outcome((pool.scores < thresholds) | pool.trusted, pool.scores, thresholds)


class ShareFilter(Settings):
    """Keep n where s(q,n) < s(q,p) - (1 - share) |s(q,p)|: for positive scores, share * s(q,p).

    NV-Retriever's "TopK-PercPos"; its best share is .95. The absolute value keeps the threshold
    below the positive where scores are negative. Makes sense for cosines and probabilities; the
    share of a logit or a BM25 sum depends on an arbitrary zero.
    """

    guesses: ClassVar[bool] = True

    type: Literal["share"] = "share"
    share: float = Field(default=0.95, gt=0, le=1)
    """Share of the positive's score, in (0, 1]; smaller removes more."""
    reference: Reference = "lowest"
    """Which positive counts where a query has several."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row."""
        positive = _reference(pool, self.reference)
        return _below(pool, positive - (1 - self.share) * np.abs(positive))


class MarginFilter(Settings):
    """Keep n where s(q,n) < s(q,p) - margin (NV-Retriever's "TopK-MarginPos")."""

    guesses: ClassVar[bool] = True

    type: Literal["margin"] = "margin"
    margin: float = Field(default=0.05, ge=0)
    """Distance below the positive, in units of the scorer's score; larger removes more."""
    reference: Reference = "lowest"
    """Which positive counts where a query has several."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row."""
        return _below(pool, _reference(pool, self.reference) - self.margin)


class CeilingFilter(Settings):
    """Keep n where s(q,n) < ceiling, whatever the positives score.

    RocketQA (arXiv 2010.08191) takes a cross-encoder's probability below .1 for a negative.
    """

    guesses: ClassVar[bool] = True

    type: Literal["ceiling"] = "ceiling"
    ceiling: float
    """The score from which a candidate is dropped, in units of the scorer's score."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row."""
        return _below(pool, np.full(len(pool), self.ceiling))
