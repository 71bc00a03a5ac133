"""Train a model that scores a query and a document together, its best epoch chosen on dev."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus, Qrels, Queries, Run, TrainingLog, TrainingSet
from pyrite.models.folder import ModelFolder
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.stages.scorer_training import DevInputs, RerankedDev, dev_measure, start_settings
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.training import origin, training_job
from pyrite.train import RerankerTrainer, TrainingTexts
from pyrite.train import train_reranker as train_scorer
from pyrite.train.card import add_to_card

__all__ = ["TrainRerankerInputs", "TrainRerankerOutputs", "TrainRerankerSettings", "train_reranker"]


class TrainRerankerSettings(RerankedDev):
    """The trainer, and what decides between epochs."""

    trainer: RerankerTrainer = RerankerTrainer()
    """The objective, and how it is learnt."""


@dataclass(frozen=True)
class TrainRerankerInputs:
    """The model to start from, the training set with its texts, and dev judgements with a ranking to order anew.

    The model is a scorer, or an encoder, which gets a new head.
    """

    model: ScorerStore | ModelFolder
    training_set: TrainingSet
    corpus: Corpus
    queries: Queries
    dev: Qrels | None = None
    candidates: Run | None = None


@dataclass(frozen=True)
class TrainRerankerOutputs:
    """The trained scorer and what was noted on the way."""

    scorer: ScorerStore
    log: TrainingLog


@stage("train-reranker", version=1)
def train_reranker(
    settings: TrainRerankerSettings, inputs: TrainRerankerInputs, context: Context
) -> TrainRerankerOutputs:
    """Train a model that scores pairs; the best epoch on reranked dev candidates is kept."""
    start = start_settings("train-reranker", inputs.model, settings.trainer.max_length)
    measured = DevInputs(inputs.corpus, inputs.queries, inputs.dev, inputs.candidates)
    result = train_scorer(
        start,
        inputs.training_set,
        TrainingTexts(inputs.corpus, inputs.queries),
        settings.trainer,
        job=training_job(context),
        dev=dev_measure("train-reranker", settings, measured, start, context),
    )
    add_to_card(result.folder, "How its data was made", origin(context))
    return TrainRerankerOutputs(ScorerStore(start, ModelFolder(result.folder, disposable=True)), result.log)
