"""Draw ambiguous candidates: those that score near the positive."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pyrite.mining.pool import Pool, Reference
from pyrite.mining.samplers.chance import first_of_each, query_draws
from pyrite.mining.samplers.sampler import Drawn, Sampler

__all__ = ["SimansSampler"]


class SimansSampler(Sampler):
    """Draw `count` candidates of each query without replacement, with p(n) ~ exp(-a (s(q,n) - s(q,p) - b)^2).

    SimANS (arXiv 2210.11773, eq. 4): what scores far above the positive may be a false negative, what scores far below
    it teaches little. Its a = .5 was made for unbounded scores; on cosines it is nearly uniform, so that differences
    are measured in standard deviations of the query's candidates first. The draw is the largest of log p + Gumbel noise
    (Efraimidis & Spirakis 2006; Kool et al. 2019), and depends on the seed, the query's id and its candidates alone.
    """

    type: Literal["simans"] = "simans"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""
    a: float = Field(default=0.5, ge=0)
    """How sharply the draw prefers scores near the positive's; 0 draws uniformly."""
    b: float = 0.0
    """Where the most likely score lies relative to the positive's; below 0 for safer negatives. In standard deviations
    where scores are standardised, else in units of the score."""
    standardise: bool = True
    """Whether differences are divided by the standard deviation of the query's candidates by the same scorer."""
    reference: Reference = "highest"
    """Which positive counts where a query has several."""
    seed: int = 0
    """Another seed, another draw."""

    def draw(self, pool: Pool) -> Drawn:
        """Return the chosen rows.

        Raises:
            DataError: A positive has no score by the scorer of its candidates.
        """
        distance = pool.scores - pool.reference(self.reference, np.ones(len(pool), dtype=bool))
        if self.standardise:
            distance /= pool.deviations()
        keys = -self.a * (distance - self.b) ** 2
        for rows, generator in query_draws(pool, self.seed, "simans-sampler"):
            keys[rows] += generator.gumbel(size=len(rows))
        return Drawn(first_of_each(pool.query, -keys, np.full(len(pool.names.queries), self.count)))
