from __future__ import annotations

import math

import numpy as np
import pytest

from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, Similarities, Vectors
from pyrite.metrics.quality import (
    diversity,
    false_negatives,
    hardness,
    hardness_quantiles,
    judged_hardness,
    margin,
    mean_of_negatives,
    source_overlap,
)

GROUPS = Groups.of_lists([[0, 1], [2]], [[0, 1, 2], []])
SCORES = Similarities(np.array([0.9, 0.5, 0.7]), np.array([0.8, 0.5, -0.1]))


def test_hardness_and_margin_by_hand() -> None:
    assert math.isclose(hardness(GROUPS, SCORES)[0], 0.4)
    assert math.isclose(margin(GROUPS, SCORES)[0], 0.5)
    assert math.isclose(margin(GROUPS, SCORES, "min")[0], 0.1)
    assert math.isclose(margin(GROUPS, SCORES, "each")[0], 0.3)
    assert np.isnan([hardness(GROUPS, SCORES)[1], margin(GROUPS, SCORES)[1]]).all()


def test_quantiles_are_of_all_pairs() -> None:
    assert hardness_quantiles(SCORES, (0.0, 0.5, 1.0)) == {0.0: -0.1, 0.5: 0.5, 1.0: 0.8}
    assert math.isnan(hardness_quantiles(Similarities(np.ones(1), np.zeros(0)))[0.5])


@pytest.mark.parametrize(
    ("positives", "tolerance", "found"),
    [
        ("max", 0.0, [False, False, False]),
        ("max", 0.1, [True, False, False]),
        ("min", 0.0, [True, True, False]),
        ("each", 0.0, [True, True, False]),
    ],
)
def test_false_negatives_reach_the_positive(positives: str, tolerance: float, found: list[bool]) -> None:
    scores = Similarities(np.array([0.875, 0.5, 0.7]), np.array([0.8125, 0.5, -0.1]))
    assert false_negatives(GROUPS, scores, tolerance, positives).tolist() == found  # type: ignore[arg-type]


def test_hardness_counts_where_the_judge_agrees() -> None:
    judge = Similarities(np.array([0.9, 0.9, 0.9]), np.array([0.95, 0.2, 0.1]))
    safe = ~false_negatives(GROUPS, judge)
    assert math.isclose(judged_hardness(GROUPS, SCORES, safe)[0], (0 + 0.5 + 0) / 3)
    assert math.isclose(judged_hardness(GROUPS, SCORES, np.full(3, 0.5))[0], (0.8 + 0.5) / 6)
    with pytest.raises(DataError, match="from 0 to 1"):
        judged_hardness(GROUPS, SCORES, np.array([2.0, 0.0, 0.0]))
    with pytest.raises(DataError, match="2 values for 3 negatives"):
        mean_of_negatives(GROUPS, np.ones(2))


@pytest.mark.parametrize("block", [1, 5, 1000])
def test_diversity_is_the_mean_distance_of_pairs(block: int) -> None:
    random = np.random.default_rng(0)
    lists = [random.permutation(20)[: row % 6].tolist() for row in range(1, 20)]
    groups = Groups.of_lists([[0]] * 19, lists)
    vectors = Vectors(random.standard_normal((19, 4)), 3 * random.standard_normal((20, 4)))
    units = vectors.documents * vectors.document_scales[:, None]
    wanted = [
        np.mean([1 - units[a] @ units[b] for place, a in enumerate(rows) for b in rows[place + 1 :]])
        if len(rows) > 1
        else np.nan
        for rows in lists
    ]
    np.testing.assert_allclose(diversity(groups, vectors, block_pairs=block), wanted, atol=1e-12)


def test_the_overlap_of_sources_counts_each_pair_once() -> None:
    found = source_overlap({"a": np.array([1, 1, 2]), "b": np.array([2, 3]), "c": np.zeros(0)})
    assert found["a", "b"] == 1 / 3
    assert found["a", "c"] == 0
    assert math.isnan(source_overlap({"a": np.zeros(0), "b": np.zeros(0)})["a", "b"])
