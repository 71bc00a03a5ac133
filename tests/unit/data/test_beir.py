"""BEIR folders: what is read, what is written, and every fault with its line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrite.data import Corpus, Document, Judgment, Qrels, Queries, Query
from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir, write_beir
from pyrite.errors import DataError

CORPUS = '{"_id": "d1", "title": "One", "text": "first", "url": "x"}\n{"_id": 2, "text": "second"}\n'
QUERIES = '{"_id": "q1", "text": "which is first", "metadata": {}}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t2\t0\n"


def folder_of(path: Path, **files: str | bytes) -> Path:
    """Write a BEIR folder; keys name the file: corpus, queries, or a split."""
    (path / "qrels").mkdir(parents=True)
    for name, content in ({"corpus": CORPUS, "queries": QUERIES, "test": QRELS} | files).items():
        file = path / (f"{name}.jsonl" if name in {"corpus", "queries"} else f"qrels/{name}.tsv")
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems_of(folder: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(DataError) as caught:
        read_beir(folder)
    return [(Path(p.where).relative_to(folder).as_posix(), p.line, p.what) for p in caught.value.problems]


def test_reads_the_three_files(tmp_path: Path) -> None:
    collection = read_beir(folder_of(tmp_path / "small"))
    assert collection.name == "small"
    assert list(collection.corpus.rows()) == [Document("d1", "first", "One"), Document("2", "second", "")]
    assert list(collection.queries.rows()) == [Query("q1", "which is first")]
    assert list(collection.split("test").rows()) == [Judgment("q1", "d1", 1), Judgment("q1", "2", 0)]


def test_every_fault_of_every_file_is_listed_with_its_line(tmp_path: Path) -> None:
    corpus = [
        b'{"_id": "d1", "text": "fine"}',
        b'{"_id": "d2", "text": "no comma" "title": ""}',
        b"[1, 2]",
        b'{"text": "no id"}',
        b'{"_id": 1.5, "text": "odd id"}',
        b'{"_id": "d1", "text": "again"}',
        b'{"_id": "d3", "text": " ", "title": ""}',
        b'{"_id": "d4", "text": "caf\xe9"}',
        b"",
        b'{"_id": "d5", "text": ["a"], "title": 7}',
        b'{"_id": "d6", "text": "\\ud800"}',
        b'{"_id": "", "text": NaN}',
        b'{"_id": null, "text": "x"}',
    ]
    queries = ['{"_id": "q1", "text": "fine"}', '{"_id": "q2", "text": ""}', '{"_id": true, "text": "x"}']
    qrels = ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q1\td1", "q1\td1\tx", "q1\td3\t-1", "q9\td9\t1"]
    qrels += ["q1\td1\t1", "q1\td1\t2", "\td1\t1", "q1\td1\t1.0", "q1\td3\t4294967296"]
    folder = folder_of(
        tmp_path / "bad",
        corpus=b"\n".join(corpus),
        queries="\n".join(queries),
        test="\n".join(qrels),
        train="q1 d1 1\n",
    )
    assert problems_of(folder) == [
        ("corpus.jsonl", 2, "broken JSON: Expecting ',' delimiter in column 34"),
        ("corpus.jsonl", 3, "a list, wants a JSON object"),
        ("corpus.jsonl", 4, "`_id` is missing, wants a string"),
        ("corpus.jsonl", 5, "`_id` is a number, wants a string"),
        ("corpus.jsonl", 6, "the `_id` 'd1' stands in line 1 already"),
        ("corpus.jsonl", 7, "`text` and `title` are empty; a document has at least one"),
        ("corpus.jsonl", 8, "not UTF-8: byte 0xe9 in position 27 of the line"),
        ("corpus.jsonl", 10, "`text` is a list, wants a string"),
        ("corpus.jsonl", 10, "`title` is a number, wants a string"),
        ("corpus.jsonl", 11, "broken JSON: an escape stands for half a surrogate pair"),
        ("corpus.jsonl", 12, "broken JSON: NaN is no JSON number"),
        ("corpus.jsonl", 13, "`_id` is null, wants a string"),
        ("queries.jsonl", 2, "`text` is empty"),
        ("queries.jsonl", 3, "`_id` is a boolean, wants a string"),
        ("qrels/test.tsv", 3, "2 columns, wants 3 with tabs between: query id, document id, grade"),
        ("qrels/test.tsv", 4, "the grade 'x' is no integer"),
        ("qrels/test.tsv", 5, "the grade -1 is negative; grades go from 0, judged and not relevant, up"),
        ("qrels/test.tsv", 6, "the query 'q9' is not in queries.jsonl and the document 'd9' is not in corpus.jsonl"),
        ("qrels/test.tsv", 7, "the query 'q1' and the document 'd1' are judged in line 2 already, with the same grade"),
        (
            "qrels/test.tsv",
            8,
            "the query 'q1' and the document 'd1' are judged in line 2 already, with grade 1 and not 2",
        ),
        ("qrels/test.tsv", 9, "the query id is empty"),
        ("qrels/test.tsv", 10, "the grade '1.0' is no integer"),
        ("qrels/test.tsv", 11, "the grade 4294967296 is above the largest allowed, 2147483647"),
        ("qrels/train.tsv", 1, "1 columns, wants 3 with tabs between: query id, document id, grade"),
    ]


def test_the_message_counts_the_problems_and_names_the_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "bad", queries='{"_id": "q1", "text": "x"}\n{"_id": "q1", "text": "y"}\n')
    with pytest.raises(DataError) as caught:
        read_beir(folder)
    assert str(caught.value) == (
        f"1 problem in the BEIR folder {folder}\n  {folder}/queries.jsonl:2: the `_id` 'q1' stands in line 1 already"
    )


def test_a_faulty_line_still_makes_its_id_known(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "bad", corpus='{"_id": "d1", "text": ""}\n{"_id": "2", "text": "x"}\n')
    assert [problem[:2] for problem in problems_of(folder)] == [("corpus.jsonl", 1)]


@pytest.mark.parametrize("header", ["query-id\tcorpus-id\tscore\n", "qid\tdocid\tRelevance\n", ""])
def test_a_header_may_be_absent(tmp_path: Path, header: str) -> None:
    folder = folder_of(tmp_path / "x", test=f"{header}q1\td1\t2\n")
    assert list(read_beir(folder).split("test").rows()) == [Judgment("q1", "d1", 2)]


def test_a_header_is_only_the_first_line(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", test="q1\td1\t2\nquery-id\tcorpus-id\tscore\n")
    assert problems_of(folder) == [("qrels/test.tsv", 2, "the grade 'score' is no integer")]


def test_byte_order_marks_windows_line_ends_and_blank_lines(tmp_path: Path) -> None:
    def windows(text: str) -> bytes:
        return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n  \r\n"

    folder = folder_of(tmp_path / "w", corpus=windows(CORPUS), queries=windows(QUERIES), test=windows(QRELS))
    plain = read_beir(folder_of(tmp_path / "p"))
    read = read_beir(folder)
    assert read.corpus.arrow.equals(plain.corpus.arrow)
    assert read.queries.arrow.equals(plain.queries.arrow)
    assert read.split("test").arrow.equals(plain.split("test").arrow)


def test_packed_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "packed")
    for file in [folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels/test.tsv"]:
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    collection = read_beir(folder)
    assert collection.corpus.ids() == ["d1", "2"]
    assert list(collection.splits) == ["test"]


def test_a_packed_file_that_is_cut_off(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "packed")
    (folder / "corpus.jsonl").unlink()
    packed = gzip.compress(CORPUS.encode())
    (folder / "corpus.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    first = problems_of(folder)[0]
    assert first[:2] == ("corpus.jsonl.gz", None)
    assert first[2].startswith("cannot be read beyond line 0: Compressed file ended")


def test_a_file_beside_its_packed_twin_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "both")
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(b""))
    assert problems_of(folder) == [("corpus.jsonl.gz", None, "stands beside corpus.jsonl; keep one of the two")]


def test_missing_files_are_all_named_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_beir(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, each plain or with .gz\n"
        f"  {tmp_path}/corpus.jsonl: there is no such file\n"
        f"  {tmp_path}/queries.jsonl: there is no such file\n"
        f"  {tmp_path}/qrels: there is no file SPLIT.tsv, such as test.tsv"
    )


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: there is no such folder; a BEIR folder holds corpus.jsonl"):
        read_beir(tmp_path / "nowhere")


def test_files_that_hold_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "empty", corpus="\n", queries="", test="query-id\tcorpus-id\tscore\n")
    assert problems_of(folder) == [
        ("corpus.jsonl", None, "holds no documents"),
        ("queries.jsonl", None, "holds no queries"),
        ("qrels/test.tsv", None, "holds no judgements"),
    ]


def test_unknown_ids_can_be_dropped_and_are_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "holes", test="q1\td1\t1\nq1\td9\t1\nq9\td1\t1\n", train="q1\td1\t1\n")
    splits = read_beir(folder, unknown_ids="drop").splits
    assert splits["test"].by_query() == {"q1": {"d1": 1}}
    assert splits["test"].metadata == {"dropped_unknown_ids": 2}
    assert splits["train"].metadata == {}


def test_empty_documents_can_be_kept_and_are_counted(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", corpus=CORPUS + '{"_id": "d3", "text": "", "title": ""}\n')
    corpus = read_beir(folder, empty_documents="keep").corpus
    assert list(corpus.rows())[2] == Document("d3", "", "")
    assert corpus.metadata == {"empty_documents": 1}


def test_splits_keep_their_names_and_hidden_files_do_not_count(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", validation="q1\td1\t1\n")
    (folder / "qrels" / "._test.tsv").write_bytes(b"\x00\x05\x16")
    assert list(read_beir(folder).splits) == ["test", "validation"]


def planted() -> Collection:
    return Collection(
        "planted",
        Corpus.from_rows(
            [Document("d\u2028 1", 'tab\t "quote"\nline\r\n\u2028end', "Ünï 🙂"), Document("2", "", "only")]
        ),
        Queries.from_rows(
            [Query("q1", "given"), Query("q2", "made\tup", "generated", "2"), Query("q3", "m", "generated")]
        ),
        {"train": Qrels.from_rows([Judgment("q2", "2", 0)]), "dev": Qrels.from_rows([Judgment("q1", "d\u2028 1", 3)])},
    )


def test_written_folders_read_back_the_same(tmp_path: Path) -> None:
    collection = planted()
    write_beir(collection, tmp_path / "planted")
    read = read_beir(tmp_path / "planted")
    assert read.name == "planted"
    assert list(read.corpus.rows()) == list(collection.corpus.rows())
    assert list(read.queries.rows()) == list(collection.queries.rows())
    assert {name: list(qrels.rows()) for name, qrels in read.splits.items()} == {
        name: list(qrels.rows()) for name, qrels in collection.splits.items()
    }


def test_written_lines_are_what_others_read(tmp_path: Path) -> None:
    write_beir(planted(), tmp_path)
    lines = (tmp_path / "queries.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0]) == {"_id": "q1", "text": "given", "metadata": {}}
    assert (tmp_path / "qrels" / "train.tsv").read_bytes() == b"query-id\tcorpus-id\tscore\nq2\t2\t0\n"


def test_writing_refuses_what_could_not_be_read_again(tmp_path: Path) -> None:
    fine = planted()
    bad = Corpus.from_rows([Document("a\tb", "x"), Document("", "y"), Document("\ufeffc", "z")])
    with pytest.raises(DataError, match="no id that is empty or has a tab") as caught:
        write_beir(Collection("bad", bad, fine.queries, fine.splits), tmp_path)
    assert [problem.what for problem in caught.value.problems] == ["the id ''", r"the id 'a\tb'", r"the id '\ufeffc'"]
    with pytest.raises(DataError, match="'none' has nothing in: splits"):
        write_beir(Collection("none", fine.corpus, fine.queries, {}), tmp_path)
    with pytest.raises(DataError, match="'none' has nothing in: corpus, test"):
        write_beir(Collection("none", Corpus.empty(), fine.queries, {"test": Qrels.empty()}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writing_never_mixes_two_collections(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "there")
    with pytest.raises(DataError, match=r"there: holds corpus.jsonl already; choose another folder or remove it"):
        write_beir(planted(), folder)


@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgements"),
    [
        ("scifact", 5183, {"train": 809, "test": 300}, {"train": 919, "test": 339}),
        ("medquad", 15775, {"train": 12159, "dev": 749, "test": 1390}, {"train": 13859, "dev": 909, "test": 1591}),
        ("cranfield", 1400, {"test": 225}, {"test": 1837}),
    ],
)
def test_real_collections(
    test_data: Callable[[str], Path],
    name: str,
    documents: int,
    queries: dict[str, int],
    judgements: dict[str, int],
) -> None:
    collection = read_beir(test_data(name), empty_documents="keep")
    assert len(collection.corpus) == documents
    assert {split: len(qrels) for split, qrels in collection.splits.items()} == judgements
    assert {split: len(qrels.query_ids()) for split, qrels in collection.splits.items()} == queries


def test_two_documents_of_cranfield_are_empty(test_data: Callable[[str], Path]) -> None:
    folder = test_data("cranfield")
    assert [problem[:2] for problem in problems_of(folder)] == [("corpus.jsonl", 471), ("corpus.jsonl", 995)]
    assert read_beir(folder, empty_documents="keep").corpus.metadata == {"empty_documents": 2}
