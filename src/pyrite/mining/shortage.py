"""What happens to a query that has fewer candidates left than the sampler wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pyrite.mining.filters import FilterSettings
from pyrite.mining.gates import Gates
from pyrite.mining.pool import Pool

__all__ = ["Shortage", "drop_short", "relax"]

Shortage = Literal["fewer", "relax", "drop"]
"""`fewer`: the query gets what is left. `relax`: it is filled up with candidates that filters dropped by guessing from
scores, nearest to their threshold first. `drop`: it gets none, and what was left leaves removals."""


def relax(
    pool: Pool, gates: Gates, filters: Sequence[FilterSettings], numbers: Sequence[int], count: int
) -> np.ndarray:
    """Readmit candidates for the queries that have fewer than `count` left.

    Only what a filter dropped by guessing comes back (`guesses`), never what a mask or another filter dropped, and
    only where the filters after it that do not guess let it pass. The candidate that is least beyond its threshold
    comes first, of equals the one ranked better. Where a query's candidates have scores of several scorers, distances
    are divided by the standard deviation of the query's candidates by that scorer.

    Args:
        pool: Every candidate.
        gates: Where each was dropped.
        filters: The filters, in order.
        numbers: The gate of each filter.
        count: Negatives a query that are wanted.

    Returns:
        The rows that were readmitted, ascending.
    """
    wanted = np.maximum(count - np.bincount(pool.query[gates.kept()], minlength=len(pool.names.queries)), 0)
    rows, distances = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for position, (chosen, number) in enumerate(zip(filters, numbers, strict=True)):
        if not chosen.guesses:
            continue
        dropped, beyond = gates.dropped_at(number)
        possible = wanted[pool.query[dropped]] > 0
        dropped, beyond = dropped[possible], beyond[possible]
        passing = _passing(pool, gates, dropped, filters[position + 1 :])
        rows.append(dropped[passing])
        distances.append(beyond[passing])
    row, distance = np.concatenate(rows), np.concatenate(distances) / _spread(pool, np.concatenate(rows))
    order = np.lexsort((row, distance, pool.query[row]))
    query = pool.query[row[order]]
    place = np.arange(len(order)) - np.searchsorted(query, query)
    back = np.sort(row[order[place < wanted[query]]])
    gates.readmit(back)
    return back


def _passing(pool: Pool, gates: Gates, dropped: np.ndarray, later: Sequence[FilterSettings]) -> np.ndarray:
    """Return whether later filters that do not guess let each dropped row pass, beside the rows that are left."""
    passing = np.ones(len(dropped), dtype=bool)
    for chosen in later:
        if not chosen.guesses:
            rows = np.union1d(gates.kept(), dropped)
            keep = chosen.apply(pool.take(rows)).keep
            passing &= keep[np.searchsorted(rows, dropped)]
    return passing


def _spread(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Return what distances of rows are divided by so that they can be compared within a query."""
    return pool.deviations()[rows] if len(np.unique(pool.scorer)) > 1 else np.ones(len(rows))


def drop_short(pool: Pool, gates: Gates, count: int) -> None:
    """Drop what is left of queries that have fewer than `count` candidates left, at the gate `shortage`.

    Args:
        pool: Every candidate.
        gates: Where each was dropped.
        count: Negatives a query that are wanted.
    """
    kept = gates.kept()
    left = np.bincount(pool.query[kept], minlength=len(pool.names.queries))[pool.query[kept]]
    short = left < count
    numbers = (left[short].astype(np.float64), np.full(np.count_nonzero(short), float(count)))
    gates.drop("shortage", kept[short], numbers)
