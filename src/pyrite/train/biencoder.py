"""Training of transformer encoders through sentence-transformers' trainer.

The trainer gives the loop, mixed precision and the optimiser. The loss, the batches and the checkpoints are ours:
sentence-transformers' `MultipleNegativesRankingLoss` has no masks, so another positive of a query, or a copy of one,
would be a negative; its batch samplers compare texts; and a checkpoint that its trainer was killed in cannot be told
from a whole one.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import load_fsdp_model
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from pyrite.errors import ModelError, SettingsError
from pyrite.models.adapters import is_adapted, merge_adapters
from pyrite.models.folder import ModelFolder
from pyrite.models.origin import ADAPTER_CONFIG, with_bases
from pyrite.models.remote_code import allow_code, code_allowed
from pyrite.train.adapters import (
    add_adapter,
    checkpoint_activations,
    go_on_with_adapter,
    load_trained,
    save_trained,
    write_adapter,
    write_merged,
)
from pyrite.train.checkpoint import write_once
from pyrite.train.job import TrainingResult
from pyrite.train.learnt import Learnt
from pyrite.train.progress import Progress, StepNumbers
from pyrite.train.quiet import hidden_bars
from pyrite.train.settings import LoraSettings, TransformerTrainer
from pyrite.train.task import TrainingTask
from pyrite.train.text_batches import BatchLoss, Collator
from pyrite.train.wants import check_length

__all__ = ["train_biencoder"]

_STAGING = "trainer"
_LEARNT = "learnt.pt"


def train_biencoder(task: TrainingTask, settings: TransformerTrainer) -> TrainingResult:
    """Train a transformer encoder; see `pyrite.train.train`."""
    with hidden_bars():
        return _train(task, settings)


def _train(task: TrainingTask, settings: TransformerTrainer) -> TrainingResult:
    if settings.lora is not None and settings.lora.export == "merged" and _has_adapters(task.model):
        task = _on_whole_model(task)
    model = _load(task, settings)
    progress, checkpoint = task.begin()
    if not task.is_done(progress):
        if task.processes.first:
            shutil.rmtree(task.job.workdir / _STAGING, ignore_errors=True)
        task.processes.wait()
        trainer = _Trainer(task, settings, model, progress)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    folder = task.job.workdir / "model"
    if task.processes.first:
        shutil.rmtree(folder, ignore_errors=True)
        if progress.best_step == 0:
            ModelFolder(task.model).save(folder)
        else:
            _export(task, settings, task.checkpoints.whole(progress.best_step), folder)
    task.processes.wait()
    return TrainingResult(folder, progress.log(), progress.best_epoch)


def _load(task: TrainingTask, settings: TransformerTrainer) -> SentenceTransformer:
    """Return the untrained model on its device, made ready for training."""
    device = task.device("cuda" if torch.cuda.is_available() else "cpu")
    if settings.lora is None:
        model = _open(task, task.model, device)
    else:
        halved = settings.precision == "bf16"
        model = _adapted(task, settings.lora, settings.seed, device, torch.bfloat16 if halved else torch.float32)
    check_length(model, settings.max_length)
    if settings.gradient_checkpointing:
        checkpoint_activations(model)
    return model


def _has_adapters(model: Path) -> bool:
    return any(model.rglob(ADAPTER_CONFIG))


def _adapted(task: TrainingTask, lora: LoraSettings, seed: int, device: str, dtype: torch.dtype) -> SentenceTransformer:
    """Return the untrained model with adapters to train: new ones, or those that it holds."""
    if _has_adapters(task.model):
        model = _open(task, task.model, device, merged=False)
        go_on_with_adapter(model, lora, dtype)
    else:
        model = _open(task, task.model, device, dtype)
        add_adapter(model, lora, seed)
    return model


def _on_whole_model(task: TrainingTask) -> TrainingTask:
    """Return the task on a whole model, where the untrained one is adapters: new ones cannot stand on those."""
    whole = task.job.workdir / "whole-model"

    def merge(folder: Path) -> None:
        write_merged(_open(task, task.model, "cpu"), folder)
        if code_allowed(task.model):
            allow_code(folder)

    if task.processes.first:
        write_once(whole, task.identity, merge)
    task.processes.wait()
    return dataclasses.replace(task, model=whole)


def _open(
    task: TrainingTask, folder: Path, device: str, dtype: torch.dtype = torch.float32, *, merged: bool = True
) -> SentenceTransformer:
    """Load a folder, the untrained model's or a checkpoint's.

    In the type that is asked for: a folder saved in half precision would otherwise have half-precision weights and
    optimiser.
    """
    trusted = code_allowed(task.model)
    try:
        with with_bases(folder) as place:
            model = SentenceTransformer(
                str(place), device=device, trust_remote_code=trusted, model_kwargs={"dtype": dtype}
            )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{folder}: cannot be loaded as a sentence-transformers model: {error}") from error
    if merged:
        merge_adapters(model)
    # Modules behind the transformer know nothing of the type.
    return model.to(dtype)


def _export(task: TrainingTask, settings: TransformerTrainer, checkpoint: Path, folder: Path) -> None:
    """Write the model of a checkpoint into a folder."""
    lora = settings.lora
    if lora is None:
        _open(task, checkpoint, "cpu").save_pretrained(str(folder), create_model_card=False)
    else:
        model = _adapted(task, lora, settings.seed, "cpu", torch.float32)
        load_trained(model, checkpoint)
        if lora.export == "merged":
            write_merged(model, folder)
        else:
            write_adapter(model, folder, task.model, lora.base)
    if code_allowed(task.model):
        allow_code(folder)


class _Trainer(SentenceTransformerTrainer):
    """The trainer over a plan of batches.

    To the trainer, the whole plan is one epoch: the batches of our epochs differ in number, and it reckons with
    epochs of one length.
    """

    def __init__(
        self, task: TrainingTask, settings: TransformerTrainer, model: SentenceTransformer, progress: Progress
    ) -> None:
        learnt = Learnt(settings.loss, model.device)
        loss = BatchLoss(model, settings.loss, learnt, task)
        super().__init__(
            model=model,
            args=_arguments(task, settings, model),
            loss=loss,
            callbacks=[_Keeper(task, progress, loss)],
        )
        # It writes every log entry to the standard output.
        self.remove_callback(PrinterCallback)
        self._task = task
        self._learnt, self._learnt_rate = learnt, settings.loss_learning_rate
        self._collator = Collator(task, model, settings.max_length)
        loss.lockstep = self.is_fsdp_enabled
        if self.is_fsdp_enabled:
            _check_sharding(settings, self.accelerator.state.fsdp_plugin)

    def get_train_dataloader(self) -> DataLoader:
        """Return the plan's batches, each with its texts tokenised."""
        # Not prepared by accelerate, which would deal out batches where the collator deals out the texts of each.
        return DataLoader(
            range(len(self._task.examples)),  # type: ignore[arg-type]
            batch_sampler=[members.tolist() for members in self._task.plan.batches],
            collate_fn=self._collator,
            generator=torch.Generator(),
        )

    def collect_features(self, inputs: dict[str, Any]) -> tuple[Any, None]:
        """Return what the collator made, as the loss takes it."""
        return inputs, None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Return the optimiser of the encoder, with what the loss learns at a rate of its own and without decay."""
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        if self._learnt.names:
            group = {"params": list(self._learnt.scalars), "lr": self._learnt_rate, "weight_decay": 0.0}
            optimizer.add_param_group(group)
        return optimizer

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write what a checkpoint holds of the model: with adapters, no weight that is frozen."""
        # sentence-transformers takes it that one process alone comes here, and all do.
        if not self.args.should_save or output_dir is None:
            return
        if is_adapted(self.model):
            save_trained(self.model, Path(output_dir))
        elif self.is_fsdp_enabled:
            whole = _open(self._task, self._task.model, "cpu")
            whole.load_state_dict(state_dict)
            whole.save_pretrained(output_dir, create_model_card=False)
        else:
            super()._save(output_dir, state_dict)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if is_adapted(self.model):
            load_trained(self.model, Path(resume_from_checkpoint))
        elif self.is_fsdp_enabled:
            load_fsdp_model(self.accelerator.state.fsdp_plugin, self.accelerator, model, resume_from_checkpoint)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint)
        state = torch.load(Path(resume_from_checkpoint) / _LEARNT, map_location=self.model.device, weights_only=True)
        self._learnt.load_state_dict(state)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Leave the model card alone: it would describe a data set that the trainer does not see."""


def _check_sharding(settings: TransformerTrainer, plugin: Any) -> None:
    """Raise where a sharded model could not be written."""
    if settings.lora is not None:
        raise SettingsError("lora: adapters are small, and are not trained sharded; launch without --use_fsdp")
    if "FULL_STATE_DICT" not in str(plugin.state_dict_type):
        raise SettingsError("FSDP: checkpoints hold whole models; launch with --fsdp_state_dict_type FULL_STATE_DICT")


def _arguments(
    task: TrainingTask, settings: TransformerTrainer, model: SentenceTransformer
) -> SentenceTransformerTrainingArguments:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(task.job.workdir / _STAGING),
        num_train_epochs=1,
        per_device_train_batch_size=-(-settings.batch_size // task.processes.size),
        # The plan decides; to say so keeps sentence-transformers from saying it on each process.
        dataloader_drop_last=task.processes.size > 1,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_gradient_norm,
        warmup_steps=settings.warmup_steps(task.plan.steps),
        lr_scheduler_type="linear" if settings.schedule == "linear" else "constant_with_warmup",
        seed=settings.seed % (1 << 32),
        bf16=settings.precision == "bf16",
        use_cpu=model.device.type == "cpu",
        save_strategy="no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        # Nothing in an encoder's buffers changes, and processes may differ in how often they call it.
        ddp_broadcast_buffers=False,
    )
    # More than one would wrap the model in DataParallel, which splits a batch and with it the negatives.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _Keeper(TrainerCallback):
    """Notes each step, measures each epoch and puts checkpoints in place.

    The trainer writes a checkpoint into the staging folder and then calls `on_save`; only there it is sealed and
    moved, with the progress beside it.
    """

    def __init__(self, task: TrainingTask, progress: Progress, loss: BatchLoss) -> None:
        self._task = task
        self._progress = progress
        self._loss = loss

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._loss.wants_facts = self._progress.wants_facts()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        control.should_save = self._task.wants_checkpoint(state.global_step)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or "loss" not in logs:
            return
        task, step = self._task, state.global_step
        pairs = len(task.plan.batches[step - 1])
        numbers = StepNumbers(logs["loss"], pairs, logs["learning_rate"], logs["grad_norm"], self._loss.facts)
        self._progress.note_step(task.plan, numbers)
        if not task.wants_checkpoint(step):
            task.close_step(self._progress)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
    ) -> None:
        task, step = self._task, state.global_step
        staged = task.job.workdir / _STAGING / f"checkpoint-{step}"
        epoch = task.plan.ends_epoch(step)
        if epoch is not None:
            with _randomness_kept():
                value = _measure(task, model, staged) if task.processes.first else None
            self._progress.note_epoch(task.plan, epoch, task.processes.same(value))
        # Each process has put a file into it, the state of its generators.
        task.processes.wait()
        if task.processes.first:
            self._progress.write(staged)
            torch.save(self._loss.learnt.state_dict(), staged / _LEARNT)
            task.checkpoints.publish(staged, step)
        task.processes.wait()
        task.close_step(self._progress)
        control.should_training_stop = task.is_done(self._progress)


def _measure(task: TrainingTask, model: Any, staged: Path) -> float | None:
    """Measure a model on dev; a sharded one from the checkpoint, where it is whole."""
    if task.dev is None:
        return None
    if not isinstance(model, SentenceTransformer) or isinstance(model, FSDPModule):
        model = _open(task, staged, "cpu")
    folder = task.job.workdir / "dev-model"
    shutil.rmtree(folder, ignore_errors=True)
    if is_adapted(model):
        write_adapter(model, folder, task.model, local=True)
    else:
        model.save_pretrained(str(folder), create_model_card=False)
    if code_allowed(task.model):
        allow_code(folder)
    return task.measure(folder)


@contextmanager
def _randomness_kept() -> Iterator[None]:
    """Put the global generators back afterwards: the checkpoint already holds them, for dropout to go on from."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])
