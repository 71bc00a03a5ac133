"""The tables that stages hand to each other. Each has a fixed schema and a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data.records import (
    Candidate,
    Comparison,
    Document,
    Judgment,
    LogEntry,
    Negative,
    Query,
    QueryScore,
    Removal,
    ScoredDoc,
    TrainingGroup,
    Verdict,
)
from pyrite.data.table import Table
from pyrite.data.text import text_key
from pyrite.errors import DataError

__all__ = [
    "Candidates",
    "Comparisons",
    "Corpus",
    "Negatives",
    "Qrels",
    "Queries",
    "QueryScores",
    "Removals",
    "Run",
    "ScoreKind",
    "TrainingLog",
    "TrainingSet",
    "Verdicts",
]


class ScoreKind(StrEnum):
    """What a score means. Scores of two scorers are never compared, whatever their kinds."""

    BM25 = "bm25"
    """A sum of term weights, from 0 up."""
    COSINE = "cosine"
    """In [-1, 1]."""
    DOT = "dot"
    """An inner product, unbounded."""
    LOGIT = "logit"
    """Unbounded; its logistic function is a probability."""
    PROBABILITY = "probability"
    """In [0, 1]."""
    UNKNOWN = "unknown"
    """From a file that does not say."""


def _schema(*fields: tuple[str, pa.DataType] | tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(f[0], f[1], nullable=len(f) == 3 and f[2]) for f in fields])


_TEXT_ROWS = 4096
_S, _F, _I, _B = pa.string(), pa.float64(), pa.int32(), pa.bool_()


class _TextTable(Table[Any]):
    """A table of texts, whose rows are looked up by id.

    `save` writes the keys of copies beside the table, since they take longer to compute than all else that a selection
    of negatives does.
    """

    _positions: dict[str, int] | None = None
    _copy_keys: np.ndarray | None = None

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the table that `save` wrote; errors as in `Table.open`."""
        table = super().open(folder)
        keys = cls.keys_file(folder)
        if keys.is_file():
            table._copy_keys = _read_keys(keys, len(table))
        return table

    def save(self, folder: Path) -> None:
        """Write the table into a folder as `<kind>.parquet`, and its copy keys."""
        super().save(folder)
        np.save(self.keys_file(folder), self.copy_keys())

    def copy_keys(self) -> np.ndarray:
        """Return one number for each row; rows with the same number are copies: uint64, shape (rows,)."""
        if self._copy_keys is None:
            keys = (key for batch in self.arrow.to_batches(max_chunksize=_TEXT_ROWS) for key in self._keys_of(batch))
            self._copy_keys = np.fromiter(keys, dtype=np.uint64, count=len(self))
        return self._copy_keys

    @staticmethod
    def _keys_of(batch: pa.RecordBatch) -> Iterator[int]:
        return map(text_key, batch.column("text").to_pylist())

    def position(self, row_id: str) -> int:
        """Return the row of an id.

        Raises:
            DataError: The id is not in the table.
        """
        if self._positions is None:
            self._positions = {key: i for i, key in enumerate(self.ids())}
        try:
            return self._positions[row_id]
        except KeyError:
            raise DataError(f"{self.kind!r} holds no {self.key[0]} {row_id!r}") from None

    def ids(self) -> list[str]:
        """Return the ids in the order of the rows."""
        values: list[str] = self.column(self.key[0]).to_pylist()
        return values

    def __contains__(self, row_id: str) -> bool:
        if self._positions is None:
            self._positions = {key: i for i, key in enumerate(self.ids())}
        return row_id in self._positions

    def select(self, row_ids: list[str]) -> Self:
        """Return the table of these ids, in this order.

        Raises:
            DataError: An id is not in the table.
        """
        rows = pa.array([self.position(row_id) for row_id in row_ids], pa.int64())
        return type(self)(self.arrow.take(rows), self.metadata)


class Corpus(_TextTable):
    """Documents. A row may lack a title or a text, never both."""

    kind, row, key = "corpus", Document, ("doc_id",)
    schema = _schema(("doc_id", _S), ("text", _S), ("title", _S))

    @staticmethod
    def _keys_of(batch: pa.RecordBatch) -> Iterator[int]:
        # Titles do not count beside a text: a passage with another heading is still the same passage.
        pairs = zip(batch.column("text").to_pylist(), batch.column("title").to_pylist(), strict=True)
        return (text_key(text) or text_key(title, "title") for text, title in pairs)

    def texts(self, rows: range | None = None) -> list[str]:
        """Return what an encoder or an index reads: the title, a space and the text.

        Args:
            rows: Consecutive rows, so that a large corpus need not be held as text; None for all.
        """
        some = self.arrow if rows is None else self.arrow.slice(rows.start, len(rows))
        titles, texts = some.column("title").to_pylist(), some.column("text").to_pylist()
        return [f"{title} {text}".strip() if title else text for title, text in zip(titles, texts, strict=True)]


class Queries(_TextTable):
    """Queries, each with an id and a text."""

    kind, row, key = "queries", Query, ("query_id",)
    schema = _schema(("query_id", _S), ("text", _S), ("origin", _S), ("seed_doc_id", _S, True))

    def texts(self) -> list[str]:
        """Return the texts in the order of the rows."""
        values: list[str] = self.column("text").to_pylist()
        return values


class Qrels(Table[Judgment]):
    """Judgements. A pair without a row is unjudged, which is not the same as grade 0."""

    kind, row, key = "qrels", Judgment, ("query_id", "doc_id")
    schema = _schema(("query_id", _S), ("doc_id", _S), ("grade", _I), ("source", _S))

    def query_ids(self) -> list[str]:
        """Return the judged queries, in the order in which they first appear."""
        values: list[str] = pc.unique(self.column("query_id")).to_pylist()
        return values

    def relevant(self, threshold: int = 1) -> Qrels:
        """Return the judgements of at least this grade."""
        return Qrels(self.arrow.filter(pc.greater_equal(self.column("grade"), threshold)), self.metadata)

    def by_query(self) -> dict[str, dict[str, int]]:
        """Return {query_id: {doc_id: grade}}."""
        grouped: dict[str, dict[str, int]] = {}
        columns = (self.column(name).to_pylist() for name in ("query_id", "doc_id", "grade"))
        for query_id, doc_id, grade in zip(*columns, strict=True):
            grouped.setdefault(query_id, {})[doc_id] = grade
        return grouped


class Run(Table[Any]):
    """A ranking for each query. Its metadata name the scorer and the kind of its scores."""

    kind, row, key = "run", ScoredDoc, ("query_id", "doc_id")
    schema = _schema(("query_id", _S), ("doc_id", _S), ("rank", _I), ("score", _F))

    @classmethod
    def build(cls, scorer: str, kind: ScoreKind, **columns: Any) -> Run:
        """Build a run from the columns query_id, doc_id, rank and score."""
        return cls.from_columns({"scorer": scorer, "score_kind": str(kind)}, **columns)

    def check(self) -> None:
        """Check that the metadata are there, scores are numbers and ranks start from 1."""
        if not {"scorer", "score_kind"} <= self.metadata.keys():
            raise DataError("a run names its scorer and the kind of its scores in its metadata")
        allowed = [str(kind) for kind in ScoreKind]
        if self.metadata["score_kind"] not in allowed:
            raise DataError(f"score_kind is one of {', '.join(allowed)}, not {self.metadata['score_kind']!r}")
        if len(self) and pc.any(pc.is_nan(self.column("score"))).as_py():
            raise DataError("a run holds a score that is not a number")
        if len(self) and pc.min(self.column("rank")).as_py() < 1:
            raise DataError("a run holds a rank below 1; ranks start from 1")

    @property
    def scorer(self) -> str:
        """What gave the scores."""
        return str(self.metadata["scorer"])

    @property
    def score_kind(self) -> ScoreKind:
        """What the scores mean."""
        return ScoreKind(self.metadata["score_kind"])

    def rows(self) -> Any:
        """Not offered: a run's rows belong to queries; use `by_query`."""
        raise TypeError("a Run has no flat rows; use by_query()")

    def by_query(self) -> dict[str, list[ScoredDoc]]:
        """Return {query_id: documents in the order of their ranks}."""
        ordered = self.arrow.sort_by([("query_id", "ascending"), ("rank", "ascending")])
        grouped: dict[str, list[ScoredDoc]] = {}
        columns = (ordered.column(name).to_pylist() for name in ("query_id", "doc_id", "score", "rank"))
        for query_id, doc_id, score, rank in zip(*columns, strict=True):
            grouped.setdefault(query_id, []).append(ScoredDoc(doc_id, score, rank))
        return grouped


class Candidates(Table[Candidate]):
    """What sources proposed, in long form, with the positives scored by the same scorers.

    Its metadata give {"scorers": {name: score kind}, "depth": ranks searched}. A score is empty
    where the scorer cannot say: a ranking made elsewhere has no score for a positive that it lacks.
    """

    kind, row, version = "candidates", Candidate, 2
    key = repeated = ("query_id", "doc_id", "source", "scorer")
    schema = _schema(
        ("query_id", _S),
        ("doc_id", _S),
        ("source", _S),
        ("rank", _I, True),
        ("scorer", _S),
        ("score", _F, True),
        ("is_positive", _B),
    )

    def check(self) -> None:
        """Check that every scorer's kind of score is named."""
        named = set(self.metadata.get("scorers", {}))
        used = set(self.codes("scorer")[1].to_pylist())
        if not used <= named:
            raise DataError(f"the candidates' metadata name no score kind for the scorers {sorted(used - named)}")

    def with_rows(self, more: Candidates) -> Candidates:
        """Return these candidates and others, the metadata merged."""
        scorers: Mapping[str, str] = {**self.metadata["scorers"], **more.metadata["scorers"]}
        return Candidates(pa.concat_tables([self.arrow, more.arrow]), {**self.metadata, "scorers": dict(scorers)})


class Negatives(Table[Negative]):
    """Chosen negatives, at most one row for each query and document."""

    kind, row, version, key = "negatives", Negative, 2, ("query_id", "doc_id")
    schema = _schema(
        ("query_id", _S),
        ("doc_id", _S),
        ("source", _S),
        ("rank", _I),
        ("score", _F),
        ("positive_score", _F, True),
        ("scorer", _S),
        ("weight", _F),
    )

    def by_query(self) -> dict[str, list[str]]:
        """Return {query_id: doc_ids in the order of the rows}."""
        grouped: dict[str, list[str]] = {}
        columns = (self.column(name).to_pylist() for name in ("query_id", "doc_id"))
        for query_id, doc_id in zip(*columns, strict=True):
            grouped.setdefault(query_id, []).append(doc_id)
        return grouped


class Verdicts(Table[Verdict]):
    """What judges said."""

    kind, row, key = "verdicts", Verdict, ("query_id", "doc_id", "judge", "prompt_version")
    schema = _schema(
        ("query_id", _S),
        ("doc_id", _S),
        ("relevant", _B),
        ("probability", _F),
        ("judge", _S),
        ("prompt_version", _S),
    )


class Removals(Table[Removal]):
    """Every candidate that is not a negative, with the first gate that took it out."""

    kind, row, key = "removals", Removal, ("query_id", "doc_id")
    schema = _schema(("query_id", _S), ("doc_id", _S), ("gate", _S), ("value", _F, True), ("threshold", _F, True))

    def counts(self) -> dict[str, int]:
        """Return {gate: rows}, largest first."""
        counted = self.arrow.group_by("gate").aggregate([([], "count_all")])
        pairs = zip(counted.column("gate").to_pylist(), counted.column("count_all").to_pylist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


class TrainingSet(Table[TrainingGroup]):
    """One group for each training query."""

    kind, row, key = "training_set", TrainingGroup, ("query_id",)
    schema = _schema(
        ("query_id", _S),
        ("positive_ids", pa.list_(_S)),
        ("negative_ids", pa.list_(_S)),
        ("weights", pa.list_(_F), True),
        ("teacher_scores", pa.list_(_F), True),
    )

    def check(self) -> None:
        """Check that every group has a positive and that lists have matching lengths."""
        positives = _lengths(self.column("positive_ids"))
        negatives = _lengths(self.column("negative_ids"))
        if len(self) and positives.min() < 1:
            raise DataError("a training group needs at least one positive")
        for name, wanted in (("weights", negatives), ("teacher_scores", positives + negatives)):
            column = self.column(name)
            given = _lengths(column)
            there = column.is_valid().to_numpy()
            if np.any(given[there] != wanted[there]):
                raise DataError(f"a training group's {name} do not match its documents in number")


class QueryScores(Table[QueryScore]):
    """What one system reached on each query. Its metadata name the system: {"system": ...}."""

    kind, row, key = "query_scores", QueryScore, ("query_id", "measure")
    schema = _schema(("query_id", _S), ("measure", _S), ("value", _F))

    @property
    def system(self) -> str:
        """The system that was measured."""
        return str(self.metadata["system"])

    def check(self) -> None:
        """Check that the system is named."""
        if "system" not in self.metadata:
            raise DataError("query scores name their system in the metadata")

    def means(self) -> dict[str, float]:
        """Return {measure: mean over queries}, in the order in which the measures first appear."""
        names = pc.unique(self.column("measure")).to_pylist()
        return {name: float(np.mean(list(self.of(name).values()))) for name in names}

    def of(self, measure: str) -> dict[str, float]:
        """Return {query_id: value} of one measure.

        Raises:
            DataError: The measure was not taken.
        """
        chosen = self.arrow.filter(pc.equal(self.column("measure"), measure))
        if chosen.num_rows == 0:
            raise DataError(f"no {measure!r} among the scores of {self.system!r}")
        return dict(zip(chosen.column("query_id").to_pylist(), chosen.column("value").to_pylist(), strict=True))


class Comparisons(Table[Comparison]):
    """Pairs of systems with the difference, its interval and its p."""

    kind, row, key = "comparisons", Comparison, ("a", "b", "measure")
    schema = _schema(
        ("a", _S),
        ("b", _S),
        ("measure", _S),
        ("delta", _F),
        ("low", _F),
        ("high", _F),
        ("p", _F),
        ("queries", _I),
    )


class TrainingLog(Table[LogEntry]):
    """The numbers noted while training, in order."""

    kind, row = "training_log", LogEntry
    schema = _schema(("step", _I), ("epoch", _F), ("name", _S), ("value", _F))


def _read_keys(path: Path, count: int) -> np.ndarray:
    try:
        keys = np.load(path)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: damaged, it cannot be read: {error}") from error
    if keys.dtype != np.uint64 or keys.shape != (count,):
        raise DataError(f"{path}: holds {keys.dtype} of shape {keys.shape}, wants one uint64 for each of {count} rows")
    return np.asarray(keys)


def _lengths(column: pa.ChunkedArray) -> np.ndarray:
    lengths: np.ndarray = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    return lengths
