"""Keep a window of ranks."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["RankWindow"]


class RankWindow(Settings):
    """Keep candidates whose rank in the source that ranked them best lies in [first, last].

    The very top of a ranking holds most false negatives; NV-Retriever (arXiv 2407.15831) compares
    shifts of the window.
    """

    guesses: ClassVar[bool] = False

    type: Literal["rank-window"] = "rank-window"
    first: int = Field(default=1, ge=1)
    """The first rank kept, from 1."""
    last: int | None = Field(default=None, ge=1)
    """The last rank kept; empty for the depth of mining."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last ({self.last}) is below first ({self.first})")
        return self

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row."""
        last = self.last if self.last is not None else np.inf
        below = pool.ranks < self.first
        keep = ~below & (pool.ranks <= last)
        return Outcome(keep, pool.ranks.astype(np.float64), np.where(below, float(self.first), float(last)))
