"""One call for the coupled training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyrite.data import TrainingSet
from pyrite.errors import SettingsError
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.seeds import derive_seed
from pyrite.train.card import CardFacts, write_card
from pyrite.train.card_kinds import reranker, selection_model
from pyrite.train.cet.settings import CetTrainer
from pyrite.train.examples import resolve
from pyrite.train.job import Dev, TrainingJob, TrainingResult, TrainingTexts
from pyrite.train.reranker.networks import CrossEncoderNetwork
from pyrite.train.reranker.preparation import check_scorer_training, make_task, set_up, training_identity
from pyrite.train.task import TrainingTask
from pyrite.train.trackers import check_trackers

__all__ = ["CetResult", "train_cet"]

_SELECTION_START = "start-selection"


@dataclass(frozen=True, slots=True)
class CetResult:
    """What the coupled training gives.

    Attributes:
        relevance: f, a reranker corrected for the pool's bias, with the log of the training.
        selection: The folder of g, from the same epoch. Only f serves in search.
    """

    relevance: TrainingResult
    selection: Path


def train_cet(
    start: CrossEncoderSettings,
    training_set: TrainingSet,
    texts: TrainingTexts,
    settings: CetTrainer,
    *,
    job: TrainingJob,
    dev: Dev | None = None,
) -> CetResult:
    """Train f, a model of relevance, and g, one of selection for judging, each on losses that the other weighs.

    See `pyrite.train.cet.objective` for the formulas. In them f and g are told apart by nothing but their heads and
    dropout: swap them and nothing changes. And a loss of pairs leaves an offset free for each query, so that
    sigmoid(g/T) is no calibrated probability (Zhang et al. 2023, arXiv 2305.09918). So the log tells the correlation of
    f and g on the negatives of a step, `f-g-correlation`: near 1, g is a second f.

    Epochs are chosen by `dev`, which measures f, and a call that was cut off continues, as in `pyrite.train.train`.

    Args:
        start: The model to start both from; it is only read. An encoder, or a cross-encoder of one output.
        training_set: One group for each query. The weights in it multiply the loss of a pair.
        texts: The corpus and the queries that the groups' ids stand for.
        settings: How.
        job: The working folder, the device, and what to call on the way.
        dev: Measures a model folder, for the choice of the epoch.

    Returns:
        The folders of both models inside `job.workdir`, as `CrossEncoder(folder)` loads them, a model card in each.

    Raises:
        DataError: The training set is empty, or ids in it are not in the corpus or the queries.
        SettingsError: There are no negatives, the warm-up is no shorter than the training, or there is patience and no
            dev.
        ModelError: The start cannot be loaded, the working folder belongs to another training, or the loss stopped
            being a number.

    Example:
        ```python
        start = CrossEncoderSettings(model="google-bert/bert-base-uncased", max_length=288)
        trained = train_cet(start, groups, texts, CetTrainer(warmup=None), job=TrainingJob(Path("work")))
        CrossEncoderScorer.load(trained.relevance.folder)
        ```
    """
    check_scorer_training(training_set, settings, dev, "cet")
    check_trackers(job.trackers)
    examples = resolve(training_set, texts, settings.negatives)
    start = start if settings.max_length is None else start.model_copy(update={"max_length": settings.max_length})
    task = make_task(examples, settings, job, dev, training_identity(start, training_set, texts, settings, dev))
    if settings.warmup is not None and settings.warmup >= task.plan.steps:
        raise SettingsError(
            f"warmup: {settings.warmup} steps are not fewer than the {task.plan.steps} of the training, so that the "
            "learning rate would never reach its height; give fewer, or warmup: null for warmup_share of all steps"
        )
    try:
        result = _train(task, start, settings)
    finally:
        task.trackers.close()
    called = start.model if start.local_folder() is None else Path(start.model).name
    given = settings.model_dump(mode="json")
    for kind, folder in ((reranker(start), result.relevance.folder), (selection_model(start), result.selection)):
        trained = TrainingResult(folder, result.relevance.log, result.relevance.best_epoch)
        write_card(CardFacts(kind, task.model, called, training_set, texts, given, measured=dev is not None), trained)
    return result


def _train(task: TrainingTask, start: CrossEncoderSettings, settings: CetTrainer) -> CetResult:
    from pyrite.train.cet.learner import SELECTION, CetLearner
    from pyrite.train.quiet import hidden_bars
    from pyrite.train.reranker.loop import MODEL, run_training

    with hidden_bars():
        networks = {
            name: _load(start, settings, derive_seed(settings.seed, "cet-head", name)) for name in (MODEL, SELECTION)
        }
        task.checkpoints.newest()  # where the folder is another training's, before anything is written
        starts = {MODEL: task.model, SELECTION: task.job.workdir / _SELECTION_START}
        for name, network in networks.items():
            set_up(network, starts[name], settings, task.identity)
        result = run_training(task, CetLearner(task, settings, networks), starts)
        return CetResult(result, task.job.workdir / SELECTION)


def _load(start: CrossEncoderSettings, settings: CetTrainer, seed: int) -> CrossEncoderNetwork:
    network = CrossEncoderNetwork.load(start, seed)
    if settings.heads == "new":
        network.renew_head(seed)
    if settings.head_dropout is not None:
        network.set_head_dropout(settings.head_dropout)
    return network
