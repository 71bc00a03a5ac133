"""Draw from every part of the candidates: from each source, or from each band of scores or ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from pyrite.errors import DataError
from pyrite.mining.pool import Pool
from pyrite.mining.samplers.chance import first_of_each, query_draws
from pyrite.mining.samplers.sampler import Drawn, Sampler

__all__ = ["StratifiedSampler"]


class StratifiedSampler(Sampler):
    """Draw `count` candidates of each query, spread over strata by their shares.

    One after the other, each place goes to the stratum that is furthest below its share, of equals to the first; one
    that has nothing left gives its places to the others. Sources are ordered by name, bands from the hardest.
    """

    type: Literal["stratified"] = "stratified"
    count: int = Field(default=7, ge=1)
    """Negatives a query."""
    by: Literal["source", "score", "rank"] = "source"
    """What makes the strata: the source that ranked a candidate best; bands of equal width between the query's lowest
    and highest candidate score; or bands of equally many candidates, in their order."""
    bands: int = Field(default=4, ge=1)
    """How many bands of scores or ranks."""
    shares: Mapping[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Share of each stratum: {source: share}, or {"1": share of the hardest band, ...}, in any unit. A stratum that is
    not named gets none as long as others have candidates; empty for equal shares."""
    within: Literal["top", "uniform"] = "top"
    """How a stratum is drawn from: best rank first, or by chance."""
    seed: int = 0
    """The seed of the draw by chance."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        bands = [str(number + 1) for number in range(self.bands)]
        if self.by != "source" and (unknown := sorted(set(self.shares) - set(bands))):
            raise ValueError(f"shares: no bands {', '.join(unknown)}; there are {', '.join(bands)}")
        if self.shares and not any(self.shares.values()):
            raise ValueError("shares: all are 0")
        return self

    def draw(self, pool: Pool) -> Drawn:
        """Return the chosen rows.

        Raises:
            DataError: A share names a source that there is not.
        """
        strata, names = self._strata(pool)
        size = len(names)
        groups = pool.query.astype(np.int64) * size + strata
        available = np.bincount(groups, minlength=len(pool.names.queries) * size).reshape(-1, size)
        given = _spread(available, self._weights(names), self.count)
        keys = np.arange(len(pool), dtype=np.float64)
        if self.within == "uniform":
            for rows, generator in query_draws(pool, self.seed, "stratified-sampler"):
                keys[rows] = generator.random(len(rows))
        return Drawn(first_of_each(groups, keys, given.ravel()))

    def _strata(self, pool: Pool) -> tuple[np.ndarray, list[str]]:
        """Return the stratum of each row, and the strata's names in order."""
        if self.by == "source":
            sources = pool.names.sources.to_pylist()
            names = sorted(sources)
            return np.array([names.index(name) for name in sources], dtype=np.int64)[pool.source], names
        starts = pool.starts()
        lengths = np.diff(starts)
        if self.by == "rank":
            part = (np.arange(len(pool)) - np.repeat(starts[:-1], lengths)) / np.repeat(lengths, lengths)
        else:
            lowest, highest = pool.score_range()
            width = highest - lowest
            part = (highest - pool.scores) / np.where(width > 0, width, 1.0)
        bands = np.minimum((part * self.bands).astype(np.int64), self.bands - 1)
        return bands, [str(number + 1) for number in range(self.bands)]

    def _weights(self, names: list[str]) -> np.ndarray:
        unknown = sorted(set(self.shares) - set(names))
        if unknown:
            raise DataError(f"shares: no candidates from {unknown}; there are some from {names}")
        weights = np.array([self.shares.get(name, 0.0) if self.shares else 1.0 for name in names], dtype=np.float64)
        shares: np.ndarray = weights / weights.sum()
        return shares


def _spread(available: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Return how many each stratum of each query gives: shape (queries, strata)."""
    given = np.zeros_like(available)
    rows = np.arange(len(available))
    for place in range(1, count + 1):
        # Below every other: a share of 0 is for what nobody else can give.
        deficits = np.where(weights > 0, weights * place - given, -2.0 * count - given)
        deficits[given >= available] = -np.inf
        chosen = np.argmax(deficits, axis=1)
        given[rows, chosen] += np.isfinite(deficits[rows, chosen])
    return given
