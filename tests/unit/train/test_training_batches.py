from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.train.batches import BatchPlan, epoch_batches, make_batch
from pyrite.train.examples import Examples


def build(pairs: list[tuple[int, int]], negatives: list[list[int]], keys: list[int] | None = None) -> Examples:
    """Examples from (group, document) pairs; documents with the same key are copies."""
    groups, positives = (np.array(column) for column in zip(*pairs, strict=True))
    document_keys = np.array(keys if keys is not None else range(int(max(positives.max(), np.max(negatives))) + 1))
    known = [np.unique(document_keys[positives[groups == group]]) for group in range(len(negatives))]
    return Examples(
        query_texts=[""] * len(negatives),
        document_texts=[""] * len(document_keys),
        groups=groups,
        positives=positives,
        negatives=np.array(negatives),
        weights=None,
        more=np.zeros((len(pairs), 0), dtype=np.int64),
        teacher=None,
        margins=None,
        query_keys=np.arange(len(negatives)),
        document_keys=document_keys,
        known=known,
    )


@st.composite
def some_examples(draw: st.DrawFn) -> Examples:
    groups = draw(st.integers(1, 12))
    sizes = st.lists(st.integers(0, 8), min_size=1, max_size=4, unique=True)
    pairs = [(group, document) for group in range(groups) for document in draw(sizes)]
    return build(pairs, [[0]] * groups, keys=draw(st.lists(st.integers(0, 5), min_size=9, max_size=9)))


@given(some_examples(), st.integers(1, 7), st.integers(0, 3))
def test_an_epoch_holds_each_pair_once(examples: Examples, size: int, seed: int) -> None:
    batches = epoch_batches(examples, size, seed, 1)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(examples)))
    assert max(map(len, batches)) <= size


@given(some_examples(), st.integers(1, 7))
def test_like_pairs_share_a_batch_only_where_they_outnumber_the_batches(examples: Examples, size: int) -> None:
    batches = epoch_batches(examples, size, 0, 1)
    fewest = math.ceil(len(examples) / size)
    for keys in (examples.query_keys[examples.groups], examples.document_keys[examples.positives]):
        total = Counter(keys.tolist())
        for batch in batches:
            for key, count in Counter(keys[batch].tolist()).items():
                assert count <= math.ceil(total[key] / fewest)


@given(some_examples(), st.integers(1, 7))
def test_no_known_positive_is_a_negative(examples: Examples, size: int) -> None:
    for members in epoch_batches(examples, size, 0, 1):
        batch = make_batch(examples, members)
        there = np.concatenate([np.ones(len(members), dtype=bool), batch.present.ravel()])
        for row, group in enumerate(batch.queries):
            positives = examples.known[examples.query_keys[group]]
            known = np.isin(examples.document_keys[batch.documents], positives) & there
            assert batch.known[row].tolist() == known.tolist()


def test_order_depends_on_seed_and_epoch_alone() -> None:
    examples = build([(i, i) for i in range(50)], [[0]] * 50)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(epoch_batches(examples, 8, seed, epoch)).tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (1, 2)}) == 4


def test_a_text_copied_more_often_than_there_are_batches_is_spread() -> None:
    # 12 of 32 pairs have copies of one positive: with 4 batches of 8, no batch can hold fewer than 3 of them.
    examples = build([(i, i) for i in range(32)], [[0]] * 32, keys=[0 if i < 12 else i for i in range(32)])
    batches = epoch_batches(examples, 8, 0, 1)
    assert max(int((batch < 12).sum()) for batch in batches) == 3
    assert len(batches) <= 5


def test_a_batch_masks_padding_and_known_positives() -> None:
    # Query 0 has the positives 0 and 1; document 4 is a copy of 1. Query 1 has the positive 2.
    examples = build([(0, 0), (0, 1), (1, 2)], [[3, -1], [4, 0]], keys=[0, 1, 2, 3, 1])
    batch = make_batch(examples, np.array([0, 2]))
    assert batch.queries.tolist() == [0, 1]
    assert batch.documents[:2].tolist() == [0, 2]
    assert batch.present.tolist() == [[True, False], [True, True]]
    assert batch.documents[2:][batch.present.ravel()].tolist() == [3, 4, 0]
    # Columns: 0, 2, then 3 and padding, then 4 and 0.
    assert batch.known[0, [0, 1, 2, 4, 5]].tolist() == [True, False, False, True, True]
    assert batch.known[1].tolist() == [False, True, False, False, False, False]
    assert batch.more.shape == (2, 0)


def test_further_positives_and_scores_follow_their_pairs() -> None:
    # Query 0 has the positives 0 and 2, query 1 has 1, 3 and 4; 3 stands first and brings 1 and 4.
    base = build([(0, 0), (0, 2), (1, 3), (1, 1), (1, 4)], [[4], [0]])
    fields = {name: getattr(base, name) for name in Examples.__slots__}
    fields |= {"groups": np.array([0, 1]), "positives": np.array([0, 3]), "more": np.array([[2, -1], [1, 4]])}
    fields |= {"teacher": np.array([[1, 2], [3, np.nan]], dtype=np.float32), "margins": np.array([[5.0], [6.0]])}
    batch = make_batch(Examples(**fields), np.array([1, 0]))
    assert batch.teacher is not None
    assert batch.margins is not None
    assert np.array_equal(batch.teacher, [[3, np.nan], [1, 2]], equal_nan=True)
    assert batch.margins.tolist() == [[6.0], [5.0]]
    assert batch.more.tolist() == [[True, True], [True, False]]
    # Columns: 3, 0, then the negatives 0 and 4, then 1, 4, 2 and padding.
    assert batch.documents[:7].tolist() == [3, 0, 0, 4, 1, 4, 2]
    assert batch.known.tolist() == [
        [True, False, False, True, True, True, False, False],
        [False, True, True, False, False, False, True, False],
    ]


def test_weights_follow_their_groups() -> None:
    base = build([(0, 0), (1, 1)], [[2], [3]])
    fields = {name: getattr(base, name) for name in Examples.__slots__}
    weighted = Examples(**{**fields, "weights": np.array([[0.5], [2.0]], dtype=np.float32)})
    batch = make_batch(weighted, np.array([1, 0]))
    assert batch.weights is not None
    assert batch.weights.tolist() == [[2.0], [0.5]]


def test_a_plan_knows_where_epochs_end() -> None:
    examples = build([(i, i) for i in range(10)], [[0]] * 10)
    plan = BatchPlan.build(examples, batch_size=4, seed=0, epochs=2)
    assert plan.steps == 6
    assert plan.ends == [3, 6]
    assert [plan.ends_epoch(step) for step in range(1, 7)] == [None, None, 1, None, None, 2]
    assert [step for step, _ in plan.after(4)] == [5, 6]
