"""Draw candidates with equal probability."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pyrite.mining.pool import Pool
from pyrite.mining.samplers.chance import query_draws
from pyrite.mining.samplers.sampler import Drawn, Sampler

__all__ = ["UniformSampler"]


class UniformSampler(Sampler):
    """Draw `count` candidates of each query, all with the same probability, without replacement.

    The draw depends on the seed, the query's id and the set of its candidates alone.
    """

    type: Literal["uniform"] = "uniform"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""
    seed: int = 0
    """Another seed, another draw."""

    def draw(self, pool: Pool) -> Drawn:
        """Return the chosen rows."""
        chosen = [
            np.sort(generator.permutation(rows)[: self.count])
            for rows, generator in query_draws(pool, self.seed, "uniform-sampler")
        ]
        return Drawn(np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64))
