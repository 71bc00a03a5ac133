"""Contrastive losses that correct for false negatives they cannot see."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Parameters
from pyrite.train.losses.similarity import negatives, pair_cosines
from pyrite.train.losses.temperature import TemperedLoss

if TYPE_CHECKING:
    import torch

__all__ = ["DebiasedContrastive", "HardContrastive"]

_FAR = math.ldexp(1.0, 60)
"""Its negative has the exponential 0 in any precision, and no infinity that a row without negatives would make nan."""


class _Debiased(TemperedLoss):
    """What both losses share: all but the sum over the negatives."""

    class_prior: float = Field(default=0.0, ge=0, lt=1)
    """t+: the chance that a document drawn at random answers the query."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean loss; see `Loss`."""
        import torch

        positive, others, least = self._terms(batch, self._tau(parameters))
        # Where both are 0 in this precision, the loss is 0, and so is its gradient.
        negative = others.maximum(least).clamp(min=torch.finfo(others.dtype).tiny).log()
        return batch.mean(positive.logaddexp(negative) - positive)

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what `Loss.facts` has, and the share of the queries whose estimate is at its lower bound."""
        _, others, least = self._terms(batch, self._tau(parameters))
        return super().facts(batch, parameters) | {"clamped-share": float((others < least).double().mean())}

    def uses_mined(self) -> bool:
        """Return False: the correction holds for negatives drawn at random alone."""
        return False

    def _terms(self, batch: LossBatch, tau: torch.Tensor | float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return ln pos, the estimate N_g and its bound, all divided by one number a query: shapes (R,)."""
        size = batch.size
        logits = pair_cosines(batch.queries[batch.view], batch.documents[:size]) / tau
        # An exponential of 1/t = 100 is beyond 32 bits.
        top = logits.detach().amax(dim=1, keepdim=True)
        kept = negatives(batch)[:, :size]
        count = kept.sum(dim=1, dtype=logits.dtype)
        positive = (logits - top).gather(1, batch.own_positive[:, None])[:, 0]
        total = self._sum(logits - top, kept, count)
        others = (total - self.class_prior * count * positive.exp()) / (1 - self.class_prior)
        return positive, others, count * (-1 / tau - top[:, 0]).exp()

    @abstractmethod
    def _sum(self, logits: torch.Tensor, kept: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """Return the sum over the negatives that are kept: shape (R,)."""


class DebiasedContrastive(_Debiased):
    r"""DCL: in-batch InfoNCE less what false negatives add to it on average.

    If a share t+ of all documents answer a query, the in-batch negatives hold as many false ones. With pos =
    exp(s(q_i, p_i)/t), neg_j = exp(s(q_i, p_j)/t) over the N positives p_j of other queries,

        N_g = max( (-t+ N pos + \sum_j neg_j) / (1 - t+),  N exp(-1/t) )
        L_i = -ln( pos / (pos + N_g) )

    The correction holds for negatives that are drawn at random, so mined ones are left out, as are known positives of
    q_i. The authors' t+ of .1 belongs to ten classes of images at temperature .5. Of a large corpus next to no document
    answers a query: hence 0, which is in-batch InfoNCE. Where the estimate falls below the least that N negatives can
    add, that bound stands in its place and the query has no gradient by its negatives: `facts` tells how often.

    References:
        Chuang et al. 2020, arXiv 2007.00224, eq. 8, and the authors' code.

    Relations:
        With `class_prior: 0` the same as `InfoNCE` without mined negatives.

    Example:
        ```python
        DebiasedContrastive(class_prior=0.001)(LossBatch.of(queries, positives)).backward()
        ```
    """

    type: Literal["debiased"] = "debiased"

    def _sum(self, logits: torch.Tensor, kept: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return logits.exp().masked_fill(~kept, 0.0).sum(dim=1)


class HardContrastive(_Debiased):
    r"""HCL: debiased contrastive loss with hard negatives counting more.

    As `DebiasedContrastive`, with the sum over the negatives replaced by

        \sum_j imp_j neg_j / mean_j(imp_j),    imp_j = neg_j^beta

    The weights imp_j carry gradient, as in the authors' code.

    References:
        Robinson et al. 2021, arXiv 2010.04592, eq. 4, and the authors' code.

    Relations:
        With `beta: 0` it is `DebiasedContrastive`. `InfoNCE` with `hardness` weighs likewise, but without gradient,
        without the mean and on mined negatives as well.

    Example:
        ```python
        HardContrastive(beta=0.5)(LossBatch.of(queries, positives)).backward()
        ```
    """

    type: Literal["hard-contrastive"] = "hard-contrastive"
    beta: float = Field(default=1.0, ge=0)
    """How much more the harder negatives count; 0 for not at all."""

    def _sum(self, logits: torch.Tensor, kept: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        shares = (self.beta * logits).masked_fill(~kept, -_FAR).softmax(dim=1)
        return count * (shares * logits.exp().masked_fill(~kept, 0.0)).sum(dim=1)
