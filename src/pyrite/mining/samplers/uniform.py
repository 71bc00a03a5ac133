"""Draw candidates with equal probability."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field

from pyrite.mining.pool import Pool
from pyrite.seeds import rng
from pyrite.settings import Settings

__all__ = ["UniformSampler"]


class UniformSampler(Settings):
    """Draw `count` candidates of each query, all with the same probability, without replacement.

    The draw depends on the seed, the query's id and the set of its candidates alone.
    """

    type: Literal["uniform"] = "uniform"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""
    seed: int = 0
    """Another seed, another draw."""

    def draw(self, pool: Pool) -> np.ndarray:
        """Return the chosen rows, positions in the pool, in its order."""
        chosen = [self._of_query(pool, start, stop) for start, stop in pairwise(pool.starts().tolist())]
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)

    def _of_query(self, pool: Pool, start: int, stop: int) -> np.ndarray:
        # From an order by id, so that ranks have no influence on the draw.
        by_id = start + np.argsort(pool.doc_ids[start:stop], kind="stable")
        generator = rng(self.seed, "uniform-sampler", str(pool.query_ids[start]))
        return np.sort(generator.permutation(by_id)[: self.count])
