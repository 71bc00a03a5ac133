"""What a filter says of each candidate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Outcome"]


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
