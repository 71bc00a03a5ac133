"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "EventKind", "Observer", "ignore"]

EventKind = Literal[
    "step-waiting",
    "step-started",
    "step-cached",
    "progress",
    "shard-finished",
    "checkpoint",
    "publishing",
    "published",
]
"""What can happen: a step waits for another process, starts, or is found done; work goes on; a step is published."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What happened.
        step: The id of the step that it happened in.
        text: The key of the step, the description of the progress, or the name of the shard.
        done: With "progress": how much is done, in `unit`.
        total: With "progress": how much there is to do, or None where nobody knows.
        unit: With "progress": what is counted, such as "documents".
        seconds: With "published": how long the step took.
    """

    kind: EventKind
    step: str
    text: str = ""
    done: int = 0
    total: int | None = None
    unit: str = ""
    seconds: float = 0.0


Observer = Callable[[Event], None]
"""Receives each event as it happens, in the process and thread of the run."""


def ignore(event: Event) -> None:
    """Watch nothing."""
