"""How often to mine and train in turn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pyrite.mining import Selection, UniformSampler
from pyrite.recipes.dev import DevSettings
from pyrite.train import TrainerSettings

__all__ = ["RoundsSettings"]


class RoundsSettings(DevSettings):
    """Mining and training in turn: each round's negatives are mined with the model of the round before."""

    trainer: TrainerSettings
    """The trainer by its `type`: `static` or `transformer`. Each round is a training of its own, with its warm-up and
    its schedule."""
    rounds: int = Field(default=3, ge=1)
    """Rounds at most."""
    depth: int = Field(default=200, ge=1)
    """Documents that each source proposes for a query."""
    selection: Selection = Selection(sampler=UniformSampler(count=4))
    """How candidates become negatives. The model in training is the source and scorer `dense`."""
    start: Literal["previous", "first"] = "previous"
    """The weights that a round starts from: those of the round before, or the untrained ones."""
    patience: int = Field(default=1, ge=1)
    """Stop after so many rounds without a better value on dev; without dev judgements all rounds are run."""
    dev_measure: str = "nDCG@10"
    """What rounds, and the epochs within them, are chosen by, where there are dev judgements."""
