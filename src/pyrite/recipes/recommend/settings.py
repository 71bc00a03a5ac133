"""Among which selections a recommendation is searched."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pyrite.mining import MarginFilter, ShareFilter
from pyrite.mining.filters import FilterSettings
from pyrite.recipes.score import ScoreSettings
from pyrite.settings import Settings

__all__ = ["Draw", "RecommendSettings"]


class Draw(Settings):
    """From which ranks, and how."""

    first: int = Field(default=1, ge=1)
    """The first rank."""
    last: int | None = Field(default=None, ge=1)
    """The last rank; empty for the depth of mining."""
    within: Literal["top", "uniform"] = "top"
    """Best rank first, or by chance."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last ({self.last}) is below first ({self.first})")
        return self


class RecommendSettings(ScoreSettings):
    """Among which selections to search, and by which score."""

    sources: tuple[str, ...] = ()
    """The sources to mix; empty for all that the candidates have."""
    scorer: str | None = None
    """Whose scores the filters compare; empty for the scorer of the source that ranked best. A filter whose scores
    cannot be had for a source is passed over with it."""
    judge_scorer: str | None = None
    """The scorer whose scores in the candidates judge, such as a cross-encoder that `rescore` asked; empty for none, or
    where the judge is a model of its own."""
    grid: int = Field(default=4, ge=1, le=20)
    """Mixtures have shares of one over this."""
    filters: tuple[tuple[FilterSettings, ...], ...] = (
        (),
        (ShareFilter(share=0.98),),
        (ShareFilter(share=0.95),),
        (ShareFilter(share=0.9),),
        (MarginFilter(margin=0.05),),
        (MarginFilter(margin=0.1),),
    )
    """The filters to try, each a list."""
    draws: tuple[Draw, ...] = (Draw(), Draw(first=10), Draw(last=50, within="uniform"), Draw(within="uniform"))
    """The windows of ranks to try."""
    counts: tuple[int, ...] = (4, 7)
    """The negatives a query to try. A score that is a mean of negatives favours few; `eci_v1` counts their number."""
    sample: int | None = Field(default=300, ge=2)
    """How many queries the search looks at, drawn with the seed; the finalists are measured on all. Empty for all."""
    finalists: int = Field(default=5, ge=1)
    """How many selections are gone on with after each step of the search, and ranked at the end."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        lacking = [name for name in ("filters", "draws", "counts") if not getattr(self, name)]
        if lacking:
            raise ValueError(f"nothing to try in {', '.join(lacking)}")
        if min(self.counts) < 1:
            raise ValueError(f"counts: {min(self.counts)} is below 1")
        return self
