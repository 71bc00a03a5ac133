"""Sets of negatives in order, with intervals over the queries that all of them have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pyrite.data import SetRanking
from pyrite.data.records import SetRank
from pyrite.metrics.eci import EciV1
from pyrite.metrics.eci.v1 import harmonic_mean
from pyrite.metrics.significance import bootstrap_means

__all__ = ["rank_sets"]

_TAIL = 0.025
_OF_MEANS = ("eci_v1.capacity", "eci_v1.hardness", "eci_v1.safety")


def rank_sets(
    values: Mapping[str, Mapping[str, np.ndarray]],
    chosen: EciV1 | None = None,
    *,
    rounds: int = 2000,
    seed: int = 0,
    metadata: Mapping[str, Any] | None = None,
) -> SetRanking:
    """Rank sets by each measure.

    Of two sets with the same value the one that is given first goes first.

    Args:
        values: {measure: {set: values of the common queries, all in one order, nan where there is none}}.
        chosen: The choices in `eci_v1`, which say whether its value is a mean of queries or made of means.
        rounds: Draws of the bootstrap, at least 1; the same queries for all sets and measures.
        seed: The seed of the draws.
        metadata: Facts about the ranking.

    Raises:
        DataError: There are no queries.
        SettingsError: `rounds` is below 1.
    """
    table = np.stack([column for of_sets in values.values() for column in of_sets.values()])
    shape = (len(values), len(next(iter(values.values()))))
    # Of all measures at once, so that the same queries are drawn for all.
    draws = bootstrap_means(table, rounds=rounds, seed=seed).reshape(-1, *shape)
    counts = (~np.isnan(table)).sum(axis=1).reshape(shape)
    means = _means(table).reshape(shape)
    if chosen is not None and chosen.efficiency == "of-means" and "eci_v1" in values:
        place, *parts = (list(values).index(name) for name in ("eci_v1", *_OF_MEANS))
        for each in (means, draws.transpose(1, 0, 2)):
            capacity, hardness, safety = (each[part] for part in parts)
            each[place] = capacity * harmonic_mean(hardness, safety)
    rows = []
    for place, (measure, of_sets) in enumerate(values.items()):
        rows += list(_ranked(measure, list(of_sets), means[place], draws[:, place], counts[place].tolist()))
    return SetRanking.from_rows(rows, metadata)


def _means(table: np.ndarray) -> np.ndarray:
    """Return the mean of what is there of each row, nan where nothing is."""
    there = ~np.isnan(table)
    sums, counts = np.where(there, table, 0.0).sum(axis=1), there.sum(axis=1)
    means: np.ndarray = np.divide(sums, counts, out=np.full(len(table), np.nan), where=counts > 0)
    return means


def _ranked(
    measure: str, names: list[str], means: np.ndarray, draws: np.ndarray, counts: list[int]
) -> Iterator[SetRank]:
    order = sorted(range(len(names)), key=lambda place: (math.isnan(means[place]), -np.nan_to_num(means[place]), place))
    first = order[0]
    for rank, place in enumerate(order, 1):
        if math.isnan(means[place]):
            yield SetRank(names[place], measure, None, None, None, None, None, None, None, counts[place])
            continue
        low, high = _interval(draws[:, place])
        behind = _interval(draws[:, first] - draws[:, place])
        gap = float(means[first] - means[place])
        yield SetRank(names[place], measure, rank, float(means[place]), low, high, gap, *behind, counts[place])


def _interval(draws: np.ndarray) -> tuple[float | None, float | None]:
    there = draws[~np.isnan(draws)]
    if not len(there):
        return None, None
    low, high = np.quantile(there, [_TAIL, 1 - _TAIL]).tolist()
    return low, high
