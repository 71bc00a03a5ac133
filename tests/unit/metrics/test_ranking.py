"""Measures on rankings small enough to work out by hand."""

from __future__ import annotations

from math import log2

import pytest

from pyrite.data import Judgment, Qrels, Run, ScoreKind
from pyrite.errors import DataError, SettingsError
from pyrite.metrics import DEFAULT_MEASURES, canonical_measure, measure_run, short_name


def run(*rows: tuple[str, str, float]) -> Run:
    return Run.build(
        "scorer",
        ScoreKind.UNKNOWN,
        query_id=[row[0] for row in rows],
        doc_id=[row[1] for row in rows],
        rank=[1 for _ in rows],
        score=[row[2] for row in rows],
    )


def qrels(*rows: tuple[str, str, int]) -> Qrels:
    return Qrels.from_rows([Judgment(*row) for row in rows])


def test_five_measures_of_one_ranking() -> None:
    ranked = run(("q", "a", 5), ("q", "b", 4), ("q", "c", 3), ("q", "d", 2))
    judged = qrels(("q", "a", 0), ("q", "b", 2), ("q", "d", 1))
    assert measure_run(ranked, judged).means() == pytest.approx(
        {
            "nDCG@10": (2 / log2(3) + 1 / log2(5)) / (2 + 1 / log2(3)),
            "P@10": 2 / 10,
            "R@100": 1,
            "RR@10": 1 / 2,
            "AP": (1 / 2 + 2 / 4) / 2,
        }
    )


def test_gain_is_the_grade_itself() -> None:
    """With exponential gains the first document would be worth 7 times the second, not 3 times."""
    judged = qrels(("q", "a", 1), ("q", "b", 3))
    value = measure_run(run(("q", "a", 2), ("q", "b", 1)), judged, ["ndcg@10"]).means()["nDCG@10"]
    assert value == pytest.approx((1 + 3 / log2(3)) / (3 + 1 / log2(3)))


def test_a_cutoff_ends_the_ranking() -> None:
    ranked = run(*(("q", f"d{i:02}", -i) for i in range(1, 13)))
    values = measure_run(ranked, qrels(("q", "d11", 1)), ["mrr@10", "mrr@20", "recall@10", "recall@11"]).means()
    assert values == pytest.approx({"RR@10": 0, "RR@20": 1 / 11, "R@10": 0, "R@11": 1})


@pytest.mark.parametrize("measure", ["mrr@10", "RR", "AP", "nDCG@10", "P@1"])
def test_ties_go_to_the_higher_id_whatever_the_engine(measure: str) -> None:
    tied = run(("q", "a", 1), ("q", "b", 1))
    assert measure_run(tied, qrels(("q", "b", 1)), [measure]).arrow["value"].to_pylist() == [1.0]
    assert measure_run(tied, qrels(("q", "a", 1)), [measure]).arrow["value"].to_pylist()[0] < 1.0


def test_scores_that_single_precision_would_tie_stay_apart() -> None:
    ranked = run(("q", "a", 1 + 1e-12), ("q", "b", 1.0))
    assert measure_run(ranked, qrels(("q", "a", 1)), ["P@1"]).means() == {"P@1": 1.0}


def test_every_judged_query_counts() -> None:
    ranked = run(("found", "d", 1), ("irrelevant", "d", 1), ("unjudged", "d", 1))
    judged = qrels(("missing", "d", 1), ("found", "d", 1), ("irrelevant", "d", 0))
    scores = measure_run(ranked, judged, system="mine")
    for measure in DEFAULT_MEASURES:
        values = scores.of(measure)
        assert list(values) == ["found", "irrelevant", "missing"]
        assert values["missing"] == values["irrelevant"] == 0 < values["found"]
    assert scores.metadata == {
        "system": "mine",
        "queries": 3,
        "without_results": 1,
        "without_relevant": 1,
        "unjudged": 1,
        "same_id": 0,
    }


def test_a_document_with_the_querys_id_does_not_count() -> None:
    ranked = run(("x", "x", 2), ("x", "y", 1))
    judged = qrels(("x", "y", 1))
    dropped = measure_run(ranked, judged, ["P@1"])
    assert dropped.means() == {"P@1": 1.0}
    assert dropped.metadata["same_id"] == 1
    kept = measure_run(ranked, judged, ["P@1"], drop_same_id=False)
    assert kept.means() == {"P@1": 0.0}
    assert kept.metadata["same_id"] == 0


def test_a_query_left_without_results_by_that_rule_scores_0() -> None:
    scores = measure_run(run(("x", "x", 1), ("y", "z", 1)), qrels(("x", "z", 1), ("y", "z", 1)), ["P@1"])
    assert scores.of("P@1") == {"x": 0.0, "y": 1.0}
    assert scores.metadata["without_results"] == 1


def test_a_negative_grade_gains_nothing() -> None:
    ranked = run(("q", "spam", 2), ("q", "good", 1))
    value = measure_run(ranked, qrels(("q", "spam", -2), ("q", "good", 1)), ["nDCG@10"]).means()["nDCG@10"]
    assert value == pytest.approx(1 / log2(3))


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = [("q2", "a", 1), ("q1", "b", 2), ("q1", "a", 1), ("q2", "b", 1)]
    judged = [("q2", "a", 1), ("q1", "b", 1)]
    one = measure_run(run(*rows), qrels(*judged))
    other = measure_run(run(*reversed(rows)), qrels(*reversed(judged)))
    assert one.fingerprint() == other.fingerprint()


def test_an_empty_run_scores_0() -> None:
    assert measure_run(run(), qrels(("q", "d", 1)), ["map"]).means() == {"AP": 0.0}


def test_the_system_is_the_scorer_where_nothing_is_said() -> None:
    assert measure_run(run(("q", "d", 1)), qrels(("q", "d", 1)), ["P@1"]).system == "scorer"


@pytest.mark.parametrize(
    ("given", "name", "short"),
    [
        ("ndcg@10", "nDCG@10", "ndcg@10"),
        ("NDCG@10", "nDCG@10", "ndcg@10"),
        ("precision@10", "P@10", "p@10"),
        ("R@100", "R@100", "recall@100"),
        ("recall@100", "R@100", "recall@100"),
        ("MRR@10", "RR@10", "mrr@10"),
        ("MAP", "AP", "map"),
        ("success@5", "Success@5", "success@5"),
        ("P(rel=2)@10", "P(rel=2)@10", "p(rel=2)@10"),
        ("bpref", "Bpref", "bpref"),
    ],
)
def test_names_are_read_and_shortened(given: str, name: str, short: str) -> None:
    assert canonical_measure(given) == name
    assert short_name(name) == short
    assert canonical_measure(short) == name


@pytest.mark.parametrize(
    "name",
    ["", "ndgc@10", "P", "P@", "P@0", "P@-1", "P@'a'", "ndcg@10.5", "P(2)@10", "P(level=2)@10", "1+1", "P()()@1"],
)
def test_what_names_no_measure_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="names no measure; allowed: nDCG@10, P@10, R@100, RR@10, AP and"):
        canonical_measure(name)


def test_a_measure_that_no_engine_computes_is_refused() -> None:
    with pytest.raises(SettingsError, match="no installed engine of ir-measures computes all of"):
        measure_run(run(("q", "d", 1)), qrels(("q", "d", 1)), ["nDCG(dcg='exp-log2',judged_only=True)@10"])


def test_no_measure_is_refused() -> None:
    with pytest.raises(SettingsError, match="name at least one measure"):
        measure_run(run(("q", "d", 1)), qrels(("q", "d", 1)), [])


def test_no_judgements_are_refused() -> None:
    with pytest.raises(DataError, match="no judgements"):
        measure_run(run(("q", "d", 1)), qrels())


def test_a_run_of_another_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"not one of the 1 queries of the run 'scorer' .*'test1'.*'train1'"):
        measure_run(run(("test1", "d", 1)), qrels(("train1", "d", 1)))
