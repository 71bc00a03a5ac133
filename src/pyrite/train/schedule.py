"""How the learning rate rises and falls."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from pyrite.settings import Settings

__all__ = ["Schedule"]


class Schedule(Settings):
    """What every trainer's settings share: a learning rate that rises at first."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """The highest learning rate."""
    warmup_share: float = Field(default=0.1, ge=0, le=1)
    """The share of all steps over which the learning rate rises from 0."""
    schedule: Literal["linear", "constant"] = "linear"
    """What the learning rate does after the warm-up: fall in a line to 0, or stay."""

    def warmup_steps(self, steps: int) -> int:
        """Return how many of so many steps belong to the warm-up; with few steps, it may be none."""
        return math.floor(self.warmup_share * steps)

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of the model in a step.

        Args:
            step: The step, from 1.
            steps: The steps in all.

        Returns:
            The highest rate times (step - 1) / W over the W steps of the warm-up; then times 1 for "constant" and
            times (steps - step + 1) / (steps - W) for "linear".

        Example:
            >>> schedule = Schedule(learning_rate=0.3, warmup_share=0.25)
            >>> [round(schedule.rate(step, 8), 2) for step in (1, 2, 3, 8)]
            [0.0, 0.15, 0.3, 0.05]
        """
        return self.learning_rate * self.share_of_rate(step, steps)

    def share_of_rate(self, step: int, steps: int) -> float:
        """Return which share of the highest learning rate a step has; see `rate`."""
        done, warm = step - 1, self.warmup_steps(steps)
        if done < warm:
            return done / warm
        return 1.0 if self.schedule == "constant" else (steps - done) / (steps - warm)
