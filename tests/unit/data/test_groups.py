from __future__ import annotations

from pathlib import Path

import pytest

from pyrite.data import Qrels, QueryScores
from pyrite.data.groups import training_groups
from pyrite.errors import DataError, StageError
from pyrite.pipeline.context import Context
from pyrite.stages.assemble import AssembleInputs, AssembleSettings, assemble

QRELS = Qrels.from_columns(query_id=["q", "r"], doc_id=["d", "e"], grade=[1, 2], source=["human"] * 2)


def test_a_query_counts_as_often_as_its_weight_says() -> None:
    groups = training_groups(QRELS, weights={"r": 0.0, "elsewhere": 3.0}).rows()
    assert [(group.query_id, group.example_weight) for group in groups] == [("q", None), ("r", 0.0)]


def test_weights_of_another_split_are_refused() -> None:
    with pytest.raises(DataError, match=r"not one of the 1 queries that have weights \(such as 'x'\)"):
        training_groups(QRELS, weights={"x": 1.0})


def test_a_weight_below_0_is_refused() -> None:
    with pytest.raises(DataError, match="example_weight is negative"):
        training_groups(QRELS, weights={"q": -1.0})


def scores(**measures: float) -> QueryScores:
    columns = {"query_id": ["r"] * len(measures), "measure": list(measures), "value": list(measures.values())}
    return QueryScores.from_columns({"system": "any"}, **columns)


def test_the_stage_takes_the_scores_of_one_measure_for_weights(tmp_path: Path) -> None:
    context = Context(tmp_path)
    found = assemble(AssembleSettings(), AssembleInputs(QRELS, weights=scores(trust=0.5)), context).training_set
    assert [group.example_weight for group in found.rows()] == [None, 0.5]
    with pytest.raises(StageError, match="scores by one measure, not by trust, doubt"):
        assemble(AssembleSettings(), AssembleInputs(QRELS, weights=scores(trust=0.5, doubt=0.5)), context)
