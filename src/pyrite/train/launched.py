"""A training by several processes: the first one calls, the others take part."""

from __future__ import annotations

import os
from dataclasses import replace

from pyrite.train.job import TrainingResult
from pyrite.train.processes import Processes
from pyrite.train.settings import StaticTrainer, TransformerTrainer
from pyrite.train.task import TrainingTask

__all__ = ["call_for", "carry_out", "dismiss", "follow", "is_follower", "take_part"]


def carry_out(task: TrainingTask, settings: StaticTrainer | TransformerTrainer) -> TrainingResult:
    """Train; every process of a training calls this."""
    if isinstance(settings, StaticTrainer):
        # It is limited by memory and not by arithmetic: others have nothing to add.
        result = _train_static(task, settings) if task.processes.first else None
        return task.processes.same(result)  # type: ignore[return-value]
    from pyrite.train.biencoder import train_biencoder

    return train_biencoder(task, settings)


def _train_static(task: TrainingTask, settings: StaticTrainer) -> TrainingResult:
    from pyrite.train.static import train_static

    return train_static(task, settings)


def call_for(task: TrainingTask, settings: StaticTrainer | TransformerTrainer) -> None:
    """Tell the other processes what to train."""
    if task.processes.size > 1:
        job = replace(task.job, on_step=None, on_checkpoint=None)
        task.processes.same((replace(task, job=job, dev=None, trackers=replace(task.trackers, names=())), settings))


def take_part(processes: Processes) -> TrainingResult:
    """Train what the first process calls for next."""
    result = _answer(processes)
    assert result is not None, "the first process ended without the training that the others wait for"
    return result


def _answer(processes: Processes) -> TrainingResult | None:
    called: tuple[TrainingTask, StaticTrainer | TransformerTrainer] | None = processes.same(None)
    if called is None:
        return None
    task, settings = called
    return carry_out(replace(task, processes=processes), settings)


def is_follower() -> bool:
    """Say whether a launcher (`accelerate launch`, `torchrun`) started this process as one behind a first."""
    return _launched() and os.environ.get("RANK", "0") != "0"


def follow() -> None:
    """Take part in each training of the first process, until it calls `dismiss`."""
    processes = Processes.join()
    while _answer(processes) is not None:
        pass


def dismiss() -> None:
    """Let the processes go that follow this one, where a launcher started some."""
    if _launched():
        Processes.join().same(None)


def _launched() -> bool:
    # Not by WORLD_SIZE alone, which clusters set for single processes as well.
    return "TORCHELASTIC_RUN_ID" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1
