"""Losses on the vectors of a batch, free of any trainer. Each is settings that can be called."""

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.infonce import InfoNCE
from pyrite.train.losses.loss import Loss
from pyrite.train.losses.settings import LossSettings

__all__ = ["InfoNCE", "Loss", "LossBatch", "LossSettings"]
