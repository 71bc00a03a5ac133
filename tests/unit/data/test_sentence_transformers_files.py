"""Training files of sentence-transformers: exact columns, loops, and faults with their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.data.formats import TrainingParts, Written
from pyrite.data.formats.sentence_transformers import (
    SentenceTransformersLayout,
    read_sentence_transformers,
    write_sentence_transformers,
)
from pyrite.data.formats.shapes import Shape
from pyrite.errors import DataError, SettingsError

Layout = SentenceTransformersLayout
SHAPES = get_args(Shape)

TWO_POSITIVES = TrainingGroup("q1", ("p1", "p2"), ("n1", "n2"), (0.5, 2.0), (0.9, None, 0.3, 0.25))
ONE_NEGATIVE = TrainingGroup("q2", ("n1",), ("p1",))
NO_NEGATIVE = TrainingGroup("q3", ("p2",))


def parts_of(*groups: TrainingGroup) -> TrainingParts:
    documents = [
        Document("p1", "pos one"),
        Document("p2", "two", "pos"),
        Document("n1", "neg one"),
        Document("n2", "n"),
    ]
    queries = [Query(f"q{number}", f"question {number}") for number in (1, 2, 3)]
    return TrainingParts(Corpus.from_rows(documents), Queries.from_rows(queries), TrainingSet.from_rows(groups))


def written(tmp_path: Path, parts: TrainingParts, layout: Layout, suffix: str = ".jsonl") -> list[dict[str, Any]]:
    path = tmp_path / f"train{suffix}"
    write_sentence_transformers(parts, path, layout)
    if suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read(tmp_path: Path, *rows: object) -> TrainingParts:
    path = tmp_path / "given.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_sentence_transformers(path)


def faults(tmp_path: Path, *rows: object) -> list[tuple[int | None, str]]:
    with pytest.raises(DataError) as caught:
        read(tmp_path, *rows)
    return [(problem.line, problem.what) for problem in caught.value.problems]


EXPECTED_WITHOUT_IDS: dict[str, list[dict[str, Any]]] = {
    "triplet": [
        {"anchor": "question 1", "positive": "pos one", "negative": "neg one"},
        {"anchor": "question 1", "positive": "pos one", "negative": "n"},
        {"anchor": "question 1", "positive": "pos two", "negative": "neg one"},
        {"anchor": "question 1", "positive": "pos two", "negative": "n"},
    ],
    "n-tuple": [
        {"anchor": "question 1", "positive": "pos one", "negative_1": "neg one", "negative_2": "n"},
        {"anchor": "question 1", "positive": "pos two", "negative_1": "neg one", "negative_2": "n"},
    ],
    "labeled-pair": [
        {"anchor": "question 1", "document": "pos one", "label": 1},
        {"anchor": "question 1", "document": "pos two", "label": 1},
        {"anchor": "question 1", "document": "neg one", "label": 0},
        {"anchor": "question 1", "document": "n", "label": 0},
    ],
    "labeled-list": [
        {"anchor": "question 1", "documents": ["pos one", "neg one", "n"], "labels": [1, 0, 0]},
        {"anchor": "question 1", "documents": ["pos two", "neg one", "n"], "labels": [1, 0, 0]},
    ],
}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_without_ids_the_columns_are_the_trainers_own(tmp_path: Path, shape: Shape, suffix: str) -> None:
    rows = written(tmp_path, parts_of(TWO_POSITIVES), Layout(shape=shape, ids=False), suffix)
    assert rows == EXPECTED_WITHOUT_IDS[shape]
    assert [list(row) for row in rows] == [list(row) for row in EXPECTED_WITHOUT_IDS[shape]]


SCORED = TrainingGroup("q1", ("p1",), ("n1",), None, (0.75, -2.5))


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ("triplet", {"anchor": "question 1", "positive": "pos one", "negative": "neg one", "scores": [0.75, -2.5]}),
        ("n-tuple", {"anchor": "question 1", "positive": "pos one", "negative_1": "neg one", "scores": [0.75, -2.5]}),
        ("labeled-pair", {"anchor": "question 1", "document": "pos one", "score": 0.75}),
        ("labeled-list", {"anchor": "question 1", "documents": ["pos one", "neg one"], "scores": [0.75, -2.5]}),
    ],
)
def test_scores_stand_last_and_the_positives_first(tmp_path: Path, shape: Shape, row: dict[str, Any]) -> None:
    first = written(tmp_path, parts_of(SCORED), Layout(shape=shape, ids=False, scores=True))[0]
    assert first == row
    assert list(first) == list(row)


def test_ids_and_weights_stand_behind_what_the_trainer_reads(tmp_path: Path) -> None:
    rows = written(tmp_path, parts_of(TWO_POSITIVES), Layout(scores=True), ".parquet")
    assert list(rows[0]) == [
        *("anchor", "positive", "negative_1", "negative_2", "scores"),
        *("query_id", "positive_id", "negative_1_id", "negative_2_id", "weights"),
    ]
    assert rows[1] == {
        "anchor": "question 1",
        "positive": "pos two",
        "negative_1": "neg one",
        "negative_2": "n",
        "scores": [None, 0.3, 0.25],
        "query_id": "q1",
        "positive_id": "p2",
        "negative_1_id": "n1",
        "negative_2_id": "n2",
        "weights": [0.5, 2.0],
    }


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_loop_keeps_ids_texts_order_scores_and_weights(tmp_path: Path, shape: Shape, suffix: str) -> None:
    groups = (TWO_POSITIVES, TrainingGroup("q2", ("n1",), ("p1", "p2")))
    path = tmp_path / f"train{suffix}"
    write_sentence_transformers(parts_of(*groups), path, Layout(shape=shape, scores=True))
    corpus, queries, training_set = read_sentence_transformers(path)
    assert list(training_set.rows()) == list(groups)
    assert dict(zip(corpus.ids(), corpus.texts(), strict=True)) == {
        "p1": "pos one",
        "p2": "pos two",
        "n1": "neg one",
        "n2": "n",
    }
    assert list(queries.rows()) == [Query("q1", "question 1"), Query("q2", "question 2")]


@pytest.mark.parametrize("shape", ["n-tuple", "labeled-pair", "labeled-list"])
def test_a_group_without_negatives_survives_where_the_shape_can_hold_it(tmp_path: Path, shape: Shape) -> None:
    path = tmp_path / "train.jsonl"
    assert write_sentence_transformers(parts_of(NO_NEGATIVE), path, Layout(shape=shape)) == Written(1, joined_titles=1)
    assert list(read_sentence_transformers(path).training_set.rows()) == [NO_NEGATIVE]


def test_groups_with_too_few_negatives_are_all_named(tmp_path: Path) -> None:
    parts = parts_of(TWO_POSITIVES, ONE_NEGATIVE, NO_NEGATIVE)
    with pytest.raises(DataError, match="groups do not fit the shape n-tuple") as caught:
        write_sentence_transformers(parts, tmp_path / "train.jsonl")
    assert [problem.what for problem in caught.value.problems] == [
        "the query 'q2' has 1 negatives, wants 2",
        "the query 'q3' has 0 negatives, wants 2",
    ]
    with pytest.raises(DataError) as caught:
        write_sentence_transformers(parts, tmp_path / "train.jsonl", Layout(shape="triplet"))
    assert [problem.what for problem in caught.value.problems] == ["the query 'q3' has 0 negatives, wants 1"]
    assert not (tmp_path / "train.jsonl").exists()


def test_dropped_groups_and_unused_negatives_are_counted(tmp_path: Path) -> None:
    parts = parts_of(TWO_POSITIVES, ONE_NEGATIVE, NO_NEGATIVE)
    path = tmp_path / "train.jsonl"
    report = write_sentence_transformers(parts, path, Layout(negatives=1, incomplete="drop", ids=False))
    assert report == Written(
        rows=3,
        dropped_groups=1,
        unused_negatives=1,
        unused_weights=1,
        unused_scores=1,
        unused_ids=2,
        joined_titles=1,
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["negative_1"] for row in rows] == ["neg one", "neg one", "pos one"]
    report = write_sentence_transformers(parts, path, Layout(shape="triplet", incomplete="drop"))
    assert report == Written(rows=5, dropped_groups=1, unused_scores=1, joined_titles=1)
    with pytest.raises(DataError, match="no group that can be written: groups do not fit"):
        write_sentence_transformers(parts, path, Layout(negatives=7, incomplete="drop"))


def test_a_missing_score_is_never_written_for_the_trainer(tmp_path: Path) -> None:
    half = TrainingGroup("q2", ("p1",), ("n1",), None, (0.5, None))
    parts = parts_of(SCORED, half, TrainingGroup("q3", ("p1",), ("n1",)))
    with pytest.raises(DataError) as caught:
        write_sentence_transformers(parts, tmp_path / "t.jsonl", Layout(ids=False, scores=True))
    assert [problem.what for problem in caught.value.problems] == [
        "the query 'q2' lacks teacher scores, which a file without ids cannot leave out",
        "the query 'q3' lacks teacher scores, which a file without ids cannot leave out",
    ]
    report = write_sentence_transformers(parts, tmp_path / "t.jsonl", Layout(ids=False, scores=True, incomplete="drop"))
    assert report == Written(rows=1, dropped_groups=2, unused_ids=1)
    rows = written(tmp_path, parts, Layout(scores=True))
    assert [row["scores"] for row in rows] == [[0.75, -2.5], [0.5, None], None]


def test_a_score_beyond_the_cut_does_not_count_as_missing(tmp_path: Path) -> None:
    parts = parts_of(TrainingGroup("q1", ("p1",), ("n1", "n2"), None, (0.5, 0.25, None)))
    rows = written(tmp_path, parts, Layout(negatives=1, ids=False, scores=True))
    assert [row["scores"] for row in rows] == [[0.5, 0.25]]


def test_ids_without_a_text_are_all_named(tmp_path: Path) -> None:
    parts = parts_of(TrainingGroup("q9", ("p9",), ("n1", "n9")))
    with pytest.raises(DataError) as caught:
        write_sentence_transformers(parts, tmp_path / "train.jsonl")
    assert str(caught.value) == (
        "the training set refers to texts that are not there\n"
        "  queries: there is no 'q9'\n  corpus: there is no 'p9'\n  corpus: there is no 'n9'"
    )


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"train.csv: the name of such a training file ends in .jsonl or"):
        write_sentence_transformers(parts_of(SCORED), tmp_path / "train.csv")
    with pytest.raises(SettingsError, match="ends in"):
        read_sentence_transformers(tmp_path / "train.csv")


def test_texts_without_ids_get_ids_that_follow_from_them(tmp_path: Path) -> None:
    rows = [
        {"question": "a", "answer": "x", "negative": "y"},
        {"question": "a", "answer": "x", "negative": "z"},
        {"question": "b", "answer": "z", "negative": "x"},
        {"question": "x", "answer": "y", "negative": "z"},
    ]
    corpus, queries, training_set = read(tmp_path, *rows)
    assert corpus.texts() == ["x", "y", "z"]
    assert queries.texts() == ["a", "b", "x"]
    x, y, z = corpus.ids()
    assert [(group.positive_ids, group.negative_ids) for group in training_set.rows()] == [
        ((x,), (y, z)),
        ((z,), (x,)),
        ((y,), (z,)),
    ]
    # SHA-256 of "x" starts with 2d711642b726b04401627ca9.
    assert x == "d-2d711642b726b04401627ca9"
    assert queries.ids()[2] == "q-2d711642b726b04401627ca9"


def test_lists_of_scores_alone_start_with_the_positive(tmp_path: Path) -> None:
    parts = read(tmp_path, {"anchor": "a", "docs": ["x", "y", "z"], "scores": [0.9, None, 0]})
    (group,) = parts.training_set.rows()
    assert (len(group.positive_ids), len(group.negative_ids)) == (1, 2)
    assert group.teacher_scores == (0.9, None, 0.0)


def test_rows_fill_in_each_others_missing_scores(tmp_path: Path) -> None:
    rows = [
        {"anchor": "a", "positive": "x", "negative": "y", "scores": None},
        {"anchor": "a", "positive": "x", "negative": "y", "scores": [0.5, None]},
        {"anchor": "a", "positive": "x", "negative": "z", "scores": [None, 0.25]},
    ]
    (group,) = read(tmp_path, *rows).training_set.rows()
    assert group.teacher_scores == (0.5, None, 0.25)


def test_every_fault_of_triplets_is_listed(tmp_path: Path) -> None:
    fine = {"anchor": "a", "positive": "x", "negative": "y", "scores": [1.0, 0.5], "query_id": "q", "positive_id": "p"}
    rows = [
        fine,
        {**fine, "negative": None},
        {**fine, "positive": "other"},
        {**fine, "scores": [1.0]},
        {**fine, "scores": [1.0, "high"]},
        {**fine, "scores": [2.0, 0.5]},
        {**fine, "negative": " "},
        {**fine, "anchor": "b"},
        {key: value for key, value in fine.items() if key != "scores"},
        {**fine, "query_id": 1.5},
        ["no object"],
        {**fine, "query_id": "r", "anchor": "b", "positive": "y", "positive_id": None},
    ]
    own_id = "d-a1fce4363854ff888cff4b8e"  # SHA-256 of "y"
    assert faults(tmp_path, *rows) == [
        (2, "`negative` is null, wants a string"),
        (3, "the document id 'p' stands for another text in an earlier line"),
        (4, "`scores` has 1 items for 2 texts"),
        (5, "item 2 of `scores` is a string, wants a finite number or null"),
        (6, "the score of the document 'p' is 2.0 and was 1.0 in an earlier line"),
        (7, "a document has no text"),
        (8, "the query id 'q' stands for another text in an earlier line"),
        (9, "has other columns than the first row; they differ in: scores"),
        (10, "`query_id` is a number, wants a string"),
        (11, "a list, wants a JSON object"),
        (12, f"the document '{own_id}' is a positive and a negative of the query 'r'"),
    ]


def test_faults_of_labels(tmp_path: Path) -> None:
    pair = {"anchor": "a", "document": "x", "label": 0}
    assert faults(tmp_path, pair, {**pair, "label": 0.7}, {**pair, "document": "y"}) == [
        (2, "the label 0.7 is neither 1, a positive, nor 0, a negative"),
        (1, "the query 'q-ca978112ca1bbdcafac231b3' has no positive in the whole file"),
    ]
    listed = {"anchor": "a", "documents": ["x", "y"], "labels": [1, 0]}
    assert faults(tmp_path, listed, {**listed, "labels": [1]}, {**listed, "documents": ["x", 3]}) == [
        (2, "`labels` is not a list of one label for each of 2 texts"),
        (3, "item 2 of `documents` is a number, wants a string"),
        (3, "`labels` is not a list of one label for each of 0 texts"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"anchor": "a"},
        {"query_id": "q", "positive_id": "p"},
        {"anchor": "a", "document": "x", "score": 0.5},
        {},
    ],
)
def test_unknown_shapes_are_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="no known shape has the columns"):
        read(tmp_path, row)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.jsonl: there is no such file"):
        read_sentence_transformers(tmp_path / "no.jsonl")
    with pytest.raises(DataError, match=r"no.parquet: there is no such file"):
        read_sentence_transformers(tmp_path / "no.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not at all PAR1")
    with pytest.raises(DataError, match=r"bad.parquet: cannot be read as Parquet"):
        read_sentence_transformers(tmp_path / "bad.parquet")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match=r"empty.jsonl: holds no examples"):
        read_sentence_transformers(tmp_path / "empty.jsonl")


def test_faults_of_parquet_give_the_row(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"anchor": ["a", "b"], "positive": ["x", None]}), path)
    with pytest.raises(DataError, match=r"t.parquet:2: `positive` is null, wants a string"):
        read_sentence_transformers(path)
