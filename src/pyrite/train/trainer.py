"""One call for every way to train an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pyrite.data import TrainingSet
from pyrite.errors import SettingsError
from pyrite.models.folder import ModelFolder
from pyrite.models.origin import told_of_base
from pyrite.settings import canonical_hash
from pyrite.train.batches import BatchPlan
from pyrite.train.card import CardFacts, add_to_card, write_card
from pyrite.train.card_kinds import dense_retriever
from pyrite.train.examples import resolve
from pyrite.train.guide import with_guide
from pyrite.train.job import Dev, TrainingJob, TrainingResult, TrainingTexts
from pyrite.train.launched import call_for, carry_out, take_part
from pyrite.train.processes import Processes
from pyrite.train.settings import StaticTrainer, TransformerTrainer
from pyrite.train.task import TrainingTask
from pyrite.train.trackers import Trackers, check_trackers
from pyrite.train.wants import check_contrast, check_model, check_wants

__all__ = ["train"]


def train(
    model: Path,
    training_set: TrainingSet,
    texts: TrainingTexts,
    settings: StaticTrainer | TransformerTrainer,
    *,
    prompts: Mapping[str, str],
    job: TrainingJob,
    dev: Dev | None = None,
) -> TrainingResult:
    """Train an encoder to place each query nearer to its positives than to its negatives.

    The weights of the best epoch by `dev` are returned, the untrained model being epoch 0 (ties: the earlier one).
    Without `dev` it is the last epoch. A call that was cut off at any instant continues when it is made again with
    the same arguments, and ends with the same weights as one that was not, bit by bit on a processor.

    Where a launcher started several processes, each calls this. They train what the first one's arguments say, on equal
    shares of each batch; the first one writes files, measures and reports.

    Args:
        model: The folder of a sentence-transformers model; it is only read.
        training_set: One group for each query.
        texts: The corpus and the queries that the groups' ids stand for.
        settings: Which trainer, and how.
        prompts: What stands before a text: {"query": ..., "document": ...}; a missing one is empty.
        job: The working folder, the device, and what to call on the way.
        dev: Measures a model folder, for the choice of the epoch; the same one in every call with a working folder.

    Returns:
        The trained model's folder inside `job.workdir`, a model card in it, the log and the chosen epoch.

    Raises:
        DataError: The training set is empty, ids in it are not in the corpus or the queries, or the loss wants a
            teacher's scores and there are none.
        SettingsError: There is nothing to contrast with (such as a batch of 1 without mined negatives), a prompt's or a
            tracker's name is not known, there is patience and no dev, or the loss wants a guide and there is none, or
            has no use for it.
        ModelError: The folder holds no model of the settings' type, the working folder belongs to another training,
            or the loss stopped being a number.
    """
    processes = Processes.join()
    if not processes.first:
        return take_part(processes)
    check_model(model, settings)
    _check_prompts(prompts)
    check_trackers(job.trackers)
    if settings.patience is not None and dev is None:
        raise SettingsError(
            "patience: without dev there is no gain to wait for; give dev judgements, or patience: null"
        )
    negatives = settings.negatives if settings.loss.uses_mined() else 0
    examples = resolve(training_set, texts, negatives, settings.loss.positives_together())
    check_wants(settings.loss, examples, texts.guide)
    check_contrast(settings.loss, examples, settings.batch_size)
    identity = [
        settings,
        ModelFolder.open(model).fingerprint(),
        [table.fingerprint() for table in (training_set, texts.corpus, texts.queries)],
        prompts,
        dev is not None,
    ]
    if texts.guide is not None:
        identity.append(texts.guide.identity())
        examples = with_guide(examples, texts.guide, job.workdir)
    name, given = canonical_hash(identity), settings.model_dump(mode="json")
    task = TrainingTask(
        model=model,
        examples=examples,
        plan=BatchPlan.build(examples, settings.batch_size, settings.seed, settings.epochs),
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", ""),
        job=job,
        dev=dev,
        identity=name,
        patience=settings.patience,
        trackers=Trackers(job.trackers, (job.trackers_folder or job.workdir / "trackers") / name[:12], given),
        processes=processes,
    )
    call_for(task, settings)
    try:
        result = carry_out(task, settings)
    finally:
        task.trackers.close()
    kind = dense_retriever(prompts)
    write_card(CardFacts(kind, model, model.name, training_set, texts, given, measured=dev is not None), result)
    if (told := told_of_base(result.folder)) is not None:
        add_to_card(result.folder, "The model that it belongs to", told)
    return result


def _check_prompts(prompts: Mapping[str, str]) -> None:
    if unknown := sorted(prompts.keys() - {"query", "document"}):
        raise SettingsError(f"prompts: unknown name {unknown[0]!r}; allowed: document, query")
