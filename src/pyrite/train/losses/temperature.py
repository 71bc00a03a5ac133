"""The temperature of a softmax, given or learnt."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Loss, Parameters

if TYPE_CHECKING:
    import torch

__all__ = ["LOWEST_TEMPERATURE", "TemperedLoss"]

LOWEST_TEMPERATURE = 0.01
"""What a learnt temperature stays above: CLIP (arXiv 2103.00020, sec. 2.5) keeps logits from growing beyond 100."""

_NAME = "log-temperature"


class TemperedLoss(Loss):
    """A loss that divides cosines by a temperature before a softmax.

    A learnt temperature is .01 + exp(a) with a learnt scalar a. CLIP learns the logarithm and cuts it off; here nothing
    is cut, so that the gradient never stops.
    """

    temperature: float = Field(default=0.05, gt=0)
    """What cosines are divided by before the softmax; a smaller one looks harder at the hardest negatives."""
    learn_temperature: bool = False
    """Whether the temperature is learnt, from this one on; it stays above .01."""

    @model_validator(mode="after")
    def _above_the_lowest(self) -> Self:
        if self.learn_temperature and self.temperature <= LOWEST_TEMPERATURE:
            raise ValueError(f"temperature ({self.temperature}) must be above {LOWEST_TEMPERATURE} where it is learnt")
        return self

    def parameters(self) -> dict[str, float]:
        """Return the scalar a, where it is learnt."""
        return {_NAME: math.log(self.temperature - LOWEST_TEMPERATURE)} if self.learn_temperature else {}

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return how near positives and negatives are, and the learnt temperature."""
        facts = super().facts(batch, parameters)
        return facts | ({"temperature": float(self._tau(parameters))} if self.learn_temperature else {})

    def _tau(self, parameters: Parameters | None) -> torch.Tensor | float:
        if not self.learn_temperature or parameters is None:
            return self.temperature
        return LOWEST_TEMPERATURE + parameters[_NAME].exp()
