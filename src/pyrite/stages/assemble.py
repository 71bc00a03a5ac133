"""Make a training set."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Negatives, Qrels, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings

__all__ = ["AssembleInputs", "AssembleOutputs", "AssembleSettings", "assemble"]


class AssembleSettings(Settings):
    """What makes a positive."""

    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive."""


@dataclass(frozen=True)
class AssembleInputs:
    """Judgements, and the negatives mined for them; without negatives the batch gives them all."""

    qrels: Qrels
    negatives: Negatives | None = None


@dataclass(frozen=True)
class AssembleOutputs:
    """One group for each query."""

    training_set: TrainingSet


@stage("assemble", version=2)
def assemble(settings: AssembleSettings, inputs: AssembleInputs, context: Context) -> AssembleOutputs:
    """Join positives and negatives into a training set."""
    return AssembleOutputs(training_groups(inputs.qrels, inputs.negatives, settings.grade_threshold))
