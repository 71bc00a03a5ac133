from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyrite.data import Candidate, Candidates
from pyrite.errors import SettingsError
from pyrite.mining import CeilingFilter, MarginFilter, RankWindow, ShareFilter
from pyrite.mining.pool import Pool, build_pool
from pyrite.mining.selection import Selection
from pyrite.settings import parse_settings


def pool(scores: list[float], *, positives: tuple[float, ...] = (0.6, 0.8), trusted: int = -1) -> Pool:
    """Return a pool of one query whose positives no source ranked."""
    rows = [Candidate("q", f"d{i}", "dense", i + 1, "dense", score, False) for i, score in enumerate(scores)]
    rows += [Candidate("q", f"p{i}", "dense", None, "dense", score, True) for i, score in enumerate(positives)]
    built = build_pool(Candidates.from_rows(rows, {"scorers": {"dense": "cosine"}}), ("dense",), None)
    return replace(built, trusted=np.arange(len(scores)) == trusted)


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (MarginFilter(margin=0.05), [False, False, False, True]),
        (MarginFilter(margin=0.05, reference="highest"), [False, True, True, True]),
        (MarginFilter(margin=0.0, reference="mean"), [False, False, True, True]),
        (ShareFilter(share=0.95), [False, False, False, True]),
        (ShareFilter(share=0.95, reference="highest"), [False, True, True, True]),
        (CeilingFilter(ceiling=0.7), [False, False, True, True]),
    ],
)
def test_positive_aware_filters_by_hand(chosen: MarginFilter, kept: list[bool]) -> None:
    assert chosen.apply(pool([0.79, 0.7, 0.6, 0.5])).keep.tolist() == kept


def test_share_is_safe_for_negative_scores() -> None:
    """Positive -2: the threshold is -2.1, below it, where a plain product would give -1.9, above."""
    outcome = ShareFilter(share=0.95).apply(pool([-1.95, -2.05, -2.2], positives=(-2.0,)))
    assert outcome.thresholds[0] == pytest.approx(-2.1)
    assert outcome.keep.tolist() == [False, False, True]


def test_an_equal_score_is_dropped() -> None:
    assert not MarginFilter(margin=0.0).apply(pool([0.6])).keep[0]


def test_judged_documents_pass_what_only_guesses() -> None:
    trusted = pool([0.9, 0.9], trusted=1)
    for chosen in (MarginFilter(), ShareFilter(), CeilingFilter(ceiling=0.1)):
        assert chosen.apply(trusted).keep.tolist() == [False, True]
    assert RankWindow(first=3).apply(trusted).keep.tolist() == [False, False]


def test_rank_window_says_which_end_was_passed() -> None:
    outcome = RankWindow(first=2, last=3).apply(pool([0.4] * 4))
    assert outcome.keep.tolist() == [False, True, True, False]
    assert outcome.thresholds[[0, 3]].tolist() == [2.0, 3.0]


def test_a_file_names_filters_by_type() -> None:
    data = {"filters": [{"type": "margin", "margin": 0.1}, {"type": "rank-window", "first": 5}]}
    assert parse_settings(Selection, data, "x").filters == (MarginFilter(margin=0.1), RankWindow(first=5))
    with pytest.raises(SettingsError, match=r"x\.filters\.0.*'margin'"):
        parse_settings(Selection, {"filters": [{"type": "margn"}]}, "x")
    with pytest.raises(SettingsError, match=r"last \(2\) is below first \(3\)"):
        parse_settings(Selection, {"filters": [{"type": "rank-window", "first": 3, "last": 2}]}, "x")


def test_two_filters_with_default_settings_have_two_identities() -> None:
    assert MarginFilter().identity() != ShareFilter().identity()
