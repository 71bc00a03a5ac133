"""The tables that stages hand to each other. Each has a fixed schema and a version."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data.records import (
    Candidate,
    Comparison,
    Judgment,
    LogEntry,
    Negative,
    QueryScore,
    Removal,
    ScoredDoc,
    SetRank,
    SetScore,
    TrainingGroup,
    Verdict,
)
from pyrite.data.table import Table
from pyrite.data.texts import Corpus, Queries
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
    "SetRanking",
    "SetScores",
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


_S, _F, _I, _B = pa.string(), pa.float64(), pa.int32(), pa.bool_()


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
        return Qrels.of_unique(self.arrow.filter(pc.greater_equal(self.column("grade"), threshold)), self.metadata)

    def by_query(self) -> dict[str, dict[str, int]]:
        """Return {query_id: {doc_id: grade}}."""
        grouped: dict[str, dict[str, int]] = {}
        columns = (self.column(name).to_pylist() for name in ("query_id", "doc_id", "grade"))
        for query_id, doc_id, grade in zip(*columns, strict=True):
            grouped.setdefault(query_id, {})[doc_id] = grade
        return grouped


class Run(Table[Any]):
    """A ranking for each query. Its metadata name the scorer and the kind of its scores.

    That of a dense index also gives {"passes": `left_open`'s answer}: how the search came to be exact.
    """

    kind, row, key, incidental = "run", ScoredDoc, ("query_id", "doc_id"), ("passes",)
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
    where the scorer cannot say: a ranking made elsewhere has no score for a positive that it lacks. {"passes":
    {source: `left_open`'s answer}} tells how the search of a dense source came to be exact.
    """

    kind, row, version, incidental = "candidates", Candidate, 2, ("passes",)
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
        ("relaxed", _S, True),
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
    repeated = (*key, "gate")
    schema = _schema(("query_id", _S), ("doc_id", _S), ("gate", _S), ("value", _F, True), ("threshold", _F, True))

    def counts(self) -> dict[str, int]:
        """Return {gate: rows}, largest first."""
        counted = self.arrow.group_by("gate").aggregate([([], "count_all")])
        pairs = zip(counted.column("gate").to_pylist(), counted.column("count_all").to_pylist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


class TrainingSet(Table[TrainingGroup]):
    """One group for each training query."""

    kind, row, key = "training_set", TrainingGroup, ("query_id",)
    version = 3
    schema = _schema(
        ("query_id", _S),
        ("positive_ids", pa.list_(_S)),
        ("negative_ids", pa.list_(_S)),
        ("weights", pa.list_(_F), True),
        ("teacher_scores", pa.list_(_F), True),
        ("margins", pa.list_(_F), True),
        ("sources", pa.list_(pa.list_(_S)), True),
        ("example_weight", _F, True),
    )

    def check(self) -> None:
        """Check that every group has a positive, that lists have matching lengths, and that weights can count."""
        positives = _lengths(self.column("positive_ids"))
        negatives = _lengths(self.column("negative_ids"))
        if len(self) and positives.min() < 1:
            raise DataError("a training group needs at least one positive")
        lengths = {
            "weights": negatives,
            "teacher_scores": positives + negatives,
            "margins": positives * negatives,
            "sources": negatives,
        }
        for name, wanted in lengths.items():
            column = self.column(name)
            given = _lengths(column)
            there = column.is_valid().to_numpy()
            if np.any(given[there] != wanted[there]):
                raise DataError(f"a training group's {name} do not match its documents in number")
        flat = self.column("weights").combine_chunks().flatten()
        for name, values in (("weight of a negative", flat), ("example_weight", self.column("example_weight"))):
            weights = values.drop_null().to_numpy()
            if not np.all(np.isfinite(weights) & (weights >= 0)):
                raise DataError(f"a training group's {name} is negative or no number; it wants one from 0 up")


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


class SetScores(Table[SetScore]):
    """What sets of negatives have for each query, measure by measure; no row where there is nothing to measure.

    Its metadata name the scoring encoder, the judge if there was one, and the settings.
    """

    kind, row, key = "set_scores", SetScore, ("set_name", "query_id", "measure")
    repeated = key
    schema = _schema(("set_name", _S), ("query_id", _S), ("measure", _S), ("value", _F))


class SetRanking(Table[SetRank]):
    """Sets of negatives in the order of each measure. The metadata are those of the scores."""

    kind, row, key = "set_ranking", SetRank, ("set_name", "measure")
    schema = _schema(
        ("set_name", _S),
        ("measure", _S),
        ("rank", _I, True),
        *((name, _F, True) for name in ("value", "low", "high", "behind", "behind_low", "behind_high")),
        ("queries", _I),
    )


class TrainingLog(Table[LogEntry]):
    """The numbers noted while training, in order."""

    kind, row = "training_log", LogEntry
    schema = _schema(("step", _I), ("epoch", _F), ("name", _S), ("value", _F))


def _lengths(column: pa.ChunkedArray) -> np.ndarray:
    lengths: np.ndarray = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    return lengths
