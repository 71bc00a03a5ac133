"""Put systems beside each other: the difference, how sure it is, and the mean over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pyrite.data import Comparison, Comparisons, QueryScores
from pyrite.errors import DataError, SettingsError
from pyrite.metrics.ranking import canonical_measure
from pyrite.metrics.significance import bootstrap_interval, randomisation_test

__all__ = ["against", "average_seeds", "compare"]


def compare(
    scores: Sequence[QueryScores],
    pairs: Iterable[tuple[str, str]],
    measures: Sequence[str] | None = None,
    *,
    rounds: int = 10_000,
    seed: int = 0,
) -> Comparisons:
    """Compare pairs of systems, query by query.

    The p values are not corrected for the number of comparisons: who tests ten systems should expect more than one
    chance in twenty of a p below .05 somewhere.

    Args:
        scores: One table for each system.
        pairs: (system, baseline), by name; `against` gives all pairs with one baseline.
        measures: Which measures to compare; those of the first table where None.
        rounds: Draws of the randomisation test and of the bootstrap.
        seed: The seed of both.

    Returns:
        One row for each pair and measure, in that order, with a 95 % interval.

    Raises:
        DataError: Two tables have the same system; two systems were not measured on the same queries; a measure was
            not taken.
        SettingsError: A pair names an unknown system, or one system twice.
    """
    systems = _by_system(scores)
    chosen = [canonical_measure(name) for name in measures or next(iter(systems.values())).means()]
    rows = []
    for a, b in pairs:
        for name in (a, b):
            if name not in systems:
                raise SettingsError(f"no system {name!r} to compare; there are: {', '.join(systems)}")
        if a == b:
            raise SettingsError(f"{a!r} cannot be compared with itself")
        rows += [_compare(systems[a], systems[b], measure, rounds, seed) for measure in chosen]
    return Comparisons.from_rows(rows)


def against(systems: Iterable[str], baseline: str) -> list[tuple[str, str]]:
    """Return the pairs (system, baseline) of every system but the baseline.

    Example:
        >>> against(["bm25", "before", "after"], "before")
        [('bm25', 'before'), ('after', 'before')]
    """
    return [(system, baseline) for system in systems if system != baseline]


def average_seeds(scores: Sequence[QueryScores]) -> QueryScores:
    """Return the mean over seeds, query by query, of one system trained several times.

    Args:
        scores: One table for each seed, all of the same system, measures and queries.

    Returns:
        The means. The metadata give the system, how many seeds there were ("seeds") and the mean over queries that
        each reached ("means": a list of {measure: mean}, in the order given), from which the spread is computed.

    Raises:
        DataError: There are no tables, or their systems, measures or queries differ.

    Example:
        >>> from pyrite.data import QueryScore
        >>> seeds = [QueryScores.from_rows([QueryScore("q", "AP", value)], {"system": "s"}) for value in (0.5, 0.75)]
        >>> average_seeds(seeds).means()
        {'AP': 0.625}
    """
    if not scores:
        raise DataError("there are no scores to average")
    names = {table.system for table in scores}
    if len(names) > 1:
        raise DataError(f"an average over seeds is of one system; given: {', '.join(sorted(names))}")
    first = scores[0]
    rows = [_values(table) for table in scores]
    for values in rows[1:]:
        _check_same(rows[0].keys(), values.keys(), f"two seeds of {first.system!r}")
    columns = first.arrow.select(["query_id", "measure"]).to_pydict()
    means = [np.mean([values[key] for values in rows]) for key in zip(*columns.values(), strict=True)]
    metadata = {"system": first.system, "seeds": len(scores), "means": [table.means() for table in scores]}
    return QueryScores.from_columns(metadata, **columns, value=means)


def _by_system(scores: Sequence[QueryScores]) -> dict[str, QueryScores]:
    if not scores:
        raise DataError("there are no scores to compare")
    systems: dict[str, QueryScores] = {}
    for table in scores:
        if table.system in systems:
            raise DataError(
                f"two tables of scores are called {table.system!r}; name systems apart, or average the seeds of one"
            )
        systems[table.system] = table
    return systems


def _compare(a: QueryScores, b: QueryScores, measure: str, rounds: int, seed: int) -> Comparison:
    first, second = a.of(measure), b.of(measure)
    _check_same(first.keys(), second.keys(), f"{a.system!r} and {b.system!r}")
    # Sorted, so that the draws fall on the same queries whatever the order of the tables.
    queries = sorted(first)
    x, y = (np.array([values[query] for query in queries]) for values in (first, second))
    low, high = bootstrap_interval(x, y, rounds=rounds, seed=seed)
    p = randomisation_test(x, y, rounds=rounds, seed=seed)
    return Comparison(a.system, b.system, measure, float(np.mean(x) - np.mean(y)), low, high, p, len(queries))


def _values(table: QueryScores) -> Mapping[tuple[str, str], float]:
    columns = (table.column(name).to_pylist() for name in ("query_id", "measure", "value"))
    return {(query_id, measure): value for query_id, measure, value in zip(*columns, strict=True)}


def _check_same(first: Iterable[object], second: Iterable[object], what: str) -> None:
    ours, theirs = set(first), set(second)
    if ours == theirs:
        return
    more = [
        f"{len(extra)} only in the {place}, such as {min(extra, key=str)!r}"
        for place, extra in (("first", ours - theirs), ("second", theirs - ours))
        if extra
    ]
    raise DataError(
        f"{what} were not measured on the same queries: {'; '.join(more)}. Measure both on one set of judgements"
    )
