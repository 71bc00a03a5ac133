"""How well predictors rank sets: correlations of ranks, their intervals, and what noise leaves to reach.

A set's outcome is the mean over seeds and test queries (and over targets, where there are several), its predicted value
the mean over training queries. Both are estimates, so that intervals come from drawing anew, all at once: families of
sets with replacement (sets of a family are alike, and drawing sets alone would take them for independent), test queries
of each target, and training queries.

**The noise ceiling.** Trainings with other seeds rank sets differently. With r the mean correlation of ranks between
two seeds, the ranking by the mean of k seeds agrees with that of other k at R = k r / (1 + (k - 1) r) (Spearman 1910,
Brown 1910), and with what infinitely many seeds would give at sqrt(R): no predictor can be expected above it, and the
ceiling is that number. `seed_to_rest` is the plainer one: the mean correlation of one seed with the mean of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pyrite.seeds import rng

__all__ = ["Ceiling", "Correlations", "Draws", "ceiling", "correlations", "draw", "kendall", "mean_outcome", "spearman"]


def spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation along the last axis; nan where a side is constant.

    Args:
        one: Shape (..., n).
        other: Shape (n,) or (..., n).

    Example:
        >>> spearman(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])).tolist()
        1.0
    """
    from scipy.stats import rankdata

    sides = [rankdata(side, axis=-1) for side in (one, other)]
    left, right = (side - side.mean(axis=-1, keepdims=True) for side in sides)
    lengths = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
    products = (left * right).sum(axis=-1)
    found: np.ndarray = np.divide(products, lengths, out=np.full(np.shape(products), np.nan), where=lengths > 0)
    return found


def kendall(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b along the last axis; nan where a side is constant. Arguments as in `spearman`."""
    left, right = (np.sign(side[..., :, None] - side[..., None, :]) for side in (one, other))
    products = (left * right).sum(axis=(-2, -1))
    lengths = np.sqrt((left**2).sum(axis=(-2, -1)) * (right**2).sum(axis=(-2, -1)))
    found: np.ndarray = np.divide(products, lengths, out=np.full(np.shape(products), np.nan), where=lengths > 0)
    return found


def mean_outcome(outcomes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the outcome of each set: shape (sets,).

    Args:
        outcomes: One array for each target, shape (sets, seeds, the target's queries); targets count alike.
    """
    found: np.ndarray = np.mean([part.mean(axis=(1, 2)) for part in outcomes], axis=0)
    return found


@dataclass(frozen=True)
class Draws:
    """What bootstrap samples say.

    Attributes:
        predicted: The score of each set: shape (rounds, predictors, sets).
        reached: Its outcome: shape (rounds, sets).
        chosen: How often each set was drawn: int, shape (rounds, sets).
    """

    predicted: np.ndarray
    reached: np.ndarray
    chosen: np.ndarray

    def samples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (scores of shape (predictors, n), outcomes of shape (n,)) of the n sets of each sample."""
        for predicted, reached, counts in zip(self.predicted, self.reached, self.chosen, strict=True):
            rows = np.repeat(np.arange(len(counts)), counts)
            yield predicted[:, rows], reached[rows]


def draw(
    predictors: np.ndarray, outcomes: Sequence[np.ndarray], clusters: Sequence[str], *, rounds: int, seed: int = 0
) -> Draws:
    """Draw sets in clusters, test queries and training queries with replacement.

    Args:
        predictors: nan where a query has no score: shape (predictors, sets, training queries).
        outcomes: As in `mean_outcome`.
        clusters: The cluster of each set; sets that are in one are drawn together.
        rounds: How many samples.
        seed: Of the draw.
    """
    generator = rng(seed, "eci-bootstrap")
    names, members = np.unique(clusters, return_inverse=True)
    picked = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rounds)
    weights = _multiplicities(generator, predictors.shape[2], rounds)
    there = np.isfinite(predictors)
    sums = np.where(there, predictors, 0.0) @ weights
    counts = there.astype(np.float64) @ weights
    predicted = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    reached = np.mean(
        [part.mean(axis=1) @ _multiplicities(generator, part.shape[2], rounds) / part.shape[2] for part in outcomes],
        axis=0,
    )
    return Draws(np.moveaxis(predicted, -1, 0), reached.T, picked[:, members])


def _multiplicities(generator: np.random.Generator, size: int, rounds: int) -> np.ndarray:
    """Return how often each of some queries is drawn: float64, shape (size, rounds)."""
    drawn: np.ndarray = generator.multinomial(size, np.full(size, 1 / size), size=rounds).T.astype(np.float64)
    return drawn


@dataclass(frozen=True)
class Correlations:
    """Of each predictor with the outcome. All arrays but the last have shape (predictors,); intervals are (low, high).

    Attributes:
        spearman: Over all sets.
        spearman_interval: 95 %, sets drawn by family.
        spearman_by_set: 95 %, sets drawn one by one, which takes sets of a family for independent.
        kendall: tau-b.
        kendall_interval: By family.
        difference: Spearman's less the baseline's.
        difference_interval: By family.
        difference_by_set: Sets drawn one by one.
        without: {family: Spearman's over the sets of the others}.
    """

    spearman: np.ndarray
    spearman_interval: tuple[np.ndarray, np.ndarray]
    spearman_by_set: tuple[np.ndarray, np.ndarray]
    kendall: np.ndarray
    kendall_interval: tuple[np.ndarray, np.ndarray]
    difference: np.ndarray
    difference_interval: tuple[np.ndarray, np.ndarray]
    difference_by_set: tuple[np.ndarray, np.ndarray]
    without: Mapping[str, np.ndarray]


def correlations(
    predictors: np.ndarray,
    outcomes: Sequence[np.ndarray],
    families: Sequence[str],
    baseline: int,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Correlations:
    """Correlate predictors with the outcome.

    Args:
        predictors: As in `draw`.
        outcomes: As in `mean_outcome`.
        families: The family of each set.
        baseline: The place of the predictor that all are compared with.
        rounds: Bootstrap samples.
        seed: Of the draw.
    """
    there = np.isfinite(predictors)
    means = np.where(there, predictors, 0.0).sum(axis=2) / np.maximum(there.sum(axis=2), 1)
    reached = mean_outcome(outcomes)
    by_family = _sampled(draw(predictors, outcomes, families, rounds=rounds, seed=seed))
    one_by_one = [str(place) for place in range(len(families))]
    by_set = _sampled(draw(predictors, outcomes, one_by_one, rounds=rounds, seed=seed), with_kendall=False)
    rho = spearman(means, reached)
    gained, gained_by_set = (sample[0] - sample[0][:, [baseline]] for sample in (by_family, by_set))
    groups = np.array(families)
    without = {
        family: spearman(means[:, groups != family], reached[groups != family])
        for family in dict.fromkeys(families)
        if (groups != family).sum() > 2
    }
    return Correlations(
        rho,
        _interval(by_family[0]),
        _interval(by_set[0]),
        kendall(means, reached),
        _interval(by_family[1]),
        rho - rho[baseline],
        _interval(gained),
        _interval(gained_by_set),
        without,
    )


def _sampled(draws: Draws, *, with_kendall: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return Spearman's and Kendall's of each sample: shape (rounds, predictors); nan where it has too few sets."""
    rho, tau = [], []
    for predicted, reached in draws.samples():
        rho.append(spearman(predicted, reached))
        tau.append(kendall(predicted, reached) if with_kendall else rho[-1])
    return np.array(rho), np.array(tau)


def _interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 2.5 and 97.5 percentiles over samples; nan where no sample has a number."""
    there = np.isfinite(values).any(axis=0)
    low, high = (np.full(values.shape[1], np.nan) for _ in range(2))
    low[there], high[there] = np.nanquantile(values[:, there], [0.025, 0.975], axis=0)
    return low, high


@dataclass(frozen=True)
class Ceiling:
    """What noise leaves to reach.

    Attributes:
        pairs: r, the mean correlation of two seeds; nan for one seed.
        seed_to_rest: The mean correlation of one seed with the mean of the others; nan for one seed.
        reliability: R, of the mean over the seeds there are.
        value: sqrt(R), the ceiling.
        queries: The same as R for two halves of the test queries, drawn often, seeds averaged: how far the outcome
            depends on which queries test it.
    """

    pairs: float
    seed_to_rest: float
    reliability: float
    value: float
    queries: float


def ceiling(outcomes: Sequence[np.ndarray], *, halves: int = 200, seed: int = 0) -> Ceiling:
    """Return the noise ceiling of outcomes.

    Args:
        outcomes: As in `mean_outcome`.
        halves: How often the test queries are halved.
        seed: Of the halving.
    """
    by_seed = np.mean([part.mean(axis=2) for part in outcomes], axis=0).T
    count, generator = len(by_seed), rng(seed, "eci-halves")
    splits = []
    for _ in range(halves):
        sides: list[list[np.ndarray]] = [[], []]
        for part in outcomes:
            order = generator.permutation(part.shape[2])
            for side, rows in zip(sides, np.array_split(order, 2), strict=True):
                side.append(part[:, :, rows].mean(axis=(1, 2)))
        splits.append(float(spearman(np.mean(sides[0], axis=0), np.mean(sides[1], axis=0))))
    queries = _stepped_up(float(np.mean(splits)), 2)
    if count < 2:
        nothing = float("nan")
        return Ceiling(nothing, nothing, nothing, nothing, queries)
    r = float(np.mean([spearman(by_seed[one], by_seed[other]) for one, other in combinations(range(count), 2)]))
    rest = [spearman(by_seed[one], np.delete(by_seed, one, axis=0).mean(axis=0)) for one in range(count)]
    reliability = _stepped_up(r, count)
    return Ceiling(r, float(np.mean(rest)), reliability, float(np.sqrt(max(reliability, 0.0))), queries)


def _stepped_up(r: float, times: int) -> float:
    """Return the Spearman-Brown reliability of something so many times as long.

    Example:
        >>> _stepped_up(0.5, 3)
        0.75
    """
    return times * r / (1 + (times - 1) * r)
