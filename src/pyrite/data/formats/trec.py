"""TREC files: runs (`qid Q0 docid rank score tag`) and judgements (`qid 0 docid grade`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data.formats.judgements import JudgementParser, unwritable_ids
from pyrite.data.formats.lines import Line, raise_problems, read_lines, write_lines
from pyrite.data.records import Judgment
from pyrite.data.tables import Qrels, Run, ScoreKind
from pyrite.errors import DataError, Problem

__all__ = ["read_qrels", "read_run", "write_qrels", "write_run"]

# What separates columns in C's locale, as trec_eval reads them; an id may hold the other spaces of Unicode.
_COLUMN = re.compile(r"[^ \t\v\f\r]+")
_UNWRITABLE = re.compile(r"[ \t\n\v\f\r]|^\ufeff|^$")
_INTEGER = re.compile(r"[+-]?[0-9]+")


def read_run(path: Path, kind: ScoreKind = ScoreKind.UNKNOWN) -> Run:
    """Read a run file.

    Ranks follow from the scores, as trec_eval takes them: larger first, ties by document id,
    descending. The file's own rank column must be an integer and is not used otherwise. Queries keep
    the order in which they first appear; scores keep every bit.

    Args:
        path: The file, plain or with `.gz`.
        kind: What the scores mean, which the file does not say.

    Returns:
        The run; its scorer is the file's tag.

    Raises:
        DataError: Every line with another number of columns, a rank that is no integer, a score that is no
            finite number, a document that its query has already, or another tag than the first line's.
    """
    path = Path(path)
    problems: list[Problem] = []
    reader = _RunReader()
    for line in read_lines(path, problems):
        reader.add(line, _COLUMN.findall(line.text))
    if not problems and not reader.scores:
        problems.append(Problem(str(path), None, "holds no results"))
    raise_problems(problems, f"the run {path}")
    return Run(_ranked(reader.arrow()), {"scorer": reader.tag, "score_kind": str(kind)})


class _RunReader:
    """Collects the columns of a run file and notes what is wrong with its lines."""

    def __init__(self) -> None:
        self.tag: str | None = None
        self.query_ids: list[str] = []
        self.doc_ids: list[str] = []
        self.scores: list[float] = []
        self._seen: dict[str, set[str]] = {}

    def add(self, line: Line, columns: list[str]) -> None:
        if len(columns) != 6:
            line.fault(f"{len(columns)} columns, wants 6: query id, Q0, document id, rank, score, tag")
            return
        query_id, _, doc_id, rank, score, tag = columns
        if not _INTEGER.fullmatch(rank):
            line.fault(f"the rank {rank!r} is no integer")
        self._check_tag(line, tag)
        self._check_new(line, query_id, doc_id)
        value = _score(line, score)
        if line.valid:
            self.query_ids.append(query_id)
            self.doc_ids.append(doc_id)
            self.scores.append(value)

    def _check_tag(self, line: Line, tag: str) -> None:
        if self.tag is None:
            self.tag = tag
        elif self.tag != tag:
            line.fault(f"the tag {tag!r} is not the first line's, {self.tag!r}; a file holds one system's run")

    def _check_new(self, line: Line, query_id: str, doc_id: str) -> None:
        docs = self._seen.setdefault(query_id, set())
        if doc_id in docs:
            line.fault(f"the query {query_id!r} has the document {doc_id!r} already")
        docs.add(doc_id)

    def arrow(self) -> pa.Table:
        return pa.table({"query_id": self.query_ids, "doc_id": self.doc_ids, "score": self.scores})


def _score(line: Line, text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        line.fault(f"the score {text!r} is no finite number")
    return score


def _ranked(columns: pa.Table) -> pa.Table:
    """Sort results by score and document id, descending, within each query, and number them from 1."""
    codes = columns.column("query_id").combine_chunks().dictionary_encode().indices
    order = pc.sort_indices(
        columns.select(["score", "doc_id"]).append_column("query", codes),
        [("query", "ascending"), ("score", "descending"), ("doc_id", "descending")],
    )
    ordered_codes = codes.take(order).to_numpy()
    first_rows = np.searchsorted(ordered_codes, ordered_codes, side="left")
    ranks = pa.array(np.arange(1, len(ordered_codes) + 1) - first_rows, pa.int32())
    return columns.take(order).append_column("rank", ranks)


def write_run(run: Run, path: Path, tag: str | None = None) -> None:
    """Write a run file, its ranks numbered anew from 1 as `read_run` would give them.

    Args:
        run: The run. Its queries keep the order in which they first appear.
        path: The file.
        tag: The last column, without white space; by default, the run's scorer.

    Raises:
        DataError: An id or the tag is empty or has white space in it, or a score is infinite.
    """
    tag = run.scorer if tag is None else tag
    _check_columns(run, [tag])
    if not pc.all(pc.is_finite(run.column("score")), min_count=0).as_py():
        raise DataError(f"the run of {run.scorer!r} has an infinite score, which trec_eval does not read")
    columns = _ranked(run.arrow.select(["query_id", "doc_id", "score"]))
    write_lines(Path(path), _run_lines(columns, tag))


def _run_lines(columns: pa.Table, tag: str) -> Iterator[str]:
    for batch in columns.to_batches(max_chunksize=65_536):
        rows = zip(*(batch.column(name).to_pylist() for name in ("query_id", "doc_id", "rank", "score")), strict=True)
        for query_id, doc_id, rank, score in rows:
            yield f"{query_id} Q0 {doc_id} {rank} {score!r} {tag}"


def read_qrels(path: Path) -> Qrels:
    """Read a judgement file. Its second column, the iteration, is not used.

    Args:
        path: The file, plain or with `.gz`.

    Raises:
        DataError: Every line with another number of columns, a grade that is no integer from 0 up, or a pair
            that is judged already.
    """
    path = Path(path)
    problems: list[Problem] = []
    parser, kept = JudgementParser(), []
    for line in read_lines(path, problems):
        columns = _COLUMN.findall(line.text)
        if len(columns) != 4:
            line.fault(f"{len(columns)} columns, wants 4: query id, iteration, document id, grade")
        elif judgment := parser.parse(line, columns[0], columns[2], columns[3]):
            kept.append(judgment)
    if not problems and not kept:
        problems.append(Problem(str(path), None, "holds no judgements"))
    raise_problems(problems, f"the judgements {path}")
    return Qrels.from_rows(kept)


def write_qrels(qrels: Qrels, path: Path) -> None:
    """Write a judgement file in the order of the rows. The source of a judgement has no place in it.

    Raises:
        DataError: An id is empty or has white space in it.
    """
    _check_columns(qrels)
    write_lines(Path(path), map(_qrels_line, qrels.rows()))


def _qrels_line(judgment: Judgment) -> str:
    return f"{judgment.query_id} 0 {judgment.doc_id} {judgment.grade}"


def _check_columns(table: Run | Qrels, others: Iterable[str] = ()) -> None:
    values = set(others)
    for name in ("query_id", "doc_id"):
        values.update(pc.unique(table.column(name)).to_pylist())
    if bad := unwritable_ids(values, _UNWRITABLE):
        problems = [Problem(table.kind, None, f"{value!r}") for value in bad]
        raise DataError("a TREC file holds no id or tag that is empty or has white space in it", problems)
