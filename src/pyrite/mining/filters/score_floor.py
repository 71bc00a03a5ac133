"""Leave out candidates that are too easy."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["ScoreFloor"]


class ScoreFloor(Settings):
    """Keep n where s(q,n) >= floor: what the scorer finds far off teaches little."""

    guesses: ClassVar[bool] = False

    type: Literal["floor"] = "floor"
    floor: float
    """The lowest score kept, in units of the scorer's score."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row."""
        return Outcome(pool.scores >= self.floor, pool.scores, np.full(len(pool), self.floor))
