"""The loop that trains a reranker."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pyrite.errors import SettingsError
from pyrite.seeds import derive_seed, rng
from pyrite.train.job import TrainingResult
from pyrite.train.mini_batches import Features, cached_vectors
from pyrite.train.progress import Progress, StepNumbers
from pyrite.train.reranker.language_model import LanguageModelNetwork
from pyrite.train.reranker.material import ListBatch
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.reranker.objectives import PairAndList
from pyrite.train.reranker.settings import RerankerTrainer
from pyrite.train.task import TrainingTask

__all__ = ["run_training"]

_STATE = "state.pt"


def run_training(task: TrainingTask, settings: RerankerTrainer, network: ScoringNetwork) -> TrainingResult:
    """Take all steps that are left; see `pyrite.train.reranker.trainer.train_reranker`.

    Args:
        task: Its model is the folder of the untrained network.
        settings: How.
        network: As it was loaded; trained in place.
    """
    with _randomness_kept():
        training = _Training.build(task, settings, network)
        progress, checkpoint = task.begin()
        if checkpoint is not None:
            training.load_state(checkpoint / _STATE)
        steps = () if task.is_done(progress) else task.plan.after(progress.step)
        for step, members in steps:
            progress.note_step(task.plan, training.step(step, members))
            _measure(task, progress, network)
            if task.wants_checkpoint(step):
                with task.checkpoints.writing(step) as folder:
                    training.save_state(folder / _STATE)
                    progress.write(folder)
            task.close_step(progress)
            if task.is_done(progress):
                break
        return _result(task, progress, training)


def _measure(task: TrainingTask, progress: Progress, network: ScoringNetwork) -> None:
    """Where an epoch is over, measure it on dev."""
    epoch = task.plan.ends_epoch(progress.step)
    if epoch is None:
        return
    value = None
    if task.dev is not None:
        folder = task.job.workdir / "dev-model"
        _save(network, folder)
        value = task.dev(folder)
    progress.note_epoch(task.plan, epoch, value)


def _result(task: TrainingTask, progress: Progress, training: _Training) -> TrainingResult:
    folder = task.job.workdir / "model"
    if progress.best_step == 0:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(task.model, folder)
    else:
        if progress.best_step < progress.step:
            training.load_state(task.checkpoints.path(progress.best_step) / _STATE)
        _save(training.network, folder)
    return TrainingResult(folder, progress.log(), progress.best_epoch)


def _save(network: ScoringNetwork, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    network.save(folder)


@contextmanager
def _randomness_kept() -> Iterator[None]:
    """Put torch's generators back afterwards: each step seeds them anew."""
    with torch.random.fork_rng():
        yield


@dataclass(frozen=True, slots=True)
class _Training:
    """The network in training and its optimiser.

    Attributes:
        task: The examples and the plan.
        settings: How.
        network: On the device that it is trained on.
        optimizer: AdamW.
    """

    task: TrainingTask
    settings: RerankerTrainer
    network: ScoringNetwork
    optimizer: torch.optim.Optimizer

    @classmethod
    def build(cls, task: TrainingTask, settings: RerankerTrainer, network: ScoringNetwork) -> _Training:
        network.module.to(task.device("cuda" if torch.cuda.is_available() else "cpu"))
        # Biases and the scales of layer norms are the weights of one dimension.
        groups: dict[bool, list[torch.Tensor]] = {True: [], False: []}
        for _, weights in _trainable(network):
            groups[weights.ndim > 1].append(weights)
        decays = {True: settings.weight_decay, False: 0.0}
        parts: Any = [{"params": some, "weight_decay": decays[wide]} for wide, some in groups.items() if some]
        return cls(task, settings, network, torch.optim.AdamW(parts, lr=settings.learning_rate, fused=True))

    def step(self, step: int, members: np.ndarray) -> StepNumbers:
        """Do one optimiser step."""
        # Dropout too depends on the step alone, so that a resumed training goes the same way.
        torch.manual_seed(derive_seed(self.settings.seed, "reranker-step", str(step)) % 2**63)
        rate = self.settings.rate(step, self.task.plan.steps)
        for options in self.optimizer.param_groups:
            options["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        self.network.module.train()
        loss = self._loss(step, ListBatch.of(self.task.examples, members))
        torch.autograd.backward(loss)
        weights = [weights for _, weights in _trainable(self.network)]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.settings.max_gradient_norm or torch.inf)
        self.optimizer.step()
        return StepNumbers(float(loss.detach()), len(members), rate, float(norm))

    def _loss(self, step: int, batch: ListBatch) -> torch.Tensor:
        objective = self.settings.objective
        if not isinstance(objective, PairAndList):
            return objective(batch.scored(self._logits(batch)))
        unscored = batch.scored(torch.zeros(int(batch.present.sum())))
        two = batch.with_one_negative(objective.hardest(unscored).numpy())
        pairs = objective(two.scored(self._logits(two)))
        return pairs + objective.list_weight * self._choice(step, batch, objective)

    def _logits(self, batch: ListBatch) -> torch.Tensor:
        """Return the logit of each pair of a batch, with its gradient."""
        inputs = self.network.inputs(batch.pairs(), self.task.job.mini_batch_tokens)
        return self._of_rows(*inputs, lambda part: self.network.logits(part)[:, None])[:, 0]

    def _of_rows(
        self, parts: list[Features], rows: np.ndarray, compute: Callable[[Features], torch.Tensor]
    ) -> torch.Tensor:
        """Compute something of each row of mini-batches, and return it in the order of what the rows are of.

        Where there are several, the activations of one at a time are in memory: see `cached_vectors`.

        Args:
            parts: The mini-batches.
            rows: What each of their rows is of: shape (N,).
            compute: Gives shape (rows of the mini-batch, D).

        Returns:
            Shape (N, D).
        """

        def computed(part: Features) -> torch.Tensor:
            with self._arithmetic():
                return compute(part).float()

        found = computed(parts[0]) if len(parts) == 1 else cached_vectors(computed, parts)
        # The gradient of `embedding` adds up in a fixed order, the one of indexing does not.
        return functional.embedding(torch.from_numpy(np.argsort(rows)).to(found.device), found)

    def _choice(self, step: int, batch: ListBatch, objective: PairAndList) -> torch.Tensor:
        if not isinstance(self.network, LanguageModelNetwork):
            raise SettingsError("objective: pair-and-list wants a start of type llm-yes-no")
        order = rng(self.settings.seed, "reranker-lists", str(step))
        shown = [order.permutation(np.flatnonzero(row)) for row in batch.present]
        lists = [[batch.texts[batch.documents[row, column]] for column in columns] for row, columns in enumerate(shown)]
        network, most = self.network, max(map(len, lists))
        budget = self.task.job.mini_batch_tokens
        inputs = network.list_inputs(batch.queries, lists, objective.list_template, budget)
        logits = self._of_rows(*inputs, lambda part: network.choices(part, most))
        sizes = torch.tensor([len(columns) for columns in shown], device=logits.device)
        places = torch.tensor([int(np.flatnonzero(columns == 0)[0]) for columns in shown], device=logits.device)
        there = torch.arange(logits.shape[1], device=logits.device) < sizes[:, None]
        given = batch.example_weights
        weights = None if given is None else torch.from_numpy(given).to(logits.device)
        return objective.choice(logits, there, places, weights)

    def _arithmetic(self) -> Any:
        if self.settings.precision == "fp32":
            return nullcontext()
        device = next(self.network.module.parameters()).device
        return torch.autocast(device.type, dtype=torch.bfloat16)

    def save_state(self, file: Path) -> None:
        weights = {name: weights.detach() for name, weights in _trainable(self.network)}
        torch.save({"weights": weights, "optimizer": self.optimizer.state_dict()}, file)

    def load_state(self, file: Path) -> None:
        trainable = dict(_trainable(self.network))
        state = torch.load(file, map_location=next(iter(trainable.values())).device, weights_only=True)
        with torch.no_grad():
            for name, weights in trainable.items():
                weights.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])


def _trainable(network: ScoringNetwork) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, weights) for name, weights in network.module.named_parameters() if weights.requires_grad]
