"""How the two models of the coupled estimation technique are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pyrite.train.reranker.settings import ScorerTrainer

__all__ = ["CetTrainer"]


class CetTrainer(ScorerTrainer):
    """Train f, is the document relevant, and g, would it have been selected for judging, each weighed by the other.

    The defaults are those of the authors' code where it has one.

    Example:
        >>> CetTrainer().temperature
        10.0
    """

    epochs: int = Field(default=1, ge=1)
    """Passes over all pairs of a query and a positive."""
    batch_size: int = Field(default=32, ge=1)
    """Pairs of a query and a positive in a batch; each brings its negatives."""
    negatives: int = Field(default=1, ge=1)
    """Mined negatives that a query brings at most, the first of its group; each makes a pair with the positive. The
    authors' code has one."""
    learning_rate: float = Field(default=3e-6, gt=0)
    """The highest learning rate. It is meant for hundreds of thousands of steps; small sets want more, such as 2e-5."""
    warmup: int | None = Field(default=10_000, ge=0)
    """Steps over which the learning rate rises, as in the authors' code; a shorter training wants less. Where empty,
    `warmup_share` of all steps."""
    temperature: float = Field(default=10.0, gt=0)
    """T of the weights 1 + e^{s/T}, the only thing that tames them: 10 in the authors' script, 2 in their code's
    default. For scores within +-10 the weights lie between 1.37 and 3.72, or 1.007 and 149."""
    weight_cap: float | None = Field(default=None, ge=1)
    """Larger weights become this; empty for no cap, as in the authors' code."""
    normalise: bool = False
    """Whether the weights of a batch are divided by their mean; the authors' code does not."""
    heads: Literal["new", "start"] = "new"
    """`new`: each model gets a head drawn anew, with a seed of its own. `start`: both keep the head that the start has
    learnt, and differ by dropout alone; a start without one gets two new ones."""
    head_dropout: float | None = Field(default=0.2, ge=0, lt=1)
    """The share of what reaches the head that training sets to 0; what the start says, where empty."""

    def warmup_steps(self, steps: int) -> int:
        """Return how many of so many steps belong to the warm-up."""
        return super().warmup_steps(steps) if self.warmup is None else min(self.warmup, steps)
