"""Choose negatives: the cheap half of mining, run again for every new setting."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals
from pyrite.mining.selection import Selection, select_negatives
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage

__all__ = ["SelectInputs", "SelectOutputs", "select"]


@dataclass(frozen=True)
class SelectInputs:
    """The candidates and the collection that they come from."""

    candidates: Candidates
    corpus: Corpus
    queries: Queries
    qrels: Qrels


@dataclass(frozen=True)
class SelectOutputs:
    """The negatives, and a removal with its gate for every candidate that was dropped."""

    negatives: Negatives
    removals: Removals


@stage("select", version=2)
def select(settings: Selection, inputs: SelectInputs, context: Context) -> SelectOutputs:
    """Choose negatives among candidates, and say why each other one was dropped."""
    chosen = select_negatives(inputs.candidates, inputs.corpus, inputs.queries, inputs.qrels, settings)
    return SelectOutputs(chosen.negatives, chosen.removals)
