"""How far a training has come: the part of its state that is not weights."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyrite.data import LogEntry, TrainingLog
from pyrite.errors import ModelError
from pyrite.train.batches import BatchPlan

__all__ = ["LOG_STEPS", "Progress", "StepNumbers"]

LOG_STEPS = 10
"""Steps between two entries of the log."""

_FILE = "progress.json"


@dataclass(frozen=True, slots=True)
class StepNumbers:
    """What one step measured.

    Attributes:
        loss: The mean loss of the batch.
        pairs: The pairs in the batch.
        learning_rate: The rate of the step.
        gradient_norm: The length of the gradient before any clipping.
        facts: What the loss says of the batch, where the step is one to log.
    """

    loss: float
    pairs: int
    learning_rate: float
    gradient_norm: float
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Progress:
    """Steps done, the log so far and the best epoch so far.

    Attributes:
        step: Optimiser steps done.
        epoch: Epochs that are over and noted.
        entries: The log.
        epoch_losses: (mean loss, pairs) of each step of the epoch in work.
        best_epoch: The chosen epoch so far; 0 for the untrained model.
        best_step: The step that it ended with.
        best_value: Its value on dev, or None where nothing was measured.
    """

    step: int = 0
    epoch: int = 0
    entries: list[LogEntry] = field(default_factory=list)
    epoch_losses: list[tuple[float, int]] = field(default_factory=list)
    best_epoch: int = 0
    best_step: int = 0
    best_value: float | None = None

    @classmethod
    def read(cls, folder: Path) -> Progress:
        """Read what `write` wrote."""
        data = json.loads((folder / _FILE).read_text())
        data["entries"] = [LogEntry(**entry) for entry in data["entries"]]
        data["epoch_losses"] = [(loss, pairs) for loss, pairs in data["epoch_losses"]]
        return cls(**data)

    def write(self, folder: Path) -> None:
        """Write the progress into a checkpoint."""
        (folder / _FILE).write_text(json.dumps(dataclasses.asdict(self)))

    def wants_facts(self) -> bool:
        """Say whether the step in work is one to log."""
        return (self.step + 1) % LOG_STEPS == 0

    def note_step(self, plan: BatchPlan, numbers: StepNumbers) -> None:
        """Note a step, and at the end of an epoch its mean loss.

        Raises:
            ModelError: The loss or the gradient is no longer a number.
        """
        self.step += 1
        if not (math.isfinite(numbers.loss) and math.isfinite(numbers.gradient_norm)):
            raise ModelError(
                f"the loss stopped being a number at step {self.step} of {plan.steps} (loss {numbers.loss}, gradient "
                f"norm {numbers.gradient_norm}, learning rate {numbers.learning_rate:.3g}): try a smaller "
                "learning_rate, a longer warm-up (warmup_share), a larger temperature, or precision fp32"
            )
        self.epoch_losses.append((numbers.loss, numbers.pairs))
        if self.step % LOG_STEPS == 0:
            self._note(plan, "loss", _mean(self.epoch_losses[-LOG_STEPS:]))
            self._note(plan, "learning-rate", numbers.learning_rate)
            self._note(plan, "gradient-norm", numbers.gradient_norm)
            for name, value in numbers.facts.items():
                self._note(plan, name, value)
        if plan.ends_epoch(self.step):
            self._note(plan, "epoch-loss", _mean(self.epoch_losses))
            self.epoch_losses.clear()

    def note_epoch(self, plan: BatchPlan, epoch: int, value: float | None) -> None:
        """Note an epoch's value on dev and choose the epoch where it is better than those before it.

        Args:
            plan: The batches.
            epoch: The epoch that is over; 0 before training.
            value: Its value, or None without dev: then the latest epoch is the best.

        Raises:
            ModelError: The value is not a number.
        """
        if value is not None:
            value = float(value)  # numpy's numbers are none for JSON
            if not math.isfinite(value):
                raise ModelError(f"the dev function returned {value} after epoch {epoch}; it has to return a number")
            self._note(plan, "dev", value)
        self.epoch = epoch
        if value is None or self.best_value is None or value > self.best_value:
            self.best_epoch, self.best_step, self.best_value = epoch, self.step, value

    def done(self, plan: BatchPlan, patience: int | None) -> bool:
        """Say whether the training is over: all steps are done, or so many epochs in a row brought nothing on dev."""
        return self.step >= plan.steps or (patience is not None and self.epoch - self.best_epoch >= patience)

    def log(self) -> TrainingLog:
        """Return the log as a table."""
        return TrainingLog.from_rows(self.entries)

    def _note(self, plan: BatchPlan, name: str, value: float) -> None:
        self.entries.append(LogEntry(self.step, plan.epochs_done(self.step), name, value))


def _mean(losses: list[tuple[float, int]]) -> float:
    return sum(loss * pairs for loss, pairs in losses) / sum(pairs for _, pairs in losses)
