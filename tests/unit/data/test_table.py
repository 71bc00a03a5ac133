"""Tables: schema faults, storage, and writing in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyrite.data import (
    Candidates,
    Corpus,
    Document,
    Judgment,
    Negatives,
    Qrels,
    Queries,
    Query,
    QueryScores,
    Removal,
    Removals,
    Run,
    ScoredDoc,
    ScoreKind,
    TableWriter,
    TrainingGroup,
    TrainingSet,
)
from pyrite.errors import DataError

QRELS: dict[str, list[Any]] = {"query_id": ["q"], "doc_id": ["d"], "grade": [1], "source": ["human"]}
GROUPS = [
    TrainingGroup("q1", ("p",), ("a", "b"), (1.0, 0.5), (0.5, None, 0.25)),
    TrainingGroup("q2", ("p", "a"), example_weight=0.5),
]


def test_rows_survive_a_table() -> None:
    assert list(TrainingSet.from_rows(GROUPS).rows()) == GROUPS
    assert list(Corpus.empty().rows()) == []


def test_tables_survive_storage(tmp_path: Path) -> None:
    table = TrainingSet.from_rows(GROUPS, {"made by": "hand", "shares": [0.5, None]})
    table.save(tmp_path / "new")
    read = TrainingSet.open(tmp_path / "new")
    assert list(read.rows()) == GROUPS
    assert read.metadata == {"made by": "hand", "shares": [0.5, None]}
    assert read.fingerprint() == table.fingerprint()
    assert read.summary() == {"rows": 2, "made by": "hand", "shares": [0.5, None]}
    assert repr(read) == "TrainingSet(2 rows, made by='hand', shares=[0.5, None])"
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["training_set.parquet"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"grade": ["x"]}, "column 'grade': Failed to parse string: 'x'"),
        ({"grade": [1.5]}, "column 'grade': Float value 1.5"),
        ({"grade": [2**31]}, "column 'grade': Integer value 2147483648 not in range"),
        ({"grade": [2**70]}, "column 'grade': Python int too large"),
        ({"query_id": [7]}, "column 'query_id': Expected bytes, got a 'int' object"),
        ({"query_id": ["\ud800"]}, "column 'query_id': 'utf-8' codec can't encode"),
        ({"grade": [None]}, "qrels: column 'grade' holds 1 empty values and allows none"),
        ({"doc_id": ["d", "e"]}, "columns of a table of kind 'qrels' differ in length: .*'doc_id': 2"),
        ({"rank": [1]}, r"missing: none, unknown: \['rank'\]"),
    ],
)
def test_faulty_columns(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Qrels.from_columns(**{**QRELS, **columns})


def test_a_missing_column() -> None:
    with pytest.raises(DataError, match=r"missing: \['source'\], unknown: none"):
        Qrels(pa.table({name: values for name, values in QRELS.items() if name != "source"}))


def test_columns_are_cast_and_put_in_order() -> None:
    table = pa.table({"grade": pa.array([1], pa.int64()), "source": ["llm"], "doc_id": ["d"], "query_id": ["q"]})
    assert Qrels(table).arrow.schema == Qrels.schema


def test_a_cast_that_loses_something_is_refused() -> None:
    with pytest.raises(DataError, match="a table of kind 'qrels': Integer value 4294967296 not in range"):
        Qrels(pa.table({**QRELS, "grade": [2**32]}))


def test_repeated_keys_are_named() -> None:
    rows = [Judgment("q", "d", 1), Judgment("q", "e", 1), Judgment("q", "d", 0)]
    with pytest.raises(DataError) as caught:
        Qrels.from_rows(rows)
    assert str(caught.value) == (
        "1 values of query_id + doc_id are not unique in 'qrels'\n  qrels: query_id='q', doc_id='d' stands 2 times"
    )


def test_opening_what_is_not_there_or_damaged_or_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no table of the kind 'corpus' \(corpus.parquet\)"):
        Corpus.open(tmp_path)
    with pytest.raises(DataError, match="holds no table of the kind 'corpus'"):
        list(Corpus.stream(tmp_path))
    (tmp_path / "corpus.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"corpus.parquet: damaged, it cannot be read as Parquet"):
        Corpus.open(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "corpus.parquet")
    with pytest.raises(DataError, match="wants a table of kind 'corpus', version 1; this is None, version None"):
        Corpus.open(tmp_path)
    Qrels.from_columns(**QRELS).save(tmp_path)
    (tmp_path / "qrels.parquet").rename(tmp_path / "corpus.parquet")
    with pytest.raises(DataError, match="wants a table of kind 'corpus', version 1; this is 'qrels', version 1"):
        list(Corpus.stream(tmp_path))


def test_a_writer_takes_pieces_and_a_stream_gives_pieces(tmp_path: Path) -> None:
    documents = [Document(str(number), f"text {number}") for number in range(10)]
    with TableWriter(Corpus, tmp_path, {"name": "x"}) as writer:
        writer.write_rows(documents[:3])
        assert not (tmp_path / "corpus.parquet").exists()
        writer.write_arrow(Corpus.from_rows(documents[3:]).arrow)
    assert [file.name for file in tmp_path.iterdir()] == ["corpus.parquet"]
    batches = list(Corpus.stream(tmp_path, batch_rows=4))
    assert max(batch.num_rows for batch in batches) == 4
    assert [doc_id for batch in batches for doc_id in batch.column("doc_id").to_pylist()] == list("0123456789")
    assert list(Corpus.open(tmp_path).rows()) == documents


def test_a_writer_that_fails_leaves_the_old_table(tmp_path: Path) -> None:
    old = Corpus.from_rows([Document("old", "text")])
    old.save(tmp_path)

    def interrupted() -> Iterator[Document]:
        yield from (Document(str(number), "text") for number in range(100_000))
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"), TableWriter(Corpus, tmp_path) as writer:
        writer.write_rows(interrupted())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["corpus.keys.npy", "corpus.parquet"]
    assert Corpus.open(tmp_path).ids() == ["old"]


def test_a_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing: \['doc_id', 'text', 'title'\]"), TableWriter(Corpus, tmp_path) as w:
        w.write_arrow(pa.table({"x": [1]}))
    with pytest.raises(DataError, match="column 'doc_id' holds 1 empty values"), TableWriter(Corpus, tmp_path) as w:
        w.write_rows([Document(None, "text")])  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_texts_are_looked_up_by_id() -> None:
    corpus = Corpus.from_rows([Document("a", "text", "title"), Document("b", "text"), Document("c", "", "title")])
    assert corpus.texts() == ["title text", "text", "title"]
    assert corpus.position("c") == 2
    assert "b" in corpus
    assert "z" not in corpus
    assert corpus.select(["c", "a"]).ids() == ["c", "a"]
    with pytest.raises(DataError, match="'corpus' holds no doc_id 'z'"):
        corpus.select(["a", "z"])
    queries = Queries.from_rows([Query("q", "text", "generated", "a")])
    assert queries.texts() == ["text"]


def test_judgements_by_query_and_grade() -> None:
    qrels = Qrels.from_rows([Judgment("b", "1", 0), Judgment("a", "1", 2), Judgment("b", "2", 1)])
    assert qrels.query_ids() == ["b", "a"]
    assert qrels.by_query() == {"b": {"1": 0, "2": 1}, "a": {"1": 2}}
    assert list(qrels.relevant(2).rows()) == [Judgment("a", "1", 2)]


def test_runs_say_whose_scores_they_hold() -> None:
    columns = {"query_id": ["q", "q"], "doc_id": ["a", "b"], "rank": [2, 1], "score": [0.5, 1.5]}
    run = Run.build("bm25", ScoreKind.BM25, **columns)
    assert (run.scorer, run.score_kind) == ("bm25", ScoreKind.BM25)
    assert run.by_query() == {"q": [ScoredDoc("b", 1.5, 1), ScoredDoc("a", 0.5, 2)]}
    with pytest.raises(TypeError, match="use by_query"):
        run.rows()
    with pytest.raises(DataError, match="names its scorer"):
        Run.from_columns(None, **columns)
    with pytest.raises(DataError, match=r"score_kind is one of bm25, cosine, .*, not 'odd'"):
        Run.from_columns({"scorer": "x", "score_kind": "odd"}, **columns)
    with pytest.raises(DataError, match="not a number"):
        Run.build("x", ScoreKind.DOT, **{**columns, "score": [0.5, np.nan]})
    with pytest.raises(DataError, match="ranks start from 1"):
        Run.build("x", ScoreKind.DOT, **{**columns, "rank": [0, 1]})


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (TrainingGroup("q", ()), "needs at least one positive"),
        (TrainingGroup("q", ("p",), ("n",), (1.0, 2.0)), "weights do not match"),
        (TrainingGroup("q", ("p",), ("n",), None, (1.0,)), "teacher_scores do not match"),
        (TrainingGroup("q", ("p",), ("n",), (-0.5,)), "weight of a negative is negative or no number"),
        (TrainingGroup("q", ("p",), ("n",), (np.nan,)), "weight of a negative is negative or no number"),
        (TrainingGroup("q", ("p",), example_weight=-0.5), "example_weight is negative or no number"),
        (TrainingGroup("q", ("p",), example_weight=np.nan), "example_weight is negative or no number"),
        (TrainingGroup("q", ("p",), example_weight=np.inf), "example_weight is negative or no number"),
    ],
)
def test_training_groups_fit_together(group: TrainingGroup, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TrainingSet.from_rows([*GROUPS, group])


def test_candidates_name_their_scorers() -> None:
    def candidates(scorer: str, named: dict[str, str]) -> Candidates:
        row = {"query_id": ["q"], "doc_id": ["d"], "source": ["bm25"], "rank": [None]}
        metadata = {"scorers": named, "depth": 10}
        return Candidates.from_columns(metadata, **row, scorer=[scorer], score=[1.0], is_positive=[True])

    both = candidates("bm25", {"bm25": "bm25"}).with_rows(candidates("ce", {"ce": "logit"}))
    assert both.metadata == {"scorers": {"bm25": "bm25", "ce": "logit"}, "depth": 10}
    assert [candidate.scorer for candidate in both.rows()] == ["bm25", "ce"]
    with pytest.raises(DataError, match=r"no score kind for the scorers \['ce'\]"):
        candidates("ce", {"bm25": "bm25"})


def test_counts_and_groups() -> None:
    removals = Removals.from_rows([Removal("q", str(number), gate) for number, gate in enumerate("abbcc")])
    assert removals.counts() == {"b": 2, "c": 2, "a": 1}
    columns = {"source": ["s"] * 3, "rank": [1] * 3, "score": [0.0] * 3, "positive_score": [1.0] * 3}
    negatives = Negatives.from_columns(
        query_id=["b", "a", "b"], doc_id=["2", "1", "1"], scorer=["s"] * 3, weight=[1.0] * 3, **columns
    )
    assert negatives.by_query() == {"b": ["2", "1"], "a": ["1"]}
    scores = QueryScores.from_columns(
        {"system": "x"}, query_id=["a", "b", "a"], measure=["P@1", "P@1", "AP"], value=[1.0, 0.0, 0.25]
    )
    assert scores.means() == {"P@1": 0.5, "AP": 0.25}
    with pytest.raises(DataError, match="no 'RR' among the scores of 'x'"):
        scores.of("RR")
    with pytest.raises(DataError, match="name their system"):
        QueryScores.empty()


@pytest.mark.parametrize("row", [Query("q", "text"), ("d", "text", ""), {"doc_id": "d"}])
def test_rows_of_another_kind_are_refused(row: object) -> None:
    with pytest.raises(DataError, match="a row of a table of kind 'corpus' is a Document, not "):
        Corpus.from_rows([row])
