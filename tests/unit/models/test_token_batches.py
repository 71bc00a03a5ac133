from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.models.token_batches import Tokens, cut_batches

lengths = st.lists(st.integers(0, 40), min_size=1, max_size=60).map(np.array)


@given(lengths, st.integers(1, 200), st.sampled_from([1, 8]))
def test_batches_hold_each_text_once_within_the_budget(lengths: np.ndarray, budget: int, multiple: int) -> None:
    batches = cut_batches(lengths, budget, multiple)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        width = -(-max(lengths[batch].max(), 1) // multiple) * multiple
        assert len(batch) == 1 or len(batch) * width <= budget
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=8), st.booleans())
def test_padding_comes_off_again(rows: list[list[int]], left: bool) -> None:
    tokens = Tokens.of({"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]})
    width = max(map(len, rows)) + 1
    chosen = np.arange(len(rows))[::-1]
    padded = tokens.padded(chosen, width, {"input_ids": -1}, left=left)
    assert padded["input_ids"].shape == (len(rows), width)
    for row, ids, mask in zip(chosen, padded["input_ids"], padded["attention_mask"], strict=True):
        there = ids != -1
        assert ids[there].tolist() == rows[row]
        assert np.array_equal(mask, there)
        assert not there[0 if left else -1]


def test_two_short_texts_by_hand() -> None:
    tokens = Tokens.of({"input_ids": [[5, 6, 7], [8]]})
    assert tokens.padded(np.array([0, 1]), 3, {"input_ids": 1}, left=False)["input_ids"].tolist() == [
        [5, 6, 7],
        [8, 1, 1],
    ]
    assert tokens.padded(np.array([1]), 3, {}, left=True)["input_ids"].tolist() == [[0, 0, 8]]
