"""Training of static encoders: a table of token vectors, a text being the mean of its tokens."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from pyrite.errors import ModelError
from pyrite.models.folder import ModelFolder
from pyrite.train.bags import Bags, bag_means, tokenise
from pyrite.train.batches import Batch, make_batch
from pyrite.train.job import TrainingResult
from pyrite.train.learnt import Learnt
from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.blocks import first_facts, in_blocks
from pyrite.train.losses.loss import Loss
from pyrite.train.progress import Progress, StepNumbers
from pyrite.train.settings import StaticTrainer
from pyrite.train.task import TrainingTask
from pyrite.train.wants import check_static

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["StaticModel", "train_static"]

_STATE = "state.pt"


@dataclass(frozen=True, slots=True)
class StaticModel:
    """A static encoder in a folder.

    Attributes:
        folder: The folder of the sentence-transformers model.
        subfolder: Where in it the table and the tokenizer lie; empty for the folder itself.
        tokenizer: Cuts texts into tokens.
        table: A vector for each token: float32, shape (V, D).
    """

    folder: Path
    subfolder: str
    tokenizer: Tokenizer
    table: torch.Tensor

    @classmethod
    def load(cls, folder: Path) -> StaticModel:
        """Load a model folder.

        Raises:
            ModelError: The model is not a `StaticEmbedding`, alone or with a `Normalize` behind it.
        """
        subfolder = check_static(folder)
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        try:
            module = StaticEmbedding.load(str(folder), subfolder=subfolder)
        except Exception as error:
            raise ModelError(f"{folder}: its StaticEmbedding cannot be loaded: {error}") from error
        return cls(folder, subfolder, module.tokenizer, module.embedding.weight.detach().float())

    def save(self, folder: Path, table: torch.Tensor) -> None:
        """Write the model with another table into a folder, in place of what was there."""
        from safetensors.torch import save_file

        shutil.rmtree(folder, ignore_errors=True)
        ModelFolder(self.folder).save(folder)
        home = folder / self.subfolder
        for name in ("model.safetensors", "pytorch_model.bin"):
            (home / name).unlink(missing_ok=True)
        save_file({"embedding.weight": table.contiguous()}, home / "model.safetensors")


def train_static(task: TrainingTask, settings: StaticTrainer) -> TrainingResult:
    """Train a static encoder; see `pyrite.train.train`.

    Texts are tokenised once. Only vectors of tokens that occur in them are trained and decayed: the gradient of all
    others is 0 throughout, so that without weight decay the result is the one of training the whole table.
    """
    model = StaticModel.load(task.model)
    table = _Table.build(model, task, settings)
    progress, checkpoint = task.begin()
    if checkpoint is not None:
        table.load_state(checkpoint / _STATE)
    steps = () if task.is_done(progress) else task.plan.after(progress.step)
    for step, members in steps:
        batch = make_batch(task.examples, members)
        share = settings.share_of_rate(step, task.plan.steps)
        progress.note_step(task.plan, table.step(batch, share, facts=progress.wants_facts()))
        _measure(task, progress, model, table)
        if task.wants_checkpoint(step):
            with task.checkpoints.writing(step) as folder:
                table.save_state(folder / _STATE)
                progress.write(folder)
        task.close_step(progress)
        if task.is_done(progress):
            break
    if 0 < progress.best_step < progress.step:
        table.load_state(task.checkpoints.whole(progress.best_step) / _STATE)
    folder = task.job.workdir / "model"
    model.save(folder, table.whole(model) if progress.best_step else model.table)
    return TrainingResult(folder, progress.log(), progress.best_epoch)


def _measure(task: TrainingTask, progress: Progress, model: StaticModel, table: _Table) -> None:
    """Where an epoch is over, measure it on dev."""
    epoch = task.plan.ends_epoch(progress.step)
    if epoch is None:
        return
    value = None
    if task.dev is not None:
        folder = task.job.workdir / "dev-model"
        model.save(folder, table.whole(model))
        value = task.measure(folder)
    progress.note_epoch(task.plan, epoch, value)


@dataclass(frozen=True, slots=True)
class _Table:
    """The vectors in training and their optimiser.

    Attributes:
        vectors: Of the tokens in use: shape (U, D).
        used: Their rows in the whole table: shape (U,).
        bags: Of the queries, then of the documents, over the tokens in use.
        queries: The number of queries.
        optimizer: AdamW over the vectors, then over what the loss learns.
        rates: The highest learning rates of the two.
        loss: The settings' loss.
        learnt: What the loss learns.
    """

    vectors: torch.Tensor
    used: np.ndarray
    bags: Bags
    queries: int
    optimizer: torch.optim.Optimizer
    rates: tuple[float, float]
    loss: Loss
    learnt: Learnt

    @classmethod
    def build(cls, model: StaticModel, task: TrainingTask, settings: StaticTrainer) -> _Table:
        bags, used = tokenise(model.tokenizer, _prompted(task)).compact()
        vectors = model.table[torch.from_numpy(used)].to(task.device("cpu")).requires_grad_()
        learnt = Learnt(settings.loss, vectors.device)
        groups = [{"params": [vectors], "weight_decay": settings.weight_decay}]
        if learnt.names:
            groups.append({"params": list(learnt.scalars), "weight_decay": 0.0})
        return cls(
            vectors,
            used,
            bags,
            queries=len(task.examples.query_texts),
            optimizer=torch.optim.AdamW(groups, fused=True),
            rates=(settings.learning_rate, settings.loss_learning_rate),
            loss=settings.loss,
            learnt=learnt,
        )

    def step(self, batch: Batch, share: float, *, facts: bool) -> StepNumbers:
        """Do one optimiser step at a share of the highest learning rates."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=False):
            group["lr"] = rate * share
        self.optimizer.zero_grad()
        given, parameters = self._vectors_of(batch), self.learnt.by_name()
        loss = in_blocks(self.loss, given, parameters)
        told = first_facts(self.loss, given, parameters) if facts else {}
        torch.autograd.backward(loss)
        self.optimizer.step()
        gradient = self.vectors.grad
        norm = 0.0 if gradient is None else float(torch.linalg.vector_norm(gradient))
        return StepNumbers(float(loss.detach()), len(batch.queries), self.rates[0] * share, norm, told)

    def _vectors_of(self, batch: Batch) -> LossBatch:
        size = len(batch.queries)
        bags = self.bags.take(np.concatenate([batch.queries, batch.documents + self.queries]))
        vectors = bag_means(self.vectors, bags)
        return batch.with_vectors(vectors[:size], vectors[size:])

    def whole(self, model: StaticModel) -> torch.Tensor:
        """Return the whole table with the trained vectors in it."""
        table = model.table.clone()
        table[torch.from_numpy(self.used)] = self.vectors.detach().cpu()
        return table

    def save_state(self, file: Path) -> None:
        state = {"optimizer": self.optimizer.state_dict(), "learnt": self.learnt.state_dict()}
        torch.save({"vectors": self.vectors.detach(), **state}, file)

    def load_state(self, file: Path) -> None:
        state = torch.load(file, map_location=self.vectors.device, weights_only=True)
        with torch.no_grad():
            self.vectors.copy_(state["vectors"])
        self.learnt.load_state_dict(state["learnt"])
        self.optimizer.load_state_dict(state["optimizer"])


def _prompted(task: TrainingTask) -> list[str]:
    queries = [task.query_prompt + text for text in task.examples.query_texts]
    return queries + [task.document_prompt + text for text in task.examples.document_texts]
