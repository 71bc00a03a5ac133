from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pyrite.metrics.separation import auroc, auroc_error

VALUES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


@given(VALUES, VALUES)
def test_it_is_the_share_of_pairs_in_order(upper: list[float], lower: list[float]) -> None:
    wins = [1.0 if one > other else 0.5 if one == other else 0.0 for one in upper for other in lower]
    assert math.isclose(auroc(np.array(upper), np.array(lower)), sum(wins) / len(wins))
    assert math.isclose(auroc(np.array(upper), np.array(lower)) + auroc(np.array(lower), np.array(upper)), 1.0)


def test_an_empty_side_tells_nothing() -> None:
    assert math.isnan(auroc(np.zeros(0), np.zeros(3)))


def test_the_error_is_the_spread_where_there_is_nothing_to_tell() -> None:
    random = np.random.default_rng(0)
    found = [auroc(random.random(40), random.random(60)) for _ in range(2000)]
    assert math.isclose(np.std(found), auroc_error(40, 60), rel_tol=0.05)
