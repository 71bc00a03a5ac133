"""All scores of each set, query by query: both ECIs in their variants, and what they have to beat.

A predictor's name says whose similarities it takes: `hardness/static`; and after a bar the judge that it asks who is
safe: `eci_v1/static|minilm`. "static" is the untrained static encoder, "minilm" all-MiniLM-L6-v2, "cross" the
cross-encoder, whose probabilities serve as a judge alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pyrite.data import Corpus
from pyrite.metrics.eci import EciSem, EciV1, eci_sem, eci_v1
from pyrite.metrics.groups import Groups, Similarities, Units, Vectors, cosines
from pyrite.metrics.overlap import Terms, TermSets, lexical_residuality
from pyrite.metrics.quality import (
    diversity,
    false_negatives,
    hardness,
    judged_hardness,
    margin,
    mean_of_negatives,
)
from pyrite.models.protocols import Encoder, Role
from pyrite.search import Pairs
from pyrite.search.lexical.tokens import tokenise
from pyrite.search.rescoring import read_scores, write_scores
from pyrite.settings import canonical_hash
from studies.eci.sets import MadeSet
from studies.eci.store import Store
from studies.eci.tasks import Encoders, Task

__all__ = ["BASELINE", "Predictions", "predict"]

BASELINE = "hardness/static"
"""Plain hardness: what every other score is compared with."""
_SCORERS = {"static": "dense", "minilm": "minilm"}
_TEMPERATURE = 0.05
_LOG = logging.getLogger("eci")
_V1 = {
    "": EciV1(),
    " max": EciV1(hardness="max"),
    " relative": EciV1(safety="relative"),
    " random-to-positive": EciV1(scale="random-to-positive"),
}
_SEM = {
    "": EciSem(),
    " sum": EciSem(total="sum"),
    " difference": EciSem(residual="difference"),
    " T.2": EciSem(consistency_temperature=0.2),
}


@dataclass(frozen=True)
class Predictions:
    """The scores of sets.

    Attributes:
        names: Of the predictors.
        values: nan where a query has nothing to take a score of: float64, shape (predictors, sets, training queries).
    """

    names: list[str]
    values: np.ndarray

    def means(self) -> np.ndarray:
        """Return the score of each set, the mean over its queries that have one: shape (predictors, sets)."""
        there = np.isfinite(self.values)
        sums = np.where(there, self.values, 0.0).sum(axis=2)
        found: np.ndarray = np.divide(sums, there.sum(axis=2), out=np.zeros_like(sums), where=there.any(axis=2))
        return found

    def of(self, name: str) -> np.ndarray:
        """Return the scores of each set by one predictor: shape (sets,)."""
        found: np.ndarray = self.means()[self.names.index(name)]
        return found


def predict(store: Store, encoders: Encoders, sets: Sequence[MadeSet], *, cross_judges: bool = False) -> Predictions:
    """Score sets.

    Args:
        store: Vectors of the corpus.
        encoders: Encode queries and made documents.
        sets: The sets.
        cross_judges: Whether the store's cross-encoder reads every negative of every set and judges too.
    """
    task = store.task
    models: Mapping[str, Encoder] = {"static": encoders.dense, "minilm": encoders.judge}
    home = store.folder / "set-vectors"
    tables = {name: _Table.of(store, _SCORERS[name], model, home) for name, model in models.items()}
    plain = _terms(task, Corpus.empty())
    found: dict[str, list[np.ndarray]] = {}
    for one in sets:
        scorers = {name: table.with_documents(one, models[name], home) for name, table in tables.items()}
        judged = _Judged(task, one, scorers, _cross(store, one) if cross_judges else None)
        terms = plain if len(one.documents) == 0 else _terms(task, one.documents)
        for name, values in judged.scores(terms):
            found.setdefault(name, []).append(values)
    return Predictions(list(found), np.array(list(found.values())))


@dataclass(frozen=True)
class _Table:
    """Unit vectors of the training queries and of the corpus by one encoder, and the corpus' mean."""

    queries: np.ndarray
    documents: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, store: Store, source: str, model: Encoder, home: Path) -> _Table:
        embeddings = store.indices[source].embeddings
        documents = embeddings.rows(np.arange(len(embeddings)))
        queries = _vectors(home / "queries", model, store.queries.texts(), "query")
        return cls(queries, documents, documents.mean(axis=0))

    def with_documents(self, made: MadeSet, model: Encoder, home: Path) -> _Table:
        """Return the same with the documents of a set behind the corpus'."""
        if len(made.documents) == 0:
            return self
        more = _vectors(home / made.key, model, made.documents.texts(), "document")
        return _Table(self.queries, np.concatenate([self.documents, more]), self.mean)


def _vectors(folder: Path, model: Encoder, texts: list[str], role: Role) -> np.ndarray:
    """Return vectors that lie in a folder, or make them and put them there: float32, shape (texts, D)."""
    path = folder / f"{canonical_hash(model.identity())[:16]}.npy"
    if not path.exists():
        _LOG.info("encoding %d texts of %s", len(texts), folder.name)
        folder.mkdir(parents=True, exist_ok=True)
        write_scores(path.with_suffix(".partial"), model.encode(texts, role))
        path.with_suffix(".partial").rename(path)
    return read_scores(path)


def _terms(task: Task, more: Corpus) -> Terms:
    """Return the terms of the training queries, of the corpus, and of more documents behind it."""
    queries = task.queries.select(task.train_ids).texts()
    tokens = tokenise(task.analysis, [*queries, *task.corpus.texts(), *more.texts()])
    first = int(tokens.offsets[len(queries)])
    return Terms(
        TermSets.of(tokens.ids[:first], tokens.offsets[: len(queries) + 1]),
        TermSets.of(tokens.ids[first:], tokens.offsets[len(queries) :] - first),
        len(tokens.terms),
    )


def _cross(store: Store, made: MadeSet) -> Mapping[tuple[str, str], float]:
    """Return the cross-encoder's probability of every positive and negative of a set."""
    rows = [(group.query_id, doc) for group in made.training_set.rows() for doc in _documents(group)]
    pairs = Pairs([query for query, _ in rows], [doc for _, doc in rows])
    return dict(zip(rows, store.cross_scores(pairs, made.corpus(store.task)).tolist(), strict=True))


def _documents(group: object) -> tuple[str, ...]:
    positives: tuple[str, ...] = group.positive_ids  # type: ignore[attr-defined]
    negatives: tuple[str, ...] = group.negative_ids  # type: ignore[attr-defined]
    return positives + negatives


@dataclass(frozen=True)
class _Judged:
    """A set with the similarities of each scorer."""

    task: Task
    made: MadeSet
    tables: Mapping[str, _Table]
    cross: Mapping[tuple[str, str], float] | None
    groups: Groups = field(init=False)
    similarities: dict[str, Similarities] = field(init=False)

    def __post_init__(self) -> None:
        rows = list(self.made.training_set.rows())
        place = {doc_id: row for row, doc_id in enumerate([*self.task.corpus.ids(), *self.made.documents.ids()])}
        sides = [
            [[place[doc] for doc in getattr(row, name)] for row in rows] for name in ("positive_ids", "negative_ids")
        ]
        groups = Groups.of_lists(sides[0], sides[1])
        found = {name: cosines(groups, table.queries, table.documents) for name, table in self.tables.items()}
        if self.cross is not None:
            parts = [
                np.array([self.cross[row.query_id, doc] for row in rows for doc in getattr(row, name)])
                for name in ("positive_ids", "negative_ids")
            ]
            found["cross"] = Similarities(*parts)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "similarities", found)

    def scores(self, terms: Terms) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (predictor, values of shape (queries,))."""
        sizes = self.groups.sizes()
        yield "size", sizes.astype(np.float64)
        residual = {name: self._residuality(name, terms) for name in self.tables}
        yield "residuality", mean_of_negatives(self.groups, residual["static"])
        for name, table in self.tables.items():
            yield from self._plain(name, table)
            yield from self._eci(name, table, residual[name], None)
            for judge in self.similarities:
                if judge != name:
                    yield from self._eci(name, table, residual[name], judge)
                    yield from self._by_judge(name, judge)
        for judge in set(self.similarities) - set(self.tables):
            yield from self._safety(judge)

    def _plain(self, name: str, table: _Table) -> Iterator[tuple[str, np.ndarray]]:
        own = self.similarities[name]
        yield f"hardness/{name}", hardness(self.groups, own)
        yield f"margin/{name}", margin(self.groups, own)
        varied = diversity(self.groups, Vectors(table.queries, table.documents))
        # A single negative has no variety.
        yield f"diversity/{name}", np.where(self.groups.sizes() == 1, 0.0, varied)
        yield from self._safety(name)

    def _safety(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        unsafe = false_negatives(self.groups, self.similarities[name])
        yield f"safe share/{name}", mean_of_negatives(self.groups, ~unsafe)

    def _eci(
        self, name: str, table: _Table, residuality: np.ndarray, judge: str | None
    ) -> Iterator[tuple[str, np.ndarray]]:
        asked = None if judge is None else self.similarities[judge]
        told = name if judge is None else f"{name}|{judge}"
        random = table.queries @ table.mean
        for variant, settings in _V1.items():
            given = random if settings.scale != "cosine" else None
            values = eci_v1(self.groups, self.similarities[name], settings, judge=asked, random=given).values
            yield f"eci_v1{variant}/{told}", values
        for variant, chosen in _SEM.items():
            vectors = (table.queries, table.documents)
            yield (
                f"eci_sem{variant}/{told}",
                eci_sem(self.groups, *vectors, chosen, residuality=residuality, judge=asked).values,
            )

    def _by_judge(self, name: str, judge: str) -> Iterator[tuple[str, np.ndarray]]:
        own, other, told = self.similarities[name], self.similarities[judge], f"{name}|{judge}"
        safe = ~false_negatives(self.groups, other)
        units = Units.of(self.groups, other.positives, "max")
        sure = units.per_negative(1 / (1 + np.exp(-units.gaps(other) / _TEMPERATURE)))
        capacity = np.log1p(self.groups.sizes())
        for kind, how in (("judged hardness", safe), ("judged hardness soft", sure)):
            values = judged_hardness(self.groups, own, how)
            yield f"{kind}/{told}", values
            yield f"capacity x {kind}/{told}", capacity * values

    def _residuality(self, name: str, terms: Terms) -> np.ndarray:
        units = Units.of(self.groups, self.similarities[name].positives, "max")
        return lexical_residuality(self.groups, units, terms)
