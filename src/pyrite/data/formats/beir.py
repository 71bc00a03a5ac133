"""BEIR folders (Thakur et al., 2021): `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pyrite.data.collection import Collection
from pyrite.data.formats.fields import id_field, text_field
from pyrite.data.formats.judgements import JudgementParser, unwritable_ids
from pyrite.data.formats.lines import Line, json_line, raise_problems, read_lines, read_objects, write_lines
from pyrite.data.records import Document, Judgment, Query
from pyrite.data.tables import Corpus, Qrels, Queries
from pyrite.errors import DataError, Problem

__all__ = ["EmptyDocuments", "UnknownIds", "read_beir", "write_beir"]

UnknownIds = Literal["error", "drop"]
"""What becomes of a judgement whose query or document is not in the collection."""

EmptyDocuments = Literal["error", "keep"]
"""What becomes of a document without text and title."""

_LAYOUT = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, each plain or with .gz"
_HEADER = ("query-id", "corpus-id", "score")
_GRADE_NAMES = {"score", "grade", "label", "rel", "relevance"}


def read_beir(folder: Path, unknown_ids: UnknownIds = "error", empty_documents: EmptyDocuments = "error") -> Collection:
    """Read a BEIR folder.

    A line of `corpus.jsonl` gives `_id`, `title` and `text`, one of `queries.jsonl` gives `_id` and
    `text`, one of `qrels/SPLIT.tsv` gives query id, document id and grade, with or without a header.
    Ids may be integers and become strings; other fields are ignored. The files are read one line
    at a time into Arrow batches.

    Args:
        folder: The folder; its name becomes the collection's.
        unknown_ids: "error" counts a judgement of an unknown query or document as a problem; "drop"
            leaves it out and counts it in the metadata of the split, as `dropped_unknown_ids`.
        empty_documents: "error" counts a document without text and title as a problem; "keep" keeps
            it, for collections that are published with some (Cranfield has two), and counts it in
            the metadata of the corpus, as `empty_documents`.

    Raises:
        DataError: A file is missing, or has faults; every fault of every file is listed with its line.
    """
    folder = Path(folder)
    corpus_file, queries_file, qrels_files = _find_files(folder)
    reader = _Reader(unknown_ids, empty_documents)
    corpus = Corpus.from_rows(reader.documents(corpus_file))
    if reader.empty:
        corpus.metadata["empty_documents"] = reader.empty
    queries = Queries.from_rows(reader.queries(queries_file))
    splits = {name: reader.qrels(path) for name, path in qrels_files.items()}
    raise_problems(reader.problems, f"the BEIR folder {folder}")
    return Collection(folder.resolve().name, corpus, queries, splits)


def _find_files(folder: Path) -> tuple[Path, Path, dict[str, Path]]:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; {_LAYOUT}")
    problems: list[Problem] = []
    corpus = _find_one(folder, "corpus.jsonl", problems)
    queries = _find_one(folder, "queries.jsonl", problems)
    names = sorted({_split_name(path) for path in _split_files(folder)})
    qrels = {name: _find_one(folder, f"qrels/{name}.tsv", problems) for name in names}
    if not qrels:
        problems.append(Problem(str(folder / "qrels"), None, "there is no file SPLIT.tsv, such as test.tsv"))
    if problems:
        raise DataError(f"{folder}: {_LAYOUT}", problems)
    return corpus, queries, qrels


def _find_one(folder: Path, name: str, problems: list[Problem]) -> Path:
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file() and packed.is_file():
        problems.append(Problem(str(packed), None, f"stands beside {plain.name}; keep one of the two"))
    elif not plain.is_file() and not packed.is_file():
        problems.append(Problem(str(plain), None, "there is no such file"))
    return packed if packed.is_file() else plain


def _split_files(folder: Path) -> list[Path]:
    files = [*folder.glob("qrels/*.tsv"), *folder.glob("qrels/*.tsv.gz")]
    return [path for path in files if not path.name.startswith(".")]


def _split_name(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".tsv")


@dataclass
class _Reader:
    """Reads the files of one folder and remembers, for the judgements, the line of each id."""

    unknown_ids: UnknownIds
    empty_documents: EmptyDocuments
    empty: int = 0
    problems: list[Problem] = field(default_factory=list)
    doc_lines: dict[str, int] = field(default_factory=dict)
    query_lines: dict[str, int] = field(default_factory=dict)

    def documents(self, path: Path) -> Iterator[Document]:
        for line, record in read_objects(path, self.problems):
            doc_id = _new_id(line, record, self.doc_lines)
            text, title = text_field(line, record, "text"), text_field(line, record, "title")
            if all(part is not None and not part.strip() for part in (text, title)):
                self._note_empty(line)
            if line.valid:
                yield Document(doc_id or "", text or "", title or "")
        self._check_any(path, self.doc_lines, "documents")

    def _note_empty(self, line: Line) -> None:
        if self.empty_documents == "keep":
            self.empty += 1
        else:
            line.fault("`text` and `title` are empty; a document has at least one")

    def queries(self, path: Path) -> Iterator[Query]:
        for line, record in read_objects(path, self.problems):
            query_id = _new_id(line, record, self.query_lines)
            text = text_field(line, record, "text")
            if text is not None and not text.strip():
                line.fault("`text` is empty")
            if line.valid:
                yield _with_origin(Query(query_id or "", text or ""), record.get("metadata"))
        self._check_any(path, self.query_lines, "queries")

    def qrels(self, path: Path) -> Qrels:
        kept: list[Judgment] = []
        before, dropped = len(self.problems), 0
        for line, judgment in self._judgements(path):
            unknown = self._unknown(judgment)
            if not unknown:
                kept.append(judgment)
            elif self.unknown_ids == "drop":
                dropped += 1
            else:
                line.fault(" and ".join(unknown))
        if len(self.problems) == before and not dropped:
            self._check_any(path, kept, "judgements")
        return Qrels.from_rows(kept, {"dropped_unknown_ids": dropped} if dropped else None)

    def _judgements(self, path: Path) -> Iterator[tuple[Line, Judgment]]:
        parser = JudgementParser()
        for position, line in enumerate(read_lines(path, self.problems)):
            columns = line.text.split("\t")
            if position == 0 and len(columns) == len(_HEADER) and columns[-1].strip().lower() in _GRADE_NAMES:
                continue
            if len(columns) != len(_HEADER):
                line.fault(f"{len(columns)} columns, wants 3 with tabs between: query id, document id, grade")
            elif judgment := parser.parse(line, *columns):
                yield line, judgment

    def _unknown(self, judgment: Judgment) -> list[str]:
        return [
            f"the {name} {row_id!r} is not in {file}"
            for name, row_id, lines, file in (
                ("query", judgment.query_id, self.query_lines, "queries.jsonl"),
                ("document", judgment.doc_id, self.doc_lines, "corpus.jsonl"),
            )
            if row_id not in lines
        ]

    def _check_any(self, path: Path, found: Iterable[Any], what: str) -> None:
        if not any(True for _ in found) and not any(problem.where == str(path) for problem in self.problems):
            self.problems.append(Problem(str(path), None, f"holds no {what}"))


def _new_id(line: Line, record: dict[str, Any], lines: dict[str, int]) -> str | None:
    """Return the `_id` of a line and remember it; one that an earlier line has is noted."""
    row_id = id_field(line, record, "_id")
    if row_id is not None and lines.setdefault(row_id, line.number) != line.number:
        line.fault(f"the `_id` {row_id!r} stands in line {lines[row_id]} already")
    return row_id


def _with_origin(query: Query, metadata: object) -> Query:
    """Take up what `write_beir` notes of a generated query; metadata of others are ignored."""
    if not isinstance(metadata, dict) or metadata.get("origin") != "generated":
        return query
    seed = metadata.get("seed_doc_id")
    return Query(query.query_id, query.text, "generated", seed if isinstance(seed, str) else None)


def write_beir(collection: Collection, folder: Path) -> None:
    """Write a collection as a BEIR folder, one line at a time.

    Ids, texts, titles, grades, the order of rows and the origin of generated queries (in `metadata`, where
    BEIR's own readers ignore it) survive; the source of a judgement has no place in the
    format and reads back as "human".

    Args:
        collection: Documents, queries and at least one split, none of them empty.
        folder: Made where it is missing; it may not hold a BEIR folder yet.

    Raises:
        DataError: The folder holds a collection already, a part is empty, or an id has a tab or a line
            end in it.
    """
    folder = Path(folder)
    _check_writable(collection, folder)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    write_lines(folder / "corpus.jsonl", map(_document_line, collection.corpus.rows()))
    write_lines(folder / "queries.jsonl", map(_query_line, collection.queries.rows()))
    for name, qrels in collection.splits.items():
        write_lines(folder / "qrels" / f"{name}.tsv", _qrels_lines(qrels))


def _check_writable(collection: Collection, folder: Path) -> None:
    present = [*folder.glob("corpus.jsonl*"), *folder.glob("queries.jsonl*"), *_split_files(folder)]
    if present:
        raise DataError(f"{folder}: holds {present[0].name} already; choose another folder or remove it")
    parts = {"corpus": collection.corpus, "queries": collection.queries, **collection.splits}
    empty = [name for name, table in parts.items() if len(table) == 0]
    if empty or not collection.splits:
        raise DataError(f"the collection {collection.name!r} has nothing in: {', '.join(empty or ['splits'])}")
    ids = {*collection.corpus.ids(), *collection.queries.ids()}
    if bad := unwritable_ids(ids):
        problems = [Problem(collection.name, None, f"the id {row_id!r}") for row_id in bad]
        raise DataError("a BEIR folder holds no id that is empty or has a tab or a line end in it", problems)


def _document_line(document: Document) -> str:
    return json_line({"_id": document.doc_id, "title": document.title, "text": document.text})


def _query_line(query: Query) -> str:
    metadata: dict[str, Any] = {}
    if query.origin == "generated":
        metadata = {"origin": query.origin, "seed_doc_id": query.seed_doc_id}
    return json_line({"_id": query.query_id, "text": query.text, "metadata": metadata})


def _qrels_lines(qrels: Qrels) -> Iterator[str]:
    yield "\t".join(_HEADER)
    for judgment in qrels.rows():
        yield f"{judgment.query_id}\t{judgment.doc_id}\t{judgment.grade}"
