from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.search.topk import descending_id_rank, top_indices


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30), st.integers(1, 40))
def test_top_indices_is_a_full_sort_cut_short(scores: list[float], depth: int) -> None:
    ids = [f"d{i}" for i in range(len(scores))]
    expected = sorted(range(len(scores)), key=lambda i: (scores[i], ids[i]), reverse=True)[:depth]
    assert top_indices(np.array(scores), depth, descending_id_rank(ids)).tolist() == expected


def test_ids_rank_as_strings_not_numbers() -> None:
    assert descending_id_rank(["10", "9", "100"]).tolist() == [2, 0, 1]
