"""A training made ready: what every trainer starts from."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyrite.errors import ModelError
from pyrite.train.batches import BatchPlan
from pyrite.train.checkpoint import Checkpoints
from pyrite.train.examples import Examples
from pyrite.train.job import Dev, TrainingJob
from pyrite.train.processes import ALONE, Processes
from pyrite.train.progress import Progress
from pyrite.train.trackers import Trackers

__all__ = ["TrainingTask"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """A checked training set, a plan of its batches, and where to put what comes out.

    Attributes:
        model: The folder of the untrained model.
        examples: The training set, resolved.
        plan: The batches of all epochs.
        query_prompt: What stands before a query.
        document_prompt: What stands before a document.
        job: Folder, device and callbacks.
        dev: Measures a model folder, or None.
        identity: A hash of all that the result depends on.
        patience: Epochs without a gain on dev that end the training, or None.
        trackers: Are told of each step.
        processes: Those that train together, as this one sees them.
    """

    model: Path
    examples: Examples
    plan: BatchPlan
    query_prompt: str
    document_prompt: str
    job: TrainingJob
    dev: Dev | None
    identity: str
    patience: int | None
    trackers: Trackers
    processes: Processes = ALONE

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints in the working folder."""
        return Checkpoints(self.job.workdir / "checkpoints", self.identity)

    def device(self, automatic: str) -> str:
        """Return the device to train on.

        Args:
            automatic: What "auto" stands for.

        Raises:
            ModelError: The job names a GPU and there is none, or another device than the launcher gave.
        """
        import torch

        given = self.processes.device
        if given is not None:
            if self.job.device not in {"auto", given, given.partition(":")[0]}:
                raise ModelError(
                    f"device {self.job.device!r}: the launcher gave this process {given!r}; set device: auto, and say "
                    "where to train to the launcher (accelerate launch --cpu)"
                )
            return given
        device = automatic if self.job.device == "auto" else self.job.device
        if device != "cpu" and not torch.cuda.is_available():
            raise ModelError(f"device {device!r}: there is no GPU that torch can use here; set device: cpu")
        return device

    def begin(self) -> tuple[Progress, Path | None]:
        """Return the progress to go on from and its checkpoint: the newest whole one, or None for the start."""
        found = self._resume() if self.processes.first else (Progress(), None)
        progress, newest = self.processes.same(found)
        if self.processes.first and not self.is_done(progress):
            self.trackers.start(progress)
        return progress, newest

    def _resume(self) -> tuple[Progress, Path | None]:
        checkpoints = self.checkpoints
        while (newest := checkpoints.newest()) is not None:
            progress = Progress.read(newest)
            if progress.best_step in {0, progress.step} or checkpoints.is_whole(progress.best_step):
                return progress, newest
            _LOG.warning(
                "%s: lost or damaged, and the best epoch's; training goes on from an earlier checkpoint, or anew",
                checkpoints.path(progress.best_step),
            )
            shutil.rmtree(newest)
        progress = Progress()
        if self.dev is not None:
            progress.note_epoch(self.plan, 0, self.measure(self.model))
        return progress, None

    def measure(self, folder: Path) -> float:
        """Return the value of a model's folder on dev.

        Raises:
            ModelError: The dev function returned no number.
        """
        assert self.dev is not None
        value = self.dev(folder)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            # None would pass for a training without dev.
            raise ModelError(f"the dev function returned {value!r}; it has to return a number") from error

    def is_done(self, progress: Progress) -> bool:
        """Say whether no step is left to do."""
        return progress.done(self.plan, self.patience)

    def wants_checkpoint(self, step: int) -> bool:
        """Say whether a checkpoint is due after a step."""
        return step % self.job.checkpoint_steps == 0 or self.plan.ends_epoch(step) is not None

    def close_step(self, progress: Progress) -> None:
        """Tell the job of a step that is done, of the checkpoint where one was due, and drop the old ones.

        Of several processes, the first one does.
        """
        if not self.processes.first:
            return
        self.trackers.follow(progress, len(self.plan.batches[progress.step - 1]))
        if self.job.on_step is not None:
            self.job.on_step(progress.step, self.plan.steps)
        if self.wants_checkpoint(progress.step):
            self.checkpoints.prune(progress.best_step)
            if self.job.on_checkpoint is not None:
                self.job.on_checkpoint()
