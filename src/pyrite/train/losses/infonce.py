"""InfoNCE over in-batch and mined negatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Parameters
from pyrite.train.losses.similarity import cosines, log_weights, negatives, pair_cosines, spread
from pyrite.train.losses.temperature import TemperedLoss

if TYPE_CHECKING:
    import torch

__all__ = ["InfoNCE"]


class InfoNCE(TemperedLoss):
    r"""Cross-entropy of finding each query's positive among the candidates of the batch.

    With s the cosine and t the temperature, a query q_i with the positive p_i and the negatives N_i has the loss

        L_i = -s(q_i, p_i)/t + ln( exp(s(q_i, p_i)/t) + \sum_{n in N_i} w_in h_in exp(s(q_i, n)/t) )

    and the batch has the mean of the L_i. N_i is every positive of another query and every negative of any query, less
    padding, known positives of q_i and their copies: those leave the softmax and get no gradient from q_i. The weight
    w_in is 1, but for q_i's own negatives where the batch has weights. h_in = exp(hardness s(q_i, n)), without
    gradient, weighs the harder negatives more.

    With `directions: both`, a positive has to find its query among all queries as well, those apart whose known
    positive it is, and L_i is the mean of the two.

    References:
        - van den Oord et al. 2018, arXiv 1807.03748, eq. 4, with exp(s/t) as the density ratio.
        - Karpukhin et al. 2020 (DPR), arXiv 2004.04906, sec. 3.2: in-batch positives and mined negatives of the whole
          batch as candidates.
        - Günther et al. 2023, arXiv 2310.19923, sec. 4.1: both directions.
        - Lan et al. 2025 (LLaVE), arXiv 2503.04812, eq. 5, strength 9 on in-batch negatives; Schechter Vera et al. 2025
          (EmbeddingGemma), arXiv 2509.20354, strength 5 on mined ones: hardness.
        - Cai et al. 2022 (CET), arXiv 2209.05072: weights of the example.

    Relations:
        Without masks and weights, the same value and gradient as sentence-transformers'
        `MultipleNegativesRankingLoss` with `scale = 1 / temperature`, for both directions with
        `partition_mode="per_direction"`, and with its `hardness_mode`.

    Example:
        ```python
        loss = InfoNCE(temperature=0.02)
        loss(LossBatch.of(queries, positives, negatives)).backward()  # (B, D), (B, D), (B, K, D)
        ```
    """

    type: Literal["infonce"] = "infonce"
    candidates: Literal["batch", "own"] = "batch"
    """Whose documents are negatives of a query: those of the whole batch, or its own mined ones alone."""
    directions: Literal["query-to-document", "both"] = "query-to-document"
    """Whether a positive has to find its query among the queries as well."""
    hardness: float = Field(default=0.0, ge=0)
    """Strength of the hardness weighting; 0 for none."""
    hardness_of: Literal["mined", "in-batch", "all"] = "mined"
    """Which negatives it weighs: the query's own mined ones, the documents of other queries, or both."""
    weigh: Literal["negatives", "examples"] = "negatives"
    """What the weights of a training set's negatives multiply: the exponential of the negative, as where it was drawn
    by a known chance, or, in their mean over a query's negatives, the loss of the query, as in CET."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean loss; see `Loss`."""
        tau = self._tau(parameters)
        losses = self._forward(batch, tau)
        if self.directions == "both":
            losses = (losses + _backward(batch, tau)) / 2
        if self.weigh == "examples" and batch.weights is not None:
            losses = losses * _mean_weights(batch.weights[batch.view], batch.present[batch.view])
        return batch.mean(losses)

    def needs_mined(self) -> bool:
        """Say whether the candidates are a query's own, and no positive looks for its query among others."""
        return self.candidates == "own" and self.directions == "query-to-document"

    def _forward(self, batch: LossBatch, tau: torch.Tensor | float) -> torch.Tensor:
        from torch.nn.functional import cross_entropy

        similarities = cosines(batch)
        logits = similarities / tau
        if self.weigh == "negatives" and batch.weights is not None:
            logits = logits + log_weights(batch)
        if self.hardness:
            logits = logits + self._penalty(batch, similarities.detach())
        kept = negatives(batch, own_only=self.candidates == "own").scatter_(1, batch.own_positive[:, None], True)
        return cross_entropy(logits.masked_fill(~kept, float("-inf")), batch.own_positive, reduction="none")

    def _penalty(self, batch: LossBatch, similarities: torch.Tensor) -> torch.Tensor:
        """Return ln h_in: shape (R, C)."""
        penalty = self.hardness * similarities.scatter(1, batch.own_positive[:, None], 0.0)
        mined = penalty.gather(1, batch.own_negatives)
        if self.hardness_of == "mined":
            return spread(batch, mined)
        return penalty if self.hardness_of == "all" else penalty.scatter(1, batch.own_negatives, 0.0)


def _backward(batch: LossBatch, tau: torch.Tensor | float) -> torch.Tensor:
    """Return the loss of finding the query of each positive in view: shape (R,)."""
    view, own = batch.view, batch.own_positive[:, None]
    logits = pair_cosines(batch.documents[view], batch.queries) / tau
    kept = (~batch.known[:, view].T).scatter(1, own, True)
    return logits.masked_fill(~kept, float("-inf")).logsumexp(dim=1) - logits.gather(1, own)[:, 0]


def _mean_weights(weights: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Return the mean weight of the negatives of each query, 1 where it has none: (R, K) give (R,)."""
    import torch

    counts = there.sum(dim=1)
    sums = (weights * there).sum(dim=1)
    return torch.where(counts > 0, sums / counts.clamp(min=1), torch.ones_like(sums))
