"""Corpora and queries in files: those that lie beside a training file of ids, and whatever others a user has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pyrite.data.formats.examples import TrainingParts, full_text, used_documents
from pyrite.data.formats.fields import id_field, text_field
from pyrite.data.formats.lines import Line, raise_problems, read_lines
from pyrite.data.formats.rows import read_rows, write_rows
from pyrite.data.records import Document, Query
from pyrite.data.tables import Corpus, Queries
from pyrite.errors import DataError, Problem

__all__ = [
    "TextKeys",
    "corpus_beside",
    "queries_beside",
    "read_corpus",
    "read_queries",
    "stem",
    "write_corpus_folder",
    "write_texts_beside",
]

_DOCUMENT_IDS = ("_id", "doc_id", "docid", "document_id", "pid", "id")
_QUERY_IDS = ("_id", "query_id", "qid", "question_id", "id")
_TEXTS = ("text", "query", "query_text", "question")
_METADATA = "merlin_metadata.json"


class TextKeys:
    """How a toolkit calls the fields of a document and of a query.

    Attributes:
        document: The name of a document's id.
        query: The name of a query's id; None where the training file holds the queries' texts.
        title: Whether a title has a field of its own; else it stands in front of the text.
    """

    def __init__(self, document: str, query: str | None = None, title: bool = True) -> None:
        self.document, self.query, self.title = document, query, title


def stem(path: Path) -> str:
    """Return a file's name without what says its kind.

    Example:
        >>> stem(Path("data/train.v2.jsonl.gz"))
        'train.v2'
    """
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def corpus_beside(path: Path) -> Path:
    """Return where the documents of a training file lie: `train.jsonl` has them in `train.corpus.jsonl`."""
    return path.with_name(f"{stem(path)}.corpus.jsonl")


def queries_beside(path: Path) -> Path:
    """Return where the queries of a training file lie: `train.jsonl` has them in `train.queries.jsonl`."""
    return path.with_name(f"{stem(path)}.queries.jsonl")


def write_texts_beside(parts: TrainingParts, path: Path, keys: TextKeys) -> None:
    """Write the documents in use, and the queries, beside a training file; nothing where they are not at hand.

    Raises:
        DataError: The corpus or the queries hold some of the ids and lack others; each is listed.
    """
    if len(parts.corpus):
        corpus = parts.corpus.select(used_documents(parts.training_set))
        write_rows(corpus_beside(path), (_document_row(document, keys) for document in corpus.rows()))
    if len(parts.queries) and keys.query:
        query_ids = parts.training_set.column("query_id").to_pylist()
        rows = ({keys.query: query.query_id, "text": query.text} for query in parts.queries.select(query_ids).rows())
        write_rows(queries_beside(path), rows)


def _document_row(document: Document, keys: TextKeys) -> dict[str, Any]:
    if keys.title:
        return {keys.document: document.doc_id, "title": document.title, "text": document.text}
    return {keys.document: document.doc_id, "text": full_text(document.title, document.text)}


def write_corpus_folder(parts: TrainingParts, folder: Path, corpus_id: str) -> None:
    """Write the documents in use as a corpus of NeMo: `merlin_metadata.json` and a Parquet file of `id` and `text`.

    Raises:
        DataError: The corpus lacks an id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    corpus = parts.corpus.select(used_documents(parts.training_set))
    (folder / _METADATA).write_text(
        json.dumps({"class": "TextQADataset", "corpus_id": corpus_id}) + "\n", encoding="utf-8"
    )
    pq.write_table(
        pa.table({"id": corpus.column("doc_id"), "text": pa.array(corpus.texts(), pa.string())}),
        folder / "train.parquet",
    )


def read_corpus(path: Path) -> Corpus:
    """Read documents.

    Args:
        path: JSONL, plain or with `.gz`, or Parquet, with an id (`_id`, `doc_id`, `docid`, `document_id`, `pid` or
            `id`), `text` and perhaps `title`; a TSV file of ids and texts; or a folder: BEIR's, or a corpus of NeMo.

    Raises:
        DataError: Nothing is there, a document has no id or no text, or two have the same id.
    """
    file, problems = _file(Path(path), "corpus"), list[Problem]()
    rows = []
    for line, record in _records(file, problems):
        doc_id = _id(line, record, _DOCUMENT_IDS)
        text, title = text_field(line, record, "text"), text_field(line, record, "title")
        if text is not None and title is not None and not (text.strip() or title.strip()):
            line.fault("`text` and `title` are empty; a document has at least one")
        if line.valid:
            rows.append(Document(doc_id or "", text or "", title or ""))
    raise_problems(problems, f"the corpus {path}")
    return Corpus.from_rows(rows)


def read_queries(path: Path) -> Queries:
    """Read queries.

    Args:
        path: As in `read_corpus`, with an id (`_id`, `query_id`, `qid`, `question_id` or `id`) and a text (`text`,
            `query`, `query_text` or `question`).

    Raises:
        DataError: Nothing is there, a query has no id or no text, or two have the same id.
    """
    file, problems = _file(Path(path), "queries"), list[Problem]()
    rows = []
    for line, record in _records(file, problems):
        query_id = _id(line, record, _QUERY_IDS)
        text = text_field(line, record, next((name for name in _TEXTS if name in record), "text"))
        if text is not None and not text.strip():
            line.fault("the query has no text")
        if line.valid:
            rows.append(Query(query_id or "", text or ""))
    raise_problems(problems, f"the queries {path}")
    return Queries.from_rows(rows)


def _file(path: Path, name: str) -> Path:
    if not path.is_dir():
        return path
    found = [path / f"{name}{end}" for end in (".jsonl", ".jsonl.gz") if (path / f"{name}{end}").is_file()]
    if (path / _METADATA).is_file():
        found = sorted([*path.glob("*.parquet"), *path.glob("*.jsonl")])
    if len(found) != 1:
        raise DataError(f"{path}: wants one file {name}.jsonl, or {_METADATA} with one Parquet or JSONL file beside it")
    return found[0]


def _records(path: Path, problems: list[Problem]) -> Iterator[tuple[Line, Mapping[str, Any]]]:
    if path.name.endswith((".tsv", ".tsv.gz")):
        for line in read_lines(path, problems):
            row_id, tab, text = line.text.partition("\t")
            if not tab:
                line.fault("1 column, wants 2 with a tab between: id, text")
            yield line, {"id": row_id, "text": text}
    else:
        yield from read_rows(path, problems)


def _id(line: Line, record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    name = next((name for name in names if name in record), None)
    if name is None:
        line.fault(f"there is no id; wants one of {', '.join(names)}")
        return None
    return id_field(line, record, name)
