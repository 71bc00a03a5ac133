"""What every sampler is, and what it hands over."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["Drawn", "Sampler"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn from a pool.

    Attributes:
        rows: Positions in the pool, ascending: shape (drawn,).
        weights: How often each counts in training, from 0 up: shape (drawn,); None for once.
    """

    rows: np.ndarray
    weights: np.ndarray | None = None


class Sampler(Settings):
    """The parent of every sampler: frozen settings with a `type`, a `count` of negatives a query, and one method."""

    @abstractmethod
    def draw(self, pool: Pool) -> Drawn:
        """Choose rows of a pool, by nothing but the pool and the settings."""

    def scorers(self) -> tuple[str, ...]:
        """Return the scorers whose scores it wants in `Pool.more`."""
        return ()
