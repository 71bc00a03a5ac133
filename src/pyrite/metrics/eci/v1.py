"""`eci_v1`: capacity, hardness and safety of a query's negatives, from cosines of a frozen scorer.

A reconstruction of Effective Contrastive Information as the abstract of arXiv 2603.20990v1 tells of it: it says what
counts, and gives no formula. Version 3 of the same paper defines another measure, `pyrite.metrics.eci.sem`.

Per query, with cosines s, its positives p and its negatives n_1 .. n_N:

    capacity    C = ln(1 + N)
    hardness    H = mean_j clip(s(q, n_j), 0, 1)
    safety      S = clip(s(q, p) - max_j s(q, n_j), 0, 1)
    efficiency  E = 2 H S / (H + S), and 0 where H + S = 0
    eci_v1        = C E

C follows the bound I(q; p) >= ln(N + 1) - L_InfoNCE (van den Oord et al., arXiv 1807.03748), which holds for negatives
drawn independently from the marginal. Mined ones are not: C is a heuristic here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, PositiveChoice, Similarities, Units, segments
from pyrite.settings import Settings

__all__ = ["EciV1", "EciV1Values", "eci_v1", "harmonic_mean"]


class EciV1(Settings):
    """The choices in the reconstruction; the defaults are those of its formulas."""

    version: ClassVar[int] = 1
    """Of what the settings mean."""

    hardness: Literal["mean", "max"] = "mean"
    """Whether a query's negatives are as hard as their mean, or as the hardest one."""
    safety: Literal["raw", "half", "relative"] = "raw"
    """The gap between the positive and the hardest negative as it is, divided by 2 (the range of cosines), or divided
    by the positive's similarity (0 where that is 0 or less)."""
    efficiency: Literal["per-query", "of-means"] = "per-query"
    """Whether the set's value is the mean of the queries' values, or capacity, hardness and safety are averaged over
    queries first."""
    positives: PositiveChoice = "max"
    """Which positive counts: the most similar to the query, the least similar, or each, averaged within the query."""
    scale: Literal["cosine", "random-to-positive"] = "cosine"
    """`random-to-positive`: similarities as (s - s_rand) / (s_p - s_rand), s_rand the mean similarity of random
    documents to the query, for encoders whose cosines all lie in a narrow band. Where a positive scores no better than
    random documents, all is as hard as the positive, so that safety is 0."""


@dataclass(frozen=True, slots=True)
class EciV1Values:
    """The components of each query. All arrays have shape (Q,); a query without negatives has the value 0.

    Attributes:
        settings: What they were made with.
        capacity: ln(1 + N), from 0.
        hardness: In [0, 1]; nan without negatives.
        safety: In [0, 1]; nan without negatives.
        efficiency: In [0, 1]; nan without negatives.
        values: Capacity times efficiency, from 0.
    """

    settings: EciV1
    capacity: np.ndarray
    hardness: np.ndarray
    safety: np.ndarray
    efficiency: np.ndarray
    values: np.ndarray

    def score(self, rows: np.ndarray | None = None) -> float:
        """Return the value of the set, or of some of its queries, repeats counted; nan for no queries.

        Args:
            rows: Places of queries; None for all.
        """
        values = self.values if rows is None else self.values[rows]
        if self.settings.efficiency == "per-query" or not len(values):
            return float(values.mean()) if len(values) else float("nan")
        columns = [self.capacity, self.hardness, self.safety]
        capacity, hardness, safety = (_mean(column if rows is None else column[rows]) for column in columns)
        return float(capacity * harmonic_mean(np.array([hardness]), np.array([safety]))[0])

    def unsafe_share(self) -> float:
        """Return the share of queries with safety 0, of those with negatives; nan where none has any."""
        there = self.safety[~np.isnan(self.safety)]
        return float((there == 0).mean()) if len(there) else float("nan")

    def components(self) -> Mapping[str, np.ndarray]:
        """Return {name: values of shape (Q,)}."""
        names = ("capacity", "hardness", "safety", "efficiency")
        return {name: getattr(self, name) for name in names}


def eci_v1(
    groups: Groups,
    similarities: Similarities,
    settings: EciV1 | None = None,
    *,
    judge: Similarities | None = None,
    random: np.ndarray | None = None,
) -> EciV1Values:
    """Return `eci_v1` of each query, with its components (reconstruction; see the module for the formulas).

    Safety is 0 as soon as one negative reaches the positive. Use the margin s(q, p) - s(q, n) to flag a single
    negative, and this to rank whole sets.

    Args:
        groups: Who is positive and negative.
        similarities: Cosines of the scorer; the encoder to be trained, before its training, or another one.
        settings: The choices; None for the defaults.
        judge: Similarities by an independent scorer, in [-1, 1] or [0, 1], that safety is measured with instead:
            hardness by the trainee, safety by a judge. Ours. The positive is chosen by each for its own part.
        random: For the scale `random-to-positive`: the mean similarity of random documents to each query, shape (Q,),
            by the scorer. The judge's similarities stay as they are.

    Raises:
        DataError: The similarities do not fit the groups, or the scale wants `random` and it is not given.

    Example:
        One negative at cosine .4, the positive at .8: H = .4, S = .4, so that E = .4 and the value ln(2) .4.

        >>> groups = Groups.of_lists([[0]], [[1]])
        >>> round(float(eci_v1(groups, Similarities(np.array([0.8]), np.array([0.4]))).values[0]), 4)
        0.2773
    """
    settings = settings or EciV1()
    similarities.check(groups)
    units = Units.of(groups, similarities.positives, settings.positives)
    positive, negative = _scaled(units, similarities, settings, random)
    hardest = segments(np.maximum, negative, units.starts)
    if judge is not None:
        judge.check(groups)
        judged = Units.of(groups, judge.positives, settings.positives)
        positive = judge.positives[judged.positive]
        hardest = segments(np.maximum, judge.negatives[judged.negatives], judged.starts)
    hardness = _hardness(negative.clip(0, 1), units, settings)
    return _values(groups, units, hardness, _safety(positive, hardest, settings), settings)


def _hardness(clipped: np.ndarray, units: Units, settings: EciV1) -> np.ndarray:
    if settings.hardness == "max":
        return segments(np.maximum, clipped, units.starts)
    means: np.ndarray = segments(np.add, clipped, units.starts) / np.maximum(units.sizes(), 1)
    return means


def _values(groups: Groups, units: Units, hardness: np.ndarray, safety: np.ndarray, settings: EciV1) -> EciV1Values:
    """Average the units of each query, and put the components together."""
    capacity = np.log1p(groups.sizes())
    efficiency = harmonic_mean(hardness, safety)
    hardness, safety, efficiency = (units.per_query(part) for part in (hardness, safety, efficiency))
    values = np.where(groups.sizes() > 0, capacity * efficiency, 0.0)
    return EciV1Values(settings, capacity, hardness, safety, efficiency, values)


def harmonic_mean(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return 2 a b / (a + b), and 0 where both are 0, of numbers from 0 in arrays of one shape; nan stays nan.

    Example:
        >>> harmonic_mean(np.array([0.5, 0.0]), np.array([0.25, 0.0])).round(4).tolist()
        [0.3333, 0.0]
    """
    total = one + other
    blank = np.where(np.isnan(total), np.nan, 0.0)
    means: np.ndarray = np.divide(2 * one * other, total, out=blank, where=total > 0)
    return means


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is there; 0 where nothing is, as the capacity is then."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else 0.0


def _scaled(
    units: Units, similarities: Similarities, settings: EciV1, random: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positive of each unit, shape (U,), and the negatives of each in turn, shape (K,), on the scale."""
    positive, negative = similarities.positives[units.positive], similarities.negatives[units.negatives]
    if settings.scale == "cosine":
        return positive, negative
    if random is None or np.shape(random) != (units.queries,):
        raise DataError(f"the scale random-to-positive wants `random`, one number for each of {units.queries} queries")
    reach, base = (np.repeat(part, units.sizes()) for part in (positive - random[units.query], random[units.query]))
    return np.ones(len(positive)), np.divide(negative - base, reach, out=np.ones(len(negative)), where=reach > 0)


def _safety(positive: np.ndarray, hardest: np.ndarray, settings: EciV1) -> np.ndarray:
    gap = positive - hardest
    if settings.safety == "half":
        gap = gap / 2
    elif settings.safety == "relative":
        gap = np.divide(gap, positive, out=np.where(np.isnan(gap), np.nan, 0.0), where=positive > 0)
    clipped: np.ndarray = gap.clip(0, 1)
    return clipped
