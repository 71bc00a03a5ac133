"""Train an encoder, its best epoch chosen on dev."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus, Qrels, Queries, TrainingLog, TrainingSet
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.recipes.dev import DevQueries, DevSettings, encoder_loader
from pyrite.stages.training import open_guide, origin, training_job
from pyrite.train import Dev, StaticTrainer, TrainerSettings, TrainingTexts
from pyrite.train import train as train_encoder
from pyrite.train.card import add_to_card

__all__ = ["TrainInputs", "TrainOutputs", "TrainSettings", "train"]


class TrainSettings(DevSettings):
    """The trainer, and what decides between epochs."""

    trainer: TrainerSettings
    """The trainer by its `type`: `static` or `transformer`."""


@dataclass(frozen=True)
class TrainInputs:
    """The encoder to start from, the training set with its texts, dev judgements, and a guide for a guided loss."""

    model: ModelFolder
    training_set: TrainingSet
    corpus: Corpus
    queries: Queries
    dev: Qrels | None = None
    guide: ModelFolder | None = None


@dataclass(frozen=True)
class TrainOutputs:
    """The trained encoder and what was noted on the way."""

    model: ModelFolder
    log: TrainingLog


@stage("train", version=2)
def train(settings: TrainSettings, inputs: TrainInputs, context: Context) -> TrainOutputs:
    """Train an encoder on positives and negatives; the best epoch on dev is kept."""
    inputs.model.check_trainable()
    result = train_encoder(
        inputs.model.path,
        inputs.training_set,
        TrainingTexts(inputs.corpus, inputs.queries, open_guide(inputs.guide, context)),
        settings.trainer,
        prompts=read_prompts(inputs.model.path).model_dump(),
        job=training_job(context),
        dev=_dev_measure(settings, inputs, context),
    )
    add_to_card(result.folder, "How its data was made", origin(context))
    return TrainOutputs(ModelFolder(result.folder, disposable=True), result.log)


def _dev_measure(settings: TrainSettings, inputs: TrainInputs, context: Context) -> Dev | None:
    """Return what measures a checkpoint on the dev queries, or None where there are none."""
    if inputs.dev is None or len(inputs.dev) == 0:
        return None
    asked = DevQueries(inputs.corpus, inputs.queries, inputs.dev, settings.dev_measure, settings.dev_depth)
    load = encoder_loader(
        inputs.model.path,
        static=isinstance(settings.trainer, StaticTrainer),
        device=context.resources.device,
        batch_size=context.resources.encode_batch_size,
    )
    return lambda folder: asked.value(load(folder))
