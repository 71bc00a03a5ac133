"""How well one number tells two groups apart."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["auroc", "auroc_error"]


def auroc(upper: np.ndarray, lower: np.ndarray) -> float:
    """Return the probability that a value of `upper` exceeds one of `lower`, ties counting half.

    The area under the ROC curve: the Mann-Whitney statistic over the number of pairs.

    Args:
        upper: shape (m,).
        lower: shape (n,).

    Returns:
        In [0, 1]; .5 where the value tells nothing; nan where a group is empty.

    Example:
        >>> auroc(np.array([3.0, 1.0]), np.array([1.0, 2.0]))
        0.625
    """
    if len(upper) == 0 or len(lower) == 0:
        return math.nan
    ordered = np.sort(lower)
    below = np.searchsorted(ordered, upper, side="left")
    up_to = np.searchsorted(ordered, upper, side="right")
    return float((below + up_to).sum() / (2 * len(upper) * len(lower)))


def auroc_error(uppers: int, lowers: int) -> float:
    """Return the standard deviation of the AUROC of a value that tells nothing: sqrt((m + n + 1) / (12 m n)).

    Args:
        uppers: m, from 1.
        lowers: n, from 1.

    Example:
        >>> round(auroc_error(100, 100), 4)
        0.0409
    """
    return math.sqrt((uppers + lowers + 1) / (12 * uppers * lowers))
