"""Cutting dev from training: by groups of queries, by hash, in no order."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from pyrite.data import Judgment, Qrels
from pyrite.data.formats.beir import read_beir
from pyrite.data.splits import cut_dev
from pyrite.errors import DataError, SettingsError


def qrels_of(pairs: list[tuple[str, str, int]]) -> Qrels:
    return Qrels.from_rows(Judgment(*pair) for pair in pairs)


def queries(qrels: Qrels) -> set[str]:
    return set(qrels.query_ids())


SINGLES = [(f"q{number}", f"d{number}", 1) for number in range(200)]


def test_every_row_goes_to_one_side_in_its_order() -> None:
    rows = [(query, doc, 1) for query, own, _ in SINGLES for doc in (own, f"{own}b")]
    train, dev = cut_dev(qrels_of(rows), 0.1, seed=0)
    assert len(dev.query_ids()) == 20
    assert not queries(train) & queries(dev)
    kept = queries(dev)
    assert list(dev.rows()) == [Judgment(*row) for row in rows if row[0] in kept]
    assert list(train.rows()) == [Judgment(*row) for row in rows if row[0] not in kept]


def test_the_order_of_the_rows_does_not_matter() -> None:
    pairs = [(query, f"d{number // 2}", 1) for number, (query, _, _) in enumerate(SINGLES)]
    shuffled = random.Random(0).sample(pairs, len(pairs))
    assert queries(cut_dev(qrels_of(pairs), 0.2, 3)[1]) == queries(cut_dev(qrels_of(shuffled), 0.2, 3)[1])


def test_seeds_cut_differently_and_the_same_seed_alike() -> None:
    first, again, other = (queries(cut_dev(qrels_of(SINGLES), 0.2, seed)[1]) for seed in (0, 0, 1))
    assert first == again
    assert len(first & other) < 20


def test_a_larger_share_keeps_the_smaller_dev() -> None:
    small, large = (queries(cut_dev(qrels_of(SINGLES), share, 0)[1]) for share in (0.1, 0.3))
    assert small < large


def test_queries_alone_are_kept_apart_by_default() -> None:
    star = [(f"s{number}", "hub", 1) for number in range(50)]
    train, dev = cut_dev(qrels_of(star), 0.2, 0)
    assert (len(train), len(dev)) == (40, 10)
    assert not queries(train) & queries(dev)


def test_queries_that_share_a_relevant_document_stay_together() -> None:
    chain = [(f"c{number}", f"e{document}", 1) for number in range(4) for document in (number, number + 1)]
    for seed in range(20):
        dev = queries(cut_dev(qrels_of(chain + SINGLES[:16]), 0.4, seed, "documents")[1])
        assert len(dev & {"c0", "c1", "c2", "c3"}) in {0, 4}
        assert len(dev) in range(5, 9)


def test_a_document_judged_irrelevant_ties_nothing_together() -> None:
    rows = [(query, "shared", 0) for query, _, _ in SINGLES] + SINGLES
    assert len(cut_dev(qrels_of(rows), 0.1, 0, "documents")[1].query_ids()) == 20


def test_a_group_too_large_for_dev_stays_in_training() -> None:
    star = [(f"s{number}", "hub", 1) for number in range(50)]
    for seed in range(5):
        train, dev = cut_dev(qrels_of(star + SINGLES[:50]), 0.1, seed, "documents")
        assert len(dev.query_ids()) == 10
        assert {query for query, _, _ in star} <= queries(train)


def test_large_groups_are_not_preferred() -> None:
    pairs = [(f"p{number}", f"e{number // 4}", 1) for number in range(400)] + [
        (f"s{n}", f"f{n}", 1) for n in range(400)
    ]
    share = [
        len([q for q in queries(cut_dev(qrels_of(pairs), 0.2, seed, "documents")[1]) if q[0] == "p"]) / 160
        for seed in range(10)
    ]
    assert 0.4 < sum(share) / len(share) < 0.6


def test_metadata_go_along() -> None:
    qrels = Qrels(qrels_of(SINGLES).arrow, {"dropped_unknown_ids": 3})
    assert [part.metadata for part in cut_dev(qrels, 0.5, 0, "documents")] == [{"dropped_unknown_ids": 3}] * 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5])
def test_a_share_out_of_range(share: float) -> None:
    with pytest.raises(SettingsError, match=f"between 0 and 1, both excluded, not {share}"):
        cut_dev(qrels_of(SINGLES), share, 0, "documents")


@pytest.mark.parametrize("rows", [[("a", "d", 1), ("b", "d", 1)], [("a", "d", 1)], []])
def test_where_no_cut_is_possible(rows: list[tuple[str, str, int]]) -> None:
    with pytest.raises(DataError, match="no dev split of 1 out of"):
        cut_dev(qrels_of(rows), 0.3, 0, "documents")


def test_real_training_queries(test_data: Callable[[str], object]) -> None:
    train = read_beir(test_data("scifact")).split("train")  # type: ignore[arg-type]
    rest, dev = cut_dev(train, 0.1, 0, "documents")
    assert len(dev.query_ids()) == 81  # 10 % of 809
    assert not set(rest.column("doc_id").to_pylist()) & set(dev.column("doc_id").to_pylist())
