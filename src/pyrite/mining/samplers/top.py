"""Draw the best-ranked candidates."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pyrite.mining.pool import Pool
from pyrite.mining.samplers.sampler import Drawn, Sampler

__all__ = ["TopSampler"]


class TopSampler(Sampler):
    """Draw the first `count` candidates of each query by rank.

    Where several sources propose, their rankings are interleaved: a document counts by its best
    rank, and of equal ranks the first source named goes first.
    """

    type: Literal["top"] = "top"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""

    def draw(self, pool: Pool) -> Drawn:
        """Return the chosen rows."""
        starts = pool.starts()
        place = np.arange(len(pool)) - np.repeat(starts[:-1], np.diff(starts))
        return Drawn(np.flatnonzero(place < self.count))
