"""TREC runs and judgements."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest

from pyrite.data import Judgment, Qrels, Run, ScoredDoc, ScoreKind
from pyrite.data.formats.trec import read_qrels, read_run, write_qrels, write_run
from pyrite.errors import DataError


def run_of(rows: list[tuple[str, str, float]], scorer: str = "bm25") -> Run:
    queries, docs, scores = zip(*rows, strict=True)
    return Run.build(scorer, ScoreKind.BM25, query_id=queries, doc_id=docs, rank=[1] * len(rows), score=scores)


def problems_of(error: DataError) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.what) for problem in error.problems]


def test_ranks_follow_from_scores_and_ties_from_ids_descending(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q2 Q0 a 1 1.0 tag\nq1 Q0 x 9 0.5 tag\nq2 Q0 b 2 1.0 tag\nq2\tQ0\tc\t3\t2.5\ttag\n")
    run = read_run(path)
    assert run.metadata == {"scorer": "tag", "score_kind": "unknown"}
    assert run.column("query_id").to_pylist() == ["q2", "q2", "q2", "q1"]
    assert run.by_query() == {
        "q1": [ScoredDoc("x", 0.5, 1)],
        "q2": [ScoredDoc("c", 2.5, 1), ScoredDoc("b", 1.0, 2), ScoredDoc("a", 1.0, 3)],
    }


def test_the_kind_of_the_scores_is_what_the_caller_says(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q Q0 d 1 0.5 tag\n")
    assert read_run(path, ScoreKind.COSINE).score_kind is ScoreKind.COSINE


def test_every_fault_of_a_run_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    lines = [
        b"q1 Q0 d1 1 2.0 tag",
        b"q1 Q0 d2 2 nan tag",
        b"q1 Q0 d3 3 inf tag",
        b"q1 Q0 d4 4 high tag",
        b"q1 Q0 d1 5 1.0 tag",
        b"q1 Q0 d5 first 1.0 tag",
        b"q1 Q0 d6 6 1.0 other",
        b"q1 Q0 d7 7 1.0",
        b"q1 Q0 d\xff 8 1.0 tag",
        b"",
        b"q1 Q0 d8 9 1_0 tag extra",
    ]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(DataError) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"9 problems in the run {path}\n  {path}:2: ")
    assert problems_of(caught.value) == [
        (2, "the score 'nan' is no finite number"),
        (3, "the score 'inf' is no finite number"),
        (4, "the score 'high' is no finite number"),
        (5, "the query 'q1' has the document 'd1' already"),
        (6, "the rank 'first' is no integer"),
        (7, "the tag 'other' is not the first line's, 'tag'; a file holds one system's run"),
        (8, "5 columns, wants 6: query id, Q0, document id, rank, score, tag"),
        (9, "not UTF-8: byte 0xff in position 8 of the line"),
        (11, "7 columns, wants 6: query id, Q0, document id, rank, score, tag"),
    ]


def test_a_missing_and_an_empty_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.trec: there is no such file"):
        read_run(tmp_path / "no.trec")
    (tmp_path / "empty.trec").write_text("\n")
    with pytest.raises(DataError, match=r"empty.trec: holds no results"):
        read_run(tmp_path / "empty.trec")


def test_a_packed_run(tmp_path: Path) -> None:
    path = tmp_path / "run.trec.gz"
    path.write_bytes(gzip.compress(b"q Q0 d 1 0.5 tag\n"))
    assert read_run(path).by_query() == {"q": [ScoredDoc("d", 0.5, 1)]}


def test_written_ranks_are_numbered_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    write_run(run_of([("q2", "a", 0.1), ("q1", "x", -3.0), ("q2", "b", 0.1), ("q2", "c", 1 / 3)]), path)
    assert path.read_text() == (
        "q2 Q0 c 1 0.3333333333333333 bm25\nq2 Q0 b 2 0.1 bm25\nq2 Q0 a 3 0.1 bm25\nq1 Q0 x 1 -3.0 bm25\n"
    )


def test_scores_keep_every_bit(tmp_path: Path) -> None:
    scores = [math.pi, 5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2]
    write_run(run_of([("q", str(i), score) for i, score in enumerate(scores)]), tmp_path / "r")
    read = {hit.doc_id: hit.score for hit in read_run(tmp_path / "r").by_query()["q"]}
    assert [read[str(i)].hex() for i in range(len(scores))] == [score.hex() for score in scores]


def test_a_run_that_does_not_fit_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no id or tag that is empty or has white space") as caught:
        write_run(run_of([("q 1", "d\n", 1.0), ("", "d", 1.0)], scorer="my model"), tmp_path / "r")
    assert [problem.what for problem in caught.value.problems] == ["''", r"'d\n'", "'my model'", "'q 1'"]
    with pytest.raises(DataError, match="'bm25' has an infinite score"):
        write_run(run_of([("q", "d", -math.inf)]), tmp_path / "r")
    assert not (tmp_path / "r").exists()
    write_run(run_of([("q", "d", 1.0)], scorer="my model"), tmp_path / "r", tag="my-model")
    assert read_run(tmp_path / "r").scorer == "my-model"


def test_judgements_survive(tmp_path: Path) -> None:
    qrels = Qrels.from_rows([Judgment("q2", "b", 0), Judgment("q1", "ü\u00a0x", 3), Judgment("q2", "a", 1)])
    write_qrels(qrels, tmp_path / "qrels")
    assert (tmp_path / "qrels").read_text(encoding="utf-8") == "q2 0 b 0\nq1 0 ü\u00a0x 3\nq2 0 a 1\n"
    assert list(read_qrels(tmp_path / "qrels").rows()) == list(qrels.rows())


def test_every_fault_of_judgements_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "qrels"
    path.write_text("q 0 d 1\nq 0 d 2\nq 0 d 1\nq d 1\nq 0 e -1\nq 0 f 1.5\n")
    with pytest.raises(DataError, match="5 problems in the judgements") as caught:
        read_qrels(path)
    assert problems_of(caught.value) == [
        (2, "the query 'q' and the document 'd' are judged in line 1 already, with grade 1 and not 2"),
        (3, "the query 'q' and the document 'd' are judged in line 1 already, with the same grade"),
        (4, "3 columns, wants 4: query id, iteration, document id, grade"),
        (5, "the grade -1 is negative; grades go from 0, judged and not relevant, up"),
        (6, "the grade '1.5' is no integer"),
    ]


def test_judgements_with_white_space_in_an_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="qrels: 'd 1'"):
        write_qrels(Qrels.from_rows([Judgment("q", "d 1", 1)]), tmp_path / "qrels")
