"""Compare systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Comparisons, QueryScores
from pyrite.eval import against
from pyrite.eval import compare as compare_scores
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.systems import check_known, gather

__all__ = ["CompareInputs", "CompareOutputs", "CompareSettings", "compare"]


class CompareSettings(Settings):
    """What to compare with what."""

    baselines: tuple[str, ...] = Field(min_length=1)
    """The systems, each named once, that every other one is compared with."""
    measures: tuple[str, ...] = ()
    """The measures to compare; empty for all that were taken."""
    rounds: int = Field(default=10_000, ge=100)
    """Draws of the randomisation test and of the bootstrap."""
    seed: int = 0
    """The seed of both."""


@dataclass(frozen=True)
class CompareInputs:
    """Scores by any name; the system is the one that each table names, and its seeds are averaged."""

    scores: Mapping[str, QueryScores]


@dataclass(frozen=True)
class CompareOutputs:
    """One row for each pair and measure."""

    comparisons: Comparisons


@stage("compare", version=1)
def compare(settings: CompareSettings, inputs: CompareInputs, context: Context) -> CompareOutputs:
    """Compare systems on the same queries, with intervals and p-values."""
    tables = gather(inputs.scores)
    check_known(settings.baselines, tables, "baselines")
    systems = [table.system for table in tables]
    pairs: list[tuple[str, str]] = []
    for baseline in settings.baselines:
        pairs += against(systems, baseline)
        # What has been compared with everything is not compared again the other way round.
        systems.remove(baseline)
    return CompareOutputs(
        compare_scores(tables, pairs, settings.measures or None, rounds=settings.rounds, seed=settings.seed)
    )
