from __future__ import annotations

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.errors import DataError
from pyrite.train import TrainingTexts
from pyrite.train.examples import Examples, resolve

TEXTS = TrainingTexts(
    Corpus.from_rows(
        [
            Document("x", "never used"),
            Document("a", "Alpha", "Title"),
            Document("b", "beta"),
            Document("c", " ALPHA "),
            Document("d", "delta"),
        ]
    ),
    Queries.from_rows([Query("q", "first?"), Query("r", "Second"), Query("s", "second")]),
)


def examples(*groups: TrainingGroup, negatives: int = 4) -> Examples:
    return resolve(TrainingSet.from_rows(groups), TEXTS, negatives)


def test_each_positive_gives_a_pair_and_texts_are_those_in_use() -> None:
    found = examples(TrainingGroup("r", ("b", "a"), ("d",)), TrainingGroup("q", ("a",)))
    assert found.query_texts == ["Second", "first?"]
    assert found.document_texts == ["beta", "Title Alpha", "delta"]
    assert found.groups.tolist() == [0, 0, 1]
    assert found.positives.tolist() == [0, 1, 1]
    assert found.negatives.tolist() == [[2], [-1]]
    assert found.weights is None


def test_only_the_first_negatives_are_taken() -> None:
    found = examples(TrainingGroup("q", ("a",), ("d", "b", "c"), weights=(0.5, 2.0, 7.0)), negatives=2)
    assert [found.document_texts[row] for row in found.negatives[0]] == ["delta", "beta"]
    assert found.weights is not None
    assert found.weights.tolist() == [[0.5, 2.0]]


def test_no_negatives_leave_no_columns() -> None:
    assert examples(TrainingGroup("q", ("a",), ("d",)), negatives=0).negatives.shape == (1, 0)


def test_missing_weights_are_1() -> None:
    found = examples(TrainingGroup("q", ("a",), ("d", "b")), TrainingGroup("r", ("b",), ("d",), weights=(0.25,)))
    assert found.weights is not None
    assert found.weights.tolist() == [[1.0, 1.0], [0.25, 1.0]]
    assert found.weights.dtype == np.float32


def test_example_weights_have_the_mean_1_over_the_pairs() -> None:
    # Three pairs, two of them of the first group: the mean of 1, 1 and 4 is 2.
    found = examples(TrainingGroup("q", ("a", "b")), TrainingGroup("r", ("d",), example_weight=4.0))
    assert found.example_weights is not None
    assert found.example_weights.tolist() == [0.5, 2.0]
    assert found.example_weights.dtype == np.float32


@pytest.mark.parametrize("weight", [None, 0.3, 1e300])
def test_examples_that_count_alike_have_no_weights(weight: float | None) -> None:
    groups = [TrainingGroup(query_id, ("a",), example_weight=weight) for query_id in ("q", "r", "s")]
    assert examples(*groups).example_weights is None


def test_a_training_set_that_counts_for_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="every group of the training set has the weight 0"):
        examples(TrainingGroup("q", ("a",), example_weight=0.0))


def test_copies_and_queries_of_the_same_text_share_their_keys() -> None:
    found = examples(TrainingGroup("r", ("a",), ("b",)), TrainingGroup("s", ("d",), ("c",)))
    assert found.document_texts == ["Title Alpha", "beta", "delta", " ALPHA "]
    assert found.document_keys.tolist() == [0, 1, 2, 0]
    assert found.query_keys.tolist() == [0, 0]
    assert [keys.tolist() for keys in found.known] == [[0, 2]]


def test_an_empty_training_set_is_refused() -> None:
    with pytest.raises(DataError, match="training set is empty"):
        resolve(TrainingSet.empty(), TEXTS, 4)


def test_every_id_without_a_text_is_listed() -> None:
    with pytest.raises(DataError, match="3 ids of the training set have no text") as caught:
        examples(TrainingGroup("q", ("nowhere",)), TrainingGroup("lost", ("a",), ("gone", "b")))
    message = str(caught.value)
    assert "the query 'lost' is not among the queries" in message
    assert "the document 'nowhere' is not in the corpus" in message
    assert "the document 'gone' is not in the corpus" in message


def test_each_pair_has_the_scores_of_its_own_positive_and_of_the_negatives_in_use() -> None:
    scored = TrainingGroup("q", ("a", "b"), ("d", "c"), teacher_scores=(9.0, 8.0, None, 1.0), margins=None)
    found = examples(scored, TrainingGroup("r", ("b",), ("d",)), negatives=1)
    assert found.teacher is not None
    assert np.array_equal(found.teacher, [[9, np.nan], [8, np.nan], [np.nan, np.nan]], equal_nan=True)
    assert found.teacher.dtype == np.float32
    assert found.margins is None


def test_each_pair_has_the_margins_of_its_own_positive() -> None:
    group = TrainingGroup("q", ("a", "b"), ("d", "c", "x"), margins=(1.0, 2.0, None, 4.0, None, 6.0))
    found = examples(group, negatives=2)
    assert found.margins is not None
    assert np.array_equal(found.margins, [[1, 2], [4, np.nan]], equal_nan=True)


def test_positives_that_are_looked_at_together_are_cut_into_even_parts() -> None:
    set_ = TrainingSet.from_rows([TrainingGroup("q", ("a", "b", "c", "d"), ("x",)), TrainingGroup("r", ("b",), ("x",))])
    found = resolve(set_, TEXTS, 4, positives=3)
    named = np.array([*(text.split()[-1].strip().lower() for text in found.document_texts), "-"])
    assert found.groups.tolist() == [0, 0, 1]
    assert named[found.positives].tolist() == ["alpha", "alpha", "beta"]
    assert named[found.more].tolist() == [["beta"], ["delta"], ["-"]]
