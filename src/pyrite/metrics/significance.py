"""Is the difference between two systems more than chance? Paired tests over queries.

Both functions take the values of the same queries in the same order, make no assumption about their distribution and
hold a few megabytes at a time, however many queries there are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pyrite.errors import DataError, SettingsError
from pyrite.seeds import rng

__all__ = ["bootstrap_interval", "bootstrap_means", "randomisation_test"]

_EXACT_UP_TO = 12
_BLOCK = 1 << 20


def randomisation_test(a: npt.ArrayLike, b: npt.ArrayLike, *, rounds: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p of the paired randomisation test on the difference of the means.

    Were the two systems alike, each query's two values could be swapped: the sign of its difference would be a coin's
    toss. p is the share of all ways to set the signs whose mean difference is at least as far from 0 as the one
    observed. Up to 12 queries that differ, all ways are counted; beyond, `rounds` are drawn and p is
    (count + 1) / (rounds + 1), which is never 0.

    Source: Smucker, Allan & Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
    Evaluation", CIKM 2007, section 3.1.

    Args:
        a: One value for each query, shape (queries,).
        b: The other system's values for the same queries, shape (queries,).
        rounds: How many ways to set the signs are drawn; at least 1.
        seed: The seed of the draw.

    Returns:
        p, in (0, 1]; 1 where no query differs.

    Raises:
        DataError: The shapes differ, there are no queries, or a value is not finite.
        SettingsError: `rounds` is below 1.

    Example:
        Three queries, all better by .1: of the 8 ways, two (all plus, all minus) are as far from 0.

        >>> randomisation_test([0.3, 0.4, 0.5], [0.2, 0.3, 0.4])
        0.25
    """
    differences = _differences(a, b, rounds)
    differences = differences[differences != 0]
    if differences.size == 0:
        return 1.0
    # Sums that are equal on paper differ in their last bits, by the order in which they were added up.
    extreme = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if differences.size <= _EXACT_UP_TO:
        return float(np.mean(np.abs(_all_signs(differences.size) @ differences) >= extreme))
    generator = rng(seed, "randomisation test")

    def draw(rows: int) -> np.ndarray:
        signs = 2.0 * generator.integers(0, 2, (rows, differences.size), dtype=np.int8) - 1.0
        sums: np.ndarray = signs @ differences
        return sums

    count = int(np.sum(np.abs(_in_blocks(draw, rounds, differences.size)) >= extreme))
    return (count + 1) / (rounds + 1)


def bootstrap_interval(
    a: npt.ArrayLike, b: npt.ArrayLike, *, level: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of mean(a) - mean(b) over queries.

    Queries are drawn with replacement, as many as there are; the interval runs between the two quantiles of the mean
    difference that leave (1 - level) / 2 on each side.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).

    Args:
        a: One value for each query, shape (queries,).
        b: The other system's values for the same queries, shape (queries,).
        level: The share that the interval covers, in (0, 1).
        rounds: How many samples are drawn; at least 1.
        seed: The seed of the draw.

    Returns:
        The lower and the upper end.

    Raises:
        DataError: The shapes differ, there are no queries, or a value is not finite.
        SettingsError: `level` or `rounds` is out of range.

    Example:
        >>> low, high = bootstrap_interval([0.5, 0.75], [0.25, 0.5])
        >>> (low, high)
        (0.25, 0.25)
    """
    if not 0 < level < 1:
        raise SettingsError(f"level is above 0 and below 1, not {level}")
    differences = _differences(a, b, rounds)
    generator = rng(seed, "bootstrap")

    def draw(rows: int) -> np.ndarray:
        chosen = generator.integers(0, differences.size, (rows, differences.size))
        means: np.ndarray = differences[chosen].mean(axis=1)
        return means

    tail = (1 - level) / 2
    low, high = np.quantile(_in_blocks(draw, rounds, differences.size), [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_means(values: npt.ArrayLike, *, rounds: int = 2000, seed: int = 0) -> np.ndarray:
    """Return the means of several systems over the same drawn queries, draw by draw.

    Queries are drawn with replacement, as many as there are, and the same for all systems, so that the draws of two
    systems can be subtracted. Intervals are quantiles over the draws.

    Source: as `bootstrap_interval`.

    Args:
        values: A row for each system, a column for each query; nan where there is no value, which is then left out of
            the mean. Shape (systems, queries).
        rounds: How many samples are drawn; at least 1.
        seed: The seed of the draw.

    Returns:
        shape (rounds, systems); nan where a draw holds no query with a value.

    Raises:
        DataError: The shape is another, or there are no queries.
        SettingsError: `rounds` is below 1.

    Example:
        >>> bootstrap_means([[1.0, 1.0], [2.0, float("nan")]], rounds=3)[:, 0].tolist()
        [1.0, 1.0, 1.0]
    """
    rows = np.asarray(values, np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DataError(f"values are of the shape {rows.shape}; wants (systems, queries) with at least one query")
    if rounds < 1:
        raise SettingsError(f"rounds is at least 1, not {rounds}")
    there = ~np.isnan(rows)
    columns = np.concatenate([np.where(there, rows, 0.0), there]).T
    generator, size = rng(seed, "bootstrap"), rows.shape[1]

    def draw(count: int) -> np.ndarray:
        chosen = generator.integers(0, size, (count, size)) + size * np.arange(count)[:, None]
        times = np.bincount(chosen.ravel(), minlength=count * size).reshape(count, size)
        sums: np.ndarray = times @ columns
        return sums

    sums = _in_blocks(draw, rounds, size)
    totals, counts = sums[:, : len(rows)], sums[:, len(rows) :]
    means: np.ndarray = np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    return means


def _differences(a: npt.ArrayLike, b: npt.ArrayLike, rounds: int) -> np.ndarray:
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise DataError(
            "two systems are compared on the same queries, one value each and at least one query; "
            f"the shapes are {first.shape} and {second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("a value to compare is not a finite number")
    if rounds < 1:
        raise SettingsError(f"rounds is at least 1, not {rounds}")
    return first - second


def _all_signs(size: int) -> np.ndarray:
    """Return every vector of signs: +1.0 or -1.0, shape (2**size, size)."""
    bits = np.arange(1 << size)[:, None] >> np.arange(size) & 1
    return 2.0 * bits - 1.0


def _in_blocks(draw: Callable[[int], np.ndarray], rounds: int, size: int) -> np.ndarray:
    """Call `draw` for as many rows at a time as fit in a block of `size` numbers a row, and join the results."""
    rows = max(1, _BLOCK // size)
    return np.concatenate([draw(min(rows, rounds - start)) for start in range(0, rounds, rows)])
