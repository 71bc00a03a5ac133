"""Estimate which candidates are relevant and were never shown to a judge."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Qrels, Queries
from pyrite.mining.cet import CetLight
from pyrite.mining.cet import cet_light as with_cet_light
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage

__all__ = ["CetLightInputs", "CetLightOutputs", "cet_light"]


@dataclass(frozen=True)
class CetLightInputs:
    """The candidates, scored by all that the models see, their texts, and the judgements of the training queries."""

    candidates: Candidates
    corpus: Corpus
    queries: Queries
    qrels: Qrels


@dataclass(frozen=True)
class CetLightOutputs:
    """The candidates with the scores of both models, weights and probabilities; the models stand in the metadata."""

    candidates: Candidates


@stage("cet-light", version=1)
def cet_light(settings: CetLight, inputs: CetLightInputs, context: Context) -> CetLightOutputs:
    """Estimate from scores which unlabelled candidates are relevant, and how biased the judges' pool was."""
    return CetLightOutputs(with_cet_light(inputs.candidates, inputs.corpus, inputs.queries, inputs.qrels, settings))
