"""Score sets of negatives before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, SetRanking, SetScores, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.errors import StageError
from pyrite.models.folder import ModelFolder
from pyrite.pipeline.context import Context
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import stage
from pyrite.recipes.score import (
    MEASURES,
    JudgedPairs,
    Material,
    NamedSets,
    ScoreSettings,
    Texts,
    score_sets,
)
from pyrite.report.score import ScorePage, ScoreReport, render_score
from pyrite.search.rescoring import TextPairScorer, read_scores, write_scores
from pyrite.search.retriever import Pairs
from pyrite.stages.artifacts import DenseStore
from pyrite.stages.encoded import encoded_texts, judged_by_encoder, one_encoder
from pyrite.stages.scorers import ScorerStore

__all__ = ["ScoreInputs", "ScoreOutputs", "ScoreStageSettings", "score"]

_Texts = TypeVar("_Texts", Corpus, Queries)


class ScoreStageSettings(ScoreSettings):
    """What is measured, how sets are ranked, and what the page is called."""

    title: str = "Scores of negatives"
    """The heading of the page."""


@dataclass(frozen=True)
class ScoreInputs:
    """Sets by name, their texts, the encoder that scores, and a judge, who should be independent and stronger.

    Negatives want judgements, training sets have their positives. `corpora` and `more_queries` hold further texts, such
    as those that came with training files. The encoder is the index of the corpus, or a model, which then encodes the
    texts of the sets alone. The judge is an index, another model or a scorer of pairs; or `candidates` hold its scores.
    """

    sets: Mapping[str, Negatives | TrainingSet]
    corpus: Corpus | None = None
    queries: Queries | None = None
    qrels: Qrels | None = None
    corpora: Mapping[str, Corpus] | None = None
    more_queries: Mapping[str, Queries] | None = None
    index: DenseStore | None = None
    model: ModelFolder | None = None
    judge: DenseStore | ModelFolder | ScorerStore | None = None
    candidates: Candidates | None = None


@dataclass(frozen=True)
class ScoreOutputs:
    """Each set, query and measure; the sets in order; and the page."""

    scores: SetScores
    ranking: SetRanking
    page: ScorePage


@stage("score", version=1)
def score(settings: ScoreStageSettings, inputs: ScoreInputs, context: Context) -> ScoreOutputs:
    """Score sets of negatives before training: signal, safety and how they rank, with intervals.

    Raises:
        StageError: Two inputs or settings say who scores or who judges, or something that a set needs is lacking.
    """
    given = {name: _training_set(name, one, settings, inputs) for name, one in inputs.sets.items()}
    sets = NamedSets.of(given)
    texts = _texts(inputs)
    texts.check(sets)
    encoded = encoded_texts(one_encoder(inputs.index, inputs.model, "score"), "texts", sets, texts, context)
    judge = _judge(settings, inputs, sets, texts, context)
    if settings.taught:
        if judge is not None:
            raise StageError("score: `taught`, `judge` and `candidates` all say who judges; give one of them")
        judge = JudgedPairs.taught(settings.judge, sets, given)
    scored = score_sets(Material.gather(sets, texts, encoded, judge, settings), settings, encoded)
    page = render_score(ScoreReport(settings.title, scored.ranking, scored.facts, MEASURES))
    return ScoreOutputs(scored.scores, scored.ranking, page)


def _training_set(
    name: str, one: Negatives | TrainingSet, settings: ScoreStageSettings, inputs: ScoreInputs
) -> TrainingSet:
    if isinstance(one, TrainingSet):
        return one
    if inputs.qrels is None:
        raise StageError(
            f"score: {name} holds negatives alone; give `qrels`, which say what is positive, or a training set"
        )
    return training_groups(inputs.qrels, one, settings.grade_threshold)


def _texts(inputs: ScoreInputs) -> Texts:
    corpora = [*([inputs.corpus] if inputs.corpus is not None else []), *(inputs.corpora or {}).values()]
    queries = [*([inputs.queries] if inputs.queries is not None else []), *(inputs.more_queries or {}).values()]
    if not corpora or not queries:
        raise StageError(
            "score wants the texts: `corpus` and `queries`, or `corpora` and `more_queries`, among its inputs"
        )
    return Texts(_joint(Corpus, corpora), _joint(Queries, queries))


def _joint(kind: type[_Texts], tables: list[_Texts]) -> _Texts:
    """Return the rows of all tables, those that are the same in two of them once."""
    if len(tables) == 1:
        return tables[0]
    joint = pa.concat_tables([table.arrow for table in tables])
    distinct = joint.group_by(joint.schema.names, use_threads=False).aggregate([])
    return kind(distinct.select(joint.schema.names))


def _judge(
    settings: ScoreStageSettings, inputs: ScoreInputs, sets: NamedSets, texts: Texts, context: Context
) -> JudgedPairs | None:
    if inputs.judge is None:
        return None if inputs.candidates is None else JudgedPairs.stored(sets, inputs.candidates, settings.judge)
    if inputs.candidates is not None:
        raise StageError("score: `judge` and `candidates` both say who judges; give one of them")
    if isinstance(inputs.judge, ScorerStore):
        return _by_scorer(settings, inputs.judge, sets, texts, context)
    return judged_by_encoder(inputs.judge, settings.judge, sets, texts, context)


def _by_scorer(
    settings: ScoreStageSettings, stored: ScorerStore, sets: NamedSets, texts: Texts, context: Context
) -> JudgedPairs:
    scorer = TextPairScorer(stored.ready(context.resources), texts.corpus)
    queries, documents = sets.pairs()
    pairs = Pairs(sets.query_ids.take(queries).to_pylist(), sets.doc_ids.take(documents).to_pylist())
    with context.progress("judge", len(pairs), "pairs") as advance:

        def one(rows: range, path: Path) -> None:
            write_scores(path, scorer.score(texts.queries, pairs.part(rows)))

        shards = context.map_shards("judged", shard_ranges(len(pairs), context.resources.shard_size), one, advance)
    scores = np.concatenate([read_scores(shard) for shard in shards])
    return JudgedPairs(settings.judge, scorer.score_kind, sets, scores)
