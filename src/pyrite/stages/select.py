"""Choose negatives: the cheap half of mining, run again for every new setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals, Verdicts
from pyrite.mining.selection import Selection, select_negatives
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage

__all__ = ["SelectInputs", "SelectOutputs", "select"]


@dataclass(frozen=True)
class SelectInputs:
    """The candidates and the collection that they come from; what judges said, and the splits to keep away from."""

    candidates: Candidates
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    verdicts: Verdicts | None = None
    evaluation: Mapping[str, Qrels] | None = None


@dataclass(frozen=True)
class SelectOutputs:
    """The negatives, and a removal with its gate for every candidate that was dropped."""

    negatives: Negatives
    removals: Removals


@stage("select", version=2)
def select(settings: Selection, inputs: SelectInputs, context: Context) -> SelectOutputs:
    """Choose negatives among candidates, and say why each other one was dropped."""
    chosen = select_negatives(
        inputs.candidates,
        inputs.corpus,
        inputs.queries,
        inputs.qrels,
        settings,
        verdicts=inputs.verdicts,
        evaluation=inputs.evaluation,
    )
    return SelectOutputs(chosen.negatives, chosen.removals)
