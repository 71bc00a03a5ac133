"""What a filter is, and what it says of each candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from pyrite.mining.pool import Pool

__all__ = ["Filter", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A filter's decision, with the numbers behind it. All arrays have shape (rows,).

    Attributes:
        keep: Whether the candidate may be a negative.
        values: The number that was looked at.
        thresholds: What it was compared with.
    """

    keep: np.ndarray
    values: np.ndarray
    thresholds: np.ndarray


class Filter(Protocol):
    """Decides on candidates.

    Attributes:
        guesses: Whether it guesses from scores which candidates are relevant, so that a query with too few negatives
            may have some of what it dropped after all.
    """

    guesses: ClassVar[bool]

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row, by nothing but the pool and the settings."""
        ...
