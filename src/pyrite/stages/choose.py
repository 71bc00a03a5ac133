"""Choose a system on dev, so that test decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrite.data import QueryScores
from pyrite.errors import DataError
from pyrite.metrics.ranking import canonical_measure
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.artifacts import Choice
from pyrite.stages.systems import check_known, gather

__all__ = ["ChooseInputs", "ChooseOutputs", "ChooseSettings", "choose"]


class ChooseSettings(Settings):
    """What decides."""

    measure: str = "nDCG@10"
    """The system with the highest mean of this measure is chosen; of equals, the first by name."""
    among: tuple[str, ...] = ()
    """The systems that may be chosen; empty for all that were measured."""


@dataclass(frozen=True)
class ChooseInputs:
    """Scores on the dev queries."""

    scores: Mapping[str, QueryScores]


@dataclass(frozen=True)
class ChooseOutputs:
    """The choice, with the mean of each system."""

    choice: Choice


@stage("choose", version=1)
def choose(settings: ChooseSettings, inputs: ChooseInputs, context: Context) -> ChooseOutputs:
    """Choose the best of several systems on development queries.

    Raises:
        DataError: A system was not measured by the measure, or there is none to choose from.
    """
    tables = gather(inputs.scores)
    check_known(settings.among, tables, "among")
    measure = canonical_measure(settings.measure)
    means = {table.system: table.means() for table in tables if not settings.among or table.system in settings.among}
    lacking = sorted(system for system, values in means.items() if measure not in values)
    if lacking or not means:
        raise DataError(f"choose: {measure} was not measured for {', '.join(lacking) or 'any system'}")
    values = {system: taken[measure] for system, taken in means.items()}
    chosen = min(values, key=lambda system: (-values[system], system))
    return ChooseOutputs(Choice(chosen, measure, values))
