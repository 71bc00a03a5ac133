"""One call for every way to train a reranker."""

from __future__ import annotations

from pathlib import Path

from pyrite.data import TrainingSet
from pyrite.errors import DataError, SettingsError
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.train.card import CardFacts, write_card
from pyrite.train.card_kinds import reranker
from pyrite.train.examples import Examples, resolve
from pyrite.train.job import Dev, TrainingJob, TrainingResult, TrainingTexts
from pyrite.train.reranker.language_model import LETTERS, LanguageModelNetwork
from pyrite.train.reranker.networks import CrossEncoderNetwork, ScoringNetwork
from pyrite.train.reranker.objectives import PairAndList
from pyrite.train.reranker.preparation import check_scorer_training, make_task, set_up, training_identity
from pyrite.train.reranker.settings import RerankerTrainer
from pyrite.train.task import TrainingTask
from pyrite.train.trackers import check_trackers
from pyrite.train.wants import lacks_teacher

__all__ = ["train_reranker"]


def train_reranker(
    start: CrossEncoderSettings | YesNoSettings,
    training_set: TrainingSet,
    texts: TrainingTexts,
    settings: RerankerTrainer,
    *,
    job: TrainingJob,
    dev: Dev | None = None,
) -> TrainingResult:
    """Train a model that scores a query and a document together to set positives above negatives.

    Epochs are chosen by `dev`, and a call that was cut off continues, as in `pyrite.train.train`. All randomness of a
    step, dropout included, follows from the seed and the number of the step.

    Args:
        start: The model to start from; it is only read. A cross-encoder of one output, an encoder that gets a new head,
            or a causal language model that is asked for yes or no.
        training_set: One group for each query.
        texts: The corpus and the queries that the groups' ids stand for.
        settings: What is learnt, and how.
        job: The working folder, the device, and what to call on the way.
        dev: Measures a model folder, for the choice of the epoch: nDCG@10 of candidates in the model's order.

    Returns:
        The trained model's folder inside `job.workdir`, a model card in it, the log and the chosen epoch. The folder is
        what `CrossEncoder(folder)`, or for a language model `YesNoScorer.load(folder)`, loads.

    Raises:
        DataError: The training set is empty, ids in it are not in the corpus or the queries, or the objective wants a
            teacher's scores and there are none.
        SettingsError: The objective does not fit the start, or has nothing to learn from; or `patience` without `dev`.
        ModelError: The start cannot be loaded, the working folder belongs to another training, or the loss stopped
            being a number.

    Example:
        ```python
        start = CrossEncoderSettings(model="cross-encoder/ms-marco-MiniLM-L6-v2")
        trained = train_reranker(start, groups, texts, RerankerTrainer(), job=TrainingJob(Path("work")))
        CrossEncoderScorer.load(trained.folder)
        ```
    """
    _check(start, training_set, settings, dev)
    check_trackers(job.trackers)
    examples = resolve(training_set, texts, settings.negatives)
    _check_teacher(examples, settings)
    start = start if settings.max_length is None else start.model_copy(update={"max_length": settings.max_length})
    task = make_task(examples, settings, job, dev, training_identity(start, training_set, texts, settings, dev))
    try:
        result = _train(task, start, settings)
    finally:
        task.trackers.close()
    called = start.model if start.local_folder() is None else Path(start.model).name
    kind = reranker(start)
    given = settings.model_dump(mode="json")
    write_card(CardFacts(kind, task.model, called, training_set, texts, given, measured=dev is not None), result)
    return result


def _train(
    task: TrainingTask, start: CrossEncoderSettings | YesNoSettings, settings: RerankerTrainer
) -> TrainingResult:
    from pyrite.train.quiet import hidden_bars
    from pyrite.train.reranker.learner import RerankerLearner
    from pyrite.train.reranker.loop import MODEL, run_training

    with hidden_bars():
        network = _load(start, settings.seed)
        task.checkpoints.newest()  # where the folder is another training's, before anything is written
        set_up(network, task.model, settings, task.identity)
        return run_training(task, RerankerLearner(task, settings, network), {MODEL: task.model})


def _load(start: CrossEncoderSettings | YesNoSettings, seed: int) -> ScoringNetwork:
    """Return the model to start from, in 32 bits, on the processor."""
    if isinstance(start, CrossEncoderSettings):
        return CrossEncoderNetwork.load(start, seed)
    return LanguageModelNetwork.load(start)


def _check(
    start: CrossEncoderSettings | YesNoSettings, training_set: TrainingSet, settings: RerankerTrainer, dev: Dev | None
) -> None:
    objective = settings.objective
    if isinstance(objective, PairAndList):
        if not isinstance(start, YesNoSettings):
            raise SettingsError(
                f"objective: pair-and-list asks a language model, and the start is of type {start.type!r}; give one of "
                "type llm-yes-no, or another objective, such as type: listwise-and-pairs"
            )
        if settings.negatives >= len(LETTERS):
            raise SettingsError(
                f"negatives: {settings.negatives}: pair-and-list names the documents of a list by the {len(LETTERS)} "
                f"letters, so {len(LETTERS) - 1} negatives at most"
            )
    check_scorer_training(training_set, settings, dev, f"objective: {objective.type}")


def _check_teacher(examples: Examples, settings: RerankerTrainer) -> None:
    if lacks_teacher(settings.objective.wants(), examples):
        raise DataError(
            f"objective: {settings.objective.type} wants a teacher's scores, and of no query does the training set "
            "carry those of two documents in use; the stage teacher-scores adds them"
        )
