"""Score all candidates on one scale."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from pyrite.data import Candidates, Queries
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.rescoring import rescore as rescore_candidates
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index

__all__ = ["RescoreInputs", "RescoreOutputs", "RescoreSettings", "rescore"]


class RescoreSettings(Settings):
    """What to call the scorer."""

    scorer: str = Field(min_length=1)
    """The scorer's name in the candidates. One that is there already is filled up, not repeated:
    give a source's own name only with that source's index."""


@dataclass(frozen=True)
class RescoreInputs:
    """The candidates, their queries, and the index that scores."""

    candidates: Candidates
    queries: Queries
    index: LexicalIndex | DenseStore


@dataclass(frozen=True)
class RescoreOutputs:
    """The candidates, each with a score by the scorer."""

    candidates: Candidates


@stage("rescore", version=2)
def rescore(settings: RescoreSettings, inputs: RescoreInputs, context: Context) -> RescoreOutputs:
    """Score all candidates and positives by one index, so that filters can compare them."""
    index = open_index(inputs.index, context.resources)
    return RescoreOutputs(rescore_candidates(inputs.candidates, inputs.queries, settings.scorer, index))
