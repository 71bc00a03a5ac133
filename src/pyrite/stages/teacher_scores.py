"""Score the documents of a training set by a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pyrite.data import Corpus, Queries, ScoreKind, TrainingSet
from pyrite.errors import StageError
from pyrite.pipeline.context import Context
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import stage
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.rescoring import IdScorer, TextPairScorer, read_scores, write_scores
from pyrite.settings import Settings
from pyrite.stages.artifacts import DenseStore, open_index
from pyrite.stages.scorers import ScorerStore
from pyrite.train.teacher import pairs_to_teach, with_teacher_scores

__all__ = ["TeacherScoresInputs", "TeacherScoresOutputs", "TeacherScoresSettings", "teacher_scores"]


class TeacherScoresSettings(Settings):
    """What the teacher is asked, and on which scale it answers."""

    negatives: int | None = Field(default=None, ge=0)
    """How many negatives of a group are scored, its first ones; all where empty. The others have no score, not 0."""
    probabilities: bool = False
    """Whether logits become probabilities by the logistic function, as a judge's log-odds of yes are used by UniME-V2.
    Wants a scorer that gives logits."""


@dataclass(frozen=True)
class TeacherScoresInputs:
    """The training set with its texts, and the teacher: a model that reads pairs, or the index of an encoder."""

    scorer: ScorerStore | DenseStore | LexicalIndex
    training_set: TrainingSet
    corpus: Corpus
    queries: Queries


@dataclass(frozen=True)
class TeacherScoresOutputs:
    """The same groups with teacher scores."""

    training_set: TrainingSet


@stage("teacher-scores", version=2)
def teacher_scores(
    settings: TeacherScoresSettings, inputs: TeacherScoresInputs, context: Context
) -> TeacherScoresOutputs:
    """Score the positives and negatives of a training set by a teacher: any scorer, judge or index."""
    scorer = _scorer(settings, inputs, context)
    pairs = pairs_to_teach(inputs.training_set, settings.negatives)
    with context.progress("teacher-scores", len(pairs), "pairs") as advance:

        def score(rows: range, path: Path) -> None:
            write_scores(path, scorer.score(inputs.queries, pairs.part(rows)))

        ranges = shard_ranges(len(pairs), context.resources.shard_size)
        shards = context.map_shards("scores", ranges, score, advance)
    scores = np.concatenate([np.zeros(0), *(read_scores(shard) for shard in shards)])
    if settings.probabilities:
        scores = 0.5 + 0.5 * np.tanh(0.5 * scores)  # the logistic function, without overflow
    kind = ScoreKind.PROBABILITY if settings.probabilities else scorer.score_kind
    told = {"score_kind": str(kind)}
    return TeacherScoresOutputs(with_teacher_scores(inputs.training_set, pairs, scores, told))


def _scorer(settings: TeacherScoresSettings, inputs: TeacherScoresInputs, context: Context) -> IdScorer:
    if isinstance(inputs.scorer, ScorerStore):
        scorer: IdScorer = TextPairScorer(inputs.scorer.ready(context.resources), inputs.corpus)
    else:
        scorer = open_index(inputs.scorer, context.resources)
    if settings.probabilities and scorer.score_kind is not ScoreKind.LOGIT:
        raise StageError(
            "teacher-scores: probabilities wants a scorer that gives logits; this one's scores are of the kind "
            f"{str(scorer.score_kind)!r}"
        )
    return scorer
