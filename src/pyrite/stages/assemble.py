"""Make a training set."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Negatives, Qrels, QueryScores, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.errors import StageError
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
    """Judgements, the negatives mined for them, and how often each query counts.

    Without negatives the batch gives them all. Weights are scores of queries by one measure, from 0 up; a query without
    one counts once.
    """

    qrels: Qrels
    negatives: Negatives | None = None
    weights: QueryScores | None = None


@dataclass(frozen=True)
class AssembleOutputs:
    """One group for each query."""

    training_set: TrainingSet


@stage("assemble", version=3)
def assemble(settings: AssembleSettings, inputs: AssembleInputs, context: Context) -> AssembleOutputs:
    """Join positives and negatives into a training set."""
    weights = None if inputs.weights is None else _weights(inputs.weights)
    return AssembleOutputs(training_groups(inputs.qrels, inputs.negatives, settings.grade_threshold, weights))


def _weights(scores: QueryScores) -> dict[str, float]:
    measures = list(scores.means())
    if len(measures) != 1:
        raise StageError(f"assemble: weights are scores by one measure, not by {', '.join(measures) or 'none'}")
    return scores.of(measures[0])
