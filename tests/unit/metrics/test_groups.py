from __future__ import annotations

import numpy as np
import pytest

from pyrite.errors import DataError
from pyrite.metrics.groups import Groups, Similarities, Units, cosines, equal_blocks, segments


def test_lists_and_padded_matrices_are_the_same_groups() -> None:
    lists = Groups.of_lists([[0], [1, 2]], [[3, 4], [5]], [7, 8])
    padded = Groups.of_padded(np.array([[0, -1], [1, 2]]), np.array([[3, 4], [-1, 5]]), np.array([7, 8]))
    for name in ("queries", "positives", "positive_starts", "negatives", "negative_starts"):
        assert getattr(lists, name).tolist() == getattr(padded, name).tolist()
    assert lists.query_of_negatives().tolist() == [0, 0, 1]
    assert lists.query_of_positives().tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("positives", "negatives", "message"),
    [
        ([[0], []], [[1], [2]], "at least one positive"),
        ([[0]], [[1], [2]], "the starts of the negatives are 2 numbers for 1 queries"),
    ],
)
def test_groups_that_are_none(positives: list[list[int]], negatives: list[list[int]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Groups.of_lists(positives, negatives)


def test_starts_must_ascend() -> None:
    rows, starts = np.arange(2), np.array([0, 1, 2])
    with pytest.raises(DataError, match="none below the one before"):
        Groups(rows, rows, starts, rows, np.array([0, 3, 2]))


def test_cosines_do_not_depend_on_lengths_and_are_0_for_a_zero_vector() -> None:
    groups = Groups.of_lists([[0], [1]], [[1, 2], []])
    queries, documents = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[6.0, 8.0], [5.0, 0.0], [0.0, 0.0]])
    found = cosines(groups, queries, documents)
    np.testing.assert_allclose(found.positives, [1.0, 0.0])
    np.testing.assert_allclose(found.negatives, [0.6, 0.0])
    blocked = cosines(groups, queries, documents, block_pairs=1)
    assert blocked.negatives.tolist() == found.negatives.tolist()


def test_equal_documents_have_equal_cosines() -> None:
    random = np.random.default_rng(0)
    documents = random.standard_normal((1, 99)).astype(np.float32).repeat(50, axis=0)
    queries = random.standard_normal((1, 99)).astype(np.float32)
    found = cosines(Groups.of_lists([[0]], [list(range(1, 50))]), queries, documents, block_pairs=7)
    assert set(found.negatives) == set(found.positives)


def test_vectors_that_are_none() -> None:
    groups = Groups.of_lists([[0]], [[1]])
    with pytest.raises(DataError, match=r"wants \(rows, D\) of one D"):
        cosines(groups, np.ones((1, 3)), np.ones((2, 4)))
    with pytest.raises(DataError, match="1 vectors of documents"):
        cosines(groups, np.ones((1, 2)), np.array([[1.0, 1.0], [np.nan, 0.0]]))


def test_similarities_are_numbers_and_fit() -> None:
    with pytest.raises(DataError, match="1 similarities of negatives are no finite numbers"):
        Similarities(np.ones(1), np.array([np.inf]))
    with pytest.raises(DataError, match="groups of"):
        Similarities(np.ones(1), np.ones(2)).check(Groups.of_lists([[0]], [[1]]))


def test_the_positives_that_count() -> None:
    groups = Groups.of_lists([[0, 1, 2], [3]], [[4, 5], [6]])
    alike = np.array([0.5, 0.9, 0.5, 0.1])
    assert Units.of(groups, alike, "max").positive.tolist() == [1, 3]
    assert Units.of(groups, alike, "min").positive.tolist() == [0, 3]  # of equal ones the first
    each = Units.of(groups, alike, "each")
    assert each.query.tolist() == [0, 0, 0, 1]
    assert each.negatives.tolist() == [0, 1, 0, 1, 0, 1, 2]
    assert each.per_query(np.array([1.0, 2.0, 6.0, 5.0])).tolist() == [3.0, 5.0]
    assert each.per_negative(np.array([1.0, 10, 2, 20, 3, 30, 4])).tolist() == [2.0, 20.0, 4.0]


def test_segments_of_empty_parts() -> None:
    found = segments(np.add, np.array([1.0, 2.0, 4.0]), np.array([0, 0, 2, 2, 3, 3]))
    assert found[[1, 3]].tolist() == [3.0, 4.0]
    assert np.isnan(found[[0, 2, 4]]).all()


def test_blocks_hold_equally_long_parts() -> None:
    starts = np.array([0, 2, 2, 5, 7, 9])
    found = [(parts.tolist(), places.tolist()) for parts, places in equal_blocks(starts, 4)]
    assert found == [([0, 3], [[0, 1], [5, 6]]), ([4], [[7, 8]]), ([2], [[2, 3, 4]])]
