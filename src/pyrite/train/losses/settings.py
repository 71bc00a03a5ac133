"""All losses, told apart by `type`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pyrite.train.losses.debiased import DebiasedContrastive, HardContrastive
from pyrite.train.losses.distillation import KLDistillation, MarginMSE, SoftLabels
from pyrite.train.losses.guided import GuidedInfoNCE
from pyrite.train.losses.infonce import InfoNCE
from pyrite.train.losses.multi_positive import MultiPositiveInfoNCE
from pyrite.train.losses.wrappers import Matryoshka, SumOfLosses

__all__ = ["LossSettings"]

LossSettings = Annotated[
    InfoNCE
    | MultiPositiveInfoNCE
    | GuidedInfoNCE
    | DebiasedContrastive
    | HardContrastive
    | MarginMSE
    | KLDistillation
    | SoftLabels
    | SumOfLosses
    | Matryoshka,
    Field(discriminator="type"),
]
"""A loss by its `type`: `infonce`, `multi-positive`, `guided`, `debiased`, `hard-contrastive`, `margin-mse`, `kl`,
`soft-labels`, `sum` or `matryoshka`."""
