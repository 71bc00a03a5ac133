"""Filters: frozen settings with one pure method each. What a filter drops leaves a Removal."""

from typing import Annotated

from pydantic import Field

from pyrite.mining.filters.positive_aware import CeilingFilter, MarginFilter, ShareFilter
from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.filters.rank_window import RankWindow

__all__ = ["CeilingFilter", "FilterSettings", "MarginFilter", "Outcome", "RankWindow", "ShareFilter"]

FilterSettings = Annotated[RankWindow | ShareFilter | MarginFilter | CeilingFilter, Field(discriminator="type")]
"""A filter by its `type`: `rank-window`, `share`, `margin` or `ceiling`."""
