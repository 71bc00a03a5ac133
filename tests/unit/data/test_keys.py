from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data.keys import KeyTable, text_keys

TEXTS = st.lists(st.text(alphabet="abü\0", max_size=2))


@given(TEXTS, TEXTS)
def test_a_table_finds_the_first_row_of_each_text(texts: list[str], asked: list[str]) -> None:
    expected = [texts.index(text) if text in texts else -1 for text in asked]
    assert KeyTable(text_keys(texts)).find(text_keys(asked)).tolist() == expected


def test_keys_that_share_their_first_half_are_told_apart() -> None:
    keys = np.zeros((4, 16), dtype=np.uint8)
    keys[:, 8] = [3, 1, 2, 1]
    other = np.zeros((1, 16), dtype=np.uint8)
    table = KeyTable(keys)
    assert table.find(keys).tolist() == [0, 1, 2, 1]
    assert table.find(other).tolist() == [-1]
    other[0, 8] = 9
    assert table.find(other).tolist() == [-1]
