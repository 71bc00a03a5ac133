"""`pyrite convert`: what it says, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., object]
ROW = {
    "query": "what is gold",
    "pos": ["a metal"],
    "neg": ["a sulfide", "a rock"],
    "pos_scores": [0.5],
    "neg_scores": [0.25, None],
}


@pytest.fixture
def mined(pyrite: Cli) -> None:
    """Write a file of FlagEmbedding in the working folder."""
    Path("mined.jsonl").write_text(json.dumps(ROW) + "\n")


def test_it_says_what_it_read_wrote_and_left_out(pyrite: Cli, mined: None) -> None:
    answer = pyrite("convert", "mined.jsonl", "margins.tsv", "--to", "gpl")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "read     mined.jsonl (flag-embedding): 1 queries, 1 positives, 2 negatives, 3 documents",
        "written  margins.tsv (gpl): 1 rows; margins.corpus.jsonl, margins.queries.jsonl",
        "         in no row: 1 negative",
        "         the teacher's scores of 1 group have no place in the file",
    ]
    data = pyrite(
        "convert", "margins.tsv", "back.jsonl", "--to", "sentence-transformers", "--set", "shape=triplet", "--json"
    ).data
    assert (data["source_format"], data["files"], data["written"]["unused_margins"]) == ("gpl", ["back.jsonl"], 1)
    back = json.loads(Path("back.jsonl").read_text())
    assert (back["anchor"], back["positive"], back["negative"]) == ("what is gold", "a metal", "a sulfide")


def test_ids_alone_convert_without_their_texts(pyrite: Cli) -> None:
    Path("negatives.jsonl").write_text('{"qid": 1, "pos": [2], "neg": {"bm25": [3]}}\n')
    answer = pyrite("convert", "negatives.jsonl", "other.jsonl", "--to", "hard-negatives", "--set", "ids=integers")
    assert "2 documents, 2 of them known by id alone" in answer.out
    assert Path("other.jsonl").read_text() == Path("negatives.jsonl").read_text()
    assert pyrite("convert", "negatives.jsonl", "texts.jsonl", "--to", "tevatron").code == 1
    Path("corpus.tsv").write_text("2\tgold\n3\tpyrite\n")
    Path("queries.tsv").write_text("1\twhich glitters\n")
    texts = ["--corpus", "corpus.tsv", "--queries", "queries.tsv"]
    assert pyrite("convert", "negatives.jsonl", "texts.jsonl", "--to", "tevatron", *texts).code == 0
    row = json.loads(Path("texts.jsonl").read_text())
    assert row["negative_passages"] == [{"docid": "3", "text": "pyrite", "sources": ["bm25"]}]


def test_judgements_say_who_is_positive(pyrite: Cli) -> None:
    Path("distil.jsonl").write_text('{"query_id": "q", "document_ids": ["a", "b"], "scores": [1, 2]}\n')
    Path("qrels").write_text("q 0 b 1\n")
    for positives, expected in (("first", ["a"]), ("qrels", ["b"])):
        target = f"{positives}.jsonl"
        arguments = ["convert", "distil.jsonl", target, "--to", "hard-negatives", "--positives", positives]
        assert pyrite(*arguments).code == 0
        assert json.loads(Path(target).read_text())["pos"] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mined.jsonl", "mined.jsonl", "--to", "tevatron"], "mined.jsonl: is there already; choose another name"),
        (["mined.jsonl", "no/where.jsonl", "--to", "tevatron"], "no: no such folder"),
        (["gone.jsonl", "new.jsonl", "--to", "tevatron"], "gone.jsonl: there is no such file"),
        (["mined.jsonl", "new.csv", "--to", "tevatron"], "new.csv: the name of such a training file ends in .jsonl"),
        (["mined.jsonl", "new.jsonl", "--to", "tevatron", "--set", "shape=triplet"], "tevatron.shape: unknown setting"),
        (["mined.jsonl", "new.jsonl", "--to", "tevatron", "--from", "gpl"], "1 columns, wants 4 with tabs between"),
        (["mined.jsonl", "new.jsonl", "--to", "pylate"], "PyLate distils from scores"),
    ],
)
def test_a_refusal_leaves_no_file(pyrite: Cli, mined: None, arguments: list[str], message: str) -> None:
    before = sorted(path.name for path in Path().iterdir())
    answer = pyrite("convert", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_texts_beside_the_target_are_never_overwritten(pyrite: Cli, mined: None) -> None:
    Path("new.corpus.jsonl").write_text("precious")
    answer = pyrite("convert", "mined.jsonl", "new.jsonl", "--to", "hard-negatives")
    assert (answer.code, "new.corpus.jsonl: is there already" in answer.err) == (1, True)
    assert Path("new.corpus.jsonl").read_text() == "precious"
    assert not Path("new.jsonl").exists()


def test_an_unknown_format_is_no_command_line(pyrite: Cli, mined: None) -> None:
    assert pyrite("convert", "mined.jsonl", "new.jsonl", "--to", "dpr").code == 2


def test_conflicts_are_faults_or_left_out(pyrite: Cli) -> None:
    Path("bad.jsonl").write_text(json.dumps({"query": "q", "pos": ["a"], "neg": ["a", "b"]}) + "\n")
    arguments = ["convert", "bad.jsonl", "good.jsonl", "--to", "flag-embedding"]
    assert "is a positive and a negative of the query" in pyrite(*arguments).err
    answer = pyrite(*arguments, "--conflicts", "drop")
    assert "left out: 1 negatives that are positives of their query" in answer.out
    assert json.loads(Path("good.jsonl").read_text())["neg"] == ["b"]
