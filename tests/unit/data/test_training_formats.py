"""The formats of other toolkits: exact rows, what each refuses, faults with their lines, and telling them apart."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.data.formats import (
    FlagEmbeddingLayout,
    Format,
    GplLayout,
    HardNegativesLayout,
    KnownTexts,
    MsSwiftLayout,
    NemoLayout,
    PyLateLayout,
    SentenceTransformersLayout,
    TevatronLayout,
    TrainingLayout,
    TrainingParts,
    Written,
    guess_format,
    read_corpus,
    read_queries,
    read_training_set,
    write_training_set,
)
from pyrite.errors import DataError, SettingsError

SCORED = TrainingGroup(
    "q1", ("p1", "p2"), ("n1", "n2"), None, (0.9, None, 0.3, 0.25), None, (("dense", "bm25"), ("bm25",))
)
PLAIN = TrainingGroup("q2", ("n1",), ("p1",))
NO_NEGATIVE = TrainingGroup("q3", ("p2",))
MARGINS = TrainingGroup("q1", ("p1",), ("n1", "n2"), margins=(0.5, None))


def parts_of(*groups: TrainingGroup) -> TrainingParts:
    documents = [Document("p1", "one", "On"), Document("p2", "two"), Document("n1", "three"), Document("n2", "four")]
    queries = [Query(f"q{number}", f"question {number}") for number in (1, 2, 3)]
    return TrainingParts(Corpus.from_rows(documents), Queries.from_rows(queries), TrainingSet.from_rows(groups))


def no_texts(*groups: TrainingGroup) -> TrainingParts:
    return TrainingParts(Corpus.empty(), Queries.empty(), TrainingSet.from_rows(groups))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(tmp_path: Path, parts: TrainingParts, layout: TrainingLayout) -> list[dict[str, Any]]:
    write_training_set(parts, tmp_path / "train.jsonl", layout)
    return rows(tmp_path / "train.jsonl")


def faults(path: Path, content: str, file_format: Format) -> list[tuple[int | None, str]]:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_training_set(path, file_format)
    return [(problem.line, problem.what) for problem in caught.value.problems]


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_tevatron_inline_keeps_titles_apart_in_all_passages_or_none(tmp_path: Path) -> None:
    layout = TevatronLayout(scores=True)
    (row,) = write(tmp_path, parts_of(SCORED), layout)
    assert row == {
        "query_id": "q1",
        "query": "question 1",
        "positive_passages": [
            {"docid": "p1", "title": "On", "text": "one", "score": 0.9},
            {"docid": "p2", "title": "", "text": "two"},
        ],
        "negative_passages": [
            {"docid": "n1", "title": "", "text": "three", "score": 0.3, "sources": ["dense", "bm25"]},
            {"docid": "n2", "title": "", "text": "four", "score": 0.25, "sources": ["bm25"]},
        ],
    }
    untitled = parts_of(PLAIN)._replace(corpus=parts_of(PLAIN).corpus.select(["p2", "n1"]))
    untitled = untitled._replace(training_set=TrainingSet.from_rows([TrainingGroup("q2", ("p2",), ("n1",))]))
    assert write(tmp_path, untitled, layout)[0]["positive_passages"] == [{"docid": "p2", "text": "two"}]


def test_tevatron_by_id_brings_its_corpus(tmp_path: Path) -> None:
    (row,) = write(tmp_path, parts_of(PLAIN), TevatronLayout(passages="ids"))
    assert row == {
        "query_id": "q2",
        "query_text": "question 2",
        "positive_document_ids": ["n1"],
        "negative_document_ids": ["p1"],
    }
    assert rows(tmp_path / "train.corpus.jsonl") == [
        {"docid": "n1", "title": "", "text": "three"},
        {"docid": "p1", "title": "On", "text": "one"},
    ]
    assert not (tmp_path / "train.queries.jsonl").exists()


def test_a_file_of_parquet_reads_as_one_of_lines(tmp_path: Path) -> None:
    record = {
        "query_id": "q",
        "query": "a",
        "positive_passages": [{"docid": "p", "title": "t", "text": "x"}],
        "negative_passages": [{"docid": "n", "title": "", "text": "y"}],
    }
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "train.parquet")
    read = read_training_set(tmp_path / "train.parquet")
    assert list(read.training_set.rows()) == [TrainingGroup("q", ("p",), ("n",))]
    assert list(read.corpus.rows()) == [Document("p", "x", "t"), Document("n", "y")]


def test_hard_negatives_stand_under_each_of_their_systems(tmp_path: Path) -> None:
    layout = HardNegativesLayout()
    first, second = write(tmp_path, parts_of(SCORED, PLAIN), layout)
    assert first == {"qid": "q1", "pos": ["p1", "p2"], "neg": {"dense": ["n1"], "bm25": ["n1", "n2"]}}
    assert second == {"qid": "q2", "pos": ["n1"], "neg": {"unknown": ["p1"]}}
    # By system alone the order of the two would be lost.
    mixed = TrainingGroup("q1", ("p1",), ("n1", "n2", "p2"), sources=(("a",), ("b",), ("a",)))
    (row,) = write(tmp_path, parts_of(mixed), layout)
    assert (row["neg"], row["order"]) == ({"a": ["n1", "p2"], "b": ["n2"]}, ["n1", "n2", "p2"])
    assert list(read_training_set(tmp_path / "train.jsonl").training_set.rows()) == [mixed]


def test_hard_negatives_with_integer_ids_as_the_ms_marco_set_has_them(tmp_path: Path) -> None:
    path = tmp_path / "msmarco.jsonl.gz"
    record = {"qid": 867436, "pos": [5238393], "neg": {"bm25": [1, 2], "tas-b": [2, 3]}}
    path.write_bytes(gzip.compress(lines(record).encode()))
    assert guess_format(path) == "hard-negatives"
    read = read_training_set(path)
    group = TrainingGroup("867436", ("5238393",), ("1", "2", "3"), sources=(("bm25",), ("bm25", "tas-b"), ("tas-b",)))
    assert list(read.training_set.rows()) == [group]
    assert (len(read.corpus), len(read.queries)) == (0, 0)
    (row,) = write(tmp_path, read, HardNegativesLayout(ids="integers"))
    assert row == record
    with pytest.raises(DataError, match="has an id that is no integer: 'q1'"):
        write(tmp_path, parts_of(SCORED), HardNegativesLayout(ids="integers"))
    unknown = TrainingGroup("q1", ("p1",), ("n1",), sources=(("unknown",),))
    with pytest.raises(DataError, match="a source called 'unknown', which means here that there is none"):
        write(tmp_path, parts_of(unknown), HardNegativesLayout())


def test_hard_negatives_hold_a_query_without_any(tmp_path: Path) -> None:
    assert write(tmp_path, parts_of(NO_NEGATIVE), HardNegativesLayout()) == [{"qid": "q3", "pos": ["p2"], "neg": {}}]
    assert list(read_training_set(tmp_path / "train.jsonl").training_set.rows()) == [NO_NEGATIVE]


def test_hard_negatives_with_scores_of_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(lines({"qid": "q", "pos": [{"pid": 1, "ce-score": 9.5}], "neg": {"a": [{"pid": 2}]}}))
    assert list(read_training_set(path).training_set.rows()) == [
        TrainingGroup("q", ("1",), ("2",), None, (9.5, None), None, (("a",),))
    ]


def test_gpl_writes_margins_and_never_makes_scores_of_them(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    written = write_training_set(
        parts_of(MARGINS, TrainingGroup("q2", ("n1",), ("p1",), None, (2.0, 0.5))), path, GplLayout()
    )
    assert path.read_text() == "q1\tp1\tn1\t0.5\nq2\tn1\tp1\t1.5\n"
    assert written == Written(rows=2, unused_negatives=1, unused_scores=1)
    read = read_training_set(path)
    assert list(read.training_set.rows()) == [
        TrainingGroup("q1", ("p1",), ("n1",), margins=(0.5,)),
        TrainingGroup("q2", ("n1",), ("p1",), margins=(1.5,)),
    ]
    assert next(read.corpus.rows()) == Document("p1", "one", "On")
    with pytest.raises(DataError, match="GPL trains on margins") as caught:
        write_training_set(parts_of(PLAIN), path, GplLayout())
    assert caught.value.problems[0].what == "the query 'q2' has no pair with a margin or with two teacher scores"


def test_gpl_rows_drawn_again_count_where_their_margins_agree(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("q\tp\tn\t8.0\nq\tp\tm\t1.0\nq\tp\tn\t8.001\n")
    training_set = read_training_set(path).training_set
    assert list(training_set.rows()) == [TrainingGroup("q", ("p",), ("n", "m"), margins=(8.0, 1.0))]
    assert training_set.metadata == {"repeated_margins": 1}
    assert faults(path, "q\tp\tn\t8.0\nq\tp\tn\t7.5\nq\tp\nq\t\tn\tx\n", "gpl") == [
        (2, "the margin of 'p' over 'n' is 7.5 and was 8.0 in an earlier line"),
        (3, "2 columns, wants 4 with tabs between: query id, positive id, negative id, margin"),
        (4, "an id is empty"),
        (4, "the margin 'x' is no finite number"),
    ]


def test_pylate_wants_all_scores_and_is_told_who_is_positive(tmp_path: Path) -> None:
    whole = TrainingGroup("q1", ("p1",), ("n1", "n2"), None, (0.9, 0.3, 0.25))
    (row,) = write(tmp_path, parts_of(whole), PyLateLayout())
    assert row == {
        "query_id": "q1",
        "document_ids": ["p1", "n1", "n2"],
        "scores": [0.9, 0.3, 0.25],
        "positive_ids": ["p1"],
    }
    assert rows(tmp_path / "train.corpus.jsonl")[0] == {"document_id": "p1", "text": "On one"}
    assert rows(tmp_path / "train.queries.jsonl") == [{"query_id": "q1", "text": "question 1"}]
    with pytest.raises(DataError, match="PyLate distils from scores") as caught:
        write(tmp_path, parts_of(SCORED, PLAIN), PyLateLayout(negatives=2))
    assert [problem.what for problem in caught.value.problems] == [
        "the query 'q1' lacks teacher scores",
        "the query 'q2' has 1 negatives, wants 2",
    ]


def test_pylate_as_published_with_lists_in_strings(tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text(lines({"query_id": 7, "document_ids": "['a', 'b']", "scores": "[0.5, 1]"}))
    with pytest.raises(DataError, match="nothing says which of the documents are positives"):
        read_training_set(path)
    first = list(read_training_set(path, positives="first").training_set.rows())
    assert first == [TrainingGroup("7", ("a",), ("b",), None, (0.5, 1.0))]
    judged = list(read_training_set(path, positives={"7": {"b", "z"}}).training_set.rows())
    assert judged == [TrainingGroup("7", ("b",), ("a",), None, (1.0, 0.5))]


def test_nemo_is_one_object_and_a_corpus_in_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    assert write_training_set(parts_of(SCORED), path, NemoLayout()) == Written(
        rows=1, unused_sources=1, joined_titles=1
    )
    assert json.loads(path.read_text()) == {
        "corpus": [{"path": "train.corpus"}],
        "data": [
            {
                "question_id": "q1",
                "question": "question 1",
                "corpus_id": "corpus",
                "pos_doc": [{"id": "p1", "score": 0.9}, {"id": "p2"}],
                "neg_doc": [{"id": "n1", "score": 0.3}, {"id": "n2", "score": 0.25}],
            }
        ],
    }
    metadata = json.loads((tmp_path / "train.corpus" / "merlin_metadata.json").read_text())
    assert metadata == {"class": "TextQADataset", "corpus_id": "corpus"}
    assert pq.read_table(tmp_path / "train.corpus" / "train.parquet").to_pylist()[0] == {"id": "p1", "text": "On one"}
    assert read_training_set(path).corpus.texts() == ["On one", "two", "three", "four"]


def test_nemo_with_plain_ids_and_a_corpus_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    item = {"question_id": "q", "question": "a", "corpus_id": "c", "pos_doc": ["p"], "neg_doc": [3]}
    path.write_text(json.dumps({"corpus": {"path": "/nowhere"}, "data": [item]}, indent=2))
    assert guess_format(path) == "nemo"
    read = read_training_set(path)
    assert list(read.training_set.rows()) == [TrainingGroup("q", ("p",), ("3",))]
    assert (len(read.corpus), read.queries.texts()) == (0, ["a"])
    other = {**item, "corpus_id": "d", "pos_doc": None}
    assert faults(path, json.dumps({"corpus": [], "data": [item, other, 3]}), "nemo") == [
        (2, "`corpus_id` is 'd', another than before; part the file by it"),
        (2, "`pos_doc` is null, wants a list of ids or of objects with `id`"),
        (3, "a number, wants a JSON object"),
    ]
    assert faults(path, "[]", "nemo") == [(None, "wants one JSON object with `corpus` and a list `data`")]
    assert faults(path, "{", "nemo")[0][1].startswith("broken JSON")


def test_ms_swift_has_a_line_for_each_positive(tmp_path: Path) -> None:
    first, second = write(tmp_path, parts_of(SCORED), MsSwiftLayout(prompt="Find it."))
    assert first == {
        "messages": [{"role": "system", "content": "Find it."}, {"role": "user", "content": "question 1"}],
        "positive_messages": [[{"role": "user", "content": "On one"}]],
        "negative_messages": [[{"role": "user", "content": "three"}], [{"role": "user", "content": "four"}]],
        "query_id": "q1",
        "positive_ids": ["p1"],
        "negative_ids": ["n1", "n2"],
    }
    assert second["positive_ids"] == ["p2"]
    read = read_training_set(tmp_path / "train.jsonl")
    assert read.training_set.metadata == {"prompt": "Find it."}
    assert list(read.training_set.rows()) == [TrainingGroup("q1", ("p1", "p2"), ("n1", "n2"))]
    pictured = parts_of(PLAIN)._replace(queries=Queries.from_rows([Query("q2", "what is in <image>")]))
    with pytest.raises(DataError, match="takes <image>, <video>, <audio> in a text for a medium"):
        write(tmp_path, pictured, MsSwiftLayout())


def test_ms_swift_labels_and_faults(tmp_path: Path) -> None:
    def row(query: str, document: object, **more: object) -> dict[str, object]:
        user = {"role": "user", "content": query}
        return {"messages": [user], "positive_messages": [[{"role": "user", "content": document}]], **more}

    path = tmp_path / "labelled.jsonl"
    path.write_text(lines(row("a", "yes", label=1), row("a", "no", label=0)))
    read = read_training_set(path)
    (group,) = read.training_set.rows()
    assert (len(group.positive_ids), len(group.negative_ids), read.corpus.texts()) == (1, 1, ["yes", "no"])
    system = {"role": "system", "content": "s"}
    assert faults(
        path,
        lines(
            row("a", "x"),
            row("b", "x", label=0.5),
            row("c", [{"type": "image"}]),
            {**row("d", "x"), "messages": [system, {"role": "user", "content": "d"}]},
            {**row("e", "x"), "messages": "e"},
            {**row("f", "x"), "positive_messages": [[system, {"role": "user", "content": "x"}]]},
        ),
        "ms-swift",
    ) == [
        (2, "the label 0.5 is neither 1, a positive, nor 0, a negative"),
        (3, "a content in `positive_messages[1]` is a list, wants a string; pictures are not read"),
        (4, "the system message is another than the first line's; part the file by it"),
        (5, "`messages` is not one user message, perhaps after a system message"),
        (6, "`positive_messages[1]` has a system message: an instruction for documents has no place here"),
    ]


def test_flag_embedding_keeps_sources_and_margins_beside_ids(tmp_path: Path) -> None:
    group = TrainingGroup("q1", ("p1",), ("n1", "n2"), margins=(0.5, None), sources=(("bm25",), ()))
    (row,) = write(tmp_path, parts_of(group), FlagEmbeddingLayout())
    assert (row["neg_sources"], row["margins"]) == ([["bm25"], []], [0.5, None])
    assert list(read_training_set(tmp_path / "train.jsonl").training_set.rows()) == [group]


@pytest.mark.parametrize(
    ("layout", "what"),
    [
        (TevatronLayout(), "Tevatron's trainer fails on queries without negatives"),
        (NemoLayout(), "NeMo's trainer fails on queries without negatives"),
    ],
)
def test_a_query_without_negatives_is_refused_dropped_or_kept(
    tmp_path: Path, layout: TrainingLayout, what: str
) -> None:
    path = tmp_path / ("train.json" if layout.type == "nemo" else "train.jsonl")
    with pytest.raises(DataError, match=what) as caught:
        write_training_set(parts_of(PLAIN, NO_NEGATIVE), path, layout)
    assert [problem.what for problem in caught.value.problems] == ["the query 'q3' has no negatives"]
    dropping, keeping = (layout.model_copy(update={"incomplete": how}) for how in ("drop", "keep"))
    assert write_training_set(parts_of(PLAIN, NO_NEGATIVE), path, dropping).dropped_groups == 1
    assert write_training_set(parts_of(PLAIN, NO_NEGATIVE), path, keeping).rows == 2
    assert list(read_training_set(path).training_set.rows()) == [PLAIN, NO_NEGATIVE]


def test_faults_of_tevatron_and_hard_negatives(tmp_path: Path) -> None:
    fine = {"query": "a", "positive_passages": [{"text": "x"}], "negative_passages": []}
    assert faults(
        tmp_path / "t.jsonl",
        lines(
            fine,
            {**fine, "query": None},
            {**fine, "positive_passages": [3]},
            {**fine, "negative_passages": "y"},
            {**fine, "negative_passages": [{"docid": "n", "text": 1, "score": "2"}]},
            {"query_text": "b", "positive_document_ids": ["p"], "negative_document_ids": [None]},
        ),
        "tevatron",
    ) == [
        (2, "a query has no text"),
        (3, "item 1 of `positive_passages` is a number, wants an object with `text`"),
        (4, "`negative_passages` is a string, wants a list"),
        (5, "item 1 of `score` is a string, wants a finite number or null"),
        (5, "`text` is a number, wants a string"),
        (6, "`negative_document_ids[0]` is null, wants a string"),
        (6, "`query_id` is missing, wants a string"),
    ]
    assert faults(
        tmp_path / "h.jsonl",
        lines(
            {"qid": "q", "pos": "p", "neg": {}},
            {"qid": "r", "pos": ["p"], "neg": ["n"]},
            {"qid": "s", "pos": ["p"], "neg": {"a": ["n"]}, "order": ["m"]},
            {"qid": "t", "pos": ["p"], "neg": {"a": ["p"]}},
        ),
        "hard-negatives",
    ) == [
        (1, "`pos` is a string, wants a list of ids"),
        (2, "`neg` is a list, wants an object: for each system the ids that it found"),
        (3, "`order` does not name the documents of `neg`, each once"),
        (4, "the document 'p' is a positive and a negative of the query 't'"),
    ]


def test_texts_are_taken_from_what_was_given_and_every_lack_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_training_set(no_texts(PLAIN, SCORED), path, HardNegativesLayout())
    given = parts_of(PLAIN)
    read = read_training_set(path, known=KnownTexts(given.corpus, given.queries))
    assert [(row.doc_id, row.title) for row in read.corpus.rows()] == [
        ("n1", ""), ("p1", "On"), ("p2", ""), ("n2", "")
    ]  # fmt: skip
    with pytest.raises(DataError) as caught:
        read_training_set(path, known=KnownTexts(given.corpus.select(["p1"]), given.queries))
    assert {problem.what for problem in caught.value.problems} == {
        f"there is no document {doc_id!r} among the texts given" for doc_id in ("n1", "n2", "p2")
    }


def test_a_text_without_an_id_finds_the_one_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(lines({"query": "question 2", "pos": ["On one"], "neg": ["three", "new"]}))
    given = parts_of(PLAIN)
    read = read_training_set(path, known=KnownTexts(given.corpus, given.queries))
    (group,) = read.training_set.rows()
    assert (group.query_id, group.positive_ids, group.negative_ids[0]) == ("q2", ("p1",), "n1")
    assert group.negative_ids[1].startswith("d-")


def test_a_format_of_texts_says_which_are_not_at_hand(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refers to texts that are not there"):
        write(tmp_path, no_texts(PLAIN), TevatronLayout())
    with pytest.raises(DataError, match="refers to texts that are not there"):
        write(tmp_path, no_texts(PLAIN), TevatronLayout(passages="ids"))
    (row,) = write(tmp_path, no_texts(PLAIN), HardNegativesLayout())
    assert row["pos"] == ["n1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.jsonl"]


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"query": "a", "pos": ["x"], "neg": ["y"]}, "flag-embedding"),
        ({"query": "a", "pos": "x", "neg": "y"}, "sentence-transformers"),
        ({"anchor": "a", "positive": "x", "label": 1}, "sentence-transformers"),
        ({"anchor": "a", "documents": ["x"], "labels": [1]}, "sentence-transformers"),
        ({"query_id": "q", "query": "a", "positive_passages": [], "negative_passages": []}, "tevatron"),
        ({"query_id": "q", "positive_document_ids": [], "negative_document_ids": []}, "tevatron"),
        ({"qid": 1, "pos": [], "neg": {"bm25": []}}, "hard-negatives"),
        ({"query_id": 1, "document_ids": [], "scores": []}, "pylate"),
        ({"messages": [], "positive_messages": []}, "ms-swift"),
    ],
)
def test_the_first_row_tells_the_format(tmp_path: Path, row: dict[str, Any], name: str) -> None:
    (tmp_path / "train.jsonl").write_text(lines(row))
    assert guess_format(tmp_path / "train.jsonl") == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines({"a": 1}), "the keys a do not tell its format; say which it is: sentence-transformers, flag-embedding"),
        (lines({"qid": 1, "pos": [], "neg": []}), "the keys qid, pos, neg do not tell its format"),
        ("", "(?s)cannot tell its format from its first row.*holds no rows"),
        ("nonsense\n", "broken JSON"),
    ],
)
def test_content_that_tells_no_format(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "train.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        guess_format(tmp_path / "train.jsonl")


@pytest.mark.parametrize("name", get_args(Format))
def test_names_with_another_ending_are_refused(tmp_path: Path, name: Format) -> None:
    layouts = {type(layout).model_fields["type"].default: layout for layout in all_layouts()}
    with pytest.raises(SettingsError, match=r"^train.csv: the name of such a training file ends in \."):
        write_training_set(parts_of(MARGINS), tmp_path / "train.csv", layouts[name])


def all_layouts() -> list[TrainingLayout]:
    union = get_args(TrainingLayout)[0]
    return [layout() for layout in get_args(union)]


def test_corpora_and_queries_of_any_toolkit(tmp_path: Path) -> None:
    contents = {
        "beir.jsonl": lines({"_id": "d", "title": "t", "text": "x"}),
        "tevatron.jsonl": lines({"docid": 1, "text": "x"}),
        "pylate.jsonl": lines({"document_id": "d", "text": "x"}),
        "ids.tsv": "d\tx\ty\n",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    read = {name: next(read_corpus(tmp_path / name).rows()) for name in contents}
    assert read == {
        "beir.jsonl": Document("d", "x", "t"),
        "tevatron.jsonl": Document("1", "x"),
        "pylate.jsonl": Document("d", "x"),
        "ids.tsv": Document("d", "x\ty"),
    }
    (tmp_path / "q.jsonl").write_text(lines({"query_id": "q", "query_text": "a"}))
    assert list(read_queries(tmp_path / "q.jsonl").rows()) == [Query("q", "a")]
    (tmp_path / "bad.jsonl").write_text(lines({"name": "d", "text": "x"}, {"_id": "e", "text": " "}))
    with pytest.raises(DataError) as caught:
        read_corpus(tmp_path / "bad.jsonl")
    assert [problem.what for problem in caught.value.problems] == [
        "there is no id; wants one of _id, doc_id, docid, document_id, pid, id",
        "`text` and `title` are empty; a document has at least one",
    ]
    with pytest.raises(DataError, match=r"wants one file corpus\.jsonl"):
        read_corpus(tmp_path)


def test_a_conflict_in_a_later_row_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(
        lines(
            {"anchor": "q", "positive": "a", "negative": "b"},
            {"anchor": "q", "positive": "b", "negative": "c"},
            {"anchor": "q", "positive": "a", "negative": "b"},
        )
    )
    read = read_training_set(path, conflicts="drop")
    (group,) = read.training_set.rows()
    assert read.corpus.select(list(group.positive_ids)).texts() == ["a", "b"]
    assert read.corpus.select(list(group.negative_ids)).texts() == ["c"]
    assert read.training_set.metadata == {"dropped_conflicts": 1}
    with pytest.raises(DataError) as caught:
        read_training_set(path)
    assert [problem.line for problem in caught.value.problems] == [2, 3]


def test_margin_mse_reads_triplets_and_tuples_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(lines({"query": "q", "positive": "a", "negative": "b", "score": 2.5}))
    (group,) = read_training_set(path).training_set.rows()
    assert (group.margins, group.teacher_scores) == ((2.5,), None)
    path.write_text(lines({"query": "q", "positive": "a", "n1": "b", "n2": "c", "label": [2.5, -1]}))
    (group,) = read_training_set(path).training_set.rows()
    assert (group.margins, group.teacher_scores) == ((2.5, -1.0), None)
    path.write_text(lines({"query": "q", "positive": "a", "n1": "b", "n2": "c", "label": [3, 2.5, -1]}))
    (group,) = read_training_set(path).training_set.rows()
    assert (group.margins, group.teacher_scores) == (None, (3.0, 2.5, -1.0))
    assert faults(path, lines({"q": "q", "p": "a", "n": "b", "label": [1, 2, 3]}), "sentence-transformers") == [
        (1, "`label` has 3 items for 1 negatives")
    ]


def test_margins_for_margin_mse_are_given_or_follow_from_scores(tmp_path: Path) -> None:
    scored = TrainingGroup("q2", ("n1",), ("p1", "p2"), None, (2.0, 0.5, 1.5))
    whole = TrainingGroup("q1", ("p1",), ("n1", "n2"), margins=(0.5, 0.25))
    layout = SentenceTransformersLayout(margins=True, ids=False)
    rows_written = write(tmp_path, parts_of(whole, scored), layout)
    assert [row["label"] for row in rows_written] == [[0.5, 0.25], [1.5, 0.5]]
    assert list(rows_written[0]) == ["anchor", "positive", "negative_1", "negative_2", "label"]
    triplets = write(tmp_path, parts_of(scored), layout.model_copy(update={"shape": "triplet"}))
    assert [row["label"] for row in triplets] == [1.5, 0.5]
    with pytest.raises(DataError) as caught:
        write(tmp_path, parts_of(MARGINS), layout)
    assert caught.value.problems[0].what == "the query 'q1' lacks a margin, or the two scores that one follows from"
    with pytest.raises(ValueError, match="margins stand in triplets and n-tuples, and not beside scores"):
        SentenceTransformersLayout(margins=True, scores=True)


def test_lines_under_the_name_of_one_object_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(lines({"anchor": "a", "positive": "x", "negative": "y"}))
    assert guess_format(tmp_path / "train.json") == "sentence-transformers"
    assert len(read_training_set(tmp_path / "train.json").training_set) == 1
    (tmp_path / "train.json").write_text(lines({"query": "a", "pos": ["x"], "neg": ["y"]}))
    assert guess_format(tmp_path / "train.json") == "flag-embedding"


@pytest.mark.parametrize(
    ("file_format", "record", "name"),
    [
        ("tevatron", {"negative_passages": [{"text": "y", "weight": -1}]}, "weight"),
        ("flag-embedding", {"neg": ["y"], "neg_weights": [-1]}, "neg_weights"),
    ],
)
def test_a_weight_below_0_is_a_fault_of_its_line(
    file_format: Format, record: dict[str, object], name: str, tmp_path: Path
) -> None:
    given = {"query": "a", "positive_passages": [{"text": "x"}], "pos": ["x"], **record}
    assert faults(tmp_path / "t.jsonl", lines(given), file_format) == [
        (1, f"item 1 of `{name}` is -1, wants a finite number from 0 up or null")
    ]
