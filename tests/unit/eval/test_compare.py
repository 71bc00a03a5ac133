"""Comparisons and means over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from pyrite.data import Comparison, QueryScore, QueryScores
from pyrite.errors import DataError, SettingsError
from pyrite.eval import against, average_seeds, compare


def scores(system: str, values: dict[str, float], measure: str = "AP") -> QueryScores:
    return QueryScores.from_rows([QueryScore(q, measure, value) for q, value in values.items()], {"system": system})


def test_one_pair_worked_out_by_hand() -> None:
    a = scores("a", {"q1": 0.5, "q2": 0.75, "q3": 1.0})
    b = scores("b", {"q1": 0.25, "q2": 0.5, "q3": 0.75})
    assert list(compare([a, b], [("a", "b")]).rows()) == [Comparison("a", "b", "AP", 0.25, 0.25, 0.25, 0.25, 3)]


def test_the_direction_is_system_minus_baseline() -> None:
    a, b = scores("a", {"q1": 0.0, "q2": 0.1}), scores("b", {"q1": 1.0, "q2": 0.9})
    (row,) = compare([a, b], [("a", "b")]).rows()
    assert row.delta == pytest.approx(-0.9)
    assert row.low <= row.delta <= row.high < 0


def test_every_pair_and_measure_in_order() -> None:
    def two(system: str) -> QueryScores:
        rows = [QueryScore("q", "AP", 0.5), QueryScore("q", "nDCG@10", 0.5)]
        return QueryScores.from_rows(rows, {"system": system})

    systems = [two("bm25"), two("before"), two("after")]
    pairs = against(["bm25", "before", "after"], "before")
    found = [(row.a, row.b, row.measure) for row in compare(systems, pairs).rows()]
    assert found == [
        ("bm25", "before", "AP"),
        ("bm25", "before", "nDCG@10"),
        ("after", "before", "AP"),
        ("after", "before", "nDCG@10"),
    ]
    assert [row.measure for row in compare(systems, pairs[:1], ["ndcg@10"]).rows()] == ["nDCG@10"]


def test_queries_are_paired_by_id_and_not_by_place() -> None:
    generator = np.random.default_rng(0)
    values = {f"q{i}": float(generator.random()) for i in range(50)}
    worse = {query: value - 0.1 for query, value in values.items()}
    shuffled = dict(sorted(worse.items(), key=lambda item: item[1]))
    one = compare([scores("a", values), scores("b", worse)], [("a", "b")])
    other = compare([scores("b", shuffled), scores("a", values)], [("a", "b")])
    assert one.fingerprint() == other.fingerprint()
    (row,) = one.rows()
    assert (row.low, row.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_different_queries_are_refused_by_name() -> None:
    a, b = scores("a", {"q1": 1.0, "q2": 1.0}), scores("b", {"q1": 1.0, "q3": 1.0, "q4": 1.0})
    with pytest.raises(
        DataError,
        match=r"'a' and 'b' were not .*: 1 only in the first, such as 'q2'; 2 only in the second, such as 'q3'",
    ):
        compare([a, b], [("a", "b")])


def test_bad_pairs_are_refused() -> None:
    tables = [scores("a", {"q": 1.0}), scores("b", {"q": 1.0})]
    with pytest.raises(SettingsError, match="no system 'c' to compare; there are: a, b"):
        compare(tables, [("a", "c")])
    with pytest.raises(SettingsError, match="'a' cannot be compared with itself"):
        compare(tables, [("a", "a")])
    with pytest.raises(DataError, match="two tables of scores are called 'a'"):
        compare([tables[0], tables[0]], [("a", "b")])
    with pytest.raises(DataError, match="there are no scores"):
        compare([], [("a", "b")])
    with pytest.raises(DataError, match="no 'nDCG@10' among the scores of 'a'"):
        compare(tables, [("a", "b")], ["nDCG@10"])


def test_seeds_are_averaged_query_by_query() -> None:
    first = scores("s", {"q1": 0.2, "q2": 0.4})
    second = scores("s", {"q2": 0.8, "q1": 0.4})
    mean = average_seeds([first, second])
    assert mean.of("AP") == pytest.approx({"q1": 0.3, "q2": 0.6})
    assert mean.metadata == {
        "system": "s",
        "seeds": 2,
        "means": [{"AP": pytest.approx(0.3)}, {"AP": pytest.approx(0.6)}],
    }


def test_one_seed_is_its_own_mean() -> None:
    only = scores("s", {"q1": 0.2})
    assert average_seeds([only]).of("AP") == {"q1": 0.2}


def test_seeds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="no scores to average"):
        average_seeds([])
    with pytest.raises(DataError, match="is of one system; given: a, b"):
        average_seeds([scores("a", {"q": 1.0}), scores("b", {"q": 1.0})])
    with pytest.raises(DataError, match="two seeds of 's' were not measured on the same"):
        average_seeds([scores("s", {"q1": 1.0}), scores("s", {"q2": 1.0})])
    with pytest.raises(DataError, match="two seeds of 's' were not measured on the same"):
        average_seeds([scores("s", {"q": 1.0}), scores("s", {"q": 1.0}, "nDCG@10")])
