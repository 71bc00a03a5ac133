"""Filters: frozen settings with one pure method each. What a filter drops leaves a Removal."""

from typing import Annotated

from pydantic import Field

from pyrite.mining.filters.judged import JudgedFilter
from pyrite.mining.filters.near_duplicate import LeakageFilter, NearDuplicateFilter
from pyrite.mining.filters.positive_aware import CeilingFilter, MarginFilter, ShareFilter
from pyrite.mining.filters.protocol import Filter, Outcome
from pyrite.mining.filters.rank_window import RankWindow
from pyrite.mining.filters.score_floor import ScoreFloor

__all__ = [
    "CeilingFilter",
    "Filter",
    "FilterSettings",
    "JudgedFilter",
    "LeakageFilter",
    "MarginFilter",
    "NearDuplicateFilter",
    "Outcome",
    "RankWindow",
    "ScoreFloor",
    "ShareFilter",
]

FilterSettings = Annotated[
    RankWindow
    | ShareFilter
    | MarginFilter
    | CeilingFilter
    | ScoreFloor
    | NearDuplicateFilter
    | JudgedFilter
    | LeakageFilter,
    Field(discriminator="type"),
]
"""A filter by its `type`: `rank-window`, `share`, `margin`, `ceiling`, `floor`, `near-duplicate`, `judged` or
`leakage`."""
