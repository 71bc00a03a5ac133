"""A designed search: single sources first, then mixtures with what worked, then set sizes; all without training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Candidates, Negatives, Qrels, SetRanking, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.errors import DataError, SettingsError
from pyrite.metrics.groups import Groups
from pyrite.mining import Selection, select_negatives
from pyrite.recipes.recommend.plans import Plan, mixtures, single_sources, sizes
from pyrite.recipes.recommend.settings import RecommendSettings
from pyrite.recipes.score import Material, NamedSets, Texts, measure_set, rank_sets
from pyrite.seeds import rng

__all__ = ["QueryValues", "Recommended", "Trial", "everything", "measured_by", "recommend"]

QueryValues = Callable[[Groups, Material], np.ndarray]
"""Gives each query of a set a value, shape (Q,), higher for better negatives; nan where it has none."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A selection that was looked at.

    Attributes:
        plan: The point of the search.
        selection: The selection.
        value: The mean score over the queries that the search looked at, 0 for a query left without negatives.
        step: "sources", "mixtures" or "sizes".
        pairs: A hash of the pairs of a query and a negative that it drew from those queries.
    """

    plan: Plan
    selection: Selection
    value: float
    step: str
    pairs: str


@dataclass(frozen=True)
class Recommended:
    """What a search found.

    Attributes:
        selection: The best one, by the mean over all queries.
        negatives: What it draws for all queries.
        ranking: The finalists on all queries, by their names in `finalists`.
        finalists: {what it is, in words: selection}, the best of the sample first.
        trials: Everything that was looked at, in order.
        left_out: Why selections could not be tried: {what was wrong: how often}.
    """

    selection: Selection
    negatives: Negatives
    ranking: SetRanking
    finalists: Mapping[str, Selection]
    trials: Sequence[Trial]
    left_out: Mapping[str, int]


def everything(candidates: Candidates, qrels: Qrels, grade_threshold: int = 1) -> NamedSets:
    """Return all candidates as one set, so that vectors and a judge's scores are had once for all selections.

    Args:
        candidates: What was mined.
        qrels: The judgements.
        grade_threshold: The lowest grade that makes a positive.

    Raises:
        DataError: There are no candidates beside positives.
    """
    relevant = {query_id: set(grades) for query_id, grades in qrels.relevant(grade_threshold).by_query().items()}
    found: dict[str, list[str]] = {query_id: [] for query_id in sorted(relevant)}
    pairs = candidates.arrow.select(["query_id", "doc_id"]).group_by(["query_id", "doc_id"]).aggregate([])
    for query_id, doc_id in zip(*(pairs.column(name).to_pylist() for name in ("query_id", "doc_id")), strict=True):
        if query_id in relevant and doc_id not in relevant[query_id]:
            found[query_id].append(doc_id)
    whole = TrainingSet.from_columns(
        query_id=list(found),
        positive_ids=[sorted(relevant[query_id]) for query_id in found],
        negative_ids=list(found.values()),
    )
    return NamedSets.of({"candidates": whole})


def measured_by(name: str, settings: RecommendSettings) -> QueryValues:
    """Return a score of `pyrite score` by its name.

    Args:
        name: The measure.
        settings: The choices in the measures.

    Raises:
        SettingsError: When called: there is no such measure, as those of a judge without one.
    """

    def values(groups: Groups, material: Material) -> np.ndarray:
        found = measure_set(groups, material, settings)
        if name not in found:
            raise SettingsError(f"rank_by: {name!r} is no measure here; there are: {', '.join(found)}")
        return found[name]

    return values


def recommend(
    candidates: Candidates,
    texts: Texts,
    qrels: Qrels,
    material: Material,
    settings: RecommendSettings,
    *,
    score: QueryValues | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Recommended:
    """Search for the selection whose negatives score best. Nothing is trained.

    First each source alone, and all in equal shares, with every filter and window of ranks; then every mixture on the
    grid with the filters and windows of the best; then every set size. The search looks at a sample of the queries;
    the finalists are measured on all of them, and the best one there is recommended.

    Args:
        candidates: What was mined, with the scores that filters want.
        texts: What ids stand for.
        qrels: The judgements.
        material: Vectors, words and a judge's scores of all candidates, as `everything` numbers them.
        settings: What to try, and the measure to rank by.
        score: Any other score, in place of `rank_by`.
        advance: Called with the number of selections tried.

    Raises:
        DataError: Not one selection could be tried, or gave negatives.
        SettingsError: A source is unknown, or `rank_by` is no measure that can be taken.
    """
    name = settings.rank_by or ("eci_sem" if material.judge is None else "judged_hardness")
    values, measure = (measured_by(name, settings), name) if score is None else (score, "score")
    search = _Search(_Ground(candidates, texts, qrels, material, values, measure, settings), advance)
    names = _sources(candidates, settings)
    best = search.go_on([], "sources", single_sources(names, settings))
    best = search.go_on(best, "mixtures", (plan for one in best for plan in mixtures(one.plan, names, settings.grid)))
    best = search.go_on(best, "sizes", (plan for one in best for plan in sizes(one.plan, settings)))
    return search.conclude(best)


def _sources(candidates: Candidates, settings: RecommendSettings) -> list[str]:
    known = sorted(candidates.codes("source")[1].to_pylist())
    unknown = sorted(set(settings.sources) - set(known))
    if unknown:
        raise SettingsError(f"sources: no candidates from {', '.join(unknown)}; there are some from {', '.join(known)}")
    return list(settings.sources) or known


@dataclass(frozen=True)
class _Ground:
    """What selections are tried on."""

    candidates: Candidates
    texts: Texts
    qrels: Qrels
    material: Material
    score: QueryValues
    measure: str
    settings: RecommendSettings

    def sampled(self) -> _Ground:
        """Return the same with a sample of the queries."""
        ids = sorted(set(self.qrels.relevant(self.settings.grade_threshold).query_ids()))
        if self.settings.sample is None or self.settings.sample >= len(ids):
            return self
        order = rng(self.settings.seed, "recommend", "queries").permutation(len(ids))[: self.settings.sample]
        chosen = pa.array([ids[place] for place in sorted(order.tolist())], pa.string())
        candidates, qrels = (
            table.arrow.filter(pc.is_in(table.column("query_id"), chosen)) for table in (self.candidates, self.qrels)
        )
        return replace(
            self,
            candidates=Candidates.of_unique(candidates, self.candidates.metadata),
            qrels=Qrels.of_unique(qrels, self.qrels.metadata),
        )

    def negatives(self, selection: Selection) -> Negatives:
        """Return what a selection draws."""
        corpus, queries = self.texts.corpus, self.texts.queries
        return select_negatives(self.candidates, corpus, queries, self.qrels, selection).negatives

    def groups(self, selection: Selection) -> Groups:
        """Return the groups that a selection makes, of each query with a positive, in the order of their ids.

        Raises:
            DataError: It cannot be carried out, or draws nothing.
        """
        negatives = self.negatives(selection)
        if not len(negatives):
            raise DataError("draws no negatives at all")
        return self.material.sets.number(training_groups(self.qrels, negatives, self.settings.grade_threshold))

    def values(self, groups: Groups) -> np.ndarray:
        """Return the score of each query; 0 for one left without negatives."""
        return np.nan_to_num(self.score(groups, self.material))

    def pairs(self, groups: Groups) -> str:
        """Return a hash of the pairs of a query and a negative."""
        keys = np.sort(self.material.sets.keys_of(groups)[1])
        return hashlib.blake2b(keys.tobytes(), digest_size=16).hexdigest()


class _Search:
    """Tries plans, each once."""

    def __init__(self, ground: _Ground, advance: Callable[[int], None]) -> None:
        self._ground, self._part, self._advance = ground, ground.sampled(), advance
        self._settings = ground.settings
        self._trials: dict[str, Trial] = {}
        self._left_out: dict[str, int] = {}

    def go_on(self, best: Sequence[Trial], step: str, plans: Iterable[Plan]) -> list[Trial]:
        """Try plans, and return the best ones of these and of those before, the first tried of equals.

        Of several that draw the same pairs the first one stays, which is the one with the fewest sources.
        """
        found = {trial.pairs: trial for trial in best}
        for plan in plans:
            trial = self._tried(plan, step)
            if trial is not None:
                found.setdefault(trial.pairs, trial)
        if not found:
            told = "; ".join(f"{reason} ({count} times)" for reason, count in self._left_out.items())
            raise DataError(f"not one selection could be tried: {told}")
        return sorted(found.values(), key=lambda trial: -trial.value)[: self._settings.finalists]

    def _tried(self, plan: Plan, step: str) -> Trial | None:
        selection = plan.selection(self._settings.scorer, self._settings.seed)
        key = selection.model_dump_json()
        if key not in self._trials:
            try:
                groups = self._part.groups(selection)
            except DataError as error:
                reason = str(error).splitlines()[0]
                self._left_out[reason] = self._left_out.get(reason, 0) + 1
                return None
            value = float(self._part.values(groups).mean())
            self._trials[key] = Trial(plan, selection, value, step, self._part.pairs(groups))
            self._advance(1)
        return self._trials[key]

    def conclude(self, best: Sequence[Trial]) -> Recommended:
        """Measure finalists on all queries, with intervals."""
        finalists: dict[str, Selection] = {}
        for trial in best:
            name = str(trial.plan)
            finalists[name if name not in finalists else f"{name} ({len(finalists) + 1})"] = trial.selection
        ground = self._ground
        values = {name: ground.values(ground.groups(selection)) for name, selection in finalists.items()}
        settings, judge = self._settings, ground.material.judge
        facts = {
            "rank_by": ground.measure,
            "encoder": settings.encoder,
            "judge": None if judge is None else judge.name,
            "queries": len(next(iter(values.values()))),
        }
        ranking = rank_sets({ground.measure: values}, rounds=settings.rounds, seed=settings.seed, metadata=facts)
        chosen = finalists[next(iter(ranking.rows())).set_name]
        return Recommended(
            chosen, ground.negatives(chosen), ranking, finalists, list(self._trials.values()), self._left_out
        )
