"""What precedes every training of models that score pairs: checks, the task, and the untrained models' folders."""

from __future__ import annotations

from pathlib import Path

from pyrite.data import TrainingSet
from pyrite.errors import SettingsError
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.settings import canonical_hash
from pyrite.train.batches import BatchPlan
from pyrite.train.checkpoint import write_once
from pyrite.train.examples import Examples
from pyrite.train.job import Dev, TrainingJob, TrainingTexts
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.reranker.settings import ScorerTrainer
from pyrite.train.task import TrainingTask
from pyrite.train.trackers import Trackers

__all__ = ["check_scorer_training", "make_task", "set_up", "training_identity"]

_UNTRAINED = "start"
"""The folder of the untrained model that dev measures."""


def check_scorer_training(training_set: TrainingSet, settings: ScorerTrainer, dev: Dev | None, learnt: str) -> None:
    """Raise where a training cannot be.

    Args:
        training_set: The groups.
        settings: How.
        dev: Measures a model folder, or None.
        learnt: What has nothing to learn from without negatives, for the message.

    Raises:
        SettingsError: Adapters would be saved alone, there is patience and no dev, or there are no negatives.
    """
    if settings.lora is not None and settings.lora.export == "adapter":
        raise SettingsError("lora.export: a reranker is saved merged, so that any scorer loads it; leave it out")
    if settings.patience is not None and dev is None:
        raise SettingsError(
            "patience: without dev there is no gain to wait for; give dev judgements and candidates, or patience: null"
        )
    mined = settings.negatives > 0 and any(group.negative_ids for group in training_set.rows())
    if len(training_set) and not mined:
        raise SettingsError(
            f"{learnt} has no negatives to learn from; give a training set with negatives, and negatives: 1 or more"
        )


def training_identity(
    start: CrossEncoderSettings | YesNoSettings,
    training_set: TrainingSet,
    texts: TrainingTexts,
    settings: ScorerTrainer,
    dev: Dev | None,
) -> str:
    """Return a hash of all that the result depends on."""
    tables = [table.fingerprint() for table in (training_set, texts.corpus, texts.queries)]
    return canonical_hash([settings, start.identity(), tables, dev is not None])


def make_task(
    examples: Examples, settings: ScorerTrainer, job: TrainingJob, dev: Dev | None, identity: str
) -> TrainingTask:
    """Return the task of a training whose untrained model is yet to be written.

    Args:
        examples: The training set, resolved.
        settings: How.
        job: Where.
        dev: Measures a model folder, or None.
        identity: What `training_identity` gave.
    """
    trackers = (job.trackers_folder or job.workdir / "trackers") / identity[:12]
    return TrainingTask(
        model=job.workdir / _UNTRAINED,
        examples=examples,
        plan=BatchPlan.build(examples, settings.batch_size, settings.seed, settings.epochs),
        query_prompt="",
        document_prompt="",
        job=job,
        dev=dev,
        identity=identity,
        patience=settings.patience,
        trackers=Trackers(job.trackers, trackers, settings.model_dump(mode="json")),
    )


def set_up(network: ScoringNetwork, folder: Path, settings: ScorerTrainer, identity: str) -> None:
    """Save an untrained network, and make it ready for training.

    Args:
        network: As it was loaded.
        folder: Where it is saved; what another training left there is replaced.
        settings: How it is trained.
        identity: What `training_identity` gave.
    """
    write_once(folder, identity, network.save)
    if settings.lora is not None:
        network.adapt(settings.lora, settings.seed)
    if settings.gradient_checkpointing:
        network.checkpoint_activations()
