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
        # From an order by id, so that ranks have no influence on the draw.
        places = pool.names.doc_places[pool.doc]
        queries = pool.names.queries
        chosen = []
        for start, stop in pairwise(pool.starts().tolist()):
            by_id = start + np.argsort(places[start:stop])
            generator = rng(self.seed, "uniform-sampler", queries[int(pool.query[start])].as_py())
            chosen.append(np.sort(generator.permutation(by_id)[: self.count]))
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
