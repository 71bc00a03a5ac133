"""A training's numbers, sent to TensorBoard and other trackers while it goes on."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pyrite.data import LogEntry
from pyrite.errors import SettingsError
from pyrite.settings import Json

if TYPE_CHECKING:
    from pyrite.train.progress import Progress

__all__ = ["Trackers", "check_trackers"]

_TENSORBOARD, _NONE = "tensorboard", "none"


class _Tracker(Protocol):
    def send(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Trackers:
    """Sends what the log says, and how fast and in how much memory a training runs, which the log does not say.

    Attributes:
        names: "tensorboard", or names that transformers' `report_to` takes.
        folder: This training's own; files of trackers lie in it.
        settings: What a tracker notes beside the numbers.
    """

    names: Sequence[str]
    folder: Path
    settings: Json
    _open: list[_Tracker] = field(default_factory=list)
    _sent: int = 0
    _pairs: int = 0
    _since: float = 0.0

    def start(self, progress: Progress) -> None:
        """Open the trackers; what a killed training sent after its last checkpoint is hidden, where a tracker can."""
        self._sent = len(progress.entries) if progress.step else 0
        self._pairs, self._since = 0, time.perf_counter()
        for name in () if list(self.names) == [_NONE] else dict.fromkeys(self.names):
            self._open.append(_open_tracker(name, self.folder, self.settings, progress.step))

    def follow(self, progress: Progress, pairs: int) -> None:
        """Send what is new in the log after a step.

        Args:
            progress: With the step noted.
            pairs: The pairs of the step.
        """
        if not self._open:
            return
        self._pairs += pairs
        new = progress.entries[self._sent :]
        if not new:
            return
        self._sent = len(progress.entries)
        pace = {"examples-per-second": self._pairs / (time.perf_counter() - self._since), **_memory()}
        for step, numbers in _by_step(new):
            # Dev is measured between steps, and would make them look slow.
            told = numbers | pace if step == progress.step and "dev" not in numbers else numbers
            for tracker in self._open:
                tracker.send(step, told)
        self._pairs, self._since = 0, time.perf_counter()

    def close(self) -> None:
        """Send what waits, and end."""
        while self._open:
            self._open.pop().close()


def check_trackers(names: Sequence[str]) -> None:
    """Check names of trackers.

    Raises:
        SettingsError: A name is not known.
    """
    if set(names) <= {_TENSORBOARD} or list(names) == [_NONE]:
        return
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    if unknown := [name for name in names if name not in INTEGRATION_TO_CALLBACK]:
        allowed = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
        raise SettingsError(f"trackers: unknown name {unknown[0]!r}; allowed: none alone, or any of {allowed}")


def _by_step(entries: Sequence[LogEntry]) -> Iterator[tuple[int, dict[str, float]]]:
    for step, group in groupby(entries, key=lambda entry: entry.step):
        yield step, {entry.name: entry.value for entry in group}


def _memory() -> dict[str, float]:
    """Return the most memory that this process has held so far, in MB of 10**6 bytes."""
    import torch

    unit = 1 if sys.platform == "darwin" else 1024
    memory = {"memory-mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}
    if torch.cuda.is_available():
        memory["gpu-memory-mb"] = torch.cuda.max_memory_allocated() / 1e6
    return memory


def _open_tracker(name: str, folder: Path, settings: Json, step: int) -> _Tracker:
    if name == _TENSORBOARD:
        return _TensorBoard(folder, settings, step)
    return _Callback(name, folder)


class _TensorBoard:
    """Writes event files. transformers' callback does too, but cannot hide what a killed training wrote."""

    def __init__(self, folder: Path, settings: Json, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        if step == 0:
            self._writer.add_text("settings", f"```json\n{json.dumps(settings, indent=2)}\n```")

    def send(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Callback:
    """Another tracker, through the callback by which transformers' trainer reports to it."""

    def __init__(self, name: str, folder: Path) -> None:
        from transformers import TrainerControl, TrainerState, TrainingArguments
        from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

        self._arguments = TrainingArguments(str(folder), report_to=[], run_name=folder.name, use_cpu=True)
        self._state, self._control = TrainerState(is_world_process_zero=True), TrainerControl()
        try:
            self._callback = INTEGRATION_TO_CALLBACK[name]()
            self._call("on_train_begin")
        except Exception as error:  # each tracker has its own, for a missing login or an address that nobody answers at
            raise SettingsError(f"trackers: {name} cannot be used here: {error}") from error

    def send(self, step: int, numbers: Mapping[str, float]) -> None:
        self._state.global_step = step
        self._call("on_log", logs=dict(numbers))

    def close(self) -> None:
        self._call("on_train_end")

    def _call(self, event: str, **arguments: Any) -> None:
        getattr(self._callback, event)(self._arguments, self._state, self._control, **arguments)
