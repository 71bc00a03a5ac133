"""The loop that trains models which score a query and a document together: one, or several that learn together."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from pyrite.train.job import TrainingResult
from pyrite.train.progress import Progress, StepNumbers
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.task import TrainingTask

__all__ = ["MODEL", "Learner", "run_training"]

MODEL = "model"
"""The name of the network that dev measures, and of its folder."""

_STATE = "state.pt"


class Learner(Protocol):
    """What changes networks step by step."""

    @property
    def networks(self) -> Mapping[str, ScoringNetwork]:
        """All that is trained, by the name of the folder that it is saved in; `model` is the one that dev measures."""
        ...

    def step(self, step: int, members: np.ndarray) -> StepNumbers:
        """Do one step on the pairs with some numbers, by nothing but the state, the examples and the step's number."""
        ...

    def save_state(self, file: Path) -> None:
        """Write weights and optimisers."""
        ...

    def load_state(self, file: Path) -> None:
        """Read what `save_state` wrote."""
        ...


def run_training(task: TrainingTask, learner: Learner, starts: Mapping[str, Path]) -> TrainingResult:
    """Take all steps that are left.

    Args:
        task: Its model is the folder of the untrained network that dev measures.
        learner: Its networks are as they were loaded; trained in place.
        starts: The folders of the untrained networks, by the names of these.

    Returns:
        The folder of the network that dev measures; the others lie beside it, all of the same epoch.
    """
    with _randomness_kept():
        progress, checkpoint = task.begin()
        if checkpoint is not None:
            learner.load_state(checkpoint / _STATE)
        steps = () if task.is_done(progress) else task.plan.after(progress.step)
        for step, members in steps:
            progress.note_step(task.plan, learner.step(step, members))
            _measure(task, progress, learner.networks[MODEL])
            if task.wants_checkpoint(step):
                with task.checkpoints.writing(step) as folder:
                    learner.save_state(folder / _STATE)
                    progress.write(folder)
            task.close_step(progress)
            if task.is_done(progress):
                break
        return _result(task, progress, learner, starts)


def _measure(task: TrainingTask, progress: Progress, network: ScoringNetwork) -> None:
    """Where an epoch is over, measure it on dev."""
    epoch = task.plan.ends_epoch(progress.step)
    if epoch is None:
        return
    value = None
    if task.dev is not None:
        folder = task.job.workdir / "dev-model"
        _save(network, folder)
        value = task.measure(folder)
    progress.note_epoch(task.plan, epoch, value)


def _result(task: TrainingTask, progress: Progress, learner: Learner, starts: Mapping[str, Path]) -> TrainingResult:
    if 0 < progress.best_step < progress.step:
        learner.load_state(task.checkpoints.whole(progress.best_step) / _STATE)
    for name, network in learner.networks.items():
        folder = task.job.workdir / name
        if progress.best_step == 0:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(starts[name], folder)
        else:
            _save(network, folder)
    return TrainingResult(task.job.workdir / MODEL, progress.log(), progress.best_epoch)


def _save(network: ScoringNetwork, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    network.save(folder)


@contextmanager
def _randomness_kept() -> Iterator[None]:
    """Put torch's generators back afterwards: each step seeds them anew."""
    with torch.random.fork_rng():
        yield
