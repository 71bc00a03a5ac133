"""Draw what is hard and probably a negative, and say how often each counts."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from pyrite.mining.pool import Pool
from pyrite.mining.samplers.chance import first_of_each, query_draws
from pyrite.mining.samplers.sampler import Drawn, Sampler

__all__ = ["CetSampler"]


class CetSampler(Sampler):
    r"""Draw `count` candidates of each query without replacement from a proposal, with importance weights.

    With z the score less the mean of the query's candidates, in standard deviations, and P the probability of a false
    negative,

        proposal  pi_i ~ exp(sharpness z_i) (1 - P_i)
        target     t_i ~ exp(target_sharpness z_i) (1 - P_i)       both with the sum 1 over a query's n candidates

    The draw is the largest of ln pi + Gumbel noise. With kappa the largest noisy value that was not drawn, the weight

        w_i = min(count, n) t_i / q_i,      q_i = 1 - exp(-exp(ln pi_i - kappa))

    makes the weighted sum of anything over the draws unbiased for min(count, n) times its mean under the target (Kool
    et al. 2019, arXiv 1903.06059, sec. 4.2). So a candidate that is drawn more often counts less each time, and what is
    probably relevant is played down once, not by draw and weight both. A candidate that is relevant with certainty is
    never drawn. Ours; the draw depends on the seed, the query's id and its candidates alone.
    """

    type: Literal["cet"] = "cet"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""
    probability: str = Field(default="cet-false-negative", min_length=1)
    """The scorer whose scores are the probabilities of a false negative, in [0, 1]."""
    sharpness: float = 1.0
    """How much the draw prefers hard candidates; 0 for not at all."""
    target_sharpness: float = 0.0
    """How much the training prefers them, draw and weight together. At 0 the weighted negatives stand for all of the
    query's candidates, each as far as it is a negative; at `sharpness` for what the draw prefers."""
    weight_cap: float | None = Field(default=None, gt=0)
    """Larger weights become this, which is no longer unbiased; empty for no cap."""
    seed: int = 0
    """Another seed, another draw."""

    def scorers(self) -> tuple[str, ...]:
        """The probabilities."""
        return (self.probability,)

    def draw(self, pool: Pool) -> Drawn:
        """Return the chosen rows and their weights.

        Raises:
            DataError: A probability is not in [0, 1].
        """
        possible = np.flatnonzero(pool.probabilities(self.probability) < 1)
        pool = pool.take(possible)
        hardness = pool.standardised()
        negative = np.log1p(-pool.probabilities(self.probability))
        proposal, target = (
            _normalised(pool, sharpness * hardness + negative) for sharpness in (self.sharpness, self.target_sharpness)
        )
        keys = proposal.copy()
        for rows, generator in query_draws(pool, self.seed, "cet-sampler"):
            keys[rows] += generator.gumbel(size=len(rows))
        rows = first_of_each(pool.query, -keys, np.full(len(pool.names.queries), self.count))
        kappa = _best_left(pool, keys, rows)[pool.query[rows]]
        with np.errstate(over="ignore"):
            included = -np.expm1(-np.exp(proposal[rows] - kappa))
        sizes = np.minimum(np.bincount(pool.query, minlength=len(pool.names.queries)), self.count)
        weights = sizes[pool.query[rows]] * np.exp(target[rows]) / included
        return Drawn(possible[rows], weights if self.weight_cap is None else np.minimum(weights, self.weight_cap))


def _normalised(pool: Pool, logs: np.ndarray) -> np.ndarray:
    """Return logarithms whose exponentials add up to 1 within each query."""
    size = len(pool.names.queries)
    highest = np.full(size, -np.inf)
    np.maximum.at(highest, pool.query, logs)
    sums = np.bincount(pool.query, np.exp(logs - highest[pool.query]), minlength=size)
    normalised: np.ndarray = logs - (highest + np.log(np.where(sums > 0, sums, 1.0)))[pool.query]
    return normalised


def _best_left(pool: Pool, keys: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return the largest key of each query that was not drawn, minus infinity where all were."""
    left = np.ones(len(pool), dtype=bool)
    left[drawn] = False
    best = np.full(len(pool.names.queries), -np.inf)
    np.maximum.at(best, pool.query[left], keys[left])
    return best
