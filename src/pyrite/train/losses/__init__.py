"""Losses on the vectors of a batch, free of any trainer. Each is settings that can be called."""

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.debiased import DebiasedContrastive, HardContrastive
from pyrite.train.losses.distillation import KLDistillation, MarginMSE, SoftLabels
from pyrite.train.losses.guided import GuidedInfoNCE
from pyrite.train.losses.infonce import InfoNCE
from pyrite.train.losses.loss import Loss
from pyrite.train.losses.multi_positive import MultiPositiveInfoNCE
from pyrite.train.losses.settings import LossSettings
from pyrite.train.losses.wrappers import Matryoshka, SumOfLosses, WeightedLoss

__all__ = [
    "DebiasedContrastive",
    "GuidedInfoNCE",
    "HardContrastive",
    "InfoNCE",
    "KLDistillation",
    "Loss",
    "LossBatch",
    "LossSettings",
    "MarginMSE",
    "Matryoshka",
    "MultiPositiveInfoNCE",
    "SoftLabels",
    "SumOfLosses",
    "WeightedLoss",
]
