"""Points of the space that a recommendation is searched in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, product

from pyrite.mining import RankWindow, Selection, StratifiedSampler, TopSampler, UniformSampler
from pyrite.mining.filters import FilterSettings
from pyrite.recipes.recommend.settings import Draw, RecommendSettings

__all__ = ["Plan", "mixtures", "single_sources", "sizes"]


@dataclass(frozen=True)
class Plan:
    """One way to choose negatives.

    Attributes:
        shares: Sources with their shares of the negatives, above 0.
        filters: The filters, after the window of ranks.
        draw: From which ranks, and how.
        count: Negatives a query.
    """

    shares: tuple[tuple[str, float], ...]
    filters: tuple[FilterSettings, ...]
    draw: Draw
    count: int

    def __str__(self) -> str:
        """Say it in a few words, such as "bm25 50 % + dense 50 %, share 0.95, ranks 10 to 50, any 4"."""
        mixed = len(self.shares) > 1
        parts = [" + ".join(f"{name} {share:.0%}".replace("%", " %") if mixed else name for name, share in self.shares)]
        parts += [_in_words(one) for one in self.filters]
        if self.draw.first > 1 or self.draw.last is not None:
            parts.append(f"ranks {self.draw.first} to {self.draw.last or 'the last'}")
        return ", ".join([*parts, f"{'top' if self.draw.within == 'top' else 'any'} {self.count}"])

    def selection(self, scorer: str | None, seed: int) -> Selection:
        """Return it as the settings of `select`.

        Args:
            scorer: Whose scores the filters compare.
            seed: The seed of draws by chance.
        """
        draw, sampler = self.draw, self._sampler(seed)
        window = () if (draw.first, draw.last) == (1, None) else (RankWindow(first=draw.first, last=draw.last),)
        names = tuple(name for name, _ in self.shares)
        return Selection(sources=names, scorer=scorer, filters=(*window, *self.filters), sampler=sampler)

    def _sampler(self, seed: int) -> TopSampler | UniformSampler | StratifiedSampler:
        if len(self.shares) > 1:
            return StratifiedSampler(count=self.count, shares=dict(self.shares), within=self.draw.within, seed=seed)
        if self.draw.within == "top":
            return TopSampler(count=self.count)
        return UniformSampler(count=self.count, seed=seed)


def _in_words(chosen: FilterSettings) -> str:
    """Name a filter with its numbers."""
    values = [str(value) for value in chosen.model_dump().values() if isinstance(value, int | float)]
    return " ".join([chosen.type, *values])


def single_sources(names: Sequence[str], settings: RecommendSettings) -> Iterator[Plan]:
    """Yield each source alone, and all in equal shares, with every filter and window, at the first set size."""
    some: list[tuple[tuple[str, float], ...]] = [((name, 1.0),) for name in names]
    if len(names) > 1:
        some.append(tuple((name, 1 / len(names)) for name in names))
    for shares, filters, draw in product(some, settings.filters, settings.draws):
        yield Plan(shares, filters, draw, settings.counts[0])


def mixtures(plan: Plan, names: Sequence[str], grid: int) -> Iterator[Plan]:
    """Yield a plan with every mixture of sources whose shares are multiples of one over `grid`.

    Example:
        >>> plan = Plan((("a", 1.0),), (), Draw(), 4)
        >>> [one.shares for one in mixtures(plan, ["a", "b"], 2)]
        [(('a', 1.0),), (('a', 0.5), ('b', 0.5)), (('b', 1.0),)]
    """
    for chosen in combinations_with_replacement(names, grid):
        shares = tuple((name, chosen.count(name) / grid) for name in names if name in chosen)
        yield replace(plan, shares=shares)


def sizes(plan: Plan, settings: RecommendSettings) -> Iterator[Plan]:
    """Yield a plan with every set size."""
    return (replace(plan, count=count) for count in settings.counts)
