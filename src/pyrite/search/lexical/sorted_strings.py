"""Look strings up among millions of sorted ones without a table in memory."""

# numba infers the types of locals; mypy knows numpy's scalars only as "Any" or as no int.
# mypy: disable-error-code="assignment,no-any-return,return-value"
from __future__ import annotations

import numpy as np

from pyrite.compiled import compiled, inlined

__all__ = ["find_sorted"]


@compiled
def find_sorted(
    values: np.ndarray, bounds: np.ndarray, words: np.ndarray, word_bounds: np.ndarray, descending: bool
) -> np.ndarray:
    """Return the place of each word among sorted strings, or -1: int64, shape (words,).

    Args:
        values: The bytes of the sorted strings, uint8.
        bounds: Where each string begins and the last one ends, int64.
        words: The bytes of the words looked for.
        word_bounds: Where each word begins and the last one ends.
        descending: Whether the strings stand in descending order.
    """
    found = np.full(len(word_bounds) - 1, -1, np.int64)
    for word in range(len(found)):
        low, high = 0, len(bounds) - 1
        while low < high:
            middle = (low + high) // 2
            sign = _compare(values, bounds[middle], bounds[middle + 1], words, word_bounds[word : word + 2])
            if sign == 0:
                found[word] = middle
                break
            if (sign < 0) != descending:
                low = middle + 1
            else:
                high = middle
    return found


@inlined
def _compare(values: np.ndarray, start: int, stop: int, words: np.ndarray, bounds: np.ndarray) -> int:
    """Return a number below, at or above 0, as a string stands before, at or behind a word."""
    size = min(stop - start, bounds[1] - bounds[0])
    place = 0
    while place < size and values[start + place] == words[bounds[0] + place]:
        place += 1
    if place < size:
        return np.int64(values[start + place]) - np.int64(words[bounds[0] + place])
    return (stop - start) - (bounds[1] - bounds[0])
