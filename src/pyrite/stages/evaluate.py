"""Measure rankings."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Qrels, QueryScores, Run
from pyrite.eval import evaluate as evaluate_run
from pyrite.metrics.ranking import DEFAULT_MEASURES
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings

__all__ = ["EvaluateInputs", "EvaluateOutputs", "EvaluateSettings", "evaluate"]


class EvaluateSettings(Settings):
    """What to measure."""

    measures: tuple[str, ...] = DEFAULT_MEASURES
    """Measures in ir-measures' notation, such as `nDCG@10`, or the usual names, such as `mrr@10`."""


@dataclass(frozen=True)
class EvaluateInputs:
    """The rankings and the judgements; every judged query counts."""

    run: Run
    qrels: Qrels


@dataclass(frozen=True)
class EvaluateOutputs:
    """One value for each query and measure."""

    scores: QueryScores


@stage("evaluate", version=1)
def evaluate(settings: EvaluateSettings, inputs: EvaluateInputs, context: Context) -> EvaluateOutputs:
    """Measure a run against judgements, query by query."""
    return EvaluateOutputs(evaluate_run(inputs.run, inputs.qrels, settings.measures))
