"""Train a model of relevance and one of selection together, and score the candidates by both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pyrite.data import Candidates, Corpus, Qrels, Queries, Run, TrainingLog, TrainingSet
from pyrite.errors import StageError
from pyrite.mining.cet import CandidatePairs, CetScores, with_cet_scores
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.pipeline.context import Context
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import stage
from pyrite.search.rescoring import TextPairScorer, read_scores, write_scores
from pyrite.search.retriever import Pairs
from pyrite.stages.scorer_training import DevInputs, RerankedDev, dev_measure, start_settings
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.training import origin, training_job
from pyrite.train import CetTrainer, TrainingTexts, train_cet
from pyrite.train.card import add_to_card

__all__ = ["CetInputs", "CetOutputs", "CetSettings", "cet"]


class CetSettings(RerankedDev):
    """The trainer, what decides between epochs, and what the new scores are called."""

    trainer: CetTrainer = CetTrainer()
    """How both models are trained."""
    name: str = Field(default="cet", min_length=1)
    """What the names of the new scores begin with."""


@dataclass(frozen=True)
class CetInputs:
    """The model to start from, the training set with its texts, candidates to score, and dev judgements with a ranking.

    The model is a cross-encoder, or an encoder.
    """

    model: ScorerStore | ModelFolder
    training_set: TrainingSet
    candidates: Candidates
    corpus: Corpus
    queries: Queries
    dev: Qrels | None = None
    dev_run: Run | None = None


@dataclass(frozen=True)
class CetOutputs:
    """f, a reranker; g, the model of selection; the candidates with the scores of both; what was noted on the way."""

    scorer: ScorerStore
    selection: ScorerStore
    candidates: Candidates
    log: TrainingLog


@stage("cet", version=1)
def cet(settings: CetSettings, inputs: CetInputs, context: Context) -> CetOutputs:
    """Train a reranker together with a model of what the judges' pool showed; score candidates by both."""
    start = _start(settings, inputs)
    measured = DevInputs(inputs.corpus, inputs.queries, inputs.dev, inputs.dev_run)
    result = train_cet(
        start,
        inputs.training_set,
        TrainingTexts(inputs.corpus, inputs.queries),
        settings.trainer,
        job=training_job(context),
        dev=dev_measure("cet", settings, measured, start, context),
    )
    stores = []
    for folder in (result.relevance.folder, result.selection):
        add_to_card(folder, "How its data was made", origin(context))
        stores.append(ScorerStore(start, ModelFolder(folder, disposable=True)))
    pairs = CandidatePairs.of(inputs.candidates)
    candidates = _with_scores(settings, pairs, CetScores(*_scores(stores, pairs, inputs, context)))
    return CetOutputs(stores[0], stores[1], candidates, result.relevance.log)


def _start(settings: CetSettings, inputs: CetInputs) -> CrossEncoderSettings:
    start = start_settings("cet", inputs.model, settings.trainer.max_length)
    if not isinstance(start, CrossEncoderSettings):
        raise StageError(
            "cet: a language model asked for yes or no has no head, so that its two copies would stay the same; start "
            "from a cross-encoder or an encoder"
        )
    return start.model_copy(update={"scores": "logit"})


def _scores(
    stores: Sequence[ScorerStore], pairs: CandidatePairs, inputs: CetInputs, context: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Return f's and g's score of each pair, made shard by shard, so that a kill costs one."""
    scorers = [TextPairScorer(store.ready(context.resources), inputs.corpus) for store in stores]
    # In the order of the ids, so that the order of the candidates' rows changes nothing.
    order, query_ids, doc_ids = pairs.ids()
    asked = Pairs(query_ids, doc_ids)
    with context.progress("score candidates", len(asked), "pairs") as advance:

        def score(rows: range, path: Path) -> None:
            part = asked.part(rows)
            write_scores(path, np.stack([scorer.score(inputs.queries, part) for scorer in scorers]))

        ranges = shard_ranges(len(asked), context.resources.shard_size)
        shards = context.map_shards("scores", ranges, score, advance)
    scores = np.empty((2, len(pairs)))
    scores[:, order] = np.concatenate([np.zeros((2, 0)), *(read_scores(shard) for shard in shards)], axis=1)
    return scores[0], scores[1]


def _with_scores(settings: CetSettings, pairs: CandidatePairs, scores: CetScores) -> Candidates:
    trainer = settings.trainer
    unlabelled = ~pairs.positive
    weights = scores.weights(trainer.temperature, trainer.weight_cap, unlabelled if trainer.normalise else None)
    shown = CetScores(scores.relevance[unlabelled], scores.selection[unlabelled])
    report = {"temperature": trainer.temperature, "correlation": shown.correlation()}
    flags = scores.false_negatives(trainer.temperature)
    return with_cet_scores(pairs, scores, weights, flags, settings.name, report)
