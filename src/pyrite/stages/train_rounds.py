"""Mine and train in turn, each round with the encoder of the round before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrite.data import Corpus, Negatives, Qrels, Queries, TrainingLog
from pyrite.models.folder import ModelFolder
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.recipes.dev import encoder_loader
from pyrite.recipes.rounds import RoundsData, RoundsSettings, train_in_rounds
from pyrite.search.lexical.index import LexicalIndex
from pyrite.search.random_source import RandomIndex
from pyrite.stages.artifacts import open_index
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.training import open_guide, origin, training_job
from pyrite.train import StaticTrainer
from pyrite.train.card import add_to_card

__all__ = ["TrainRoundsInputs", "TrainRoundsOutputs", "train_rounds"]


@dataclass(frozen=True)
class TrainRoundsInputs:
    """The encoder to start from, texts and judgements, further sources, a judge of each round's negatives, and a guide.

    The judge only counts: what it finds false is trained with all the same. The guide is for a guided loss.
    """

    model: ModelFolder
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    dev: Qrels | None = None
    indices: Mapping[str, LexicalIndex | RandomIndex] | None = None
    judge: ScorerStore | None = None
    guide: ModelFolder | None = None


@dataclass(frozen=True)
class TrainRoundsOutputs:
    """The encoder of the best round, the negatives it trained with, and what was noted on the way."""

    model: ModelFolder
    negatives: Negatives
    log: TrainingLog


@stage("train-rounds", version=1)
def train_rounds(settings: RoundsSettings, inputs: TrainRoundsInputs, context: Context) -> TrainRoundsOutputs:
    """Mine and train in turn, each round with the encoder of the round before; the best one is kept."""
    inputs.model.check_trainable()
    resources = context.resources
    load = encoder_loader(
        inputs.model.path,
        static=isinstance(settings.trainer, StaticTrainer),
        device=resources.device,
        batch_size=resources.encode_batch_size,
    )
    data = RoundsData(
        corpus=inputs.corpus,
        queries=inputs.queries,
        qrels=inputs.qrels,
        dev=inputs.dev,
        indices={
            name: index if isinstance(index, RandomIndex) else open_index(index, resources)
            for name, index in (inputs.indices or {}).items()
        },
        judge=None if inputs.judge is None else inputs.judge.ready(resources),
        guide=open_guide(inputs.guide, context),
    )
    job = training_job(context)
    result = train_in_rounds(inputs.model.path, data, settings, load=load, job=job, progress=context.progress)
    add_to_card(result.folder, "How its data was made", origin(context))
    return TrainRoundsOutputs(ModelFolder(result.folder, disposable=True), result.negatives, result.log)
