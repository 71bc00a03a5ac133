"""Train an encoder, its best epoch chosen on dev."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, model_validator

from pyrite.data import Corpus, Qrels, Queries, TrainingLog, TrainingSet
from pyrite.eval import evaluate_index
from pyrite.models.folder import ModelFolder
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import Encoder
from pyrite.pipeline.context import Context
from pyrite.pipeline.events import Event
from pyrite.pipeline.stage import stage
from pyrite.search.dense.index import DenseRetriever
from pyrite.settings import Settings
from pyrite.train import StaticTrainer, TrainerSettings, TrainingJob, TrainingTexts
from pyrite.train import train as train_encoder
from pyrite.train.card import add_to_card

__all__ = ["TrainInputs", "TrainOutputs", "TrainSettings", "train"]


class TrainSettings(Settings):
    """The trainer, and what decides between epochs."""

    trainer: TrainerSettings
    """The trainer by its `type`: `static` or `transformer`."""
    dev_measure: str = "nDCG@10"
    """What the best epoch is chosen by, where there are dev judgements."""
    dev_depth: int = Field(default=10, ge=1)
    """How deep dev is searched; at least the measure's cut-off."""

    @model_validator(mode="after")
    def _deep_enough(self) -> Self:
        cutoff = re.search(r"@(\d+)$", self.dev_measure)
        if cutoff and int(cutoff[1]) > self.dev_depth:
            raise ValueError(f"dev_depth ({self.dev_depth}) is below the cut-off of dev_measure ({self.dev_measure})")
        return self


@dataclass(frozen=True)
class TrainInputs:
    """The encoder to start from, the training set with its texts, and dev judgements."""

    model: ModelFolder
    training_set: TrainingSet
    corpus: Corpus
    queries: Queries
    dev: Qrels | None = None


@dataclass(frozen=True)
class TrainOutputs:
    """The trained encoder and what was noted on the way."""

    model: ModelFolder
    log: TrainingLog


@stage("train", version=2)
def train(settings: TrainSettings, inputs: TrainInputs, context: Context) -> TrainOutputs:
    """Train an encoder on positives and negatives; the best epoch on dev is kept."""
    inputs.model.check_trainable()
    job = TrainingJob(
        context.workdir,
        device=context.resources.device,
        mini_batch_tokens=context.resources.mini_batch_tokens,
        trackers=_names(context.resources.trackers),
        trackers_folder=None if context.curves is None else context.curves / context.step,
        # From the first step of all, also where a former, killed try did it.
        on_step=lambda done, total: context.observe(Event("progress", context.step, "train", done, total, "steps")),
        on_checkpoint=context.checkpoint,
    )
    result = train_encoder(
        inputs.model.path,
        inputs.training_set,
        TrainingTexts(inputs.corpus, inputs.queries),
        settings.trainer,
        prompts=read_prompts(inputs.model.path).model_dump(),
        job=job,
        dev=_dev_measure(settings, inputs, context),
    )
    add_to_card(result.folder, "How its data was made", _origin(context))
    return TrainOutputs(ModelFolder(result.folder, disposable=True), result.log)


def _origin(context: Context) -> str:
    """Return the steps behind the model, as a section of its card."""
    manifests = context.manifests()
    if not manifests:
        return "Outside a pipeline: nothing is known of it."
    steps = {
        name: {"stage": manifest["kind"], "key": manifest["key"][:12], "settings": manifest["settings"]}
        for name, manifest in manifests.items()
    }
    return f"```yaml\n{yaml.safe_dump(steps, sort_keys=False).strip()}\n```"


def _names(trackers: str) -> list[str]:
    """Take a resource's list of trackers apart."""
    names = [name.strip() for name in trackers.split(",")]
    return [] if names == ["none"] else names


def _dev_measure(settings: TrainSettings, inputs: TrainInputs, context: Context) -> Callable[[Path], float] | None:
    """Return what measures a checkpoint on the dev queries, or None where there are none."""
    dev = inputs.dev
    if dev is None or len(dev) == 0:
        return None
    static = isinstance(settings.trainer, StaticTrainer)
    load = _static_loader(inputs.model.path) if static else _transformer_loader(context)

    def measure(folder: Path) -> float:
        index = DenseRetriever(load(folder)).build(inputs.corpus)
        _, scores = evaluate_index(index, inputs.queries, dev, [settings.dev_measure], depth=settings.dev_depth)
        return next(iter(scores.means().values()))

    return measure


def _static_loader(start: Path) -> Callable[[Path], Encoder]:
    """Return what loads a static checkpoint; texts are tokenised at the first use alone."""
    from pyrite.models.static_encoder import StaticEncoder

    first = StaticEncoder(start, prompts=read_prompts(start))
    return lambda folder: StaticEncoder(folder, first.cache, first.prompts)


def _transformer_loader(context: Context) -> Callable[[Path], Encoder]:
    """Return what loads a transformer checkpoint."""
    from pyrite.models.sentence_encoder import SentenceEncoder

    resources = context.resources
    return lambda folder: SentenceEncoder.load(folder, device=resources.device, batch_size=resources.encode_batch_size)
