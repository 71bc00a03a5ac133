"""Progress on standard error: bars on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from pyrite.cli.replies import say
from pyrite.pipeline.events import Event, Observer, ignore

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["PlainProgress", "RichProgress", "show_progress"]


@contextmanager
def show_progress(quiet: bool) -> Iterator[Observer]:
    """Yield what shows a run's events in the way that fits standard error."""
    if quiet or sys.stderr is None:
        yield ignore
    elif sys.stderr.isatty():
        with _rich_progress() as progress:
            yield RichProgress(progress)
    else:
        yield PlainProgress(sys.stderr)


class PlainProgress:
    """One line for each step that starts or ends, and now and then one on how far it is.

    Args:
        stream: Where to write.
        interval: Seconds between two lines on how far a step is.
        clock: Gives the time in seconds.
    """

    def __init__(self, stream: TextIO, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._interval, self._clock = stream, interval, clock
        self._current: tuple[str, str] | None = None
        self._started = self._shown = clock()
        self._done_before = 0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        line = self._progress(event) if event.kind == "progress" else _describe(event)
        if line:
            say(self._stream, f"{event.step}: {line}\n")

    def _progress(self, event: Event) -> str | None:
        now = self._clock()
        if self._current != (event.step, event.text):
            self._current = (event.step, event.text)
            self._started = self._shown = now
            self._done_before = event.done
        if now - self._shown < self._interval:
            return None
        self._shown = now
        elapsed = now - self._started
        return _rate_line(event, (event.done - self._done_before) / elapsed if elapsed > 0 else 0.0)


class RichProgress:
    """A bar for what goes on, with rate and time left, and a line above for each step that ended.

    Args:
        progress: The live display.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if event.kind == "progress":
            self._advance(event)
        elif line := _describe(event):
            self._progress.console.print(f"{event.step}: {line}", markup=False, highlight=False)
        if event.kind in ("step-started", "published"):
            self._clear()

    def _advance(self, event: Event) -> None:
        name = (event.step, event.text)
        if name not in self._tasks:
            self._clear()
            label = f"{event.step}: {event.text}"
            self._tasks[name] = self._progress.add_task(label, total=event.total, unit=event.unit)
        self._progress.update(self._tasks[name], completed=event.done, total=event.total)

    def _clear(self) -> None:
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()


def _rich_progress() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), RateColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)


def _describe(event: Event) -> str | None:
    """Return the line that an event deserves, or None."""
    lines = {
        "step-waiting": "another process is at work on this step; waiting for it",
        "step-started": "started",
        "step-cached": "cached",
        "published": f"done in {event.seconds:.1f} s",
    }
    return lines.get(event.kind)


def _rate_line(event: Event, rate: float) -> str:
    """Return how far something is, how fast it goes and how long it still takes."""
    if event.total is None:
        return f"{event.text}: {event.done:,} {event.unit}, {rate:,.1f}/s"
    share = f"{event.done / event.total:.0%}" if event.total else "100%"
    left = f", {(event.total - event.done) / rate:,.0f} s left" if rate else ""
    return f"{event.text}: {event.done:,} of {event.total:,} {event.unit} ({share}), {rate:,.1f}/s{left}"
