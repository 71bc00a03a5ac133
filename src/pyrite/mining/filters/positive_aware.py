"""Filters that compare a candidate with the query's own positives, scored by the same scorer.

They guess false negatives: a candidate that scores nearly as high as a known positive is likely
to be an unlabelled one (NV-Retriever, arXiv 2407.15831, section 3). Documents that somebody judged
not relevant are no guess, and pass.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool, Reference
from pyrite.settings import Settings

__all__ = ["CeilingFilter", "MarginFilter", "ShareFilter"]


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
        positive = pool.reference(self.reference, ~pool.trusted)
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
        return _below(pool, pool.reference(self.reference, ~pool.trusted) - self.margin)


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
