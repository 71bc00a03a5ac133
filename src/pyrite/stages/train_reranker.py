"""Train a model that scores a query and a document together, its best epoch chosen on dev."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pyrite.data import Corpus, Qrels, Queries, Run, TrainingLog, TrainingSet
from pyrite.errors import StageError
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, YesNoSettings
from pyrite.models.scorers import load_scorer
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.recipes.dev import DevCandidates, DevSettings
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.training import origin, training_job
from pyrite.train import Dev, RerankerTrainer, TrainingTexts
from pyrite.train import train_reranker as train_scorer
from pyrite.train.card import add_to_card

__all__ = ["TrainRerankerInputs", "TrainRerankerOutputs", "TrainRerankerSettings", "train_reranker"]


class TrainRerankerSettings(DevSettings):
    """The trainer, and what decides between epochs."""

    trainer: RerankerTrainer = RerankerTrainer()
    """The objective, and how it is learnt."""
    dev_measure: str = "nDCG@10"
    """What the best epoch is chosen by, where there are dev judgements and candidates."""
    dev_depth: int = Field(default=50, ge=1)
    """How many of the candidates of a dev query are ordered anew; at least the measure's cut-off."""


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
    start = _start(inputs.model)
    if settings.trainer.max_length is not None:
        start = start.model_copy(update={"max_length": settings.trainer.max_length})
    result = train_scorer(
        start,
        inputs.training_set,
        TrainingTexts(inputs.corpus, inputs.queries),
        settings.trainer,
        job=training_job(context),
        dev=_dev_measure(settings, inputs, start, context),
    )
    add_to_card(result.folder, "How its data was made", origin(context))
    return TrainRerankerOutputs(ScorerStore(start, ModelFolder(result.folder, disposable=True)), result.log)


def _start(model: ScorerStore | ModelFolder) -> CrossEncoderSettings | YesNoSettings:
    """Return how the model in the store is loaded."""
    if isinstance(model, ModelFolder):
        model.check_trainable()
        return CrossEncoderSettings(model=str(model.path))
    if model.model is None or isinstance(model.settings, EndpointSettings):
        raise StageError("train-reranker: an endpoint has no weights to train; start from a model that runs here")
    return model.settings.model_copy(update={"model": str(model.model.path), "revision": None})


def _dev_measure(
    settings: TrainRerankerSettings,
    inputs: TrainRerankerInputs,
    start: CrossEncoderSettings | YesNoSettings,
    context: Context,
) -> Dev | None:
    """Return what measures a checkpoint on the dev queries, or None where there are none."""
    if (inputs.dev is None) != (inputs.candidates is None):
        raise StageError("train-reranker: `dev` and `candidates` belong together; give both, or none of them")
    if inputs.dev is None or inputs.candidates is None or len(inputs.dev) == 0:
        return None
    asked = DevCandidates(
        inputs.corpus, inputs.queries, inputs.dev, inputs.candidates, settings.dev_measure, settings.dev_depth
    )

    def value(folder: Path) -> float:
        return asked.value(load_scorer(start.model_copy(update={"model": str(folder)}), context.resources.device))

    return value
