"""`pyrite audit`: the table, the JSON, the page and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., object]
ROWS = [
    {
        "query": "what is gold",
        "pos": ["A metal of great worth."],
        "neg": ["a metal of great  WORTH.", "Iron rusts in the rain."],
    },
    {"query": "what is pyrite", "pos": ["A sulfide of iron."], "neg": []},
]


@pytest.fixture
def mined(pyrite: Cli) -> None:
    """Write a file of FlagEmbedding in the working folder."""
    Path("mined.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def test_it_shows_the_worst_first_and_ends_well_unless_asked_otherwise(pyrite: Cli, mined: None) -> None:
    answer = pyrite("audit", "mined.jsonl")
    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert lines[0] == "mined.jsonl (flag-embedding): 2 rows, 2 queries, 2 positives, 2 negatives, 3 documents"
    assert lines[3].split("  ")[0] == "error"
    assert "negatives that are known positives of their query" in lines[3]
    assert pyrite("audit", "mined.jsonl", "--strict").code == 1


def test_json_and_a_page(pyrite: Cli, mined: None) -> None:
    data = pyrite("audit", "mined.jsonl", "--json", "--report", "audit.html").data
    numbers = {finding["name"]: finding["number"] for finding in data["findings"]}
    assert (numbers["positives-among-negatives"], numbers["queries-without-negatives"]) == (1, 1)
    assert "Audit of mined.jsonl" in Path("audit.html").read_text(encoding="utf-8")


def test_a_full_disk_leaves_an_older_page(pyrite: Cli, mined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pyrite("audit", "mined.jsonl", "--report", "audit.html")
    page = Path("audit.html").read_bytes()

    def full(path: Path, *_: object, **__: object) -> int:
        path.write_bytes(b"<ht")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    answer = pyrite("audit", "mined.jsonl", "--report", "audit.html")
    assert (answer.code, answer.err) == (1, "error: OSError: [Errno 28] No space left on device\n")
    assert Path("audit.html").read_bytes() == page
    assert not Path("audit.html.partial").exists()


def test_judgements_of_either_format(pyrite: Cli, mined: None) -> None:
    Path("corpus.tsv").write_text("d1\tIron rusts in the rain.\nd2\tA sulfide of iron.\n")
    Path("queries.tsv").write_text("q1\twhat is gold\nt1\tWHAT is pyrite\n")
    Path("train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    Path("test.trec").write_text("t1 0 d2 1\n")
    texts = ["--corpus", "corpus.tsv", "--queries", "queries.tsv"]
    arguments = ["--qrels", "train=train.tsv", "--qrels", "test=test.trec", *texts, "--json"]
    numbers = {one["name"]: one["number"] for one in pyrite("audit", "mined.jsonl", *arguments).data["findings"]}
    assert numbers["positives-among-negatives"] == 2
    assert numbers["evaluation-queries"] == 1
    assert numbers["evaluation-documents-among-positives"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.jsonl"], "gone.jsonl: there is no such file"),
        (["mined.jsonl", "--qrels", "test"], "--qrels 'test': wants SPLIT=FILE, such as test=qrels/test.tsv"),
        (
            ["mined.jsonl", "--qrels", "test=mined.jsonl"],
            "columns, wants 3 of BEIR (query id, document id, grade) or 4",
        ),
        (["mined.jsonl", "--sample", "0"], "options.sample: input should be greater than or equal to 1"),
        (["mined.jsonl", "--scorer", "./nowhere"], "no folder at ./nowhere"),
        (["mined.jsonl", "--report", "gone/audit.html"], "--report: no such folder: gone; make it first"),
        (["mined.jsonl", "--from", "gpl"], "1 columns, wants 4 with tabs between"),
    ],
)
def test_bad_input_is_told(pyrite: Cli, mined: None, arguments: list[str], message: str) -> None:
    answer = pyrite("audit", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err
    assert "Traceback" not in answer.err
